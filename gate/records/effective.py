"""What a setting of the service will be in a container: what its environment gives, else the schema's default.

Enters: a ContainerSpec and the service's schema. What comes from a Secret or ConfigMap is not read, and so is unknown:
never the default. Whether a value is right is CFG-1's question; here a number that does not parse, or that
the service refuses, counts as unknown.
"""

import math
from dataclasses import dataclass

from gate.records import ContainerSpec, SettingsSchema


@dataclass(frozen=True, slots=True)
class Effective:
    """A setting's value, None where it is unknown, and how it comes about, for evidence.

    ``elsewhere``: a Secret or ConfigMap gives it. ``refused``: the service does not start with it.
    """

    key: str
    value: str | None
    shown: str
    elsewhere: bool = False
    refused: bool = False

    @property
    def number(self) -> float | None:
        """Return the value as a finite number that the service takes, None where it is unknown or none."""
        found = None if self.refused else _number(self.value)
        return found if found is not None and math.isfinite(found) else None


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def effective(spec: ContainerSpec, schema: SettingsSchema, key: str) -> Effective:
    """Return what the service will read for a key."""
    # Settings are read whatever their case, the last of two wins, and an empty value means that nothing was chosen.
    given = next((each for each in reversed(spec.env) if each.name.upper() == key), None)
    bulk = next((each for each in spec.env if each.name.endswith("*") and key.startswith(each.name[:-1].upper())), None)
    source = given if given is not None and given.value is None else bulk if given is None else None
    if source is not None:
        return Effective(key, None, f"from {source.source}, not read", elsewhere=True)
    setting = schema.setting(key)
    if given is not None and given.value:
        number = _number(given.value)
        refused = setting is not None and number is not None and bool(setting.out_of_bounds(number))
        return Effective(key, given.value, given.value, refused=refused)
    default = setting.default if setting else None
    return Effective(key, default, f"not set, default {default}")
