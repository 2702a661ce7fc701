"""Why a container ended: memory, a probe's kill, or its own end."""

from typing import Any

import pytest

from gate.causes import Cause
from gate.diagnosis import tolerances
from gate.diagnosis.faults import PodFault
from gate.diagnosis.pods import pod_fault
from gate.records import ContainerState, Event, Pod, Resources
from tests.diagnosis import factories as make

OOM = make.terminated(137, "OOMKilled", ran_s=12, ended_ago_s=4)


def crashed(end: ContainerState, restarts: int = 0, **changes: Any) -> Pod:  # noqa: ANN401  # any field
    """Return a pod whose container ended so and waits to be started again."""
    status = {"restarts": restarts, "last_state": end, "started": False}
    return make.unready_pod(make.waiting("CrashLoopBackOff", "back-off 10s restarting"), status=status, **changes)


def fault_of(pod: Pod, *events: Event) -> PodFault:
    """Return the pod's fault; there must be one."""
    fault = pod_fault(make.rollout_snapshot(pod, events=events), pod)
    assert fault is not None
    return fault


def probe_kill(pod: Pod, probe: str, age_s: float = 5) -> Event:
    """Return the kubelet's event of killing the container for that probe."""
    return make.event("Killing", f"Container chat-api failed {probe} probe, will be restarted", pod, age_s=age_s)


def unhealthy(pod: Pod, probe: str, answer: str, age_s: float = 6) -> Event:
    """Return the kubelet's event of a failed probe."""
    return make.event("Unhealthy", f"{probe} probe failed: {answer}", pod, age_s=age_s)


def test_oom_kill_while_loading_names_limit_and_time() -> None:
    """Incident 17: killed at 512 MiB after 12 s, before it was ever ready; the second time is final."""
    fault = fault_of(crashed(OOM, restarts=1))
    assert (fault.cause, fault.final) == (Cause.CONTAINER_OOM_KILLED, True)
    assert fault.what == (
        "container chat-api was killed after 12 s for exceeding its memory limit of 512 MiB while starting, "
        "before it was ever ready (2 ends, the last 4 s ago)"
    )


def test_first_oom_kill_is_not_final() -> None:
    """One kill may have met the page cache of that moment."""
    assert not fault_of(crashed(OOM, restarts=tolerances.OOM_KILLS - 2)).final


def test_oom_kill_after_readiness_says_so_and_is_given_longer() -> None:
    """Killed under load is another story than killed while loading: the pod served before."""
    was_ready = (make.condition("PodScheduled", age_s=300), make.condition("Ready", "False", age_s=4))
    twice, thrice = (crashed(OOM, restarts=count, conditions=was_ready) for count in (1, 2))
    assert "512 MiB after it had been ready" in fault_of(twice).what
    assert (fault_of(twice).final, fault_of(thrice).final) == (False, True)


def test_oom_kill_without_limit_blames_the_node() -> None:
    """A container without limit is killed only when the node itself runs out."""
    spec = make.pod_spec(containers=(make.container_spec(limits=Resources()),))
    assert "it has none: the node itself was out of memory" in fault_of(crashed(OOM, spec=spec)).what


def test_exit_137_without_oom_is_no_oom() -> None:
    """SIGKILL has many senders; only the kubelet's OOMKilled tells of memory."""
    fault = fault_of(crashed(make.terminated(137)))
    assert fault.cause is Cause.CONTAINER_EXITED
    assert "exit code 137 (SIGKILL), and not for its memory limit" in fault.what


def test_liveness_kill_is_told_from_a_crash() -> None:
    """Incident 7: the program did not crash, its health did not answer in time."""
    pod = crashed(make.terminated(137, ran_s=200, ended_ago_s=2))
    answer = 'Get "http://10.244.0.5:8002/health": context deadline exceeded (Client.Timeout exceeded)'
    fault = fault_of(pod, probe_kill(pod, "liveness", 4), unhealthy(pod, "Liveness", answer))
    assert (fault.cause, fault.final) == (Cause.PROBE_LIVENESS_KILLED, False)
    assert fault.what == (
        "container chat-api was killed after 3 min by its liveness probe (6 failures 10 s apart, 5 s each), it did not "
        f"crash; the probe last met: {answer} (1 end, the last 2 s ago)"
    )


@pytest.mark.parametrize(
    ("kills", "final"), [(tolerances.LIVENESS_KILLS - 1, False), (tolerances.LIVENESS_KILLS, True)]
)
def test_liveness_kills_become_a_pattern(kills: int, *, final: bool) -> None:
    """One long request is not a pattern; three kills are."""
    pod = crashed(make.terminated(137), restarts=kills - 1)
    assert fault_of(pod, probe_kill(pod, "liveness", 12)).final is final


def test_startup_kill_names_budget_and_run_time() -> None:
    """Incident 9: the load took longer than 60 x 2 s."""
    pod = crashed(make.terminated(137, ran_s=121, ended_ago_s=2))
    fault = fault_of(
        pod, probe_kill(pod, "startup", 4), unhealthy(pod, "Startup", "HTTP probe failed with statuscode: 503")
    )
    assert (fault.cause, fault.final) == (Cause.PROBE_STARTUP_EXHAUSTED, False)
    assert fault.what == (
        "container chat-api was killed after 2 min, not started within its startup probe, which allows 120 s "
        "(60 x 2 s); the probe last met: HTTP probe failed with statuscode: 503 (1 end, the last 2 s ago)"
    )


def test_second_startup_kill_is_final() -> None:
    """The second load had the page cache on its side and was not fast enough either."""
    pod = crashed(make.terminated(137), restarts=tolerances.STARTUP_KILLS - 1)
    assert fault_of(pod, probe_kill(pod, "startup", 12)).final


def test_kill_event_of_an_earlier_end_does_not_explain_a_later_one() -> None:
    """A liveness kill ten minutes ago is not why the container crashed now."""
    pod = crashed(make.terminated(1, ended_ago_s=3), restarts=1)
    assert fault_of(pod, probe_kill(pod, "liveness", 600)).cause is Cause.CONTAINER_EXITED


@pytest.mark.parametrize(
    ("code", "cause", "ends"),
    [
        (2, Cause.CONFIG_BAD_VALUE, tolerances.SETTINGS_EXITS),
        (127, Cause.CONTAINER_COMMAND_NOT_FOUND, tolerances.SETTINGS_EXITS),
        (1, Cause.CONTAINER_EXITED, tolerances.CRASHES),
        (0, Cause.CONTAINER_EXITED, tolerances.CRASHES),
        (143, Cause.CONTAINER_EXITED, tolerances.CRASHES),
    ],
)
def test_exit_code_is_told_by_kind_and_given_its_number_of_ends(code: int, cause: Cause, ends: int) -> None:
    """One end fewer than the tolerance may still be a dependency that starts; at the tolerance it is final."""
    end = make.terminated(code, "Completed" if code == 0 else "Error")
    before, at = fault_of(crashed(end, restarts=ends - 2)), fault_of(crashed(end, restarts=ends - 1))
    assert before.cause is at.cause is cause
    assert (before.final, at.final) == (False, True)


def test_crash_with_bad_settings_has_the_log_as_remedy() -> None:
    """Incident 22: the program says which setting; the pasteable command shows it."""
    fault = fault_of(crashed(make.terminated(2, ran_s=1, ended_ago_s=9), restarts=1))
    assert fault.what == (
        "container chat-api ended after 1 s with exit code 2, while starting, before it was ever ready: it refuses its "
        "settings or arguments (2 ends, the last 9 s ago)"
    )
    assert fault.remedy.endswith("kubectl logs chat-api-6b7f9c5d4-aaaaa -n carepath-demo -c chat-api --previous")


@pytest.mark.parametrize(
    ("sidecar", "cause", "named"),
    [
        (False, Cause.CONTAINER_INIT_FAILED, "init container fetch"),
        (True, Cause.CONTAINER_SIDECAR_FAILED, "sidecar fetch"),
    ],
)
def test_init_container_that_fails_is_told_from_a_sidecar(cause: Cause, named: str, *, sidecar: bool) -> None:
    """The containers after it never start; the one that fails is named."""
    first = make.container_spec(name="fetch", init=True, sidecar=sidecar)
    statuses = (
        make.container_status(
            name="fetch", init=True, ready=False, state=make.waiting("CrashLoopBackOff"), last_state=make.terminated(1)
        ),
        make.container_status(ready=False, started=False, state=make.waiting("PodInitializing"), image_id=""),
    )
    pod = make.unready_pod(
        make.waiting(""), spec=make.pod_spec(containers=(first, make.container_spec())), statuses=statuses
    )
    fault = fault_of(pod)
    assert fault.cause is cause
    assert fault.what.startswith(named)


def test_init_container_that_completed_is_no_fault() -> None:
    """Exit code 0 of an init container is its purpose."""
    first = make.container_spec(name="fetch", init=True)
    done = make.container_status(name="fetch", init=True, ready=True, state=make.terminated(0, "Completed"))
    loading = make.container_status(ready=False, started=False, state=make.running(3))
    pod = make.unready_pod(
        make.running(3), spec=make.pod_spec(containers=(first, make.container_spec())), statuses=(done, loading)
    )
    assert pod_fault(make.rollout_snapshot(pod), pod) is None


def test_init_container_that_hangs_is_named_and_waited_for() -> None:
    """A download in an init container may take long; the progress deadline bounds it, not the gate's patience."""
    first = make.container_spec(name="fetch", init=True)
    hangs = make.container_status(name="fetch", init=True, ready=False, state=make.running(95))
    waits = make.container_status(ready=False, started=False, state=make.waiting("PodInitializing"))
    pod = make.unready_pod(
        make.waiting(""), spec=make.pod_spec(containers=(first, make.container_spec())), statuses=(hangs, waits)
    )
    fault = fault_of(pod)
    assert (fault.cause, fault.final) == (Cause.CONTAINER_INIT_RUNNING, False)
    assert fault.what == "init container fetch has been running for 95 s and the pod waits for its end"


def test_container_that_is_well_again_has_no_fault() -> None:
    """A past OOM kill of a container that is ready now is a warning elsewhere, not a fault."""
    pod = make.pod(statuses=(make.container_status(restarts=1, last_state=OOM),))
    assert pod_fault(make.rollout_snapshot(pod), pod) is None


def test_container_lost_by_its_node_is_no_crash() -> None:
    """ContainerStatusUnknown means that the node restarted; the exit code 137 beside it is made up."""
    fault = fault_of(crashed(make.terminated(137, "ContainerStatusUnknown"), restarts=5))
    assert (fault.cause, fault.final) == (Cause.POD_LOST, False)
