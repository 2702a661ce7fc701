"""What makes pods: the Deployment, its revisions, its autoscaler."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gate.records.common import NOTHING, Condition, Conditioned, Owner
from gate.records.templates import ContainerSpec, PodSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaSet:
    """One revision of the Deployment. ``desired`` is spec.replicas."""

    name: str
    uid: str
    revision: int | None
    labels: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    owner: Owner | None = None
    created_at: datetime | None = None
    generation: int = 0
    observed_generation: int | None = None
    desired: int = 0
    current: int = 0
    ready: int = 0
    available: int = 0
    template: PodSpec
    conditions: tuple[Condition, ...] = ()
    change_cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment(Conditioned):
    """The Deployment, from the cluster or from a manifest (then generation and counts are 0, observed None).

    ``max_surge`` and ``max_unavailable`` stay as written (``1``, ``25%``); ``desired`` is None where replicas are left
    to an HPA. ``history_limit`` is how many older revisions the controller keeps; 10 is its default.
    """

    name: str
    namespace: str
    uid: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    selector: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    template_labels: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    template: PodSpec
    revision: int | None = None
    generation: int = 0
    observed_generation: int | None = None
    desired: int | None = None
    strategy: str = "RollingUpdate"
    max_surge: str = "25%"
    max_unavailable: str = "25%"
    progress_deadline_s: int = 600
    min_ready_s: int = 0
    history_limit: int = 10
    paused: bool = False
    current: int = 0
    updated: int = 0
    ready: int = 0
    available: int = 0

    def container(self, name: str) -> ContainerSpec:
        """Return the template's container of that name.

        Raises:
            LookupError: there is none; names those that there are.
        """
        found = self.template.container(name)
        if found is None:
            known = [each.name for each in self.template.containers]
            raise LookupError(f"Deployment/{self.name} has no container {name!r}; it has {known}")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Hpa(Conditioned):
    """A HorizontalPodAutoscaler (autoscaling/v2). CPU figures are per cent of the request.

    ``scale_down_window_s``: for how long a peak keeps the replicas up; 300 is the controller's default.
    """

    name: str
    target_kind: str
    target_name: str
    min_replicas: int
    max_replicas: int
    current_replicas: int | None = None
    desired_replicas: int | None = None
    cpu_target_percent: int | None = None
    cpu_current_percent: int | None = None
    created_at: datetime | None = None
    last_scaled_at: datetime | None = None
    scale_down_window_s: int = 300
