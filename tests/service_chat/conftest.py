"""Settings, an app and its parts; nothing here opens a socket or reads a model."""

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from service_chat.app import create_app
from service_chat.catalogue import ModelSpec, catalogue
from service_chat.services.model_manager import ModelManager, State
from service_chat.services.patients import PatientApi
from service_chat.settings import Settings
from tests.service_chat.fakes import FakeEngine, patient_api, until
from tests.service_chat.service import MODEL, WEIGHTS, Running, Service


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the developer's variables and .env out of the tests."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def spec() -> ModelSpec:
    """The small model's entry, with a file whose digest a test can meet."""
    return catalogue()[MODEL].model_copy(update={"sha256": hashlib.sha256(WEIGHTS).hexdigest()})


@pytest.fixture
def model_folder(tmp_path: Path, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the model's file, as the catalogue of this test describes it."""
    monkeypatch.setitem(catalogue(), MODEL, spec)
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / spec.file).write_bytes(WEIGHTS)
    return folder


@pytest.fixture
def running(model_folder: Path) -> Running:
    """Start the app with a fake engine and a fake patient API, settings by field name.

    `load` runs on the loading thread; with it, the app is handed over before the model is loaded.
    """

    @asynccontextmanager
    async def start(
        engine: FakeEngine | None = None,
        patients: PatientApi | None = None,
        load: Callable[[], None] | None = None,
        **chosen: object,
    ) -> AsyncIterator[Service]:
        fake = engine or FakeEngine()

        def loaded(_path: Path, _settings: Settings) -> FakeEngine:
            if load is not None:
                load()
            return fake

        failures: list[str] = []
        fields = {"llm_mode": MODEL, "model_cache_dir": model_folder, **chosen}
        settings = Settings.model_validate(fields)
        app = create_app(
            settings,
            on_load_failure=failures.append,
            manager=ModelManager(settings, loaded),
            patients=patients or patient_api(),
        )
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://chat") as c,
        ):
            service = Service(app, c, app.state.runtime, fake, failures)
            if load is None:
                await until(lambda: service.runtime.manager.state is not State.LOADING)
            yield service

    return start
