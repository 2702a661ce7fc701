"""What the running app holds: settings, model, queue, patient API, metrics, reports, and whether it drains."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from service_chat.admission import Admission
from service_chat.reports import Reports
from service_chat.services.model_manager import ModelManager, State
from service_chat.services.patients import PatientApi
from service_chat.settings import Settings
from service_chat.telemetry import Metrics


@dataclass
class Runtime:
    """Everything a request may touch; made by `create_app`, one for each app."""

    settings: Settings
    manager: ModelManager
    patients: PatientApi
    admission: Admission
    metrics: Metrics
    workers: ThreadPoolExecutor
    reports: Reports = field(default_factory=Reports)
    draining: bool = field(default=False)

    def not_ready_reason(self) -> str | None:
        """Return why no requests are wanted, or None."""
        if self.draining:
            return "the pod is being stopped"
        if self.manager.state is not State.LOADED:
            return f"model {self.settings.llm_mode}: {self.manager.reason}"
        return None
