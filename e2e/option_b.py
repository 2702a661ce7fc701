"""The checklist's two ways to bring the model, on the embedded cluster: in the image, or fetched at first start.

The hub is the stand-in of `infra.model_hub` on the host's end of the cable; its list of requests says how often the
file was transferred. The app is what Terraform renders, in a namespace of its own, without what a start does not need.
"""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from e2e.faults.app import MODEL, Document
from e2e.faults.hands import LOOK_EVERY_S, Glance, Hands, HarnessError
from infra.cluster.instance import Instance
from infra.cluster.node import enter_prefix
from infra.cluster.process import Supervisor
from infra.commands import run
from infra.model_hub import ModelHub, hub_of
from infra.paths import cache_dir
from infra.tf.program import terraform
from infra.tf.render import rendered
from service_chat.catalogue import catalogue
from service_chat.download import fetch

#: Below a folder that the node covers with its own disk: it goes with the cluster.
FOLDER = "/var/lib/model-cache"
#: The service's user (service_chat/Dockerfile); Kubernetes leaves the owner of a hostPath as it is.
USER_ID = 10001
#: Download, checksum and load of the small model on a busy machine, with room.
START_TIMEOUT_S = 120.0

NONE = "{}"
POD_DISK = '{kind="pod",size_gib=1,download_budget_s=50}'
SHARED = f'{{kind="claim",size_gib=1,host_path="{FOLDER}",download_budget_s=50}}'

#: What a start needs; the Service would take the load balancer's one port, the autoscaler the number of pods.
_KINDS = {"Namespace", "ServiceAccount", "PersistentVolume", "PersistentVolumeClaim", "Deployment"}
_PULLED = re.compile(r"Successfully pulled image .* in ([0-9.]+)(ms|s|m)\b")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class Start:
    """A pod that became ready: after how many seconds since it was asked for, and how long its image was pulled."""

    pod: str
    ready_s: float
    pull_s: float


@cache
def _text(image: str, model_cache: str, endpoint: str) -> str:
    given = {
        "chat_api_image": image,
        "model_cache": model_cache,
        "extra_env": f'{{MODEL_SOURCE="huggingface",HF_ENDPOINT="{endpoint}"}}',
        "resources": "{cpu_request_millicores=60,cpu_limit_millicores=1000,memory_request_mib=200,"
        "memory_limit_mib=1024}",
    }
    return rendered(terraform(), "local", given)


def documents(namespace: str, image: str, model_cache: str, endpoint: str, replicas: int) -> list[Document]:
    """Return the app with so many pods; `model_cache` is Terraform's variable."""
    text = _text(image, model_cache, endpoint).replace("carepath-demo", namespace)
    found = [each for each in yaml.safe_load_all(text) if each is not None and each["kind"] in _KINDS]
    kept = [each for each in found if each["metadata"]["name"] != "patient-api"]
    for each in kept:
        if each["kind"] == "Deployment":
            each["spec"]["replicas"] = replicas
    return kept


@contextmanager
def hub(instance: Instance) -> Iterator[ModelHub]:
    """Serve the small model where pods reach it: on the host's end of the node's cable."""
    folder = cache_dir() / "models"
    fetch(catalogue()[MODEL], folder)
    with hub_of(MODEL, folder).serving(instance.host_ip) as serving:
        yield serving


def in_node(instance: Instance, *words: str) -> str:
    """Run a command inside the node."""
    return run([*enter_prefix(Supervisor.of(instance)), *words], timeout_s=120)


def empty_folder(instance: Instance) -> None:
    """Make the node's folder for the model, with nothing in it."""
    in_node(instance, "rm", "-rf", FOLDER)
    in_node(instance, "install", "-d", "-o", str(USER_ID), "-g", str(USER_ID), FOLDER)


@contextmanager
def deployed(hands: Hands, wanted: list[Document], *, wait: bool = False) -> Iterator[float]:
    """Apply the app, yield when it was asked for (monotonic), and remove it with its volume; `wait` till it is gone."""
    try:
        asked = time.monotonic()
        hands.apply(wanted)
        yield asked
    finally:
        hands.delete(wait=wait)
        for each in wanted:
            if each["kind"] == "PersistentVolume":
                # It goes when its claim has gone.
                hands.kubectl(
                    "delete", "persistentvolume", each["metadata"]["name"], "--ignore-not-found", "--wait=false"
                )


def scaled(hands: Hands, replicas: int) -> float:
    """Ask for so many pods; return when (monotonic)."""
    hands.kubectl("scale", "deployment/chat-api", f"--replicas={replicas}")
    return time.monotonic()


def starts(hands: Hands, count: int, since: float, known: Mapping[str, Start] | None = None) -> dict[str, Start]:
    """Wait until `count` pods are ready; return by name when each was, measured from `since` (monotonic).

    Raises:
        HarnessError: not in time; the message has what the pods wait for.
    """
    ready: dict[str, Start] = dict(known or {})
    deadline = since + START_TIMEOUT_S
    while len(ready) < count:
        look = Glance(hands.api, hands.namespace)
        now = time.monotonic()
        pods = look("Pod")
        for pod in pods:
            name = pod["metadata"]["name"]
            if name not in ready and _is_ready(pod):
                ready[name] = Start(name, now - since, _pull_s(look("Event"), name))
        if now > deadline:
            waiting = [each.get("status", {}).get("containerStatuses") for each in pods]
            raise HarnessError(
                f"{hands.namespace}: {len(ready)} of {count} pods ready in {START_TIMEOUT_S:g} s: {waiting}"
            )
        time.sleep(LOOK_EVERY_S)
    return ready


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _pull_s(events: Any, pod: str) -> float:  # noqa: ANN401 # raw objects of the API
    for event in events:
        match = _PULLED.search(event.get("message", ""))
        if match and event["involvedObject"]["name"] == pod:
            return float(match[1]) * _SECONDS[match[2]]
    return 0.0
