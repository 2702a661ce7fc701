"""What holds for any observation: no judgement raises, no bad news improves a verdict, no text leaks."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from gate.diagnosis.answers import model_verdict
from gate.diagnosis.health import health_verdict
from gate.diagnosis.hpa import hpa_verdict, metrics_api_verdict
from gate.diagnosis.latency import latency_verdict
from gate.diagnosis.logs import log_verdict
from gate.diagnosis.resources import resources_verdict
from gate.diagnosis.traffic import load_verdict, rollout_traffic_verdict
from gate.records import Answer, Condition, Identity, Reply, Snapshot
from gate.verdict import SEVERITY, Status, Verdict
from tests.diagnosis.factories import CONTAINER, DEPLOYMENT, healthy_snapshot
from tests.diagnosis_answers.observations import (
    MODEL,
    POD_A,
    POD_B,
    SERVICE,
    THROTTLING,
    answer,
    at,
    health,
    identity,
    log_tail,
    readings,
    recorded,
    reply,
    text,
)

# No example database: a test leaves no file behind. Print what failed instead.
QUICK = settings(max_examples=25)

#: A word that stands for a patient's text wherever text may be.
SECRET = "zyxpatienttext"

WORDS = st.text(max_size=40)
TROUBLES = st.sampled_from(["", "refused", "timed_out", "closed", "no_address", "forbidden", "unreachable"])
PODS = st.sampled_from([POD_A, POD_B, None])


@st.composite
def replies(draw: st.DrawFn, path: str = "/triage") -> Reply:
    """Return any exchange."""
    status = draw(st.sampled_from([200, 404, 429, 500, 502, 503, 504, None]))
    return reply(
        draw(PODS),
        path=path,
        status=status,
        trouble=draw(TROUBLES) if status is None else "",
        elapsed_s=draw(st.floats(0, 200)),
        started_at=at(draw(st.floats(0, 100))),
    )


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """Return any answer, of any part of the contract missing."""
    return Answer(
        reply=draw(replies()),
        patient_mrn=draw(st.sampled_from(["MRN-001", "MRN-002"])),
        query=draw(st.sampled_from(["What is it?", "Which pills?"])),
        response=draw(st.sampled_from(["", SECRET, f"{SECRET} and more words than that", "Yes"])),
        llm_mode=draw(st.sampled_from([None, MODEL, "mock"])),
        inference_s=draw(st.none() | st.floats(0, 200)),
        finish_reason=draw(st.sampled_from([None, "stop", "length", "deadline", "odd"])),
        completion_tokens=draw(st.none() | st.integers(0, 300)),
        queue_ms=draw(st.none() | st.floats(0, 200_000)),
        retry_after_s=draw(st.none() | st.floats(0, 10)),
        cold=draw(st.booleans()),
    )


@st.composite
def identities(draw: st.DrawFn) -> Identity:
    """Return any declaration."""
    return Identity(
        reply=draw(replies("/version")),
        llm_mode=draw(st.sampled_from([None, MODEL, "mock"])),
        model=draw(st.sampled_from([None, MODEL, "other"])),
        loaded=draw(st.sampled_from([None, True, False])),
    )


def rank(verdict: Verdict) -> int:
    """Return 0 for the worst status."""
    return SEVERITY.index(verdict.status)


def proven(verdict: Verdict) -> bool:
    """Return whether the verdict shows why."""
    return bool(verdict.evidence and verdict.reason) and (verdict.status is Status.PASS or bool(verdict.remedy))


@QUICK
@given(st.lists(identities(), max_size=4), st.lists(answers(), max_size=12))
def test_any_answers_are_judged_without_a_word_of_them(said: list[Identity], given: list[Answer]) -> None:
    """LLM-1, LAT-1 and LOD-1 judge whatever came back, and show none of it."""
    for verdict in (
        model_verdict(said, given, expected_model=MODEL, pods=[POD_A, POD_B]),
        latency_verdict(given, p95_limit_s=10, min_samples=20),
        load_verdict(given, readings(), clients=2, deadline_s=10),
    ):
        assert proven(verdict)
        assert SECRET not in text(verdict)


@QUICK
@given(st.lists(replies(), max_size=40))
def test_any_traffic_is_judged(sent: list[Reply]) -> None:
    """ROL-1 judges whatever was sent, and never passes a failure that reached the service."""
    verdict = rollout_traffic_verdict(sent, changed_at=at(10), settled_at=at(40))
    assert proven(verdict)
    if any(each.status != 200 and each.trouble not in {"forbidden", "unreachable"} for each in sent):
        assert verdict.status is Status.FAIL


@QUICK
@given(st.lists(WORDS | st.just(f'{{"level": "error", "event": "{SECRET} x"}}'), max_size=8), st.booleans())
def test_any_log_is_read_and_never_quoted(lines: list[str], previous: bool) -> None:  # noqa: FBT001  # drawn
    """LOG-1 reads whatever a log holds."""
    tails = [log_tail(*lines, SECRET, previous=previous), log_tail(pod=POD_B)]
    verdict = log_verdict(tails, [identity(POD_A), identity(POD_B)], pods=[POD_A, POD_B])
    assert proven(verdict)
    assert SECRET not in text(verdict)


@QUICK
@given(answers())
def test_one_more_bad_answer_never_improves_a_verdict(extra: Answer) -> None:
    """What came back badly cannot make the rest better: LLM-1 and LAT-1."""
    bad = replace(extra, reply=replace(extra.reply, status=500, trouble=""))
    good = recorded()
    declared = [identity()]

    def judged(given: list[Answer]) -> tuple[int, int]:
        return (
            rank(model_verdict(declared, given, expected_model=MODEL, pods=[POD_A])),
            rank(latency_verdict([*given, *[answer()] * 20], p95_limit_s=10, min_samples=20)),
        )

    before, after = judged(good), judged([*good, bad])
    assert all(new <= old for new, old in zip(after, before, strict=True))


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Return a healthy snapshot with parts missing and an HPA in any state."""
    base = healthy_snapshot()
    conditions = draw(
        st.lists(
            st.builds(
                Condition,
                type=st.sampled_from(["AbleToScale", "ScalingActive", "ScalingLimited"]),
                status=st.sampled_from(["True", "False", "Unknown"]),
                reason=WORDS,
                message=WORDS,
            ),
            max_size=3,
        )
    )
    scaler = replace(
        base.hpas[0],
        conditions=tuple(conditions),
        current_replicas=draw(st.none() | st.integers(0, 6)),
        cpu_current_percent=draw(st.none() | st.integers(0, 500)),
        cpu_target_percent=draw(st.none() | st.integers(1, 100)),
        created_at=draw(st.none() | st.just(at(-30))),
    )
    kept = {
        "hpas": (scaler,),
        "pods": base.pods,
        "services": base.services,
        "endpoints": base.endpoints,
        "usage": base.usage,
        "deployments": base.deployments,
        "replica_sets": base.replica_sets,
    }
    gone = draw(st.sets(st.sampled_from(sorted(kept))))
    return replace(base, **{name: () if name in gone else value for name, value in kept.items()})  # type: ignore[arg-type]


@QUICK
@given(snapshots(), st.lists(replies("/health"), max_size=4))
def test_any_snapshot_is_judged(snapshot: Snapshot, asked: list[Reply]) -> None:
    """HLT-1, HPA-1, MET-0 and RES-1 judge whatever is missing."""
    for verdict in (
        health_verdict(snapshot, asked, service=SERVICE),
        hpa_verdict(snapshot, hpa="chat-api", deployment=DEPLOYMENT, container=CONTAINER, cpu_target_percent=60),
        metrics_api_verdict(snapshot),
        resources_verdict(
            snapshot,
            readings(),
            deployment=DEPLOYMENT,
            container=CONTAINER,
            memory_share_limit=0.9,
            throttled=THROTTLING,
        ),
    ):
        assert proven(verdict)


@QUICK
@given(snapshots())
def test_a_broken_snapshot_never_improves_health(snapshot: Snapshot) -> None:
    """Whatever is taken away, HLT-1 is no better than with everything there."""
    asked = [health(POD_A), health(POD_B), health(None, status=503)]
    whole = health_verdict(healthy_snapshot(), asked, service=SERVICE)
    assert rank(health_verdict(snapshot, asked, service=SERVICE)) <= rank(whole)
