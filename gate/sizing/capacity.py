"""FIT-2: do the pods find room at the same time, on what is FREE.

Allocatable is not the question: other pods hold part of it, and during a rolling update the old pods of this very
Deployment do. With a cluster the update is played through on what its nodes have left; without one, on the nodes as
planned, where the pods before and after the update are taken to be alike.
"""

from collections.abc import Iterator, Sequence

from gate.causes import Cause
from gate.records import Deployment, Hpa, Pod, Resources, Snapshot
from gate.sizing.choice import cheapest
from gate.sizing.instances import UnknownInstanceTypeError, instance
from gate.sizing.offers import Offer, Planned, plus, read_offer
from gate.sizing.quota import quota_findings
from gate.sizing.rolling import Outcome, Pace, Shortage, pace, roll, shortage, slots
from gate.sizing.units import needed_mib, offered_mib
from gate.verdict import Evidence, Finding, Status, Verdict, inconclusive, judged, passed

#: Nodes that stand as evidence, those with most memory free first; a cluster may have hundreds.
EVIDENCED_NODES = 10

_CAUSES = {
    "memory_bytes": Cause.SCHEDULING_INSUFFICIENT_MEMORY,
    "cpu_m": Cause.SCHEDULING_INSUFFICIENT_CPU,
    "ephemeral_storage_bytes": Cause.SCHEDULING_INSUFFICIENT_EPHEMERAL_STORAGE,
    "pods": Cause.SCHEDULING_TOO_MANY_PODS,
}
_ENDED = frozenset({"Failed", "Succeeded"})


def capacity_verdict(
    workload: Deployment, *, hpa: Hpa | None = None, planned: Planned | None = None, snapshot: Snapshot | None = None
) -> Verdict:
    """Judge FIT-2.

    Args:
        workload: the Deployment as it is meant to be.
        hpa: its HorizontalPodAutoscaler, whose minimum of replicas is always there.
        planned: the nodes as planned, if the target names them; judged where no cluster was read.
        snapshot: the cluster, if it was read; the free room of its nodes is judged.
    """
    if snapshot is not None:
        return _on_cluster(workload, hpa, snapshot)
    if planned is None:
        return inconclusive(
            "FIT-2",
            Cause.GATE_NOT_MEASURED,
            "Whether the pods find room is unknown: the target names no nodes and no cluster was read.",
            [Evidence("target", "nodes", "none read, none known")],
            "Add [nodes] to the target, or run without --offline.",
        )
    return _as_planned(workload, hpa, planned)


def _ask_evidence(workload: Deployment, at: Pace) -> Iterator[Evidence]:
    where = f"Deployment/{workload.name}"
    ask = workload.template.requested
    yield Evidence(
        where,
        "requests of one pod",
        f"{ask.cpu_m or 0}m CPU, {needed_mib(ask.memory_bytes or 0)} MiB memory, "
        f"{needed_mib(ask.ephemeral_storage_bytes or 0)} MiB ephemeral storage",
    )
    yield Evidence(
        where,
        "rolling update",
        f"{at.replicas} replicas, maxSurge {workload.max_surge}, maxUnavailable {workload.max_unavailable}",
    )


def _offer_evidence(offers: Sequence[Offer], ask: Resources, snapshot: Snapshot | None = None) -> Iterator[Evidence]:
    roomy = sorted(offers, key=lambda each: each.free.memory_bytes or 0, reverse=True)
    for offer in roomy[:EVIDENCED_NODES]:
        free = offer.free
        value = (
            f"{free.cpu_m}m CPU, {offered_mib(free.memory_bytes or 0)} MiB memory, {free.pods} pods: "
            f"room for {slots(offer, ask)}"
        )
        closed = f"; it {offer.closed}" if offer.closed else ""
        yield Evidence(offer.node, "free", f"{value}{closed}", snapshot.read_at if snapshot else None)
    if len(roomy) > EVIDENCED_NODES:
        yield Evidence("further nodes", "not listed", str(len(roomy) - EVIDENCED_NODES))


def _lack(short: Shortage) -> str:
    words = {
        "memory_bytes": ("of memory", f"{needed_mib(short.asked)} MiB", f"{offered_mib(short.free)} MiB"),
        "cpu_m": ("CPU", f"{short.asked}m", f"{short.free}m"),
        "ephemeral_storage_bytes": (
            "of ephemeral storage",
            f"{needed_mib(short.asked)} MiB",
            f"{offered_mib(short.free)} MiB",
        ),
        "pods": ("of the pods it may run", f"{short.asked}", f"{short.free}"),
    }
    what, asked, free = words[short.resource]
    if short.resource in {"memory_bytes", "ephemeral_storage_bytes"}:
        missing = f"{needed_mib(short.asked) - offered_mib(short.free)} MiB"
    else:
        missing = f"{short.missing}{'m' if short.resource == 'cpu_m' else ''}"
    return f"{short.offer.node} has {free} {what} left, a pod asks for {asked}, {missing} missing"


# --- As planned -------------------------------------------------------------------------------------------------------


def _as_planned(workload: Deployment, hpa: Hpa | None, planned: Planned) -> Verdict:
    ask = workload.template.requested
    at = pace(workload, replicas_kept(workload, hpa, None))
    try:
        of = instance(planned.nodes.instance_type)
    except UnknownInstanceTypeError as error:
        return inconclusive(
            "FIT-2",
            Cause.GATE_NOT_MEASURED,
            f"Whether {at.standing} pods find room is unknown: {error}.",
            [Evidence("target", "nodes.instance_type", error.name)],
            "Name a known type in [nodes] of the target, or run without --offline.",
        )
    offers = planned.offers(of)
    evidence = (*_ask_evidence(workload, at), *_offer_evidence(offers, ask))
    nodes = f"1 {of.name} node holds" if planned.nodes.count == 1 else f"{planned.nodes.count} {of.name} nodes hold"
    held = sum(slots(each, ask) for each in offers)
    held_at_least = sum(slots(each.cautious(), ask) for each in offers)
    stand = f"{at.standing} pods of {workload.name} stand at the same time ({_why_standing(at)})"
    if held_at_least >= at.standing:
        return passed("FIT-2", f"{stand}, and {nodes} {held_at_least}.", evidence)
    if held >= at.standing:
        return Verdict(
            "FIT-2",
            Status.WARN,
            f"{stand}; {nodes} {held} by the overhead that was measured, "
            f"but {held_at_least} by the 7.5 % rule: another kernel or image may not leave that much.",
            evidence,
            Cause.NODE_MARGIN_THIN,
            _suggestion(ask, at, planned),
        )
    short = shortage(_filled(offers, ask), ask)
    lack = f": when those run, {_lack(short)}" if short and held else f": {_lack(short)}" if short else ""
    return Verdict(
        "FIT-2",
        Status.FAIL,
        f"{stand}, and {nodes} {held}{lack}.",
        evidence,
        _CAUSES[short.resource] if short else Cause.SCHEDULING_NO_NODES,
        _suggestion(ask, at, planned),
    )


def _why_standing(at: Pace) -> str:
    return f"{at.replicas} replicas" + (" + 1 of the rolling update" if at.standing > at.replicas else "")


def _filled(offers: Sequence[Offer], ask: Resources) -> tuple[Offer, ...]:
    """Return the nodes with as many pods on them as they hold."""
    everywhere = sum(slots(each, ask) for each in offers)
    return roll(offers, ask, Pace(replicas=everywhere, surge=0, unavailable=everywhere)).offers


def _suggestion(ask: Resources, at: Pace, planned: Planned) -> str:
    choice = cheapest(ask, pods=at.standing, planned=planned)
    if choice is None:
        return f"Lower the pod's requests or the minimum of replicas: no {planned.platforms} type holds {at.standing}."
    return (
        f"Use {choice.count} {choice.type.name} nodes (USD {choice.usd_per_hour:.4f} an hour together), the cheapest "
        f"{planned.platforms} choice that holds {at.standing} such pods, or lower the pod's requests."
    )


# --- On the cluster that was read -------------------------------------------------------------------------------------


def _on_cluster(workload: Deployment, hpa: Hpa | None, snapshot: Snapshot) -> Verdict:
    ask = workload.template.requested
    at = pace(workload, replicas_kept(workload, hpa, snapshot))
    unread = snapshot.unread("nodes")
    if unread is not None or any(node.requested is None for node in snapshot.nodes):
        return _unknown(workload, at, snapshot)
    own = _owned(snapshot, workload.name)
    old = [pod for pod in own if not pod.terminating]
    leaving = [pod for pod in own if pod.terminating]
    offers = [read_offer(node, workload.template, _released(leaving, node.name)) for node in snapshot.nodes]
    where = {node.name: index for index, node in enumerate(snapshot.nodes)}
    running = [(where[pod.node], pod.spec.requested) for pod in old if pod.node in where]
    evidence = (
        *_ask_evidence(workload, at),
        Evidence(f"Deployment/{workload.name}", "pods that run now", str(len(running)), snapshot.read_at),
        *_offer_evidence(offers, ask, snapshot),
    )
    outcome = roll(offers, ask, at, running)
    findings = [
        *quota_findings(workload.name, workload.template, at, old, snapshot),
        *([] if outcome.done else [_stuck(outcome, at, workload, evidence)]),
    ]
    taking = sum(1 for each in offers if not each.closed)
    fits = (
        f"The rolling update of {workload.name} to {at.replicas} pods fits what is free beside {len(running)} running "
        f"pods on {taking} of {len(offers)} nodes."
    )
    return judged("FIT-2", findings, passed("FIT-2", fits, evidence))


def _unknown(workload: Deployment, at: Pace, snapshot: Snapshot) -> Verdict:
    unread = snapshot.unread("nodes") or snapshot.unread("node_requests")
    cause = Cause.GATE_UNREACHABLE if unread and unread.kind == "unreachable" else Cause.GATE_FORBIDDEN
    why = f": {unread.message}" if unread else ""
    return inconclusive(
        "FIT-2",
        cause,
        f"Whether {at.standing} pods of {workload.name} find room is unknown: what is free on the nodes "
        f"could not be read{why}.",
        [Evidence("Nodes", "free", unread.kind if unread else "requests of all pods not readable", snapshot.read_at)],
        "Grant list on nodes and on pods of all namespaces, or run with --offline to judge the nodes as planned.",
    )


def _stuck(outcome: Outcome, at: Pace, workload: Deployment, evidence: tuple[Evidence, ...]) -> Finding:
    stands = f"The update of {workload.name} would stop with {outcome.placed} of {at.replicas} new pods placed"
    beside = f" and {outcome.old_left} old ones still running" if outcome.old_left else ""
    short = shortage(outcome.offers, workload.template.requested)
    if short is None:
        closed = "; ".join(f"{each.node} {each.closed}" for each in outcome.offers[:EVIDENCED_NODES])
        return Finding(
            Status.FAIL,
            Cause.SCHEDULING_NO_NODES,
            f"{stands}{beside}: no node takes pods ({closed or 'the cluster has none'}).",
            evidence,
            "kubectl get nodes -o wide",
        )
    return Finding(
        Status.FAIL,
        _CAUSES[short.resource],
        f"{stands}{beside}: {_lack(short)}.",
        evidence,
        f"Add a node, lower the pod's requests, or let the update take an old pod away first (maxSurge 0, "
        f"maxUnavailable 1) if {at.replicas - 1} pods can serve meanwhile."
        if outcome.old_left
        else "Add a node or lower the pod's requests.",
    )


def replicas_kept(workload: Deployment, hpa: Hpa | None, snapshot: Snapshot | None) -> int:
    """Return how many replicas an update would have to keep: what runs now, at least the HPA's minimum.

    Without an HPA it is what the manifest says; a Deployment that says nothing gets 1 from the API server.
    """
    least = hpa.min_replicas if hpa else workload.desired if workload.desired is not None else 1
    running = snapshot.deployment(workload.name) if snapshot else None
    return max(least, running.desired or 0) if hpa and running else least


def _owned(snapshot: Snapshot, name: str) -> list[Pod]:
    deployment = snapshot.deployment(name)
    sets = snapshot.replica_sets_owned_by(deployment.uid) if deployment else ()
    return [pod for each in sets for pod in snapshot.pods_owned_by(each.uid) if pod.phase not in _ENDED]


def _released(leaving: Sequence[Pod], node: str) -> Resources:
    """Return what our pods that are being deleted will give back to the node."""
    released = Resources(cpu_m=0, memory_bytes=0, ephemeral_storage_bytes=0, pods=0)
    for pod in leaving:
        if pod.node == node:
            released = plus(released, pod.spec.requested)
    return released
