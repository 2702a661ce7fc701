"""PRB-1: each rule with the deploy that breaks it, and the one next to it that does not."""

# ruff: noqa: ANN401  # a change may be of any field, and so of any type

from dataclasses import replace
from typing import Any

import pytest

from gate.causes import Cause
from gate.diagnosis.probe_settings import patience_s, probe_verdict
from gate.records import Deployment, EnvVar, Probe, Setting, SettingsSchema, Span, StartTime
from gate.verdict import Status, Verdict
from tests.diagnosis import factories as make

SCHEMA = SettingsSchema(
    source="service_chat/settings.schema.json",
    settings=(
        Setting(key="REQUEST_DEADLINE_S", type="number", default="9.0"),
        Setting(key="DRAIN_DELAY_S", type="number", default="5.0"),
        Setting(key="DRAIN_S", type="number", default="20.0"),
    ),
)
#: Ready after 20 to 80 s, nothing fetched.
START = StartTime(
    process=Span(likely_s=3, most_s=10),
    download=Span(likely_s=0, most_s=0),
    load=Span(likely_s=17, most_s=70),
    basis="2.50 GB of weights under llama.cpp, 4.5 to 5.2 GB/s per core of t3 nodes (Spare Cores)",
)
STARTUP = Probe(kind="http", path="/ready", port="http", period_s=5, timeout_s=5, failure_threshold=60)
READINESS = replace(STARTUP, failure_threshold=3)
LIVENESS = replace(STARTUP, path="/health", period_s=10, failure_threshold=6)


def deployed(*, grace_s: int = 30, progress_s: int = 600, **container: Any) -> Deployment:
    """Return the Deployment in good order but for what is given."""
    probes: dict[str, Any] = {"startup": STARTUP, "readiness": READINESS, "liveness": LIVENESS}
    template = make.pod_spec(containers=(make.container_spec(**probes | container),), termination_grace_s=grace_s)
    return replace(make.deployment(), template=template, progress_deadline_s=progress_s)


def judge(start: StartTime = START, **changes: Any) -> Verdict:
    """Return PRB-1 of that Deployment."""
    return probe_verdict(deployed(**changes), container=make.CONTAINER, schema=SCHEMA, start=start)


def told(verdict: Verdict) -> tuple[Status, Cause | None, str]:
    """Return what a reader acts on."""
    return verdict.status, verdict.cause, verdict.reason


def env(**values: str) -> tuple[EnvVar, ...]:
    """Return variables with their values."""
    return tuple(EnvVar(name=key, value=value) for key, value in values.items())


def test_probes_that_leave_time_pass_with_their_figures() -> None:
    """What is predicted, allowed and borne stands in one sentence, and every number in the evidence."""
    verdict = judge()

    assert told(verdict) == (
        Status.PASS,
        None,
        (
            "The model is loaded 20 to 80 s after the container's start, its startup probe allows 300 s; an answer "
            "takes 9.0 s at most, liveness bears 55 s of silence."
        ),
    )
    assert {each.field: each.value for each in verdict.evidence}["of which"] == (
        "process 3 to 10 s, download 0 s, load 17 to 70 s"
    )


# --- Incident 6: ready without a model --------------------------------------------------------------------------------


def test_readiness_that_asks_health_fails() -> None:
    """The first callers waited for the load."""
    health = replace(READINESS, path="/health")
    verdict = judge(readiness=health, startup=replace(STARTUP, path="/health"))

    assert told(verdict) == (
        Status.FAIL,
        Cause.PROBE_READY_WITHOUT_MODEL,
        (
            "The readiness probe asks /health, which succeeds before the model is loaded: callers are sent to it while "
            "it loads, for 20 to 80 s."
        ),
    )


def test_readiness_that_follows_a_startup_probe_on_ready_passes() -> None:
    """The pod is not Ready before its startup probe has succeeded, and a loaded model stays loaded."""
    assert judge(readiness=replace(READINESS, path="/health")).status is Status.PASS
    assert judge(readiness=None).status is Status.PASS


@pytest.mark.parametrize(
    ("readiness", "says"),
    [
        (None, "There is no readiness probe, so the pod is Ready as soon as its container runs"),
        (Probe(kind="tcp", port="http"), "The readiness probe is of the kind tcp, which succeeds before"),
    ],
)
def test_readiness_that_asks_nothing_of_the_model_fails(readiness: Probe | None, says: str) -> None:
    """A port that is open and a container that runs say nothing of a model."""
    verdict = judge(readiness=readiness, startup=None, liveness=None)

    assert verdict.cause is Cause.PROBE_READY_WITHOUT_MODEL
    assert verdict.reason.startswith(says)


@pytest.mark.parametrize("kind", ["exec", "grpc"])
def test_readiness_that_a_program_tells_is_inconclusive(kind: Any) -> None:
    """A command may well ask /ready: that it does not is no more known than that it does."""
    asks = Probe(kind=kind, period_s=5, failure_threshold=60)
    assert told(judge(readiness=replace(asks, failure_threshold=3), startup=asks)) == (
        Status.INCONCLUSIVE,
        Cause.GATE_NOT_MEASURED,
        (
            f"No probe asks /ready over HTTP, and whether readiness ({kind}), startup ({kind}) waits for the model "
            "cannot be told from the manifest."
        ),
    )
    assert judge(startup=asks, liveness=None).status is Status.PASS


# --- Incident 9: a startup budget shorter than the load ---------------------------------------------------------------


def test_startup_budget_below_the_load_fails() -> None:
    """It is never reached: the pod is killed at every attempt."""
    verdict = judge(startup=replace(STARTUP, failure_threshold=4))

    assert told(verdict) == (
        Status.FAIL,
        Cause.PROBE_STARTUP_EXHAUSTED,
        (
            "The startup probe allows 20 s and 20 to 80 s pass until the model is loaded: every pod is killed while it "
            "loads, again and again."
        ),
    )
    assert verdict.remedy == (
        "Set startupProbe.failureThreshold to 17 (85 s at a period of 5 s; in Terraform probes.startup_budget_s)."
    )


@pytest.mark.parametrize(
    ("failures", "delay_s", "status"), [(5, 0, Status.WARN), (16, 0, Status.WARN), (16, 1, Status.PASS)]
)
def test_startup_budget_within_the_error_band_warns(failures: int, delay_s: int, status: Status) -> None:
    """25 s are more than is to be expected and less than may happen; a second beyond the worst passes."""
    startup = replace(STARTUP, failure_threshold=failures, initial_delay_s=delay_s)

    assert judge(startup=startup).status is status


def test_startup_budget_that_forgets_the_download_fails() -> None:
    """An image without its model fetches it within the same budget."""
    fetches = replace(START, download=Span(likely_s=300, most_s=900))
    verdict = judge(fetches, progress_s=2000)

    assert verdict.reason.startswith("The startup probe allows 300 s and 320 to 980 s pass until the model is loaded:")
    assert judge(fetches, progress_s=2000, startup=replace(STARTUP, failure_threshold=200)).status is Status.PASS


def test_liveness_without_a_startup_probe_must_outlast_the_load() -> None:
    """Nothing answers while llama.cpp loads, and no startup probe holds liveness back."""
    verdict = judge(startup=None, liveness=replace(LIVENESS, failure_threshold=2))

    assert told(verdict) == (
        Status.FAIL,
        Cause.PROBE_LIVENESS_KILLED,
        (
            "The liveness probe allows 20 s and 20 to 80 s pass until the process answers after its load: every pod is "
            "killed while it loads, again and again."
        ),
    )
    assert judge(startup=None, liveness=replace(LIVENESS, initial_delay_s=30)).status is Status.PASS
    assert judge(startup=None, liveness=None).status is Status.PASS


def test_liveness_after_a_startup_probe_on_health_must_outlast_the_load() -> None:
    """/health answers before the load and during a download: then liveness is asked when the silence begins."""
    healthy = replace(STARTUP, path="/health")
    verdict = judge(startup=healthy)

    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.PROBE_LIVENESS_KILLED)
    assert verdict.reason.startswith("The liveness probe allows 55 s and 17 to 70 s pass until the load is over,")
    assert judge(startup=healthy, liveness=replace(LIVENESS, failure_threshold=8)).status is Status.PASS


# --- Incident 7: killed in the middle of a request --------------------------------------------------------------------


def test_liveness_that_does_not_survive_an_inference_fails() -> None:
    """Kubernetes' own defaults, 3 attempts of 1 s every 2 s: 5 s of silence against 9 s."""
    verdict = judge(liveness=Probe(kind="http", path="/health", port="http", period_s=2))

    assert told(verdict) == (
        Status.FAIL,
        Cause.PROBE_LIVENESS_KILLED,
        (
            "The liveness probe bears 5 s without an answer and an inference may take 9 s (REQUEST_DEADLINE_S): the "
            "kubelet kills the pod in the middle of a request."
        ),
    )
    assert verdict.remedy == "Set livenessProbe.failureThreshold of container chat-api to 6 or more."
    assert judge(liveness=replace(LIVENESS, period_s=2, timeout_s=1, failure_threshold=6)).status is Status.PASS


def test_liveness_is_held_against_the_deadline_of_the_environment() -> None:
    """A longer deadline needs more patience."""
    assert judge(env=env(REQUEST_DEADLINE_S="60"), grace_s=90).cause is Cause.PROBE_LIVENESS_KILLED
    assert judge(env=env(REQUEST_DEADLINE_S="54"), grace_s=90).status is Status.PASS


@pytest.mark.parametrize(
    ("period_s", "timeout_s", "failures", "expected_s"), [(10, 5, 6, 55), (10, 1, 1, 1), (1, 5, 3, 15)]
)
def test_patience_counts_from_the_attempt_that_meets_silence(
    period_s: int, timeout_s: int, failures: int, expected_s: int
) -> None:
    """The kubelet asks one at a time, so that a time-out beyond the period sets the pace."""
    probe = replace(LIVENESS, period_s=period_s, timeout_s=timeout_s, failure_threshold=failures)

    assert patience_s(probe) == expected_s


def test_deadline_that_is_not_read_is_inconclusive() -> None:
    """What comes from a ConfigMap is not known, and a default in its place would be a guess."""
    verdict = judge(env=(EnvVar(name="REQUEST_DEADLINE_S", source="configMapKeyRef chat/deadline"),))

    assert told(verdict) == (
        Status.INCONCLUSIVE,
        Cause.GATE_NOT_MEASURED,
        (
            "REQUEST_DEADLINE_S of container chat-api is not known: whether the probes and the grace period outlast "
            "the longest request was not judged in full."
        ),
    )


# --- The end, the rollout's deadline, time-outs -----------------------------------------------------------------------


def test_grace_period_that_cuts_a_request_off_fails() -> None:
    """5 s of drain delay and 9 s of inference need more than 13 s."""
    assert told(judge(grace_s=13)) == (
        Status.FAIL,
        Cause.SHUTDOWN_DROPS_REQUESTS,
        (
            "terminationGracePeriodSeconds is 13 s, of which the service takes requests for 5 s (DRAIN_DELAY_S): a "
            "request that comes just before the delay ends may take 9 s (REQUEST_DEADLINE_S) and is cut off."
        ),
    )


@pytest.mark.parametrize(("grace_s", "status"), [(25, Status.WARN), (26, Status.PASS)])
def test_grace_period_that_ends_with_the_drain_warns(grace_s: int, status: Status) -> None:
    """The request is through, and the service may still be asked to end by force."""
    assert judge(grace_s=grace_s).status is status


def test_rollout_called_failed_before_its_probe_gives_up_warns() -> None:
    """The pod may start in its budget, and the Deployment does not wait for it."""
    assert told(judge(progress_s=300)) == (
        Status.WARN,
        Cause.ROLLOUT_DEADLINE_EXCEEDED,
        (
            "progressDeadlineSeconds is 300 s and the startup probe gives a pod 300 s: the rollout is called failed "
            "while a pod may still start."
        ),
    )
    assert judge(progress_s=301).status is Status.PASS


def test_rollout_called_failed_before_the_model_is_loaded_fails() -> None:
    """No rollout would ever succeed in the Deployment's own eyes."""
    verdict = judge(progress_s=20)

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.ROLLOUT_DEADLINE_EXCEEDED)
    assert "a pod needs 20 to 80 s to load its model" in verdict.reason


def test_copied_timeouts_of_three_minutes_warn() -> None:
    """Nothing that comes after the longest inference is an answer to a probe."""
    copied = replace(LIVENESS, period_s=180, timeout_s=180, failure_threshold=3)

    assert told(judge(liveness=copied)) == (
        Status.WARN,
        Cause.PROBE_TIMEOUT_TOO_LONG,
        (
            "The liveness probe's time-out of 180 s is longer than the longest inference (9 s): a pod that hangs is "
            "given up only after 540 s."
        ),
    )


def test_timeout_beyond_its_period_warns_and_one_of_the_same_length_passes() -> None:
    """The next attempt is due before the last has ended; the budget is longer than the product says."""
    verdict = judge(readiness=replace(READINESS, period_s=2))

    assert told(verdict) == (
        Status.WARN,
        Cause.PROBE_TIMEOUT_TOO_LONG,
        (
            "The readiness probe's time-out of 5 s is longer than its period of 2 s: a pod that hangs is given up only "
            "after 15 s."
        ),
    )
    assert judge(readiness=replace(READINESS, period_s=5)).status is Status.PASS


def test_container_that_is_not_there_is_refused() -> None:
    """The message names what is there."""
    with pytest.raises(LookupError, match=r"no container 'other'; it has \['chat-api'\]"):
        probe_verdict(deployed(), container="other", schema=SCHEMA, start=START)
