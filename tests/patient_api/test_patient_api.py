"""The stand-in patient API: who is in it, what it answers, and that chat-api understands it."""

import asyncio
import sqlite3
from pathlib import Path

import httpx
import pytest

from infra.patient_api.app import create_app
from infra.patient_api.patients import PatientStore, synthetic_patients, write_database
from service_chat.services.patients import PatientSummary


def _get(path: str) -> httpx.Response:
    """Return what the running API answers to a GET."""

    async def ask() -> httpx.Response:
        app = create_app()
        transport = httpx.ASGITransport(app=app)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://p") as api:
            return await api.get(path)

    return asyncio.run(ask())


def test_synthetic_patients_same_seed_same_patients() -> None:
    """Twenty patients in order, each with a diagnosis of its own; the same on every machine."""
    patients = synthetic_patients()
    assert [patient.mrn for patient in patients] == [f"MRN-{number:03}" for number in range(1, 21)]
    assert len({patient.diagnosis for patient in patients}) == 20
    assert patients == synthetic_patients()
    assert (patients[0].diagnosis, patients[0].medications) == ("type 2 diabetes", ("metformin 500 mg",))


def test_synthetic_patients_other_seed_other_people() -> None:
    """The seed decides who they are."""
    assert synthetic_patients(seed=1) != synthetic_patients(seed=2)


@pytest.mark.parametrize("number", [1, 18, 20])
def test_summary_known_patient_is_what_chat_api_reads(number: int) -> None:
    """Each field that chat-api expects is there, in its type, with the seed's values."""
    patient = synthetic_patients()[number - 1]
    response = _get(f"/patients/{patient.mrn}/summary")
    assert response.status_code == 200
    read = PatientSummary.model_validate_json(response.content)
    assert set(response.json()) == set(PatientSummary.model_fields)
    assert (read.mrn, read.name, read.age, read.sex) == (patient.mrn, patient.name, patient.age, patient.sex)
    assert (read.diagnosis, read.last_visit) == (patient.diagnosis, patient.last_visit)
    assert (tuple(read.medications), tuple(read.allergies)) == (patient.medications, patient.allergies)


def test_summary_unknown_patient_is_404() -> None:
    """An MRN that nobody has."""
    response = _get("/patients/MRN-999/summary")
    assert response.status_code == 404
    assert response.json() == {"detail": "patient MRN-999 is not known"}


@pytest.mark.parametrize("mrn", ["001", "MRN-1", "MRN-001'--"])
def test_summary_malformed_mrn_is_422(mrn: str) -> None:
    """What is no MRN is not looked up."""
    assert _get(f"/patients/{mrn}/summary").status_code == 422


def test_health_counts_the_patients() -> None:
    """Alive means that the database answers."""
    response = _get("/health")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "patients": 20}


def test_store_is_read_only(tmp_path: Path) -> None:
    """Nothing can be changed through the API's connection."""
    path = tmp_path / "patients.sqlite"
    write_database(path, synthetic_patients(count=2))
    store = PatientStore(path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        store._connection.execute("DELETE FROM patients")
    assert store.count() == 2
    assert store.summary("MRN-003") is None
    store.close()


def test_write_database_twice_replaces_it(tmp_path: Path) -> None:
    """A restart in the same folder starts from the seed again."""
    path = tmp_path / "patients.sqlite"
    write_database(path, synthetic_patients(count=5))
    write_database(path, synthetic_patients(count=2))
    store = PatientStore(path)
    assert store.count() == 2
    store.close()
