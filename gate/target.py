"""Reads ``targets/*.toml``: one environment each, and everything the gate must be told about it.

Unknown keys are refused and all problems come in one message. What a target does not have (no cluster, no plan, no
registry) it says here, and the criteria that need it leave the run; the report's header names them.
"""

import tomllib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

TARGETS_FOLDER = Path("targets")


class TargetError(Exception):
    """A target that cannot be used; the message names each key, its value and what would be right."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Identity(_Section):
    """What proves that a cluster is the one meant; a context's name alone does not. Any one suffices."""

    server: str | None = Field(default=None, description="the API server's URL")
    kube_system_uid: str | None = Field(default=None, description="UID of the kube-system namespace")
    eks_arn: str | None = Field(default=None, description="ARN of the EKS cluster, as kubeconfig names it")

    @model_validator(mode="after")
    def _has_one(self) -> "Identity":
        if not (self.server or self.kube_system_uid or self.eks_arn):
            raise ValueError("name one of server, kube_system_uid, eks_arn: a context's name alone proves nothing")
        return self


class Cluster(_Section):
    """Where the app runs. ``reader = "none"`` removes every criterion that needs a cluster."""

    reader: Literal["kubernetes", "none"] = "kubernetes"
    context: str | None = Field(default=None, description="kubeconfig context; default: the current one, or in-cluster")
    identity: Identity | None = Field(default=None, description="needed with reader = kubernetes")
    namespace: str = "carepath-demo"
    deployment: str = "chat-api"
    container: str = "chat-api"
    service: str = "chat-api-service"
    hpa: str = "chat-api"
    service_url: str | None = Field(
        default=None, description="how users reach the app; default: the Service's load balancer address"
    )

    @model_validator(mode="after")
    def _is_identified(self) -> "Cluster":
        if self.reader == "kubernetes" and self.identity is None:
            raise ValueError('identity is needed with reader = "kubernetes": another cluster must be refused')
        return self


class Desired(_Section):
    """What the deploy is meant to bring: rendered manifests, and the saved Terraform plan where there is one."""

    manifests: Path = Field(description="multi-document YAML, relative to the project")
    plan: Path | None = Field(default=None, description="`terraform show -json` of the saved plan; none: no TFP-1")
    applied: Path | None = Field(default=None, description="the same of the plan that was applied last")
    allowed_changes: tuple[str, ...] = Field(
        default=("Deployment/chat-api",), description="Kind/name patterns that this kind of deploy may change"
    )


class Registry(_Section):
    """Where images are looked up. ``reader = "none"`` removes the criteria that need it."""

    reader: Literal["http", "ecr", "none"] = "none"
    url: str | None = Field(default=None, description="base URL of the registry's HTTP API, with reader = http")
    region: str | None = Field(default=None, description="AWS region, with reader = ecr")

    @model_validator(mode="after")
    def _is_complete(self) -> "Registry":
        if self.reader == "http" and not self.url:
            raise ValueError('url is needed with reader = "http"')
        if self.reader == "ecr" and not self.region:
            raise ValueError('region is needed with reader = "ecr"')
        return self


class Network(_Section):
    """What neither the manifests nor the Service say about the way in and out (NET-1)."""

    idle_timeout_s: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="of the load balancer, where no annotation of the Service says it; default: AWS's",
    )
    client_timeout_s: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="the shortest time-out of those who call the service; none: not judged"
    )
    services: tuple[Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)?:[0-9]{1,5}$")], ...] = Field(
        default=(), description="Services that others deploy, NAME:PORT or NAME.NAMESPACE:PORT"
    )

    def declared_port(self, name: str, namespace: str | None = None) -> int | None:
        """Return the port of a Service that others deploy, None where the target names none; own namespace: None."""
        wanted = name if namespace is None else f"{name}.{namespace}"
        ports = (port for each in self.services for host, _, port in [each.partition(":")] if host == wanted)
        return next(map(int, ports), None)


class Nodes(_Section):
    """The nodes as planned; judged where no cluster is read, and compared with the real ones where one is."""

    instance_type: str
    count: Annotated[int, Field(ge=1)] = 2
    volume_gib: Annotated[int, Field(ge=1)] = 20
    candidates: tuple[str, ...] = Field(default=(), description="types also judged, for the report's table")


class Speed(_Section):
    """How fast the model computes on the nodes, as somebody measured it there: believed over the table of types."""

    threads: Annotated[int, Field(ge=1)] = Field(description="that computed")
    prefill_tok_s: Annotated[float, Field(gt=0)] = Field(description="prompt tokens a second, of one request")
    decode_tok_s: Annotated[float, Field(gt=0)] = Field(description="generated tokens a second, of one request")
    measured: str = Field(min_length=1, description="when and on what; stands in the report")


class Model(_Section):
    """The model that must answer."""

    name: str = Field(description="a name of service_chat/models.toml")
    engine: Literal["llama.cpp", "transformers"] = "llama.cpp"
    context_tokens: Annotated[int, Field(ge=256)] = 2048
    parallel: Annotated[int, Field(ge=1)] = 1
    speed: Speed | None = Field(default=None, description="none: predicted from the node type")


class Acceptance(_Section):
    """How long and how often acceptance asks."""

    test_mrns: tuple[str, ...] = Field(min_length=2, description="synthetic patients; nobody else is ever asked about")
    stable_window_s: Annotated[float, Field(gt=0)] = 10.0
    rollout_timeout_s: Annotated[float, Field(gt=0)] = 600.0
    latency_samples: Annotated[int, Field(ge=1)] = 20
    # 20 samples at the limit of 10 s (LAT-1), and the cold question of each pod: a service inside its limit can pass.
    latency_budget_s: Annotated[float, Field(gt=0)] = 240.0
    request_timeout_s: Annotated[float, Field(gt=0)] = 60.0


class Quality(_Section):
    """What QLT-1 asks of the answers; a rate is a share of them, 0 to 1."""

    # 12 answers of which 11 are right claim 80 % with the confidence that criteria.toml asks for.
    diagnosis_samples: Annotated[int, Field(ge=1)] = Field(
        default=12, description="questions for the diagnosis, at least"
    )
    diagnosis_rate: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.8, description="share that must name the recorded diagnosis; 0: not judged"
    )
    complete_rate: Annotated[float, Field(gt=0, le=1)] = Field(default=0.8, description="share that must be complete")
    complete_ends: tuple[Literal["stop", "length"], ...] = Field(
        default=("stop",), min_length=1, description="finish reasons that count as complete"
    )
    # What the questions beyond LAT-1's may take: acceptance as a whole stays under five minutes.
    budget_s: Annotated[float, Field(gt=0)] = 60.0


class Container(_Section):
    """What the container tier needs beside the image."""

    patient_api_image: str = Field(description="image of the patient API that the service asks")


class Load(_Section):
    """The load drill."""

    clients: Annotated[int, Field(ge=1)] = 10
    requests: Annotated[int, Field(ge=1)] = 30


class Way(StrEnum):
    """A way back of the release checklist: `rollout undo`, the old image in Terraform, `set env LLM_MODE=mock`."""

    UNDO = "undo"
    TERRAFORM = "terraform"
    SET_ENV = "set-env"


class Rollback(_Section):
    """The rollback drill."""

    environment: str | None = Field(
        default=None, description="of infra/terraform/envs, which deploys the app; none: no way back by Terraform"
    )


class Soak(_Section):
    """The soak."""

    budget_usd_per_month: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="for the nodes under the pods; more is a warning of SOK-1"
    )


class Target(_Section):
    """One environment."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    description: str = ""
    allow_mutation: bool = Field(default=False, description="drills also need --allow-mutation")
    image_repository: str = Field(description="repository of the chat-api image, without tag")
    cluster: Cluster
    desired: Desired
    registry: Registry = Registry()
    network: Network = Network()
    nodes: Nodes | None = None
    model: Model
    acceptance: Acceptance
    quality: Quality = Quality()
    container: Container | None = Field(default=None, description="none: no container tier")
    load: Load = Load()
    rollback: Rollback = Rollback()
    soak: Soak = Soak()

    def offline(self) -> "Target":
        """Return the same target without its cluster and registry: nothing is reached over a network."""
        return self.model_copy(
            update={
                "cluster": self.cluster.model_copy(update={"reader": "none"}),
                "registry": Registry(),
                "desired": self.desired.model_copy(update={"plan": None}),
            }
        )

    def has(self, need: str) -> bool:
        """Return whether the target has what a criterion ``needs`` (a word of the table's ``needs``)."""
        return {
            "cluster": self.cluster.reader != "none",
            "plan": self.desired.plan is not None,
            "registry": self.registry.reader != "none",
            "image": self.container is not None,
        }[need]

    def differing(self) -> dict[str, str]:
        """Return the settings that have a default and differ from it, dotted key to value, for the header."""
        return dict(_differing(self, ""))


def _differing(section: BaseModel, prefix: str) -> Iterator[tuple[str, str]]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _differing(value, f"{prefix}{name}.")
        elif not field.is_required() and value != field.default and name != "description":
            yield f"{prefix}{name}", str(value)


def load_target(name_or_path: str, root: Path) -> Target:
    """Read a target by name (``targets/NAME.toml`` below ``root``) or by path.

    Raises:
        TargetError: unknown target, unreadable TOML, or every wrong key in one message.
    """
    path = Path(name_or_path) if name_or_path.endswith(".toml") else root / TARGETS_FOLDER / f"{name_or_path}.toml"
    if not path.is_file():
        known = sorted(known.stem for known in (root / TARGETS_FOLDER).glob("*.toml"))
        raise TargetError(f"target {name_or_path!r}: no file {path}; known targets: {', '.join(known) or 'none'}")
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TargetError(f"target {path}: not readable as TOML: {error}") from error
    try:
        return Target.model_validate(raw)
    except ValidationError as error:
        problems = "\n".join(_problem(dict(item)) for item in error.errors())
        raise TargetError(f"target {path}: {error.error_count()} problem(s)\n{problems}") from error


def _problem(item: dict[str, object]) -> str:
    location = item["loc"]
    key = ".".join(str(part) for part in location) if isinstance(location, tuple) else str(location)
    got = "" if item["type"] == "missing" or isinstance(item["input"], dict) else f" (got {item['input']!r})"
    return f"  {key or 'target'}: {item['msg']}{got}"
