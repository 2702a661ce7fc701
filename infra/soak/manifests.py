"""Fills in the CronJob's manifests for a target: image, namespace, and the target as the cluster sees itself. Pure.

Inside a cluster there is no context and no ARN: the target's identity becomes the UID of its kube-system namespace.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
CRONJOB, READING = HERE / "cronjob.yaml", HERE / "reading.yaml"
TARGET_MAP, TARGET_KEY = "carepath-soak-target", "target.toml"

_IDENTITY = re.compile(r"^identity\s*=\s*\{.*\}[ \t]*$", re.MULTILINE)
_CONTEXT = re.compile(r"^context\s*=.*\n", re.MULTILINE)
_SCHEDULE_OPTIONS = ("--for=", "--every=")

Document = dict[str, Any]


class TargetTextError(Exception):
    """The target's file is not written as this expects; the message says how it should be."""


def in_cluster_target(text: str, kube_system_uid: str) -> str:
    """Return a target's TOML with the identity that the cluster itself can prove.

    Raises:
        TargetTextError: it has not one line ``identity = { ... }``.
    """
    if len(_IDENTITY.findall(text)) != 1:
        raise TargetTextError("the target needs its [cluster] identity on one line: identity = { ... }")
    return _CONTEXT.sub("", _IDENTITY.sub(f'identity = {{ kube_system_uid = "{kube_system_uid}" }}', text))


def soak_manifests(
    image: str, target: str, *, namespace: str, schedule: str, lasts: str, every: str
) -> Sequence[Document]:
    """Return claim, CronJob and the ConfigMap with the target.

    Args:
        image: the gate's, by digest.
        target: TOML, as ``in_cluster_target`` gives it.
        namespace: the app's.
        schedule: when a soak begins, as cron writes it (UTC).
        lasts: its ``--for``.
        every: its ``--every``.
    """
    documents = _filled(CRONJOB, image, namespace)
    (cronjob,) = (each for each in documents if each["kind"] == "CronJob")
    cronjob["spec"]["schedule"] = schedule
    container = _container(cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"])
    kept = [each for each in container["args"] if not each.startswith(_SCHEDULE_OPTIONS)]
    container["args"] = [*kept, f"--for={lasts}", f"--every={every}"]
    metadata = {"name": TARGET_MAP, "namespace": namespace, "labels": cronjob["metadata"]["labels"]}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {TARGET_KEY: target}},
        *documents,
    ]


def reading_manifests(image: str, *, namespace: str) -> Sequence[Document]:
    """Return the pod that serves the last report."""
    return _filled(READING, image, namespace)


def _filled(path: Path, image: str, namespace: str) -> list[Document]:
    documents: list[Document] = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    for each in documents:
        each["metadata"]["namespace"] = namespace
        if each["kind"] == "Pod":
            _container(each["spec"])["image"] = image
        elif each["kind"] == "CronJob":
            _container(each["spec"]["jobTemplate"]["spec"]["template"]["spec"])["image"] = image
    return documents


def _container(spec: Document) -> Document:
    found: Document
    (found,) = spec["containers"]
    return found
