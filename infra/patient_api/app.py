"""The HTTP surface of the patient API: GET /patients/{mrn}/summary and GET /health."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, HTTPException
from fastapi import Path as PathParameter
from pydantic import BaseModel

from .patients import PatientStore, synthetic_patients, write_database


class Summary(BaseModel):
    """What is known of one (synthetic) patient."""

    mrn: str
    name: str
    age: int
    sex: str
    diagnosis: str
    medications: list[str]
    allergies: list[str]
    last_visit: date


class Health(BaseModel):
    """The process is alive and its database answers."""

    status: str
    patients: int


Mrn = Annotated[str, PathParameter(pattern=r"^MRN-[0-9]{3,10}$", examples=["MRN-001"])]


def create_app() -> FastAPI:
    """Build the app; the database is made in a temporary folder when it starts and removed when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with tempfile.TemporaryDirectory(prefix="patients-") as folder:
            path = Path(folder) / "patients.sqlite"
            write_database(path, synthetic_patients())
            app.state.store = PatientStore(path)
            try:
                yield
            finally:
                app.state.store.close()

    app = FastAPI(
        title="CarePath patient API (stand-in, synthetic patients)", lifespan=lifespan, docs_url=None, redoc_url=None
    )

    @app.get("/health")
    async def health() -> Health:
        """Say how many patients the database holds."""
        return Health(status="ok", patients=app.state.store.count())

    @app.get("/patients/{mrn}/summary", responses={404: {"description": "There is no such patient."}})
    async def summary(mrn: Mrn) -> Summary:
        """Return one patient's summary."""
        found = app.state.store.summary(mrn)
        if found is None:
            raise HTTPException(404, f"patient {mrn} is not known")
        return Summary.model_validate(found)

    return app
