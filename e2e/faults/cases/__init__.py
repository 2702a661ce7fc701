"""The cases, by topic; a new one is an entry in one of these modules."""

from e2e.faults.case import Case
from e2e.faults.cases import (
    admission,
    answers,
    autoscaling,
    configuration,
    containers,
    figures,
    images,
    impostors,
    network,
    nodes,
    probes,
    rollouts,
    scheduling,
    storage,
)

#: All of them. The place in this list gives a case its port.
CASES: tuple[Case, ...] = (
    *images.CASES,
    *scheduling.CASES,
    *admission.CASES,
    *configuration.CASES,
    *storage.CASES,
    *containers.CASES,
    *probes.CASES,
    *network.CASES,
    *answers.CASES,
    *impostors.CASES,
    *rollouts.CASES,
    *autoscaling.CASES,
    *nodes.CASES,
    *figures.CASES,
)
