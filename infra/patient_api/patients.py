"""Twenty synthetic patients, made from a seed into a SQLite database that is only read afterwards.

Nobody here exists: names are drawn from two short lists, and each MRN has one recorded diagnosis with what is usually
prescribed for it, so that answers can be compared with the record.
"""

import json
import random
import sqlite3
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

PATIENT_COUNT = 20
SEED = 20261122

# Visits lie in the year before this day; a fixed day keeps the database the same whenever it is made.
_REFERENCE_DAY = date(2026, 11, 1)

_GIVEN_NAMES = {
    "female": ("Ada", "Bela", "Carla", "Dilara", "Edda", "Fatou", "Greta", "Hana", "Ines", "Jana"),
    "male": ("Anton", "Bruno", "Cem", "Dario", "Emil", "Farid", "Georg", "Hugo", "Ivo", "Janek"),
}
_FAMILY_NAMES = ("Sample", "Testcase", "Specimen", "Placeholder", "Example")

_DIAGNOSES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("type 2 diabetes", ("metformin 500 mg",)),
    ("hypertension", ("lisinopril 10 mg",)),
    ("asthma", ("salbutamol inhaler",)),
    ("hypothyroidism", ("levothyroxine 50 mcg",)),
    ("migraine", ("sumatriptan 50 mg",)),
    ("iron deficiency anemia", ("ferrous sulfate 325 mg",)),
    ("osteoarthritis", ("ibuprofen 400 mg",)),
    ("atrial fibrillation", ("apixaban 5 mg", "metoprolol 25 mg")),
    ("gastroesophageal reflux disease", ("omeprazole 20 mg",)),
    ("chronic kidney disease", ("ramipril 5 mg",)),
    ("depression", ("sertraline 50 mg",)),
    ("rheumatoid arthritis", ("methotrexate 10 mg", "folic acid 5 mg")),
    ("gout", ("allopurinol 100 mg",)),
    ("epilepsy", ("levetiracetam 500 mg",)),
    ("psoriasis", ("calcipotriol ointment",)),
    ("heart failure", ("bisoprolol 2.5 mg", "furosemide 20 mg")),
    ("chronic obstructive pulmonary disease", ("tiotropium inhaler",)),
    ("celiac disease", ()),
    ("glaucoma", ("latanoprost eye drops",)),
    ("seasonal allergic rhinitis", ("cetirizine 10 mg",)),
)
_ALLERGIES = ("penicillin", "latex", "peanuts", "sulfonamides")


@dataclass(frozen=True)
class Patient:
    """One synthetic patient's summary."""

    mrn: str
    name: str
    age: int
    sex: str
    diagnosis: str
    medications: tuple[str, ...]
    allergies: tuple[str, ...]
    last_visit: date


def synthetic_patients(count: int = PATIENT_COUNT, seed: int = SEED) -> list[Patient]:
    """Return patients MRN-001 onwards; the same for the same seed."""
    draw = random.Random(seed)  # noqa: S311 # test data, not a secret
    patients = []
    for number in range(1, count + 1):
        sex = draw.choice(sorted(_GIVEN_NAMES))
        diagnosis, medications = _DIAGNOSES[(number - 1) % len(_DIAGNOSES)]
        patients.append(
            Patient(
                mrn=f"MRN-{number:03}",
                name=f"{draw.choice(_GIVEN_NAMES[sex])} {draw.choice(_FAMILY_NAMES)}",
                age=draw.randint(19, 88),
                sex=sex,
                diagnosis=diagnosis,
                medications=medications,
                allergies=tuple(sorted(draw.sample(_ALLERGIES, draw.choice((0, 0, 1, 2))))),
                last_visit=_REFERENCE_DAY - timedelta(days=draw.randint(1, 365)),
            )
        )
    return patients


def write_database(path: Path, patients: list[Patient]) -> None:
    """Write the patients to a new SQLite file, replacing what is there."""
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    try:
        with connection:
            connection.execute("CREATE TABLE patients (mrn TEXT PRIMARY KEY, summary TEXT NOT NULL) STRICT")
            connection.executemany(
                "INSERT INTO patients VALUES (?, ?)",
                [(patient.mrn, json.dumps(asdict(patient), default=str)) for patient in patients],
            )
    finally:
        connection.close()


class PatientStore:
    """Read-only access to a database that `write_database` made."""

    def __init__(self, path: Path) -> None:
        # mode=ro: a summary can be asked for, nothing can be changed. check_same_thread: the event loop's thread may
        # differ from the one that opened it; sqlite3 serializes its calls by itself.
        self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)

    def summary(self, mrn: str) -> dict[str, object] | None:
        """Return one patient's summary, or None if there is no such MRN."""
        row = self._connection.execute("SELECT summary FROM patients WHERE mrn = ?", (mrn,)).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def count(self) -> int:
        """Return the number of patients."""
        return int(self._connection.execute("SELECT count(*) FROM patients").fetchone()[0])

    def close(self) -> None:
        """Close the database."""
        self._connection.close()
