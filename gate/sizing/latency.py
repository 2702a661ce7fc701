"""LAT-0: will a question be answered in time, and by an answer.

The longest answer that the settings allow is predicted for a replica that nothing else waits for, as a band: wholly
under the limit passes, across it warns, wholly above fails and says which type would do. Beside it stand the settings
that lose time whatever the node: threads beyond the CPU limit, thoughts that leave no time for words, places in a queue
that cannot be served, CPUs on credit. What users wait for at a load of many is LOD-1's to measure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from gate.causes import Cause
from gate.criteria import threshold
from gate.records import Deployment, ModelFacts, SettingsSchema, Snapshot
from gate.sizing.answer_time import AnswerTime, WayOut, time_on, way_out
from gate.sizing.answering import Run, Unsaid, run_of
from gate.sizing.fit import claim_of
from gate.sizing.instances import InstanceType, UnknownInstanceTypeError, instance
from gate.sizing.offers import Planned, closed_to
from gate.sizing.speed import rates_measured
from gate.target import Model
from gate.verdict import Evidence, Finding, Status, Verdict, inconclusive, judged, passed

_LAT = "LAT-0"

#: Share of each vCPU that a burstable type may use for ever (EC2 user guide, "Burstable performance instances",
#: table of CPU credits: T3 and T3a); what is used beyond it is borrowed, bought, or not had.
BASELINE = {"medium": 0.2, "large": 0.3, "xlarge": 0.4, "2xlarge": 0.4}
#: Same guide: a vCPU-hour beyond the credits in `unlimited` mode, the default of T3, Linux.
SURPLUS_USD_PER_VCPU_HOUR = 0.05


def latency_verdict(
    model: ModelFacts,
    workload: Deployment,
    *,
    container: str,
    schema: SettingsSchema,
    use: Model,
    planned: Planned | None = None,
    snapshot: Snapshot | None = None,
) -> Verdict:
    """Judge LAT-0.

    Args:
        model: the model that is to answer.
        workload: the Deployment as it is meant to be.
        container: the container that runs the service.
        schema: every setting of the service, with its default.
        use: the target's model section: engine, and speeds measured on its nodes, if any.
        planned: the nodes as planned; judged where none were read, and searched for a type that would do.
        snapshot: the cluster, if it was read; the slowest type that may get the pod counts.

    Raises:
        LookupError: the Deployment has no such container.
    """
    spec = workload.container(container)
    where = f"Deployment/{workload.name}"
    run = run_of(model, spec, schema, use)
    if isinstance(run, Unsaid):
        return _unsaid(run, where)
    # Past its deadline the service cuts the answer short, and LAT-1 counts that as a failure.
    limit_s = min(threshold("LAT-1", "p95_s"), run.deadline_s)
    types = node_types(workload, planned, snapshot)
    times = answer_times(model, run, use, types)
    if isinstance(times, str):
        return inconclusive(
            _LAT,
            Cause.GATE_NOT_MEASURED,
            f"How long {model.name} takes for {run.tokens} is unknown: {times}.",
            [Evidence(where, "tokens", run.tokens)],
            "Name a measured type in [nodes] of the target, or what was measured on its nodes in [model.speed].",
        )
    slowest = max(times, key=lambda each: each.slow_s)
    claim = claim_of(model, workload.template, spec, use)
    over = slowest.slow_s >= limit_s
    out = way_out(model, run, ask=claim.ask, planned=planned, limit_s=limit_s) if over and planned else None
    evidence = (*_evidence(where, times, run, limit_s), *_compared(model, run, planned), *_searched(out, limit_s))
    command = f"kubectl set env deployment/{workload.name} -n {workload.namespace} -c {container}"
    findings = [
        *_throttled(slowest, command),
        *_wordless(slowest, command),
        *([_over(model, slowest, limit_s, out)] if over else []),
        *_queued(slowest, command),
        *_on_credit(model, run, types if use.speed is None else ()),
    ]
    fine = (
        f"{model.name} answers a question in {slowest.band} on {slowest.where} ({run.tokens}, "
        f"{_threads(slowest)}), under {_allowed(run)}."
    )
    proven = [replace(each, evidence=(*each.evidence, *evidence)) for each in findings]
    return judged(_LAT, proven, passed(_LAT, fine, evidence))


def _unsaid(run: Unsaid, where: str) -> Verdict:
    return inconclusive(
        _LAT,
        Cause.GATE_NOT_MEASURED,
        f"How long a question takes is unknown: {run.shown}.",
        [Evidence(where, f"env[{key}]", source) for key, source in run.settings],
        "Write these settings into the pod template, so that `rollout undo` brings them back together with the image.",
    )


# --- On which nodes ---------------------------------------------------------------------------------------------------


def node_types(workload: Deployment, planned: Planned | None, snapshot: Snapshot | None) -> tuple[str, ...]:
    """Return the node types that may get the pod; an empty name is a node without a type's label."""
    if snapshot is not None and snapshot.unread("nodes") is None:
        return tuple(sorted({each.instance_type for each in snapshot.nodes if not closed_to(each, workload.template)}))
    return (planned.nodes.instance_type,) if planned else ()


def answer_times(model: ModelFacts, run: Run, use: Model, types: Sequence[str]) -> Sequence[AnswerTime] | str:
    """Return the time on each type, or why it is not known."""
    if use.speed is not None:
        return [AnswerTime("the target's nodes", run, rates_measured(use.speed, run))]
    if not types:
        return "no node was read that takes the pod, and the target names no node type"
    times = []
    for name in types:
        if not name:
            return "a node carries no instance type, and the target names no measured speed"
        try:
            found = time_on(instance(name), model, run)
        except UnknownInstanceTypeError as error:
            return str(error)
        if found is None:
            return f"nobody measured a {name}"
        times.append(found)
    return times


# --- What is wrong ----------------------------------------------------------------------------------------------------


def _threads(time: AnswerTime) -> str:
    return f"{time.rates.threads} thread{'' if time.rates.threads == 1 else 's'}"


def _allowed(run: Run) -> str:
    p95_s = threshold("LAT-1", "p95_s")
    if run.deadline_s < p95_s:
        return f"the {run.deadline_s:g} s of REQUEST_DEADLINE_S and the {p95_s:g} s of LAT-1"
    return f"the {p95_s:g} s of LAT-1"


def _over(model: ModelFacts, time: AnswerTime, limit_s: float, out: WayOut | None) -> Finding:
    takes = f"{model.name} takes {time.band} for {time.run.tokens} on {time.where} with {_threads(time)}"
    if time.fast_s < limit_s:
        status, says = Status.WARN, f"it may end past {_allowed(time.run)}"
    else:
        words = time.words_in_time(fast=True)
        come = f"at best {words:.0f} of the answer's tokens come" if words >= 1 else "not one word of the answer comes"
        status, says = Status.FAIL, f"over {_allowed(time.run)}: {come} in time"
    return Finding(
        status,
        Cause.LATENCY_OVER_TARGET,
        f"{takes}; {says}.",
        (Evidence(time.where, "predicted time of an answer", time.band),),
        _remedy(time, limit_s, out),
    )


def _remedy(time: AnswerTime, limit_s: float, out: WayOut | None) -> str:
    fewer = "MAX_TOKENS and THINKING_BUDGET_TOKENS together" if time.run.thinking_tokens else "MAX_TOKENS"
    affords = time.affordable(limit_s)
    lower = f"lower {fewer} to {affords}" if affords else "take a smaller model or quantization"
    if out is None:
        return f"Give the container more CPUs, or {lower}."
    if out.choice is not None and out.run is not None:
        return (
            f"Use {out.choice.type.name} nodes (USD {out.choice.type.usd_per_hour:.4f} an hour) with a CPU limit of "
            f"{out.run.limit_m}m, the cheapest type that is fast enough, or {lower}."
        )
    fastest = out.fastest
    ways = []
    if fastest is not None:
        ways.append(
            f"lower {fewer} to {fastest.affordable(limit_s)}, which {fastest.where} with a CPU limit of "
            f"{fastest.run.limit_m}m has time for"
        )
    if out.accelerator is not None:
        ways.append(
            f"serve it from a GPU ({out.accelerator.name}, USD {out.accelerator.usd_per_hour:.4f} an hour; "
            "infra/terraform/envs/gpu)"
        )
    ways.append("take a smaller model or quantization")
    return f"No CPU type of the table is fast enough: {', or '.join(ways)}."


def _throttled(time: AnswerTime, command: str) -> Iterator[Finding]:
    """Yield the finding for a limit below what the threads use (incident 10), by RES-1's own bound."""
    withheld = 1 - time.rates.granted
    if withheld <= 0:
        return
    run = time.run
    said = "LLM_THREADS is not set" if run.threads_set is None else f"LLM_THREADS={run.threads_set}"
    threads = time.rates.threads
    yield Finding(
        Status.FAIL if withheld > threshold("RES-1", "withheld_share") else Status.WARN,
        Cause.CPU_THROTTLED,
        f"{_threads(time)} compute ({said}) under a CPU limit of {run.limit_m}m: CFS withholds {withheld:.0%} of their "
        f"time, and all wait for the one that is stopped; RES-1 allows {threshold('RES-1', 'withheld_share'):.0%}.",
        (Evidence("containers[].resources", "limits.cpu", f"{run.limit_m}m for {threads} busy threads"),),
        f"Raise limits.cpu to {1000 * threads}m"
        + ("." if run.threads_set is None else f", or let the service follow the limit: {command} LLM_THREADS-"),
    )


def _wordless(time: AnswerTime, command: str) -> Iterator[Finding]:
    """Yield the finding for thoughts that take what the answer would have had (incident 28)."""
    run = time.run
    for fast in (True, False):
        words, plain = (time.words_in_time(fast=fast, thinking=each) for each in (True, False))
        if words >= 1 or plain < 1:
            continue
        yield Finding(
            Status.FAIL if fast else Status.WARN,
            Cause.MODEL_THINKING_UNFINISHED,
            f"Thinking {'leaves' if fast else 'may leave'} no time for an answer: {run.thinking_tokens} tokens of "
            f"thought or {run.thinking_share:.0%} of REQUEST_DEADLINE_S={run.deadline_s:g} go by before it begins.",
            (Evidence(time.where, "answer tokens in time", f"{words:.0f}, and {plain:.0f} without thoughts"),),
            f"Leave thinking out: {command} THINKING_BUDGET_TOKENS=0",
        )
        return


def _queued(time: AnswerTime, command: str) -> Iterator[Finding]:
    """Yield the finding for a queue in which even the first waits in vain (incident 11)."""
    run = time.run
    if run.max_queue == 0 or time.fast_s > run.deadline_s or time.served_from_queue() > 0:
        return
    yield Finding(
        Status.WARN,
        Cause.REQUEST_REFUSED,
        f"{run.max_queue} questions may wait (MAX_QUEUE) behind one that takes at least {time.fast_s:.1f} s, and "
        f"REQUEST_DEADLINE_S={run.deadline_s:g} counts the wait: whoever waits is cut short or refused at its end.",
        (Evidence(time.where, "served of those who wait", f"0 of {run.max_queue}"),),
        f"Raise minReplicas, or refuse at once those who would wait in vain: {command} MAX_QUEUE=0",
    )


def _on_credit(model: ModelFacts, run: Run, types: Sequence[str]) -> Iterator[Finding]:
    """Yield the finding for CPUs that are only lent (incident 29)."""
    for name in types:
        of = instance(name)
        earned = earned_vcpus(of)
        threads = run.threads(of.vcpus)
        busy = min(threads, of.vcpus) * run.granted(threads)
        if earned is None or busy <= earned:
            continue
        found = time_on(of, model, run)
        slowed = f": {found.fast_s * busy / earned:.0f} s and more" if found else ""
        yield Finding(
            Status.WARN,
            Cause.CPU_ON_CREDIT,
            f"A {of.name} earns CPU credits for {earned:g} of its {of.vcpus} vCPUs and a question keeps {busy:g} busy: "
            f"replicas busy for more than {earned / busy:.0%} of the time pay USD {SURPLUS_USD_PER_VCPU_HOUR:.2f} for "
            f"each further vCPU-hour (unlimited), or answer {busy / earned:.1f} times slower{slowed} (standard).",
            (Evidence(f"InstanceType/{of.name}", "vCPUs that may be used for ever", f"{earned:g} of {of.vcpus}"),),
            "Use nodes that are not burstable: `python -m gate size` compares them.",
        )


def earned_vcpus(of: InstanceType) -> float | None:
    """Return the vCPUs that a burstable type may keep busy for ever, None for a type that is not burstable."""
    size = of.name.partition(".")[2]
    return BASELINE[size] * of.vcpus if of.family in {"t3", "t3a"} and size in BASELINE else None


# --- Evidence ---------------------------------------------------------------------------------------------------------


def _evidence(where: str, times: Sequence[AnswerTime], run: Run, limit_s: float) -> Iterator[Evidence]:
    limit = "none" if run.limit_m is None else f"{run.limit_m}m"
    threads = "not set" if run.threads_set is None else str(run.threads_set)
    yield Evidence(where, "tokens of the longest answer", run.tokens)
    yield Evidence(where, "CPU", f"limits.cpu {limit}, LLM_THREADS {threads}, LLM_PARALLEL {run.parallel}")
    for each in times:
        rates = each.rates
        yield Evidence(
            each.where,
            "predicted, alone on its CPUs",
            f"{each.band}: reads {rates.prefill_tok_s.low:.1f} to {rates.prefill_tok_s.high:.1f} and writes "
            f"{rates.decode_tok_s.low:.1f} to {rates.decode_tok_s.high:.1f} tokens/s with {_threads(each)}; "
            f"{limit_s:g} s have room for {each.affordable(limit_s)} tokens of thought and answer",
        )
        yield Evidence(each.where, "from", rates.basis)
        yield Evidence(
            where,
            "queue",
            f"MAX_QUEUE {run.max_queue}, of which {each.served_from_queue()} can be answered within "
            f"REQUEST_DEADLINE_S={run.deadline_s:g}; nobody waiting is assumed above",
        )


def _compared(model: ModelFacts, run: Run, planned: Planned | None) -> Iterator[Evidence]:
    for name in planned.nodes.candidates if planned else ():
        try:
            found = time_on(instance(name), model, run)
        except UnknownInstanceTypeError:
            continue  # FIT-1's evidence names it
        value = found.band if found else "not measured"
        yield Evidence(f"InstanceType/{name}", "predicted with the same settings", value)


def _searched(out: WayOut | None, limit_s: float) -> Iterator[Evidence]:
    if out is None:
        return
    value = f"{out.choice.type.name}, USD {out.choice.type.usd_per_hour:.4f}/h" if out.choice else "none of the table"
    yield Evidence("instance_facts.csv", f"cheapest CPU type under {limit_s:g} s, with all its CPUs", value)
    if out.fastest is not None:
        yield Evidence("instance_facts.csv", "fastest CPU type", f"{out.fastest.where}, {out.fastest.band}")
