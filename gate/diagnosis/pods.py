"""Goes through the life of one pod and stops at the first rung that is broken.

Scheduled, on a living node, volumes there, sandbox made, init containers through, containers pulled, created, running,
ready: whatever fails first is the pod's fault, everything after it a consequence and not worth a line of its own.
"""

from collections.abc import Iterator

from gate.causes import Cause
from gate.diagnosis.containers import creation_fault, sandbox_fault
from gate.diagnosis.exits import exit_fault, last_end
from gate.diagnosis.faults import PodFault
from gate.diagnosis.image import image_fault
from gate.diagnosis.nodes import node_fault
from gate.diagnosis.probes import gate_fault, readiness_fault, starting
from gate.diagnosis.scheduling import scheduling_fault
from gate.diagnosis.storage import claim_fault, volume_fault
from gate.diagnosis.wording import count, duration, seconds_between
from gate.records import ContainerStatus, Pod, Snapshot
from gate.verdict import Evidence, Status


def pod_fault(snapshot: Snapshot, pod: Pod) -> PodFault | None:
    """Return the fault of a pod that has neither ended nor is being deleted, None if nothing is wrong (yet)."""
    if (fault := node_fault(snapshot, pod)) is not None:
        return fault
    if pod.ready:
        return None
    for found in (scheduling_fault(snapshot, pod), *_before_containers(snapshot, pod)):
        if found is not None:
            return found
    return next(_container_faults(snapshot, pod), None) or gate_fault(pod)


def waiting_for(snapshot: Snapshot, pod: Pod) -> str:
    """Return what a pod without a fault is at, as a clause."""
    if pod.node is None:
        return "it waits for the scheduler"
    for status in _in_order(pod):
        if status.ready or (status.init and last_end(status) is not None):
            continue
        if status.state.kind == "running":
            kind = "init container" if status.init else "container"
            return starting(snapshot, status, pod.spec.container(status.name)).replace("container", kind, 1)
        age_s = seconds_between(pod.created_at, snapshot.read_at)
        since = f" since {duration(age_s)}" if age_s is not None else ""
        return f"container {status.name} is being made ({status.state.reason or 'image and volumes'}){since}"
    return "it is about to become ready"


def restart_faults(snapshot: Snapshot, pod: Pod) -> Iterator[PodFault]:
    """Yield a warning for each container of a ready pod that has been restarted in its life."""
    for status in pod.statuses:
        if not pod.ready or status.restarts == 0 or (status.init and not status.ready):
            continue
        end = status.last_state
        age_s = seconds_between(end.finished_at, snapshot.read_at) if end else None
        why = f", the last time {duration(age_s)} ago" if age_s is not None else ""
        how = f" ({end.reason or 'no reason given'}, exit code {end.exit_code})" if end else ""
        yield PodFault(
            pod=pod.name,
            cause=Cause.CONTAINER_RESTARTED,
            container=status.name,
            what=f"container {status.name} is well now and was restarted {count(status.restarts, 'time')}{why}{how}",
            evidence=(
                Evidence(
                    f"Pod/{pod.name}",
                    f"container {status.name} restartCount",
                    str(status.restarts),
                    end.finished_at if end else snapshot.read_at,
                ),
            ),
            remedy=f"Read why: kubectl logs {pod.name} -n {snapshot.namespace} -c {status.name} --previous",
            status=Status.WARN,
        )


def _before_containers(snapshot: Snapshot, pod: Pod) -> Iterator[PodFault | None]:
    """Yield what keeps a pod from having containers at all."""
    if pod.node is None:
        # A claim that binds with its first pod is provisioned while the scheduler holds the pod and says nothing.
        yield claim_fault(snapshot, pod)
        return
    if any(status.state.kind != "waiting" for status in pod.statuses):
        return
    # A container that waits for its image or its configuration has its volumes and its sandbox.
    if any(status.state.reason not in {"", "ContainerCreating", "PodInitializing"} for status in pod.statuses):
        return
    yield claim_fault(snapshot, pod)
    yield volume_fault(snapshot, pod)
    yield sandbox_fault(snapshot, pod)


def _in_order(pod: Pod) -> tuple[ContainerStatus, ...]:
    """Return the statuses in the order in which containers start: init containers first, as the pod declares them."""
    order = {spec.name: place for place, spec in enumerate(pod.spec.containers)}
    return tuple(sorted(pod.statuses, key=lambda each: (not each.init, order.get(each.name, len(order)))))


def _container_faults(snapshot: Snapshot, pod: Pod) -> Iterator[PodFault]:
    for status in _in_order(pod):
        spec = pod.spec.container(status.name)
        rungs = (
            image_fault(snapshot, pod, status, spec),
            creation_fault(snapshot, pod, status),
            exit_fault(snapshot, pod, status, spec),
        )
        yield from (found for found in rungs if found is not None)
        if not status.init and (found := readiness_fault(snapshot, pod, status, spec)) is not None:
            yield found
        if status.init and status.state.kind == "running" and not (spec and spec.sidecar):
            yield _init_running(snapshot, pod, status)


def _init_running(snapshot: Snapshot, pod: Pod, status: ContainerStatus) -> PodFault:
    running_s = seconds_between(status.state.started_at, snapshot.read_at) or 0.0
    return PodFault(
        pod=pod.name,
        cause=Cause.CONTAINER_INIT_RUNNING,
        container=status.name,
        what=f"init container {status.name} has been running for {duration(running_s)} and the pod waits for its end",
        evidence=(
            Evidence(f"Pod/{pod.name}", f"init container {status.name} state", "running", status.state.started_at),
        ),
        remedy=f"See what it does: kubectl logs {pod.name} -n {snapshot.namespace} -c {status.name}",
    )
