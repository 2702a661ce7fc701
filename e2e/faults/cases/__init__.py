"""The cases, by topic; a new one is an entry in one of these modules."""

from e2e.faults.case import Case
from e2e.faults.cases import containers, images, network, scheduling

#: All of them. The place in this list gives a case its port.
CASES: tuple[Case, ...] = (*images.CASES, *scheduling.CASES, *containers.CASES, *network.CASES)
