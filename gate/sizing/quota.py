"""Does a ResourceQuota of the namespace let the rolling update run to its end.

A quota refuses pods before the scheduler sees them: there is no pod to look at, only a ReplicaSet that cannot create
one. It is one more place with so much left, so the update is played through on it as on a node.
"""

from collections.abc import Iterator, Sequence

from gate.causes import Cause
from gate.records import Pod, PodSpec, Quota, Resources, Snapshot
from gate.sizing.offers import Offer
from gate.sizing.rolling import Pace, Shortage, roll, shortage
from gate.sizing.units import needed_mib, offered_mib
from gate.verdict import Evidence, Finding, Status

_BYTES = frozenset({"memory_bytes", "ephemeral_storage_bytes"})
_KEYS = {"memory_bytes": "memory", "cpu_m": "cpu", "ephemeral_storage_bytes": "ephemeral-storage", "pods": "pods"}


def quota_findings(name: str, template: PodSpec, at: Pace, old: Sequence[Pod], snapshot: Snapshot) -> Iterator[Finding]:
    """Yield a finding for each quota that stops the update, or for quotas that could not be read.

    Args:
        name: the Deployment.
        template: the pod as it is meant to be.
        at: the pace of the update.
        old: the Deployment's running pods, whose share the quota counts as used.
        snapshot: the namespace's quotas.
    """
    unread = snapshot.unread("quotas")
    if unread is not None:
        forbidden = unread.kind == "forbidden"
        yield Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_FORBIDDEN if forbidden else Cause.GATE_UNREACHABLE,
            f"Whether a quota would stop the update of {name} is unknown: {unread.message}.",
            (Evidence(f"Namespace/{snapshot.namespace}", "resourcequotas", unread.kind, snapshot.read_at),),
            f"Grant it: kubectl auth can-i list resourcequotas -n {snapshot.namespace}"
            if forbidden
            else "Run the gate again once the API answers: kubectl get --raw /readyz",
        )
    for quota in snapshot.quotas:
        for kind, left, ask, held in (
            ("requests", quota.requests_left, template.requested, [pod.spec.requested for pod in old]),
            ("limits", quota.limits_left, _limits(template), [_limits(pod.spec) for pod in old]),
        ):
            place = Offer(node=f"quota {quota.name}", free=left, free_at_least=left)
            outcome = roll([place], ask, at, [(0, each) for each in held])
            short = None if outcome.done else shortage(outcome.offers, ask)
            if short is not None:
                after = f"the update of {name} after {outcome.placed} of {at.replicas} new pods"
                yield _finding(quota, short, kind=kind, after=after, snapshot=snapshot)


def _limits(spec: PodSpec) -> Resources:
    running = [each for each in spec.containers if not each.init or each.sidecar]
    return Resources(
        cpu_m=sum(each.limits.cpu_m or 0 for each in running),
        memory_bytes=sum(each.limits.memory_bytes or 0 for each in running),
        ephemeral_storage_bytes=sum(each.limits.ephemeral_storage_bytes or 0 for each in running),
    )


def _finding(quota: Quota, short: Shortage, *, kind: str, after: str, snapshot: Snapshot) -> Finding:
    key = "pods" if short.resource == "pods" else f"{kind}.{_KEYS[short.resource]}"
    return Finding(
        Status.FAIL,
        Cause.ADMISSION_QUOTA,
        f"The quota {quota.name} would stop {after}: {key} has {_free(short)} left, a pod needs {_asked(short)}.",
        tuple(
            Evidence(
                f"ResourceQuota/{quota.name}", each, f"{quota.used.get(each, '0')} of {hard} used", snapshot.read_at
            )
            for each, hard in quota.hard.items()
        ),
        f"Raise {key} of the quota, or lower what the pod asks for: kubectl describe quota {quota.name} "
        f"-n {snapshot.namespace}",
    )


def _free(short: Shortage) -> str:
    return f"{offered_mib(short.free)} MiB" if short.resource in _BYTES else _count(short.free, short.resource)


def _asked(short: Shortage) -> str:
    return f"{needed_mib(short.asked)} MiB" if short.resource in _BYTES else _count(short.asked, short.resource)


def _count(number: int, resource: str) -> str:
    return f"{number}m" if resource == "cpu_m" else str(number)
