"""``terraform show -json PLAN`` -> frozen records: which object changes how, field by field.

The kubectl provider carries a whole manifest in one string (``yaml_body``, marked sensitive and all the same readable),
so it is parsed before and after, and only the values of fields that are safe to show leave this module in a Plan.
Whether a change is allowed is judged in ``verdict``. The review that a person reads (``infra.tf.review``) takes
actions, manifests and their leaves from here too, and has its own rule of what to show.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import yaml

#: Kinds whose every value stays hidden, whatever its key is called.
_HIDDEN_KINDS = frozenset({"Secret", "ConfigMap"})

#: Written by the deploy itself from image and mode.
_CHANGE_CAUSE = "metadata.annotations[kubernetes.io/change-cause]"

_CREDENTIALS_IN_URL = re.compile(r"://[^/\s]*@")

HIDDEN = "(not shown)"
ABSENT = "(none)"

#: Fields whose values hold no secret, by the end of their path. Everything else is named, and its value kept back.
_SHOWN_FIELDS = frozenset(
    {
        "image",
        "replicas",
        "minReplicas",
        "maxReplicas",
        "maxSurge",
        "maxUnavailable",
        "cpu",
        "memory",
        "ephemeral-storage",
        "averageUtilization",
        "port",
        "targetPort",
        "containerPort",
        "path",
        "type",
        "terminationGracePeriodSeconds",
        "progressDeadlineSeconds",
        "initialDelaySeconds",
        "periodSeconds",
        "timeoutSeconds",
        "failureThreshold",
        "seconds",
        "storageClassName",
        "storage",
    }
)

Raw = Mapping[str, Any]


class PlanError(Exception):
    """The plan is not what ``terraform show -json`` writes, or holds what this module does not understand."""


class Action(StrEnum):
    """What applying the plan does to one object."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    NOTHING = "nothing"


_ACTIONS = {
    ("no-op",): Action.NOTHING,
    ("read",): Action.NOTHING,
    ("create",): Action.CREATE,
    ("update",): Action.UPDATE,
    ("delete",): Action.DELETE,
    ("delete", "create"): Action.REPLACE,
    ("create", "delete"): Action.REPLACE,
    # Removed from the state and left in the cluster (Terraform 1.7, `removed` blocks).
    ("forget",): Action.NOTHING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One field of a manifest; values that may be secrets are HIDDEN, a missing one is ABSENT."""

    path: str
    before: str
    after: str

    def __str__(self) -> str:
        """Return the change as one line."""
        return f"{self.path}: {self.before} -> {self.after}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What the plan does to one resource.

    Attributes:
        name: ``Kind/name`` of a manifest, else terraform's address.
        kind: the manifest's kind, else terraform's resource type.
        drifted: it would be updated although its manifest is the same as before: the cluster was changed meanwhile.
    """

    name: str
    kind: str
    address: str
    action: Action
    fields: tuple[FieldChange, ...] = ()
    drifted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A saved plan.

    Attributes:
        complete: False if terraform says that planning did not cover everything, or that applying needs another plan.
        errored: planning ended in an error.
        created_at: when terraform made it; None if it does not say.
    """

    changes: tuple[Change, ...]
    terraform_version: str
    complete: bool = True
    errored: bool = False
    created_at: datetime | None = None

    @property
    def effective(self) -> tuple[Change, ...]:
        """Return what applying would do, without what stays as it is."""
        return tuple(each for each in self.changes if each.action is not Action.NOTHING)


def parse_plan(raw: Raw, *, known_keys: Sequence[str] = ()) -> Plan:
    """Return the plan's records.

    Args:
        raw: the parsed JSON.
        known_keys: environment variables that are settings of the service: their values may be shown.

    Raises:
        PlanError: not a plan, an unknown action, or a manifest that is no YAML mapping; never with a manifest's text.
    """
    if "format_version" not in raw:
        raise PlanError("not a plan: format_version is missing; write it with `terraform show -json PLAN`")
    shown = frozenset(known_keys)
    return Plan(
        changes=tuple(_change(each, shown) for each in raw.get("resource_changes", []) if each.get("mode") != "data"),
        terraform_version=str(raw.get("terraform_version", "unknown")),
        complete=bool(raw.get("complete", True)),
        errored=bool(raw.get("errored", False)),
        created_at=_time(raw.get("timestamp")),
    )


def _time(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value)).astimezone(UTC) if value else None
    except ValueError as error:
        raise PlanError(f"timestamp: {value!r} is no RFC 3339 time") from error


def _change(entry: Raw, known_keys: frozenset[str]) -> Change:
    address = str(entry.get("address", "?"))
    change = entry.get("change", {})
    action = action_of(address, change.get("actions", ()))
    before, after = (manifest(address, side, change.get(side)) for side in ("before", "after"))
    named = after or before
    kind = str(named.get("kind", "")) if named else str(entry.get("type", ""))
    name = f"{kind}/{(named.get('metadata') or {}).get('name', '?')}" if named else address
    if action is Action.NOTHING:
        return Change(name=name, kind=kind, address=address, action=action)
    fields = tuple(field_changes(before, after, known_keys)) if before and after else ()
    drifted = action is Action.UPDATE and before is not None and not fields
    return Change(name=name, kind=kind, address=address, action=action, fields=fields, drifted=drifted)


def action_of(address: str, actions: Sequence[str]) -> Action:
    """Return what a resource's list of actions comes to.

    Raises:
        PlanError: it is unknown, as one of a later terraform may be; nothing is guessed.
    """
    if tuple(actions) not in _ACTIONS:
        raise PlanError(
            f"{address}: actions {list(actions)} are unknown; known are {[list(each) for each in _ACTIONS]}"
        )
    return _ACTIONS[tuple(actions)]


def manifest(address: str, side: str, values: object) -> dict[str, Any] | None:
    """Return the manifest before or after a change, None where the resource holds none.

    Args:
        address: of the resource, for the message.
        side: ``before`` or ``after``.
        values: of the resource on that side.

    Raises:
        PlanError: it is no YAML mapping; never with its text, which may hold a secret.
    """
    body = values.get("yaml_body") if isinstance(values, Mapping) else None
    if body is None:
        return None
    try:
        document = yaml.safe_load(body)
    except yaml.YAMLError:
        # Not chained: the parser quotes the manifest, which may hold a secret.
        raise PlanError(f"{address}: yaml_body {side} the change is not YAML") from None
    if not isinstance(document, dict):
        raise PlanError(f"{address}: yaml_body {side} the change is not a mapping")
    return document


def field_changes(before: Raw, after: Raw, known_keys: Collection[str]) -> Iterator[FieldChange]:
    """Yield the fields in which two manifests differ, by path.

    Args:
        before: the manifest as it is.
        after: as it is meant to be.
        known_keys: environment variables whose values may be shown.
    """
    old, new = dict(leaves(before)), dict(leaves(after))
    hidden = bool(_HIDDEN_KINDS & {before.get("kind"), after.get("kind")})
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path):
            shown = _hidden if hidden or not _may_show(path, known_keys) else _shown
            yield FieldChange(path=path, before=shown(old.get(path)), after=shown(new.get(path)))


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield every scalar with its path; an item of a list goes by its ``name`` where it has one and more than that."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from leaves(item, _joined(path, str(key)))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            if isinstance(item, Mapping) and "name" in item and len(item) > 1:
                # The name is in the path already; an added variable is one line then, not two.
                others = {key: each for key, each in item.items() if key != "name"}
                yield from leaves(others, f"{path}[{item['name']}]")
            else:
                yield from leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def _joined(path: str, key: str) -> str:
    # A key with dots of its own (an annotation) would read as several.
    if "." in key:
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def _may_show(path: str, known_keys: Collection[str]) -> bool:
    head, _, field = path.rpartition(".")
    _, marker, key = head.rpartition(".env[")
    of_setting = field == "value" and bool(marker) and key.removesuffix("]") in known_keys
    return of_setting or field in _SHOWN_FIELDS or path == _CHANGE_CAUSE


def _shown(value: object) -> str:
    return HIDDEN if _CREDENTIALS_IN_URL.search(str(value)) else ABSENT if value is None else str(value)


def _hidden(value: object) -> str:
    return ABSENT if value is None else HIDDEN
