"""Loads ``criteria.toml``, the one table of what is judged.

Thresholds live in the table with their unit, reason and source; code asks for them by criterion id. A criterion stands
in the table only when a tier judges it.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Tier = Literal["preflight", "container", "acceptance", "rollback", "load", "soak"]

#: In the order in which a deploy goes through them.
TIERS: tuple[Tier, ...] = ("preflight", "container", "acceptance", "rollback", "load", "soak")
#: Tiers that change the cluster (and put it back), and therefore need permission.
DRILLS: frozenset[Tier] = frozenset({"load", "rollback"})


class Threshold(BaseModel):
    """A number that decides between statuses."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    unit: str = Field(min_length=1)
    why: str = Field(min_length=1)
    source: str = Field(min_length=1)


class Criterion(BaseModel):
    """One row of the table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[A-Z]{3,4}-\d$")
    tier: Tier
    statement: str = Field(min_length=1)
    needs: tuple[Literal["cluster", "plan", "registry", "image"], ...] = ()
    thresholds: Mapping[str, Threshold] = Field(default_factory=dict)


@cache
def criteria() -> Mapping[str, Criterion]:
    """Return the table by criterion id.

    Raises:
        ValueError: (pydantic's) naming each wrong key of the table, or a duplicated id.
    """
    rows = tomllib.loads(resources.files("gate").joinpath("criteria.toml").read_text(encoding="utf-8"))["criterion"]
    table: dict[str, Criterion] = {}
    for row in rows:
        criterion = Criterion.model_validate(row)
        if criterion.id in table:
            raise ValueError(f"criteria.toml: id {criterion.id} stands there twice; each criterion has one row")
        table[criterion.id] = criterion
    return MappingProxyType(table)


def threshold(criterion: str, name: str) -> float:
    """Return one threshold's value, in the unit that its row states.

    Raises:
        KeyError: naming the criterion and the thresholds it has.
    """
    row = criteria()[criterion]
    if name not in row.thresholds:
        raise KeyError(f"{criterion} has no threshold {name!r}; it has {sorted(row.thresholds)}")
    return row.thresholds[name].value


def markdown_table() -> str:
    """Return the table for people: id, tier, statement, thresholds with their unit."""
    rows = ["| id | tier | holds when | threshold |", "|---|---|---|---|"]
    rows += [
        f"| {row.id} | {row.tier} | {row.statement} | "
        f"{', '.join(f'{each.value:g} {each.unit}' for each in row.thresholds.values())} |"
        for row in criteria().values()
    ]
    return "\n".join(rows)
