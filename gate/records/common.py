"""What objects of every kind share: amounts, conditions, owners."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

#: The default of mappings: one that nobody can fill by accident.
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Amounts; None where the object does not state one."""

    cpu_m: int | None = None
    memory_bytes: int | None = None
    ephemeral_storage_bytes: int | None = None
    pods: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A condition of any object; ``status`` is True, False or Unknown as the API spells it."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The controller that owns an object."""

    kind: str
    name: str
    uid: str


#: Amounts of an object that states none.
UNSTATED = Resources()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditioned:
    """An object whose status has conditions."""

    conditions: tuple[Condition, ...] = ()

    def condition(self, kind: str) -> Condition | None:
        """Return the condition of that type."""
        return next((each for each in self.conditions if each.type == kind), None)
