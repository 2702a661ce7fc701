"""The app of one case: the rendered manifests in a namespace of their own, small enough that several fit one node.

Pure. A case's changes work on these documents; what they become on the cluster belongs to ``running``.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from infra.paths import PROJECT

RENDERED = PROJECT / "infra/terraform/rendered/local.yaml"

#: Puts every namespace of the matrix within reach of one `kubectl delete namespace --selector`.
LABEL = "carepath.example/fault-matrix"

CHAT, PATIENTS = "chat-api", "patient-api"
MODEL = "SmolLM2-135M-Instruct"

Document: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Images:
    """References by digest: the chat API without and with the model baked in, and the patient API.

    The first is version 1, which ran as the mock; `without_model` is version 2 as the checklist's Option B builds it.
    """

    mock: str
    model: str
    patients: str
    without_model: str

    @classmethod
    def of(cls, references: Mapping[str, str]) -> "Images":
        """Return them from what `python -m infra.images` prints."""
        return cls(
            mock=references["carepath-chat-api:v1.0"],
            model=references["carepath-chat-api:v2.0"],
            patients=references["carepath-patient-api:v1.0"],
            without_model=references["carepath-chat-api:v2.0-option-b"],
        )


@dataclass(frozen=True)
class Free:
    """What the node has left for requests, in thousandths of a CPU, in bytes and in pods."""

    cpu_m: int
    memory_bytes: int
    pods: int


@dataclass
class App:
    """The documents of one case, to be changed in place.

    Attributes:
        namespace: the case's own.
        documents: what is applied, in this order.
        images: what may be referred to.
        free: what the node has left, measured before this app is there.
    """

    namespace: str
    documents: list[Document]
    images: Images
    free: Free

    def document(self, kind: str, name: str) -> Document:
        """Return one document.

        Raises:
            LookupError: there is none; the message names those there are.
        """
        for each in self.documents:
            if each["kind"] == kind and each["metadata"]["name"] == name:
                return each
        there = ", ".join(f"{each['kind']}/{each['metadata']['name']}" for each in self.documents)
        raise LookupError(f"the manifests hold no {kind}/{name}; there are {there}")

    def add(self, document: Document) -> None:
        """Apply this one too, in the case's namespace, before the Deployments that may need it."""
        if document["kind"] != "PersistentVolume":
            document["metadata"]["namespace"] = self.namespace
        first = next(index for index, each in enumerate(self.documents) if each["kind"] == "Deployment")
        self.documents.insert(first, document)

    def remove(self, kind: str, name: str) -> None:
        """Do not apply this one.

        Raises:
            LookupError: there is none.
        """
        self.documents.remove(self.document(kind, name))

    def enforce(self, level: str) -> None:
        """Let the namespace enforce this Pod Security level: privileged, baseline or restricted."""
        labels = self.document("Namespace", self.namespace)["metadata"]["labels"]
        labels["pod-security.kubernetes.io/enforce"] = level

    @property
    def deployment(self) -> Document:
        """Return the chat API's Deployment."""
        return self.document("Deployment", CHAT)

    @property
    def pod(self) -> Document:
        """Return its pod spec."""
        spec: Document = self.deployment["spec"]["template"]["spec"]
        return spec

    @property
    def container(self) -> Document:
        """Return its container."""
        container: Document = self.pod["containers"][0]
        return container

    @property
    def service(self) -> Document:
        """Return the Service that users reach."""
        return self.document("Service", "chat-api-service")

    @property
    def hpa(self) -> Document:
        """Return the HorizontalPodAutoscaler."""
        return self.document("HorizontalPodAutoscaler", CHAT)

    def setenv(self, **values: str | None) -> None:
        """Set environment variables of the chat API; None takes one away."""
        kept = [each for each in self.container["env"] if each["name"] not in values]
        added = [{"name": name, "value": value} for name, value in values.items() if value is not None]
        self.container["env"] = kept + added

    def use(self, image: str) -> None:
        """Run this image as the chat API, and declare it as Terraform does."""
        self.container["image"] = image
        self.setenv(IMAGE=image)


def baseline(namespace: str, port: int, images: Images, free: Free, *, model: bool, path: Path = RENDERED) -> App:
    """Return the healthy app: one replica, small requests, and a port of its own at the shared load balancer.

    Args:
        namespace: takes the place of the rendered one everywhere.
        port: of the Service; all Services share the load balancer stand-in's one address.
        images: by digest.
        free: what the node has left.
        model: run the language model; else the mock, which is ready in a second.
        path: the rendered manifests.
    """
    documents = [deepcopy(each) for each in _rendered(path)]
    for each in documents:
        if each["kind"] == "Namespace":
            each["metadata"]["name"] = namespace
            each["metadata"]["labels"][LABEL] = "true"
        else:
            each["metadata"]["namespace"] = namespace
    app = App(namespace, documents, images, free)
    app.service["spec"]["ports"][0]["port"] = port
    app.hpa["spec"] |= {"minReplicas": 1, "maxReplicas": 2}
    # What a start takes is far above so small a request; an autoscaler that followed it would stand at its maximum.
    app.hpa["spec"]["behavior"]["scaleUp"] = {"stabilizationWindowSeconds": 300}
    app.container["resources"]["requests"] = {"cpu": "60m", "memory": "200Mi"}
    app.use(images.model if model else images.mock)
    app.setenv(LLM_MODE=MODEL if model else "mock")
    # Asked as often, a wrong one would be known a window after the pod got ready, as long as the gate watches anyway.
    app.container["livenessProbe"]["periodSeconds"] = 2
    if model:
        # On a node that many cases share an answer may take long, and that is not what any of them is about.
        app.setenv(REQUEST_DEADLINE_S="40", DRAIN_S="40")
    patients = app.document("Deployment", PATIENTS)["spec"]["template"]["spec"]["containers"][0]
    patients["image"] = images.patients
    patients["resources"]["requests"] = {"cpu": "20m", "memory": "64Mi"}
    return app


@cache
def _rendered(path: Path) -> tuple[Document, ...]:
    return tuple(each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each is not None)
