"""A running service as the tests see it, and the model that they say it has."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import httpx
from fastapi import FastAPI

from service_chat.runtime import Runtime
from tests.service_chat.fakes import FakeEngine

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
