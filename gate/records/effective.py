"""What a setting of the service will be in a container: what its environment gives, else the schema's default.

Enters: a ContainerSpec and the service's schema. What comes from a Secret or ConfigMap is not read, and so is unknown:
never the default. Whether a value is right is CFG-1's question; here a value that does not parse counts as unknown.
"""

from dataclasses import dataclass

from gate.records import ContainerSpec, SettingsSchema


@dataclass(frozen=True, slots=True)
class Effective:
    """A setting's value, None where it is unknown, and how it comes about, for evidence.

    ``elsewhere``: a Secret or ConfigMap gives it.
    """

    key: str
    value: str | None
    shown: str
    elsewhere: bool = False

    @property
    def number(self) -> float | None:
        """Return the value as a number, None where it is unknown or none."""
        try:
            return None if self.value is None else float(self.value)
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
    if given is not None and given.value:
        return Effective(key, given.value, given.value)
    setting = schema.setting(key)
    default = setting.default if setting else None
    return Effective(key, default, f"not set, default {default}")
