"""Rendered manifests or a saved Terraform plan -> Desired. Needs no cluster and no Kubernetes client.

A plan tells more than the rendered file: it is what an apply will do. Both carry the same YAML and go through the same
parser as the cluster's own objects (``objects``).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import yaml

from gate import target
from gate.readers import fields, objects, surroundings
from gate.readers.errors import Malformed, NotFound, excerpt
from gate.readers.fields import Raw
from gate.records import Desired

#: The resource type of the gavinbunney/kubectl provider that holds one manifest.
MANIFEST_TYPE = "kubectl_manifest"

#: What terraform plans to do with a resource that will no longer exist (plan format, "actions").
_GONE = ["delete"]


def read_desired(where: target.Desired, root: Path) -> Desired:
    """Return what the deploy is meant to bring: of the saved plan where the target names one, else of the manifests.

    Raises:
        NotFound: the file does not exist.
        Malformed: the file cannot be read as what it should be.
    """
    if where.plan is not None:
        path = root / where.plan
        return desired_from_plan(read_plan(path), source=str(where.plan))
    return read_manifests(root / where.manifests)


def read_manifests(path: Path) -> Desired:
    """Return what a multi-document YAML file declares.

    Raises:
        NotFound: there is no such file.
        Malformed: naming the file, the number of the document (from 1) and the line.
    """
    return _desired(_documents(_text(path), str(path)), str(path))


def read_plan(path: Path) -> Raw:
    """Return the JSON of a saved plan (``terraform show -json``).

    Raises:
        NotFound: there is no such file.
        Malformed: it is not the JSON of a plan.
    """
    try:
        plan = json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise Malformed(f"{path}: not JSON: {error.msg} in line {error.lineno}") from error
    if not isinstance(plan, dict) or "planned_values" not in plan:
        raise Malformed(f"{path}: not a plan: planned_values is missing; write it with `terraform show -json PLAN`")
    return plan


def desired_from_plan(plan: Raw, source: str = "plan") -> Desired:
    """Return what a plan will have applied: every manifest that exists after it.

    Raises:
        Malformed: naming the resource whose manifest cannot be read.
    """
    found: list[Raw] = []
    for address, body in _planned(plan):
        found.extend(_documents(body, f"{source}: {address}"))
    return _desired(found, source)


def _planned(plan: Raw) -> Iterator[tuple[str, str]]:
    """Yield address and YAML of each manifest; the provider marks it sensitive, but a plan's JSON holds it."""
    for change in fields.children(plan, "resource_changes"):
        if fields.text(change, "type") != MANIFEST_TYPE or fields.at(change, "change", "actions") == _GONE:
            continue
        address = fields.text(change, "address", default=MANIFEST_TYPE)
        body = fields.text(change, "change", "after", "yaml_body")
        if not body:
            raise Malformed(f"{address}: yaml_body is not known before the apply; a manifest must not depend on it")
        yield address, body


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFound(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise Malformed(f"{path}: not UTF-8 text: byte {error.start}") from error
    except OSError as error:
        raise Malformed(f"{path}: {error.strerror}") from error


def _documents(text: str, source: str) -> list[Raw]:
    found: list[Raw] = []
    number = 0
    try:
        for number, document in enumerate(yaml.safe_load_all(text), start=1):
            if document is not None:
                found.append(_checked(document, f"{source}: document {number}"))
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise Malformed(f"{source}: document {number + 1}{line}: {error.problem or 'not YAML'}") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that is none, as 2026-13-01
        raise Malformed(f"{source}: document {number + 1}: {excerpt(str(error))}") from error
    return found


def _checked(document: object, place: str) -> Raw:
    if not isinstance(document, Mapping):
        raise Malformed(f"{place}: a {type(document).__name__}, not a Kubernetes object")
    if not fields.text(document, "kind") or not fields.text(document, "metadata", "name"):
        raise Malformed(f"{place}: kind and metadata.name are needed")
    return document


def _desired(documents: Iterable[Raw], source: str) -> Desired:
    by_kind: dict[str, list[Raw]] = {}
    for document in documents:
        by_kind.setdefault(fields.text(document, "kind"), []).append(document)
    return Desired(
        source=source,
        deployments=tuple(objects.deployment(each) for each in by_kind.get("Deployment", [])),
        services=tuple(surroundings.service(each) for each in by_kind.get("Service", [])),
        hpas=tuple(objects.hpa(each) for each in by_kind.get("HorizontalPodAutoscaler", [])),
        claims=tuple(surroundings.claim(each) for each in by_kind.get("PersistentVolumeClaim", [])),
        storage_classes=tuple(surroundings.storage_class(each) for each in by_kind.get("StorageClass", [])),
        volumes=tuple(surroundings.volume(each) for each in by_kind.get("PersistentVolume", [])),
    )
