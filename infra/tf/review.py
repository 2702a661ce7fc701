"""Turns a plan's JSON into what a person reviews: objects created, changed, destroyed, and what changes in them.

The provider carries a whole manifest in one string (`yaml_body`, marked sensitive), so terraform's own review shows
next to nothing. The gate's parser reads it before and after. Pure: where an object drifted, the state's text is
unchanged and only the cluster knows; then the caller's `live` is asked. Values that may be credentials are never shown.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gate.plan.parse import Action, action_of, leaves, manifest

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

_DRIFTED = "  (was changed in the cluster since the last apply)"
_SYMBOLS = {Action.CREATE: "+", Action.UPDATE: "~", Action.REPLACE: "-/+", Action.DELETE: "-"}


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
        PlanError: an action is unknown, or a manifest is no YAML mapping.
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
    old, new = dict(leaves(before)), dict(leaves(after))
    hide = "Secret" in (before.get("kind"), after.get("kind"))
    return tuple(
        Difference(path, _shown(path, old.get(path), hide=hide), _shown(path, new.get(path), hide=hide))
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    )


def _change(entry: dict[str, Any], live: Live) -> ObjectChange:
    action = action_of(entry["address"], entry["change"]["actions"])
    before, after = (manifest(entry["address"], side, entry["change"].get(side)) for side in ("before", "after"))
    named = after or before
    name = f"{named['kind']}/{named['metadata']['name']}" if named else entry["address"]
    if action is not Action.UPDATE or before is None or after is None:
        return ObjectChange(name, action)
    found = differences(before, after)
    if found:
        return ObjectChange(name, action, found)
    asked = live(after)
    return ObjectChange(name, action, differences(*asked) if asked else (), drifted=True)


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
