"""FIT-1: do weights, KV cache and runtime fit the container's memory limit and a node.

Two different things have to hold. What the model needs must stay below the limit, or the kernel kills the container
while it loads. What the pod claims (its request, or the model's need where that is more) must be there on a node, or it
is never placed, or is evicted first. Whether several such pods find room at the same time is ``capacity``'s question.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import cast, get_args

from gate.causes import Cause
from gate.criteria import threshold
from gate.records import ContainerSpec, Deployment, ModelFacts, PodSpec, Resources, Snapshot
from gate.sizing.choice import SizeRow, cheapest, size_table
from gate.sizing.instances import UnknownInstanceTypeError, instance
from gate.sizing.memory import Engine, MemoryNeed, fp32_weights_bytes, memory_need
from gate.sizing.offers import Planned, closed_to
from gate.sizing.units import MIB, needed_mib, offered_mib
from gate.target import Model
from gate.verdict import Evidence, Finding, Status, Verdict, judged, passed

#: A suggested request or limit is a round number a person would write.
ROUND_MIB = 64

#: What the service reads as true (pydantic, "Booleans").
TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One pod's claim on a node's memory: by request, or by need where that is more."""

    model: ModelFacts
    container: ContainerSpec
    need: MemoryNeed
    others_bytes: int
    ask: Resources

    @property
    def limit_bytes(self) -> int | None:
        """Return the container's memory limit."""
        return self.container.limits.memory_bytes

    @property
    def request_bytes(self) -> int:
        """Return the container's memory request, 0 for none."""
        return self.container.requests.memory_bytes or 0

    @property
    def sized_mib(self) -> int:
        """Return the least limit under which the need leaves the margin that RES-1 will ask for."""
        return -(-needed_mib(self.need.working_bytes / threshold("RES-1", "memory_share")) // ROUND_MIB) * ROUND_MIB

    @property
    def sized(self) -> Resources:
        """Return what one pod would claim with a request of that size."""
        return replace(self.ask, memory_bytes=self.others_bytes + self.sized_mib * MIB)

    @property
    def needs(self) -> str:
        """Return the need as a clause."""
        return (
            f"{self.model.name} needs {needed_mib(self.need.working_bytes)} MiB "
            f"({needed_mib(self.need.weights_bytes)} weights + {needed_mib(self.need.kv_bytes)} KV cache "
            f"+ {needed_mib(self.need.runtime_bytes)} runtime)"
        )

    @property
    def claims(self) -> str:
        """Return the claim as a clause."""
        total = needed_mib(self.ask.memory_bytes or 0)
        if self.request_bytes > self.need.working_bytes:
            return (
                f"a pod requests {total} MiB of memory "
                f"({self.model.name} itself needs {needed_mib(self.need.working_bytes)} MiB)"
            )
        return f"a pod needs {total} MiB of memory ({self.needs})"


def claim_of(model: ModelFacts, template: PodSpec, container: ContainerSpec, use: Model) -> Claim:
    """Return what one pod of the template claims, with the model run as the container's environment says.

    Where the environment is silent, the target's figures hold; a value that does not parse is CFG-1's to name.
    """
    need = memory_need(
        model,
        engine=run_by(container, use).engine,
        context_tokens=_number(container, "LLM_CONTEXT_TOKENS", use.context_tokens),
        parallel=_number(container, "LLM_PARALLEL", use.parallel),
        mapped=(container.value_of("LLM_MMAP") or "").lower() in TRUE,
    )
    requested = template.requested
    own = container.requests.memory_bytes or 0
    others = (requested.memory_bytes or 0) - own
    ask = replace(requested, memory_bytes=others + max(own, need.working_bytes))
    return Claim(model=model, container=container, need=need, others_bytes=others, ask=ask)


def run_by(container: ContainerSpec, use: Model) -> Model:
    """Return the target's figures with the engine that the environment chooses; an unknown one is CFG-1's to name."""
    engine = container.value_of("LLM_ENGINE")
    return use.model_copy(update={"engine": cast("Engine", engine)}) if engine in get_args(Engine) else use


def _number(container: ContainerSpec, key: str, otherwise: int) -> int:
    value = container.value_of(key)
    return int(value) if value is not None and value.isdecimal() else otherwise


def memory_verdict(
    model: ModelFacts,
    workload: Deployment,
    *,
    container: str,
    use: Model,
    planned: Planned | None = None,
    snapshot: Snapshot | None = None,
) -> Verdict:
    """Judge FIT-1.

    Args:
        model: the model that is to answer.
        workload: the Deployment as it is meant to be.
        container: the container that loads the model.
        use: engine, context and parallel requests, where the container's environment does not say.
        planned: the nodes as planned, if the target names them; judged where none were read.
        snapshot: the cluster, if it was read.

    Raises:
        LookupError: the Deployment has no such container.
    """
    spec = workload.container(container)
    use = run_by(spec, use)
    claim = claim_of(model, workload.template, spec, use)
    findings = list(_limit_findings(claim, workload))
    if snapshot is not None and snapshot.unread("nodes") is None:
        nodes = _read_nodes(claim, workload, snapshot)
    else:
        nodes = _planned_nodes(claim, planned, use)
    evidence = (*_compared(claim, planned, use), *nodes.evidence, *_evidence(claim, workload, use))
    return judged(
        "FIT-1",
        [replace(each, evidence=evidence) for each in [*findings, *nodes.findings]],
        passed(
            "FIT-1",
            f"{claim.needs}; its limit is {_limit(claim)}, and a pod claims {needed_mib(claim.ask.memory_bytes or 0)} "
            f"of the {nodes.there_mib} MiB that {nodes.name} has for it.",
            evidence,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Nodes:
    """What is known about the nodes: the one that counts, what it has for one pod, what is wrong."""

    name: str = ""
    there_mib: int = 0
    evidence: tuple[Evidence, ...] = ()
    findings: tuple[Finding, ...] = ()


def _limit(claim: Claim) -> str:
    return "none" if claim.limit_bytes is None else f"{offered_mib(claim.limit_bytes)} MiB"


def _compared(claim: Claim, planned: Planned | None, use: Model) -> Iterator[Evidence]:
    """Yield the candidates of the target, and the cheapest type of all that fits."""
    if planned is None:
        return
    for name in planned.nodes.candidates:
        try:
            row = size_table(claim.model, [instance(name)], ask=claim.ask, use=use, planned=planned)[0]
        except UnknownInstanceTypeError as error:
            yield Evidence(f"InstanceType/{name}", "memory for one pod", str(error))
        else:
            yield row.evidence()
    choice = cheapest(claim.ask, pods=1, planned=planned, further_nodes=0)
    where = f"{planned.platforms} only, the image's platform; us-east-1, on demand"
    value = f"{choice.type.name}, USD {choice.type.usd_per_hour:.4f}/h" if choice else "none of the table"
    yield Evidence("instance_facts.csv", "cheapest type that fits", f"{value} ({where})")


def _evidence(claim: Claim, workload: Deployment, use: Model) -> Iterator[Evidence]:
    need = claim.need
    where = f"Deployment/{workload.name}"
    prefix = f"containers[{claim.container.name}].resources"
    yield Evidence(f"Model/{claim.model.name}", f"memory under {use.engine}", claim.needs.partition("needs ")[2])
    yield Evidence(
        f"Model/{claim.model.name}",
        "anonymous memory (what gets a pod killed)",
        f"{needed_mib(need.anonymous_bytes)} MiB, peak with mapped weights {needed_mib(need.peak_bytes)} MiB"
        if need.mapped
        else f"{needed_mib(need.anonymous_bytes)} MiB, weights included: the file is read, not mapped",
    )
    if use.engine == "transformers":
        fp32 = fp32_weights_bytes(claim.model)
        yield Evidence(
            f"Model/{claim.model.name}", "weights if read as fp32", f"{needed_mib(fp32)} MiB; bf16 must be asked for"
        )
    yield Evidence(where, f"{prefix}.requests.memory", f"{needed_mib(claim.request_bytes)} MiB")
    yield Evidence(where, f"{prefix}.limits.memory", _limit(claim))


def _limit_findings(claim: Claim, workload: Deployment) -> Iterator[Finding]:
    evidence = (Evidence(f"Deployment/{workload.name}", "limits.memory", _limit(claim)),)
    set_limit = (
        f"kubectl set resources deployment/{workload.name} -n {workload.namespace} "
        f"-c {claim.container.name} --limits=memory={claim.sized_mib}Mi"
    )
    need, limit = claim.need, claim.limit_bytes
    if limit is None:
        yield Finding(
            Status.WARN,
            Cause.MEMORY_NO_LIMIT,
            f"{claim.needs} and the container has no memory limit: a leak takes the whole node down with it.",
            evidence,
            set_limit,
        )
    elif limit < need.working_bytes:
        killed = limit < need.anonymous_bytes
        end = (
            "it is OOM-killed while loading" if killed else "mapped weights are dropped and read again for every token"
        )
        missing = needed_mib(need.working_bytes) - offered_mib(limit)
        yield Finding(
            Status.FAIL,
            Cause.MEMORY_DOES_NOT_FIT,
            f"{claim.needs} and the limit is {offered_mib(limit)} MiB: {missing} MiB are missing, {end}.",
            evidence,
            set_limit,
        )
    elif limit * threshold("RES-1", "memory_share") < need.working_bytes:
        share = 100 * need.working_bytes / limit
        yield Finding(
            Status.WARN,
            Cause.MEMORY_NEAR_LIMIT,
            f"{claim.needs}, {share:.0f} % of the limit of {offered_mib(limit)} MiB: "
            f"RES-1 allows {100 * threshold('RES-1', 'memory_share'):.0f} %.",
            evidence,
            set_limit,
        )
    if claim.request_bytes < need.working_bytes:
        yield Finding(
            Status.WARN,
            Cause.MEMORY_REQUEST_TOO_SMALL,
            f"{claim.needs} and requests.memory is {needed_mib(claim.request_bytes)} MiB: the scheduler does not keep "
            f"the rest free, and under memory pressure this pod is evicted first.",
            evidence,
            f"kubectl set resources deployment/{workload.name} -n {workload.namespace} "
            f"-c {claim.container.name} --requests=memory={claim.sized_mib}Mi",
        )


def _planned_nodes(claim: Claim, planned: Planned | None, use: Model) -> _Nodes:
    try:
        of = instance(planned.nodes.instance_type) if planned else None
    except UnknownInstanceTypeError as error:
        return _unknown(claim, f"{error}")
    if planned is None or of is None:
        return _unknown(claim, "the target names no node type")
    row = size_table(claim.model, [of], ask=claim.ask, use=use, planned=planned)[0]
    name = f"a {of.name} node"
    findings = []
    if row.status is not Status.PASS:
        cause, what = _short(claim, row)
        findings = [Finding(row.status, cause, what, (row.evidence(),), _remedy(claim, planned))]
    return _Nodes(name=name, there_mib=row.there_mib, evidence=(row.evidence(),), findings=tuple(findings))


def _unknown(claim: Claim, why: str) -> _Nodes:
    evidence = (Evidence("target", "nodes", "none read, none known"),)
    finding = Finding(
        Status.INCONCLUSIVE,
        Cause.GATE_NOT_MEASURED,
        f"{claim.needs}, and whether a node has that is unknown: {why}, and no cluster was read.",
        evidence,
        "Name a known type in [nodes] of the target, or run without --offline.",
    )
    return _Nodes(evidence=evidence, findings=(finding,))


def _short(claim: Claim, row: SizeRow) -> tuple[Cause, str]:
    sentence = f"{claim.claims[0].upper()}{claim.claims[1:]} and a {row.type.name} node has {row.there_mib} MiB for it"
    if row.status is Status.WARN:
        return Cause.NODE_MARGIN_THIN, (
            f"{sentence} by the overhead that was measured, but not by the 7.5 % rule: "
            f"another kernel or image may not leave that much."
        )
    if row.missing_mib:
        return Cause.NODE_TOO_SMALL, f"{sentence}: {row.missing_mib} MiB are missing."
    return Cause.NODE_TOO_SMALL, (
        f"A pod requests {row.needed_cpu_m}m CPU and a {row.type.name} node has {row.there_cpu_m}m for it: "
        f"{row.needed_cpu_m - row.there_cpu_m}m are missing."
    )


def _remedy(claim: Claim, planned: Planned) -> str:
    choice = cheapest(claim.ask, pods=1, planned=planned, further_nodes=0)
    smaller = cheapest(claim.sized, pods=1, planned=planned, further_nodes=0)
    resize = f"set requests.memory to {claim.sized_mib}Mi, which is what the model needs with a margin"
    cheaper = smaller is not None and claim.sized_mib * MIB < claim.request_bytes
    if choice is None:
        return (
            f"{resize[0].upper()}{resize[1:]}." if cheaper else "Split the pod or lower its requests: no type holds it."
        )
    use = (
        f"Use {choice.type.name} nodes (USD {choice.type.usd_per_hour:.4f} an hour), "
        f"the cheapest {planned.platforms} type that fits"
    )
    if smaller is None or not cheaper or smaller.type.usd_per_hour >= choice.type.usd_per_hour:
        return f"{use}."
    return f"{use}; or {resize}, and {smaller.type.name} (USD {smaller.type.usd_per_hour:.4f} an hour) holds it."


def _read_nodes(claim: Claim, workload: Deployment, snapshot: Snapshot) -> _Nodes:
    """Judge the largest node that takes pods, by all that it can allocate: what is free there is FIT-2's question."""
    closed = {node.name: closed_to(node, workload.template) for node in snapshot.nodes}
    nodes = [node for node in snapshot.nodes if not closed[node.name]]
    if not nodes:
        return _no_node(claim, closed, snapshot)
    node = max(nodes, key=lambda each: each.allocatable.memory_bytes or 0)
    there_bytes = node.allocatable.memory_bytes
    value = "not reported" if there_bytes is None else f"{offered_mib(there_bytes)} MiB"
    evidence = (Evidence(f"Node/{node.name}", "status.allocatable.memory", value, snapshot.read_at),)
    name = f"node {node.name}"
    if there_bytes is None:
        finding = Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_NOT_MEASURED,
            f"{claim.needs}, and {name} does not report its allocatable memory.",
            evidence,
            f"kubectl describe node {node.name}",
        )
        return _Nodes(name=name, evidence=evidence, findings=(finding,))
    needed, there = needed_mib(claim.ask.memory_bytes or 0), offered_mib(there_bytes)
    if needed <= there:
        return _Nodes(name=name, there_mib=there, evidence=evidence)
    finding = Finding(
        Status.FAIL,
        Cause.NODE_TOO_SMALL,
        f"{claim.claims[0].upper()}{claim.claims[1:]} and the largest node, {node.name}, can allocate {there} MiB: "
        f"{needed - there} MiB are missing.",
        evidence,
        f"Add nodes with at least {needed} MiB of allocatable memory, or lower requests.memory.",
    )
    return _Nodes(name=name, there_mib=there, evidence=evidence, findings=(finding,))


def _no_node(claim: Claim, closed: Mapping[str, str], snapshot: Snapshot) -> _Nodes:
    why = "; ".join(f"{name} {reason}" for name, reason in closed.items()) or "the cluster has none"
    evidence = (Evidence("Nodes", "that take pods", f"0 of {len(closed)}", snapshot.read_at),)
    finding = Finding(
        Status.FAIL,
        Cause.SCHEDULING_NO_NODES,
        f"{claim.needs}, and no node takes pods: {why}.",
        evidence,
        "kubectl get nodes -o wide",
    )
    return _Nodes(evidence=evidence, findings=(finding,))
