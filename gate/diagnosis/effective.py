"""What a verdict says of the service's settings: where each comes from, and what stays open where one is not known.

How a setting comes about is ``records.effective``'s.
"""

from collections.abc import Sequence

from gate.causes import Cause
from gate.diagnosis.wording import names
from gate.records.effective import Effective
from gate.verdict import Evidence, Finding, Status


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
