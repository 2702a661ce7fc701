"""What is wrong with one pod, and how equal faults of many pods become one finding.

A rule returns PodFaults; whether waiting could still mend one (``final``) is the rule's to say, what follows from that
is ``progress``'s. Grouping keeps a reason readable: five pods that fail alike are one sentence.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from gate.causes import Cause
from gate.diagnosis.wording import names
from gate.verdict import Evidence, Finding, Status

#: Pods whose evidence a finding carries; the others are alike, and listed by name.
EVIDENCED_PODS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFault:
    """One fault of one pod.

    Attributes:
        what: a clause that is true after "pod NAME: ".
        final: no waiting will mend it; the pod cannot become ready as it is.
        container: the container at fault, empty where it is the pod itself.
        status: FAIL, or WARN for what is past and did no lasting harm.
    """

    pod: str
    cause: Cause
    what: str
    evidence: tuple[Evidence, ...]
    remedy: str
    final: bool = False
    container: str = ""
    status: Status = Status.FAIL


@dataclass(frozen=True, slots=True)
class FaultGroup:
    """Equal faults of one or more pods."""

    faults: tuple[PodFault, ...]

    @property
    def final(self) -> bool:
        """Return whether at least one of the pods cannot become ready any more: the revision cannot be complete."""
        return any(each.final for each in self.faults)

    @property
    def cause(self) -> Cause:
        """Return what they have in common."""
        return self.faults[0].cause

    @property
    def pods(self) -> tuple[str, ...]:
        """Return the pods' names, each once."""
        return tuple(dict.fromkeys(each.pod for each in self.faults))

    def finding(self, total: int) -> Finding:
        """Return the group as one finding; ``total`` is the number of pods looked at."""
        first = next((each for each in self.faults if each.final), self.faults[0])
        pods = self.pods
        subject = f"Pod {pods[0]}" if len(pods) == 1 else f"{len(pods)} of {total} pods ({names(pods)})"
        evidence = [item for each in self.faults[:EVIDENCED_PODS] for item in each.evidence]
        ordered = (*first.evidence, *(item for item in evidence if item not in first.evidence))
        return Finding(first.status, first.cause, f"{subject}: {first.what}.", ordered, first.remedy)


def grouped(faults: Iterable[PodFault]) -> tuple[FaultGroup, ...]:
    """Return equal faults together, the likely root first.

    Equal means the same cause in the same container. What no waiting mends comes first, then what more pods share; a
    tie keeps the order of the rules, which go through a pod's life from admission to readiness.
    """
    groups: dict[tuple[Status, Cause, str], list[PodFault]] = {}
    for fault in faults:
        groups.setdefault((fault.status, fault.cause, fault.container), []).append(fault)
    found = [FaultGroup(tuple(each)) for each in groups.values()]
    return tuple(sorted(found, key=lambda group: (not group.final, -len(group.faults))))
