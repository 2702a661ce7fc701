"""PRB-1: do the probes leave a pod the time that it needs, to load its model, to answer and to end.

Enters: the Deployment as it is meant to be, the service's settings, the predicted StartTime. A probe that is too short
kills a pod that is well; one that asks for the wrong thing sends callers to a pod that is not. What probes meet in a
cluster is told by ``probes`` and ``liveness``, whether the ports they ask exist by ``wiring``.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from gate.causes import Cause
from gate.diagnosis.effective import setting_evidence, unknown_settings
from gate.diagnosis.probes import asked
from gate.diagnosis.wording import names
from gate.records import ContainerSpec, Deployment, Probe, SettingsSchema, Span, StartTime
from gate.records.effective import Effective, effective
from gate.verdict import Evidence, Finding, Status, Verdict, judged, passed

DEADLINE = "REQUEST_DEADLINE_S"
DRAIN_DELAY = "DRAIN_DELAY_S"
DRAIN = "DRAIN_S"

#: The path that is 200 only once the model is loaded (service_chat/api/operations.py; CON-2 holds images to it).
READY = "/ready"


@dataclass(frozen=True, slots=True)
class _Deploy:
    """What is judged, and the settings that the times follow from."""

    workload: Deployment
    spec: ContainerSpec
    start: StartTime
    deadline: Effective
    drain_delay: Effective
    drain: Effective

    @property
    def where(self) -> str:
        return f"Deployment/{self.workload.name}"

    def seen(self, name: str, probe: Probe | None) -> Evidence:
        return Evidence(self.where, f"containers[{self.spec.name}].{name}Probe", asked(probe) if probe else "none")

    def setting(self, of: Effective) -> Evidence:
        return setting_evidence(self.workload.name, self.spec.name, of)

    @property
    def predicted(self) -> tuple[Evidence, ...]:
        start = self.start
        parts = (("process", start.process), ("download", start.download), ("load", start.load))
        return (
            Evidence("Prediction", "seconds until the model is loaded", f"{_span(start.ready)} s ({start.basis})"),
            Evidence("Prediction", "of which", ", ".join(f"{name} {_span(part)} s" for name, part in parts)),
        )


def probe_verdict(workload: Deployment, *, container: str, schema: SettingsSchema, start: StartTime) -> Verdict:
    """Judge PRB-1.

    Args:
        workload: the Deployment as it is meant to be.
        container: the container that runs the service.
        schema: every setting of the service.
        start: how long the container is predicted to need until its model is loaded.

    Raises:
        LookupError: the Deployment has no such container.
    """
    spec = workload.container(container)
    keys = (DEADLINE, DRAIN_DELAY, DRAIN)
    deploy = _Deploy(workload, spec, start, *(effective(spec, schema, key) for key in keys))
    findings = (
        *_readiness(deploy),
        *_start(deploy),
        *_unknown(deploy),
        *_inference(deploy),
        *_end(deploy),
        *_progress(deploy),
        *_timeouts(deploy),
    )
    return judged("PRB-1", findings, passed("PRB-1", _fine(deploy), tuple(_evidence(deploy))))


def patience_s(probe: Probe) -> int:
    """Return for how many seconds a program that is well may stay silent without failing the probe.

    The kubelet asks again after a period, or after the time-out where that is longer: one attempt at a time
    (pkg/kubelet/prober/worker.go). At worst the silence begins just before an attempt.
    """
    return (probe.failure_threshold - 1) * max(probe.period_s, probe.timeout_s) + probe.timeout_s


def _asks_for_model(probe: Probe | None) -> bool:
    return probe is not None and probe.kind == "http" and probe.path.partition("?")[0].rstrip("/") == READY


def _span(span: Span) -> str:
    likely, most = math.ceil(span.likely_s), math.ceil(span.most_s)
    return f"{likely}" if likely == most else f"{likely} to {most}"


def _fine(deploy: _Deploy) -> str:
    liveness = deploy.spec.liveness
    bears = "no liveness probe kills it" if liveness is None else f"liveness bears {patience_s(liveness)} s of silence"
    killer = next(((name, probe) for name, probe in deploy.spec.probes if name != "readiness"), None)
    allows = "and no probe limits that" if killer is None else f"its {killer[0]} probe allows {killer[1].budget_s} s"
    return (
        f"The model is loaded {_span(deploy.start.ready)} s after the container's start, {allows}; "
        f"an answer takes {deploy.deadline.value} s at most, {bears}."
    )


def _evidence(deploy: _Deploy) -> Iterator[Evidence]:
    yield from deploy.predicted
    found = dict(deploy.spec.probes)
    yield from (deploy.seen(name, found.get(name)) for name in ("startup", "readiness", "liveness"))
    yield from map(deploy.setting, (deploy.deadline, deploy.drain_delay, deploy.drain))
    yield _grace(deploy)
    yield _deadline(deploy)


# --- Readiness, and the start -----------------------------------------------------------------------------------------


def _readiness(deploy: _Deploy) -> Iterator[Finding]:
    """A loaded model stays loaded, so it is enough that one of the probes before the first Ready asks for it."""
    readiness, startup = deploy.spec.readiness, deploy.spec.startup
    if _asks_for_model(readiness) or _asks_for_model(startup):
        return
    if any(each is not None and each.kind in {"exec", "grpc"} for each in (readiness, startup)):
        yield _unseen(deploy)
        return
    if readiness is None:
        how = "There is no readiness probe, so the pod is Ready as soon as its container runs"
    else:
        asks = f"asks {readiness.path}" if readiness.kind == "http" else f"is of the kind {readiness.kind}"
        how = f"The readiness probe {asks}, which succeeds before the model is loaded"
    yield Finding(
        Status.FAIL,
        Cause.PROBE_READY_WITHOUT_MODEL,
        f"{how}: callers are sent to it while it loads, for {_span(deploy.start.ready)} s.",
        (deploy.seen("readiness", readiness), deploy.seen("startup", startup), *deploy.predicted),
        f"Let readinessProbe and startupProbe of container {deploy.spec.name} ask {READY}, "
        "which is 503 until the model is loaded.",
    )


def _unseen(deploy: _Deploy) -> Finding:
    """Return the finding for probes whose answer depends on a program that is not read."""
    readiness, startup = deploy.spec.readiness, deploy.spec.startup
    asking = (("readiness", readiness), ("startup", startup))
    kinds = [f"{name} ({probe.kind})" for name, probe in asking if probe and probe.kind in {"exec", "grpc"}]
    return Finding(
        Status.INCONCLUSIVE,
        Cause.GATE_NOT_MEASURED,
        f"No probe asks {READY} over HTTP, and whether {names(kinds)} waits for the model cannot be told from the "
        "manifest.",
        (deploy.seen("readiness", readiness), deploy.seen("startup", startup), *deploy.predicted),
        f"Let readinessProbe of container {deploy.spec.name} ask {READY} by httpGet: it is 503 until the model is "
        "loaded.",
    )


@dataclass(frozen=True, slots=True)
class _Budget:
    """What a probe allows, and what has to happen within it."""

    name: str
    probe: Probe
    allowed_s: int
    needed: Span
    what: str


def _budgets(deploy: _Deploy) -> Iterator[_Budget]:
    startup, liveness, start = deploy.spec.startup, deploy.spec.liveness, deploy.start
    whole = "the model is loaded"
    if startup is not None and _asks_for_model(startup):
        yield _Budget("startup", startup, startup.budget_s, start.ready, whole)
        return
    if startup is not None:
        # It succeeds at the first answer, which may come only after a load that let nothing answer.
        listens = start.process + start.load
        yield _Budget("startup", startup, startup.budget_s, listens, "the process answers again after its load")
    if liveness is None:
        return
    if _asks_for_model(liveness):
        yield _Budget("liveness", liveness, liveness.budget_s, start.ready, whole)
    elif startup is None and start.download.most_s == 0:
        needed = start.process + start.load
        yield _Budget("liveness", liveness, liveness.budget_s, needed, "the process answers after its load")
    else:
        allowed_s = patience_s(liveness)
        yield _Budget("liveness", liveness, allowed_s, start.load, "the load is over, in which nothing answers")


def _start(deploy: _Deploy) -> Iterator[Finding]:
    for budget in _budgets(deploy):
        if budget.allowed_s > budget.needed.most_s:
            continue
        sure = budget.allowed_s <= budget.needed.likely_s
        end = (
            "every pod is killed while it loads, again and again"
            if sure
            else "a slow disk, a busy node or a slow download gets the pod killed while it loads"
        )
        failures = math.ceil(budget.needed.most_s / budget.probe.period_s) + 1
        remedy = (
            f"Set startupProbe.failureThreshold to {failures} ({failures * budget.probe.period_s} s at a period of "
            f"{budget.probe.period_s} s; in Terraform probes.startup_budget_s)."
            if budget.name == "startup"
            else f"Add a startupProbe on {READY} that allows {math.ceil(deploy.start.ready.most_s)} s: until it "
            "succeeds, liveness is not asked."
        )
        yield Finding(
            Status.FAIL if sure else Status.WARN,
            Cause.PROBE_STARTUP_EXHAUSTED if budget.name == "startup" else Cause.PROBE_LIVENESS_KILLED,
            f"The {budget.name} probe allows {budget.allowed_s} s and {_span(budget.needed)} s pass until "
            f"{budget.what}: {end}.",
            (deploy.seen(budget.name, budget.probe), *deploy.predicted),
            remedy,
        )


# --- Answering, and the end -------------------------------------------------------------------------------------------


def _unknown(deploy: _Deploy) -> tuple[Finding, ...]:
    return unknown_settings(
        (deploy.deadline, deploy.drain_delay, deploy.drain),
        workload=deploy.workload.name,
        container=deploy.spec.name,
        unjudged="whether the probes and the grace period outlast the longest request",
    )


def _inference(deploy: _Deploy) -> Iterator[Finding]:
    liveness, deadline_s = deploy.spec.liveness, deploy.deadline.number
    if liveness is None or deadline_s is None or patience_s(liveness) > deadline_s:
        return
    needed = math.ceil((deadline_s + 1 - liveness.timeout_s) / max(liveness.period_s, liveness.timeout_s)) + 1
    yield Finding(
        Status.FAIL,
        Cause.PROBE_LIVENESS_KILLED,
        f"The liveness probe bears {patience_s(liveness)} s without an answer and an inference may take "
        f"{deadline_s:g} s ({DEADLINE}): the kubelet kills the pod in the middle of a request.",
        (deploy.seen("liveness", liveness), deploy.setting(deploy.deadline)),
        f"Set livenessProbe.failureThreshold of container {deploy.spec.name} to {needed} or more.",
    )


def _grace(deploy: _Deploy) -> Evidence:
    grace_s = deploy.workload.template.termination_grace_s
    return Evidence(deploy.where, "spec.template.spec.terminationGracePeriodSeconds", f"{grace_s} s")


def _end(deploy: _Deploy) -> Iterator[Finding]:
    grace_s = deploy.workload.template.termination_grace_s
    delay_s, drain_s, deadline_s = deploy.drain_delay.number, deploy.drain.number, deploy.deadline.number
    if delay_s is None or drain_s is None or deadline_s is None or grace_s > delay_s + drain_s:
        return
    cut = grace_s < delay_s + deadline_s
    what = (
        f"a request that comes just before the delay ends may take {deadline_s:g} s ({DEADLINE}) and is cut off"
        if cut
        else f"SIGKILL comes before the service has ended by itself ({DRAIN}={drain_s:g})"
    )
    yield Finding(
        Status.FAIL if cut else Status.WARN,
        Cause.SHUTDOWN_DROPS_REQUESTS,
        f"terminationGracePeriodSeconds is {grace_s} s, of which the service takes requests for {delay_s:g} s "
        f"({DRAIN_DELAY}): {what}.",
        (_grace(deploy), *map(deploy.setting, (deploy.drain_delay, deploy.drain, deploy.deadline))),
        f"Set terminationGracePeriodSeconds to {math.ceil(delay_s + drain_s) + 5}: "
        f"{DRAIN_DELAY} + {DRAIN} and 5 s to end.",
    )


# --- The Deployment's own deadline, and time-outs ---------------------------------------------------------------------


def _deadline(deploy: _Deploy) -> Evidence:
    return Evidence(deploy.where, "spec.progressDeadlineSeconds", f"{deploy.workload.progress_deadline_s} s")


def _progress(deploy: _Deploy) -> Iterator[Finding]:
    startup, progress_s = deploy.spec.startup, deploy.workload.progress_deadline_s
    budget_s = startup.budget_s if startup else 0
    most_s = math.ceil(deploy.start.ready.most_s) + deploy.workload.min_ready_s
    if progress_s > max(budget_s, most_s):
        return
    slow = progress_s <= most_s
    against = (
        f"a pod needs {_span(deploy.start.ready)} s to load its model"
        if slow
        else f"the startup probe gives a pod {budget_s} s"
    )
    yield Finding(
        Status.FAIL if progress_s <= deploy.start.ready.likely_s else Status.WARN,
        Cause.ROLLOUT_DEADLINE_EXCEEDED,
        f"progressDeadlineSeconds is {progress_s} s and {against}: the rollout is called failed while a pod may still "
        "start.",
        (_deadline(deploy), deploy.seen("startup", startup), *deploy.predicted),
        f"Set progressDeadlineSeconds above {max(budget_s, most_s)} s and the time that the image's pull takes.",
    )


def _timeouts(deploy: _Deploy) -> Iterator[Finding]:
    deadline_s = deploy.deadline.number
    for name, probe in deploy.spec.probes:
        if deadline_s is not None and probe.timeout_s > deadline_s:
            why = f"longer than the longest inference ({deadline_s:g} s)"
        elif probe.timeout_s > probe.period_s:
            why = f"longer than its period of {probe.period_s} s"
        else:
            continue
        silent_s = probe.initial_delay_s + probe.failure_threshold * max(probe.period_s, probe.timeout_s)
        yield Finding(
            Status.WARN,
            Cause.PROBE_TIMEOUT_TOO_LONG,
            f"The {name} probe's time-out of {probe.timeout_s} s is {why}: a pod that hangs is given up only after "
            f"{silent_s} s.",
            (deploy.seen(name, probe), deploy.setting(deploy.deadline)),
            f"Set {name}Probe.timeoutSeconds of container {deploy.spec.name} to {min(probe.period_s, 5)} or less: "
            "its path answers in milliseconds.",
        )
