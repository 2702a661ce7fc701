"""Turns a plan's JSON into what a person reviews: objects created, changed, destroyed, and what changes in them.

The provider carries a whole manifest in one string (`yaml_body`, marked sensitive), so terraform's own review shows
next to nothing. Here it is parsed before and after. Pure: where an object drifted, the state's text is unchanged and
only the cluster knows; then the caller's `live` is asked. Values that may be credentials are never shown.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import yaml

# Values of these names are hidden wherever they stand; MAX_TOKENS is none of them.
_CREDENTIAL = re.compile(r"(_TOKEN|_KEY|PASSWORD|SECRET)$", re.IGNORECASE)
HIDDEN = "(hidden)"
ABSENT = "(none)"
# Two values that are longer together go on a line each; a reference by digest in ECR (133 characters) is shown whole.
_PAIR_WIDTH = 80
_VALUE_WIDTH = 160

Document = dict[str, Any]
# The live object of a manifest and what it would be after an apply, or None where no cluster can be asked.
Live = Callable[[Document], tuple[Document, Document] | None]


class Action(StrEnum):
    """What a plan does with an object."""

    CREATE = "create"
    UPDATE = "change"
    REPLACE = "replace"
    DELETE = "destroy"
    NOTHING = "nothing"


_ACTIONS = {
    ("no-op",): Action.NOTHING,
    ("read",): Action.NOTHING,
    ("create",): Action.CREATE,
    ("update",): Action.UPDATE,
    ("delete",): Action.DELETE,
    ("delete", "create"): Action.REPLACE,
    ("create", "delete"): Action.REPLACE,
    # Terraform 1.7: removed from the state, left in the cluster.
    ("forget",): Action.NOTHING,
}
_DRIFTED = "  (was changed in the cluster since the last apply)"
_SYMBOLS = {Action.CREATE: "+", Action.UPDATE: "~", Action.REPLACE: "-/+", Action.DELETE: "-"}


class ReviewError(Exception):
    """The plan holds something this review does not understand; applying it unread would be a guess."""


@dataclass(frozen=True)
class Difference:
    """One field: its path in the manifest, and its values as text."""

    path: str
    before: str
    after: str


@dataclass(frozen=True)
class ObjectChange:
    """What the plan does with one object. `drifted`: it was changed in the cluster since the last apply."""

    name: str
    action: Action
    differences: tuple[Difference, ...] = ()
    drifted: bool = False


def changes(plan: dict[str, Any], live: Live) -> tuple[ObjectChange, ...]:
    """Return what `plan` (terraform show -json) does, object by object, in the plan's order.

    Raises:
        ReviewError: an action is unknown, or a manifest is no YAML mapping.
    """
    return tuple(_change(entry, live) for entry in plan.get("resource_changes", []) if entry["mode"] == "managed")


def review(found: tuple[ObjectChange, ...]) -> str:
    """Return the lines a person reads before an apply."""
    counts = {action: sum(change.action is action for change in found) for action in Action}
    summary = (
        f"{counts[Action.CREATE]} to create, {counts[Action.UPDATE]} to change, {counts[Action.REPLACE]} to replace, "
        f"{counts[Action.DELETE]} to destroy, {counts[Action.NOTHING]} unchanged"
    )
    lines = [summary]
    for change in found:
        if change.action is Action.NOTHING:
            continue
        lines.append(f"  {_SYMBOLS[change.action]} {change.name}{_DRIFTED if change.drifted else ''}")
        lines.extend(line for difference in change.differences for line in _lines(difference))
    return "\n".join(lines)


def differences(before: Document, after: Document) -> tuple[Difference, ...]:
    """Return the fields in which two manifests differ, by path; a list item that has a `name` goes by it."""
    old, new = dict(_leaves(before)), dict(_leaves(after))
    hide = "Secret" in (before.get("kind"), after.get("kind"))
    return tuple(
        Difference(path, _shown(path, old.get(path), hide=hide), _shown(path, new.get(path), hide=hide))
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    )


def _change(entry: dict[str, Any], live: Live) -> ObjectChange:
    actions = tuple(entry["change"]["actions"])
    if actions not in _ACTIONS:
        raise ReviewError(f"{entry['address']}: action {list(actions)} is unknown; known are {sorted(_ACTIONS)}")
    action = _ACTIONS[actions]
    before, after = (_manifest(entry, side) for side in ("before", "after"))
    named = after or before
    name = f"{named['kind']}/{named['metadata']['name']}" if named else entry["address"]
    if action is not Action.UPDATE or before is None or after is None:
        return ObjectChange(name, action)
    found = differences(before, after)
    if found:
        return ObjectChange(name, action, found)
    asked = live(after)
    return ObjectChange(name, action, differences(*asked) if asked else (), drifted=True)


def _manifest(entry: dict[str, Any], side: str) -> Document | None:
    text = (entry["change"].get(side) or {}).get("yaml_body")
    if text is None:
        return None
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        # Without the text: a manifest may hold what must not be printed.
        raise ReviewError(f"{entry['address']}: yaml_body {side} the change is no YAML") from error
    if not isinstance(document, dict):
        raise ReviewError(f"{entry['address']}: yaml_body {side} the change is no mapping")
    return document


def _leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:  # noqa: ANN401 # parsed YAML
    if isinstance(value, dict) and value:
        return [leaf for key, item in value.items() for leaf in _leaves(item, _joined(path, str(key)))]
    if isinstance(value, list) and value:
        return [leaf for index, item in enumerate(value) for leaf in _item_leaves(item, path, index)]
    return [(path, value)]


def _item_leaves(item: Any, path: str, index: int) -> list[tuple[str, Any]]:  # noqa: ANN401 # parsed YAML
    if not isinstance(item, dict) or "name" not in item or len(item) == 1:
        return _leaves(item, f"{path}[{index}]")
    # The name is in the path already; an added variable is one line then, not two.
    return _leaves({key: value for key, value in item.items() if key != "name"}, f"{path}[{item['name']}]")


def _joined(path: str, key: str) -> str:
    # A key with dots of its own (an annotation) would read as several.
    return f"{path}[{key}]" if "." in key else f"{path}.{key}".lstrip(".")


def _shown(path: str, value: Any, *, hide: bool) -> str:  # noqa: ANN401 # parsed YAML
    if value is None:
        return ABSENT
    names = re.findall(r"\[([^\]]+)\]", path)
    if (hide and path.startswith(("data", "stringData"))) or any(_CREDENTIAL.search(name) for name in names):
        return HIDDEN
    return str(value)


def _lines(difference: Difference) -> list[str]:
    before, after = _cut(difference.before), _cut(difference.after)
    if len(before) + len(after) <= _PAIR_WIDTH:
        return [f"      {difference.path}: {before} -> {after}"]
    return [f"      {difference.path}:", f"        - {before}", f"        + {after}"]


def _cut(text: str) -> str:
    return text if len(text) <= _VALUE_WIDTH else f"{text[: _VALUE_WIDTH - 3]}..."
