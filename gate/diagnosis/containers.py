"""Why a container was never created or never began to run: its configuration, its user, its command.

Nothing of the program itself has run in these cases, so there is no log to read; the kubelet's or the runtime's message
is all there is. Pulling the image comes before (``image``), the program's own end after (``exits``).
"""

import math
import re
from dataclasses import dataclass

from gate.causes import Cause
from gate.diagnosis import tolerances
from gate.diagnosis.faults import PodFault
from gate.diagnosis.wording import duration, quote, seconds_between
from gate.records import ContainerState, ContainerStatus, Pod, Snapshot
from gate.verdict import Evidence

#: Waiting reasons before the program runs (pkg/kubelet/kuberuntime/kuberuntime_container.go, container/sync_result.go).
CREATE_REASONS = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "PreCreateHookError",
        "PreStartHookError",
        "PostStartHookError",
        "RunContainerError",
    }
)

#: What the runtimes write as the reason of a container whose command could not be executed: containerd's and Docker's.
START_REASONS = frozenset({"StartError", "ContainerCannotRun"})


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a message tells of; the templates take the pattern's groups and the facts of ``_create``.

    ``final_after_s`` counts from when the pod had its node and its init containers behind it.
    """

    pattern: re.Pattern[str]
    cause: Cause
    what: str
    remedy: str
    final_after_s: float


#: runc, libcontainer/process_linux.go.
_MEMORY = re.compile(r"container init was OOM-killed", re.IGNORECASE)

_AT_ONCE = 0.0
_NEVER = math.inf

_RULES: tuple[_Rule, ...] = (
    # pkg/kubelet/kubelet_pods.go, makeEnvironmentVariables.
    _Rule(
        re.compile(r"couldn't find key (?P<key>\S+) in (?P<kind>Secret|ConfigMap) [^/\s]*/(?P<name>\S+)"),
        Cause.CONFIG_MISSING_KEY,
        "needs the key {key} of the {kind} {name}, which does not have it",
        "Add the key, or correct the template: kubectl describe {kind} {name} -n {namespace}",
        tolerances.CONFIG_SYNC_S,
    ),
    _Rule(
        re.compile(r'secret "(?P<name>[^"]+)" not found'),
        Cause.CONFIG_MISSING_SECRET,
        "needs the Secret {name}, which does not exist in namespace {namespace}",
        "Create it, or correct the name in the template: kubectl get secrets -n {namespace}",
        tolerances.CONFIG_SYNC_S,
    ),
    _Rule(
        re.compile(r'configmap "(?P<name>[^"]+)" not found'),
        Cause.CONFIG_MISSING_CONFIG_MAP,
        "needs the ConfigMap {name}, which does not exist in namespace {namespace}",
        "Create it, or correct the name in the template: kubectl get configmaps -n {namespace}",
        tolerances.CONFIG_SYNC_S,
    ),
    # The watch behind the kubelet's cache has not answered in time; the next retry has it (kubernetes#74755).
    _Rule(
        re.compile(r"failed to sync (?:secret|configmap) cache"),
        Cause.CONTAINER_CREATE_FAILED,
        "waits for the kubelet's cache of Secrets and ConfigMaps: {message}",
        "Wait for the next retry; if it stays, look at the kubelet of node {node}.",
        _NEVER,
    ),
    # The kernel's ENOEXEC, as runc passes it on.
    _Rule(
        re.compile(r"exec format error"),
        Cause.IMAGE_WRONG_PLATFORM,
        "has a program for another processor than the node's ({arch}): exec format error",
        "Build for the nodes' platform: docker build --platform linux/{arch} ...",
        _AT_ONCE,
    ),
    _Rule(
        _MEMORY,
        Cause.CONTAINER_OOM_KILLED,
        "is out of memory before its program starts: the limit is too small for any process",
        "Raise resources.limits.memory.",
        _AT_ONCE,
    ),
    # pkg/kubelet/kuberuntime/security_context_others.go, verifyRunAsNonRoot.
    _Rule(
        re.compile(r"non-root|runAsNonRoot|runAsUser|run as root|seccomp|apparmor", re.IGNORECASE),
        Cause.CONFIG_SECURITY_CONTEXT,
        "is refused by its own security context: {message}",
        "Give the image a numeric USER that is not 0, or set securityContext.runAsUser.",
        _AT_ONCE,
    ),
    # Go's os/exec as runc reports it; Docker's daemon wraps the same words.
    _Rule(
        re.compile(r"exec: .*(?:executable file not found|no such file or directory|permission denied|is a directory)"),
        Cause.CONTAINER_COMMAND_NOT_FOUND,
        "has no such command: {innermost}",
        "Correct command and args in the template, or the image's ENTRYPOINT.",
        _AT_ONCE,
    ),
    _Rule(
        re.compile(r""),
        Cause.CONTAINER_CREATE_FAILED,
        "cannot be created or started: {message}",
        "Read the kubelet's own words: kubectl describe pod {pod} -n {namespace}",
        tolerances.CREATE_S,
    ),
)


def creation_fault(snapshot: Snapshot, pod: Pod, status: ContainerStatus) -> PodFault | None:
    """Return why the container cannot be created or started, None if that is not what it waits for."""
    state = status.state
    if state.kind == "waiting" and state.reason in CREATE_REASONS:
        return _create(snapshot, pod, status, state)
    last = state if state.kind == "terminated" else status.last_state
    if last is not None and last.reason in START_REASONS and not status.ready:
        return _create(snapshot, pod, status, last)
    return None


def sandbox_fault(snapshot: Snapshot, pod: Pod) -> PodFault | None:
    """Return why the pod's sandbox (network, cgroup) cannot be made, None if no event says so."""
    if any(status.state.kind != "waiting" for status in pod.statuses):
        return None
    for event in reversed(snapshot.events_of("Pod", pod.name)):
        if event.reason not in {"FailedCreatePodSandBox", "FailedCreatePodContainer", "NetworkNotReady"}:
            continue
        lasted_s = seconds_between(event.first_at or event.last_at, snapshot.read_at) or 0.0
        said = (Evidence(f"Pod/{pod.name}", f"event {event.reason}", quote(event.message), event.last_at),)
        if _MEMORY.search(event.message):
            return PodFault(
                pod=pod.name,
                cause=Cause.CONTAINER_OOM_KILLED,
                what="its memory limit is too small for the sandbox alone, before any container starts",
                evidence=said,
                remedy="Raise resources.limits.memory: the runtime itself needs several MiB.",
                final=lasted_s >= tolerances.CONFIG_SYNC_S,
            )
        return PodFault(
            pod=pod.name,
            cause=Cause.CONTAINER_CREATE_FAILED,
            what=f"node {pod.node} cannot make its sandbox since {duration(lasted_s)}: {quote(event.message)}",
            evidence=said,
            remedy=f"Look at the node's network plugin and container runtime: kubectl describe node {pod.node}",
            final=lasted_s >= tolerances.MOUNT_S,
        )
    return None


def _create(snapshot: Snapshot, pod: Pod, status: ContainerStatus, state: ContainerState) -> PodFault:
    waited_s = _waited_s(snapshot, pod)
    rule, match = next((rule, found) for rule in _RULES if (found := rule.pattern.search(state.message)))
    node = snapshot.node(pod.node)
    facts = match.groupdict() | {
        "namespace": snapshot.namespace,
        "pod": pod.name,
        "node": pod.node,
        "arch": (node.architecture if node else "") or "amd64",
        "message": quote(state.message) or "the kubelet does not say why",
        "innermost": quote(_innermost(state.message)),
    }
    where = f"container {status.name} state.{state.kind}"
    exit_code = (
        () if state.exit_code is None else (_evidence(pod, f"{where}.exitCode", str(state.exit_code), snapshot),)
    )
    return PodFault(
        pod=pod.name,
        cause=rule.cause,
        container=status.name,
        what=f"container {status.name} {rule.what.format(**facts)}",
        evidence=(
            _evidence(pod, f"{where}.reason", state.reason, snapshot),
            _evidence(pod, f"{where}.message", quote(state.message) or "none", snapshot),
            *exit_code,
        ),
        remedy=rule.remedy.format(**facts),
        final=waited_s >= rule.final_after_s,
    )


def _evidence(pod: Pod, field: str, value: str, snapshot: Snapshot) -> Evidence:
    return Evidence(f"Pod/{pod.name}", field, value, snapshot.read_at)


def _innermost(message: str) -> str:
    _, found, rest = message.partition("unable to start container process: ")
    return rest if found else message


def _waited_s(snapshot: Snapshot, pod: Pod) -> float:
    """Return how long the pod has had its node and its init containers behind it."""
    since = [found.at for kind in ("PodScheduled", "Initialized") if (found := pod.condition(kind)) and found.at]
    return seconds_between(max(since, default=pod.created_at), snapshot.read_at) or 0.0
