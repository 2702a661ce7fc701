"""What a setting of the service will be in a container: what its environment gives, else the schema's default.

Enters: a ContainerSpec and the service's schema. What comes from a Secret or ConfigMap is not read, and so is unknown:
never the default. Whether a value is right is CFG-1's question; here a value that does not parse counts as unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gate.causes import Cause
from gate.diagnosis.wording import names
from gate.records import ContainerSpec, SettingsSchema
from gate.verdict import Evidence, Finding, Status


@dataclass(frozen=True, slots=True)
class Effective:
    """A setting's value, None where it is unknown, and how it comes about, for evidence."""

    key: str
    value: str | None
    shown: str

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
        return Effective(key, None, f"from {source.source}, not read")
    if given is not None and given.value:
        return Effective(key, given.value, given.value)
    setting = schema.setting(key)
    default = setting.default if setting else None
    return Effective(key, default, f"not set, default {default}")


def setting_evidence(workload: str, container: str, setting: Effective) -> Evidence:
    """Return what a container of a Deployment is given for a setting."""
    return Evidence(f"Deployment/{workload}", f"containers[{container}].env[{setting.key}]", setting.shown)


def unknown_settings(
    settings: Sequence[Effective], *, workload: str, container: str, unjudged: str
) -> tuple[Finding, ...]:
    """Return what of a verdict has to stay open because a number that it needs is not known; nothing if all are.

    Args:
        settings: the numbers that it needs.
        workload: name of the Deployment.
        container: name of the container.
        unjudged: what was not judged in full, as the sentence's end.
    """
    missing = [each for each in settings if each.number is None]
    if not missing:
        return ()
    keys = names([each.key for each in missing])
    known, value = ("is not known", "a plain value") if len(missing) == 1 else ("are not known", "plain values")
    return (
        Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_NOT_MEASURED,
            f"{keys} of container {container} {known}: {unjudged} was not judged in full.",
            tuple(setting_evidence(workload, container, each) for each in missing),
            f"Write {keys} as {value} into the pod template, and plan again.",
        ),
    )
