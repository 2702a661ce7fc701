"""What the matrix does not make, and why: incidents and causes that belong to another tier or to another machine.

Kept by hand and shown in notes/faults.md only where no case was right; a cause that stands nowhere here and that no
case makes is shown as unproven.
"""

from collections.abc import Mapping

from gate.causes import Cause

#: Rows of the incident list that have an "after".
INCIDENTS = range(1, 31)

#: Incidents that no acceptance of a broken app shows.
INCIDENTS_ELSEWHERE: Mapping[int, str] = {
    10: "RES-1 on the service's own counters of throttled periods: tests on recorded figures",
    11: "the load drill LOD-1 (`pytest -m load`): the queue is visible, requests past its bound get 429",
    14: "CON-7 of the container tier; the engine's words in a log: tests of `model.unknown_architecture`",
    20: "LOG-2: tests on recorded logs",
    28: "LLM-1 on a thinking model, whose weights no machine without a model hub has: tests on recorded answers",
    29: "not on this machine: T3's CPU credits are the hypervisor's, and Linux inside shows them only as stolen time. "
    "Latency that drifts up under an even load is the soak's to see",
}

#: Causes that other tiers give, by the tier.
ELSEWHERE: Mapping[str, frozenset[Cause]] = {
    "The gate's own trouble, never a statement about the service (`e2e/test_robustness.py`, `e2e/test_bad_input.py`, "
    "`e2e/test_least_privilege.py`, `e2e/test_no_vacuous_pass.py` make most of it)": frozenset(
        cause for cause in Cause if cause.value.startswith("gate.")
    ),
    "Preflight, which judges before there is anything to break": frozenset(
        {
            Cause.NODE_TYPE_UNKNOWN,
            Cause.NODE_TOO_SMALL,
            Cause.NODE_MARGIN_THIN,
            Cause.NODE_DIFFERS_FROM_PLAN,
            Cause.IMAGE_MUTABLE_TAG,
            Cause.CONFIG_UNKNOWN_KEY,
            Cause.MEMORY_DOES_NOT_FIT,
            Cause.MEMORY_REQUEST_TOO_SMALL,
            Cause.STORAGE_ACCESS_MODE,
            Cause.CPU_ON_CREDIT,
            Cause.STORAGE_DISK_TOO_SMALL,
            Cause.STORAGE_DISK_NOT_REQUESTED,
            Cause.STORAGE_MODEL_IN_LAYER,
            Cause.STORAGE_VOLUME_TOO_SMALL,
            *(cause for cause in Cause if cause.value.startswith("plan.")),
        }
    ),
    "The container tier, on the built image": frozenset(
        {
            Cause.IMAGE_RUNS_AS_ROOT,
            Cause.IMAGE_NEEDS_WRITABLE_ROOT,
            Cause.SHUTDOWN_DROPS_REQUESTS,
            Cause.SHUTDOWN_TOO_SLOW,
            Cause.START_FAILED,
            Cause.MODEL_ARCHITECTURE,
        }
    ),
    "The drills": frozenset(
        {Cause.ROLLOUT_REQUESTS_FAILED, Cause.ROLLOUT_NO_PREVIOUS_REVISION, Cause.QUEUE_SILENT, Cause.REQUEST_REFUSED}
    ),
}

#: Causes that one machine with one node cannot make, or not for long enough to be the root of a verdict.
NOT_HERE: Mapping[Cause, str] = {
    Cause.SCHEDULING_NO_NODES: "the one node would have to leave the cluster, and every other case with it",
    Cause.POD_EVICTED_MEMORY: "the machine itself would have to run out of memory; recorded words of the kubelet",
    Cause.POD_PREEMPTED: "the pod preempted is gone at once and its replacement finds no room, which is the root then",
    Cause.POD_LOST: "a node that restarts or goes for good; the embedded cluster has one",
    Cause.ROLLOUT_IN_PROGRESS: "a state and no fault: acceptance waits until it is over",
}
