"""Settings, an app and its parts; nothing here opens a socket or reads a model."""

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from service_chat.app import create_app
from service_chat.catalogue import ModelSpec, catalogue
from service_chat.runtime import Runtime
from service_chat.services.model_manager import ModelManager, State
from service_chat.services.patients import PatientApi
from service_chat.settings import Settings
from tests.service_chat.fakes import FakeEngine, patient_api, until

MODEL = "SmolLM2-135M-Instruct"
WEIGHTS = b"not weights, but the catalogue of this test says that they are"


@dataclass
class Service:
    """A running app with everything a test may look at."""

    app: FastAPI
    client: httpx.AsyncClient
    runtime: Runtime
    engine: FakeEngine
    load_failures: list[str] = field(default_factory=list)

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric's value, 0 if nothing was counted yet."""
        return self.runtime.metrics.registry.get_sample_value(name, labels) or 0.0


Running = Callable[..., AbstractAsyncContextManager[Service]]


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
        runtime: Runtime = app.state.runtime
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://chat") as c,
        ):
            service = Service(app, c, runtime, fake, failures)
            if load is None:
                await until(lambda: runtime.manager.state is not State.LOADING)
            yield service

    return start
