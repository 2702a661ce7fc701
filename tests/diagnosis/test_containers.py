"""Why a container was never created: messages of the kubelet 1.34, containerd 1.6 to 2.x with runc, and Docker."""

import pytest

from gate.causes import Cause
from gate.diagnosis import tolerances
from gate.diagnosis.faults import PodFault
from gate.diagnosis.pods import pod_fault
from tests.diagnosis import factories as make

RUNC = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
NO_FILE = 'exec: "/app/run": stat /app/run: no such file or directory: unknown'
MISSING_FILE = f"{RUNC}unable to start container process: {NO_FILE}"
AS_ROOT = "container has runAsNonRoot and image will run as root (pod: chat-api_demo(1), container: chat-api)"


def created(message: str, reason: str = "CreateContainerConfigError", *, waited_s: float = 60) -> PodFault | None:
    """Return the fault of a pod whose container waits with that message."""
    pod = make.unready_pod(make.waiting(reason, message), conditions=make.unready_conditions(waited_s))
    return pod_fault(make.rollout_snapshot(pod), pod)


@pytest.mark.parametrize(
    ("reason", "message", "cause", "what"),
    [
        (
            "CreateContainerConfigError",
            'secret "chat-keys" not found',
            Cause.CONFIG_MISSING_SECRET,
            "container chat-api needs the Secret chat-keys, which does not exist in namespace carepath-demo",
        ),
        (
            "CreateContainerConfigError",
            'configmap "chat-settings" not found',
            Cause.CONFIG_MISSING_CONFIG_MAP,
            "container chat-api needs the ConfigMap chat-settings, which does not exist in namespace carepath-demo",
        ),
        (
            "CreateContainerConfigError",
            "couldn't find key api-token in Secret carepath-demo/chat-keys",
            Cause.CONFIG_MISSING_KEY,
            "container chat-api needs the key api-token of the Secret chat-keys, which does not have it",
        ),
        (
            "CreateContainerConfigError",
            AS_ROOT,
            Cause.CONFIG_SECURITY_CONTEXT,
            f"container chat-api is refused by its own security context: {AS_ROOT}",
        ),
        (
            "RunContainerError",
            MISSING_FILE,
            Cause.CONTAINER_COMMAND_NOT_FOUND,
            f"container chat-api has no such command: {NO_FILE}",
        ),
        (
            "RunContainerError",
            f'{RUNC}unable to start container process: exec: "serve": executable file not found in $PATH: unknown',
            Cause.CONTAINER_COMMAND_NOT_FOUND,
            'container chat-api has no such command: exec: "serve": executable file not found in $PATH: unknown',
        ),
        (
            "RunContainerError",
            f"{RUNC}unable to start container process: exec /app/run: exec format error: unknown",
            Cause.IMAGE_WRONG_PLATFORM,
            "container chat-api has a program for another processor than the node's (amd64): exec format error",
        ),
        (
            "RunContainerError",
            f"{RUNC}unable to start container process: container init was OOM-killed (memory limit too low?): unknown",
            Cause.CONTAINER_OOM_KILLED,
            "container chat-api is out of memory before its program starts: the limit is too small for any process",
        ),
        (
            "CreateContainerError",
            "failed to reserve container name",
            Cause.CONTAINER_CREATE_FAILED,
            "container chat-api cannot be created or started: failed to reserve container name",
        ),
        (
            "CreateContainerError",
            "",
            Cause.CONTAINER_CREATE_FAILED,
            "container chat-api cannot be created or started: the kubelet does not say why",
        ),
    ],
)
def test_creation_message_is_told_by_kind(reason: str, message: str, cause: Cause, what: str) -> None:
    """Incident 22 and its neighbours: the object, key or command that is missing is named."""
    fault = created(message, reason)
    assert fault is not None
    assert (fault.cause, fault.what) == (cause, what)
    assert fault.final


@pytest.mark.parametrize(
    ("message", "tolerance_s"),
    [('secret "chat-keys" not found', tolerances.CONFIG_SYNC_S), ("context deadline exceeded", tolerances.CREATE_S)],
)
def test_creation_that_may_still_succeed_is_given_time(message: str, tolerance_s: float) -> None:
    """A Secret applied a moment after the Deployment is found by the next retry."""
    early, late = created(message, waited_s=tolerance_s - 1), created(message, waited_s=tolerance_s)
    assert early is not None
    assert late is not None
    assert (early.final, late.final) == (False, True)


def test_slow_secret_cache_is_never_final() -> None:
    """Many pods of one Secret overload the kubelet's watch for a while; the Secret is there."""
    fault = created("failed to sync secret cache: timed out waiting for the condition", waited_s=600)
    assert fault is not None
    assert (fault.cause, fault.final) == (Cause.CONTAINER_CREATE_FAILED, False)


@pytest.mark.parametrize("reason", ["StartError", "ContainerCannotRun"])
def test_crash_loop_of_a_command_that_is_missing_names_it(reason: str) -> None:
    """Between two attempts the container waits in CrashLoopBackOff; the last attempt says why."""
    end = make.terminated(128, reason, message=MISSING_FILE, ran_s=0)
    pod = make.unready_pod(make.waiting("CrashLoopBackOff", "back-off 10s"), status={"restarts": 1, "last_state": end})
    fault = pod_fault(make.rollout_snapshot(pod), pod)
    assert fault is not None
    assert (fault.cause, fault.final) == (Cause.CONTAINER_COMMAND_NOT_FOUND, True)


def test_node_that_cannot_make_a_sandbox_is_named() -> None:
    """No network for the pod: the runtime's words, the node, and since when."""
    pod = make.unready_pod(make.waiting("ContainerCreating"))
    message = 'Failed to create pod sandbox: plugin type="bridge" failed (add): no IP addresses available'
    event = make.event("FailedCreatePodSandBox", message, pod, age_s=3, first_at=make.ago(40))
    fault = pod_fault(make.rollout_snapshot(pod, events=(event,)), pod)
    assert fault is not None
    assert (fault.cause, fault.final) == (Cause.CONTAINER_CREATE_FAILED, False)
    assert fault.what == f"node carepath-node cannot make its sandbox since 40 s: {message}"


def test_sandbox_that_is_out_of_memory_blames_the_limit() -> None:
    """A limit of 1 MiB kills the runtime's own first process; seen with runc 1.1.5."""
    pod = make.unready_pod(make.waiting("ContainerCreating"))
    message = f"{RUNC}unable to start container process: container init was OOM-killed (memory limit too low?): unknown"
    event = make.event("FailedCreatePodSandBox", message, pod, age_s=3, first_at=make.ago(tolerances.CONFIG_SYNC_S))
    fault = pod_fault(make.rollout_snapshot(pod, events=(event,)), pod)
    assert fault is not None
    assert (fault.cause, fault.final) == (Cause.CONTAINER_OOM_KILLED, True)
    assert fault.what == "its memory limit is too small for the sandbox alone, before any container starts"


def test_container_that_is_being_created_is_no_fault() -> None:
    """ContainerCreating and PodInitializing are the ordinary course."""
    for reason in ("ContainerCreating", "PodInitializing"):
        pod = make.unready_pod(make.waiting(reason))
        assert pod_fault(make.rollout_snapshot(pod), pod) is None
