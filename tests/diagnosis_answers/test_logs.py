"""LOG-1: errors by pattern, the load confirmed, and nothing of a line's text shown."""

import json
from dataclasses import replace

import pytest

from gate.causes import Cause
from gate.diagnosis.logs import log_verdict
from gate.records import Identity, LogTail
from gate.verdict import Status, Verdict
from tests.diagnosis_answers.observations import POD_A, POD_B, at, identity, log_tail, lost, reply, text

PODS = (POD_A, POD_B)
NAMESPACE = "carepath-demo"
TRACEBACK = (
    "Traceback (most recent call last):",
    '  File "/app/service_chat/app.py", line 7, in answer',
    "    return summary['diagnosis']",
    "           ~~~~~~~^^^^^^^^^^^^^",
    "KeyError: 'Ada Example has essential hypertension'",
)


def judge(*tails: LogTail, identities: tuple[Identity, ...] | None = None, pods: tuple[str, ...] = PODS) -> Verdict:
    """Judge the logs; a pod without one given has a healthy log."""
    given = {each.pod for each in tails if not each.previous}
    healthy = [log_tail(pod=pod) for pod in pods if pod not in given]
    declared = (identity(POD_A), identity(POD_B)) if identities is None else identities
    return log_verdict([*tails, *healthy], declared, pods=pods, namespace=NAMESPACE)


def json_line(**fields: object) -> str:
    """Return a line as the service logs it."""
    return json.dumps({"time": "2026-11-22T12:00:00Z", "level": "info", **fields})


def test_clean_logs_pass_and_show_the_load() -> None:
    """No error, and each pod's line about the load as evidence."""
    verdict = judge()
    assert verdict.status is Status.PASS
    assert verdict.reason == "No error in 4 lines of 2 pods; each declares its model loaded."
    assert verdict.evidence[0].value == '2 lines, "Model loaded successfully" in line 2'
    assert verdict.evidence[2].value == "true, in 0.2 s"


def test_json_error_lines_are_grouped_and_counted() -> None:
    """Two pods, three equal lines, one finding; the remedy shows the line to whoever may read it."""
    refused = json_line(level="error", event="request refused", reason="engine", status=500)
    verdict = judge(log_tail(refused, refused, pod=POD_A), log_tail(refused, pod=POD_B))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.LOG_ERRORS)
    assert verdict.reason == (
        f"3 lines in the log of container chat-api of 2 pods ({POD_A}, {POD_B}): level error, "
        'event "request refused", reason engine, first in line 3.'
    )
    assert verdict.remedy == f"Read the line: kubectl logs {POD_A} -c chat-api -n {NAMESPACE} | sed -n 3p"
    assert [each.value.rpartition(": ")[2] for each in verdict.evidence] == [
        "2 lines, first line 3",
        "1 line, first line 3",
    ]


@pytest.mark.parametrize("level", ["info", "warning", "debug"])
def test_lines_below_error_pass(level: str) -> None:
    """A warning is no error, whatever words it holds."""
    assert (
        judge(log_tail(json_line(level=level, event="no error: connection refused by a client"))).status is Status.PASS
    )


@pytest.mark.parametrize(
    "line",
    [
        "ERROR:    Exception in ASGI application",
        "[CRITICAL] worker exited",
        "FATAL - giving up",
        "E1122 12:00:00.000000       1 main.go:7] failed",
        "0.00.072.422 E llama_model_load: error loading model: tensor is missing",
    ],
)
def test_plain_error_lines_fail(line: str) -> None:
    """Libraries that do not log JSON are read too."""
    verdict = judge(log_tail(line))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.LOG_ERRORS)


@pytest.mark.parametrize(
    "line", ["ERRORS: 0", "no ERROR: here", "E1122 is a postcode", "errors=0", "0.00.072.422 I E", ""]
)
def test_plain_lines_that_only_mention_errors_pass(line: str) -> None:
    """A count of errors that is zero is no error."""
    assert judge(log_tail(line)).status is Status.PASS


def test_traceback_counts_once_and_shows_its_class_only() -> None:
    """Five lines are one problem; the exception's message may quote a patient and is left out."""
    verdict = judge(log_tail(*TRACEBACK, json_line(event="next")))
    assert (
        verdict.reason
        == f"1 line in the log of container chat-api of 1 pod ({POD_A}): traceback KeyError, first in line 3."
    )
    for word in ("Ada", "hypertension", "diagnosis"):
        assert word not in text(verdict)


def test_traceback_at_the_end_of_the_log_counts() -> None:
    """A log that ends inside a traceback ends in one."""
    verdict = judge(log_tail(*TRACEBACK[:2]))
    assert verdict.reason == f"1 line in the log of container chat-api of 1 pod ({POD_A}): traceback, first in line 3."


def test_traceback_inside_a_json_line_names_its_class() -> None:
    """The JSON renderer puts the traceback into a field of the error line."""
    line = json_line(level="error", event="unexpected error", exception="\n".join(TRACEBACK))
    verdict = judge(log_tail(line))
    assert verdict.reason == (
        f'1 line in the log of container chat-api of 1 pod ({POD_A}): level error, event "unexpected error", '
        "KeyError, first in line 3."
    )


def test_sentence_of_an_unknown_event_is_not_shown() -> None:
    """An event that may be a sentence about somebody is counted, not quoted."""
    verdict = judge(log_tail(json_line(level="error", event="Ada Example asked about essential hypertension")))
    assert (
        verdict.reason == f"1 line in the log of container chat-api of 1 pod ({POD_A}): level error, first in line 3."
    )
    assert "Ada" not in text(verdict)


def test_machine_event_names_are_shown() -> None:
    """An identifier says where to look and nothing about anybody."""
    verdict = judge(log_tail(json_line(level="error", event="patient_client.timeout")))
    assert 'event "patient_client.timeout"' in verdict.reason


@pytest.mark.parametrize(
    "line",
    [
        "llama_model_load: error loading model: unknown model architecture: 'qwen3'",
        "ValueError: The checkpoint has model type `qwen3` but Transformers does not recognize this architecture.",
        json_line(level="error", event="Model could not be loaded", cause="KeyError: 'qwen3'"),
    ],
)
def test_unknown_architecture_is_the_cause(line: str) -> None:
    """Incident 14: the engine is too old for the model."""
    verdict = judge(log_tail(line))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MODEL_ARCHITECTURE)
    assert verdict.remedy == (
        "Raise the engine's version in service_chat/requirements.in (qwen3 needs transformers 4.51 or later)."
    )


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("exec /usr/local/bin/python: exec format error", Cause.IMAGE_WRONG_PLATFORM),
        ("Illegal instruction (core dumped)", Cause.IMAGE_WRONG_PLATFORM),
        ("terminate called after throwing an instance of 'std::bad_alloc'", Cause.CONTAINER_OOM_KILLED),
        ("Killed", Cause.CONTAINER_OOM_KILLED),
        ("RuntimeError: CUDA error: no kernel image is available", Cause.LOG_ERRORS),
        ("OSError: [Errno 28] No space left on device", Cause.LOG_ERRORS),
        ("OSError: [Errno 30] Read-only file system: '/home/app/.cache'", Cause.LOG_ERRORS),
        ("Fatal Python error: Segmentation fault", Cause.LOG_ERRORS),
        ("ERROR: httpx.ConnectError: [Errno 111] Connection refused", Cause.DEPENDENCY_UNREACHABLE),
    ],
)
def test_known_lines_name_their_cause(line: str, cause: Cause) -> None:
    """What a log says plainly is the cause, not "an error"."""
    verdict = judge(log_tail(line))
    assert (verdict.status, verdict.cause) == (Status.FAIL, cause)


@pytest.mark.parametrize(
    "line",
    [
        json_line(event="a client hung up: Connection refused"),
        "Killed 3 stale sessions",
        json_line(event="CUDA not found, running on CPU"),
    ],
)
def test_near_misses_of_known_lines_pass(line: str) -> None:
    """Similar words in a healthy log."""
    assert judge(log_tail(line)).status is Status.PASS


def test_known_cause_comes_before_an_unknown_error() -> None:
    """The root is the line that says why; the error after it is its symptom."""
    verdict = judge(log_tail(json_line(level="error", event="request refused"), "unknown model architecture: 'qwen3'"))
    assert verdict.cause is Cause.MODEL_ARCHITECTURE
    assert len(verdict.symptoms) == 1


def test_previous_instance_of_a_loaded_pod_warns() -> None:
    """A crash that the pod recovered from is evidence, not a failure of today."""
    crash = log_tail("terminate called: std::bad_alloc", previous=True)
    verdict = judge(crash)
    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.CONTAINER_OOM_KILLED)
    assert verdict.reason == (
        f"1 line in the log of container chat-api of 1 pod ({POD_A}) before it crashed: out of memory, first in line 3."
    )


def test_previous_instance_of_a_pod_without_model_fails() -> None:
    """A pod that crashed loading and has not loaded since fails with the crash as the root."""
    crash = log_tail("unknown model architecture: 'qwen3'", previous=True)
    verdict = judge(crash, identities=(identity(POD_A, loaded=False), identity(POD_B)))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MODEL_ARCHITECTURE)


def test_plain_error_of_a_previous_instance_passes() -> None:
    """Only crash lines count of an instance that is gone."""
    assert judge(log_tail("ERROR: retrying", previous=True)).status is Status.PASS


def test_rotated_log_without_the_load_line_passes() -> None:
    """Rotation takes the oldest lines; /version confirms the load."""
    rotated = log_tail(lines=("served a request",), truncated=True)
    verdict = judge(rotated)
    assert verdict.status is Status.PASS
    assert verdict.evidence[0].value == '1 line, "Model loaded successfully" not in it (older lines are cut off)'


def test_load_that_version_does_not_confirm_fails() -> None:
    """A line in the log is no proof that the model is loaded now."""
    verdict = judge(identities=(identity(POD_A), identity(POD_B, loaded=False)))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.LOG_LOAD_UNCONFIRMED)
    assert verdict.reason == f"Pod {POD_B} does not confirm that its model is loaded: /version says loaded=False."


def test_version_that_fails_does_not_confirm() -> None:
    """A pod that answers 500 confirms nothing."""
    failed = Identity(reply=reply(POD_B, path="/version", status=500))
    verdict = judge(identities=(identity(POD_A), failed))
    assert verdict.reason == f"Pod {POD_B} does not confirm that its model is loaded: /version: HTTP 500."


def refused() -> str:
    """Return the line of a question that was refused for want of the patient API."""
    return json_line(level="warning", event="request refused", reason="patient_api", status=503)


def served(status: int) -> str:
    """Return the line of a question that got this status."""
    return json_line(event="request", method="POST", route="/triage", status=status, ms=812.0)


def test_questions_refused_for_want_of_the_patient_api_fail() -> None:
    """The service warns, for the fault is another's; users get 503 all the same."""
    verdict = judge(log_tail(served(200), refused(), served(503), refused(), served(503)))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.DEPENDENCY_UNREACHABLE)
    assert verdict.reason == (
        f"Pod {POD_A} refused 2 questions because the patient API did not answer (lines 4 to 6), "
        "none has been answered since."
    )
    assert verdict.remedy == (
        "Check DB_API_BASE_URL (the patient API listens on 8001) and its pods: "
        f"kubectl get pods,endpoints -n {NAMESPACE}"
    )


def test_patient_api_that_came_back_warns() -> None:
    """A restart of the patient API is told with its count, and does not fail a service that answers again."""
    verdict = judge(log_tail(refused(), served(503), served(200), served(200)))
    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.DEPENDENCY_UNREACHABLE)
    assert verdict.reason == (
        f"Pod {POD_A} refused 1 question because the patient API did not answer (lines 3 to 3), 2 answered since."
    )


def test_refusals_of_a_full_queue_pass() -> None:
    """A queue that says no when it is full is at work; ERR-1 and LOD-1 count how often."""
    full = json_line(level="warning", event="request refused", reason="queue_full", status=429)
    assert judge(log_tail(full, served(429))).status is Status.PASS


def test_sidecar_is_named_with_its_container() -> None:
    """Every container's log is read, and its errors are not those of the service."""
    verdict = judge(log_tail(), log_tail(lines=("ERROR: no upstream",), container="proxy"))
    assert verdict.reason == (
        f"1 line in the log of container proxy of 1 pod ({POD_A}): plain line of level error, first in line 1."
    )
    assert verdict.remedy == f"Read the line: kubectl logs {POD_A} -c proxy -n {NAMESPACE} | sed -n 1p"


def test_sidecar_does_not_speak_for_the_service() -> None:
    """A pod whose service wrote nothing is not known to be good because a sidecar did."""
    tails = [log_tail(lines=()), log_tail(container="proxy"), log_tail(pod=POD_B)]
    verdict = log_verdict(tails, (identity(POD_A), identity(POD_B)), pods=PODS, container="chat-api")
    assert verdict.reason == f"There is no log line to judge of 1 of 2 pods ({POD_A})."


def test_line_has_its_time_as_evidence() -> None:
    """When a line was written stands beside where it stands."""
    verdict = judge(log_tail("ERROR: x", times=(None, None, at(7))))
    assert verdict.evidence[0].at == at(7)


def test_empty_logs_are_inconclusive() -> None:
    """An empty log proves nothing."""
    verdict = judge(log_tail(pod=POD_A, lines=()), log_tail(pod=POD_B, lines=()))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
    assert verdict.reason == f"There is no log line to judge of 2 of 2 pods ({POD_A}, {POD_B})."
    assert verdict.remedy == f"Check that the log can be read: kubectl logs {POD_A} -n {NAMESPACE} --tail=5"


def test_pod_without_a_log_is_inconclusive() -> None:
    """One unread log among clean ones is a hole."""
    verdict = log_verdict([log_tail(pod=POD_A)], [identity(POD_A), identity(POD_B)], pods=PODS)
    assert verdict.status is Status.INCONCLUSIVE


def test_pod_that_was_not_asked_is_inconclusive() -> None:
    """A clean log without a confirmed load is not known to be good."""
    assert (
        judge(identities=(identity(POD_A),)).reason == f"Not asked whether the model is loaded: 1 of 2 pods ({POD_B})."
    )


def test_pod_that_may_not_be_asked_is_inconclusive() -> None:
    """A missing right is the gate's trouble."""
    denied = Identity(reply=replace(lost("forbidden", POD_B), path="/version"))
    assert judge(identities=(identity(POD_A), denied)).cause is Cause.GATE_FORBIDDEN


def test_no_pods_fail() -> None:
    """No pod, no log, no pass."""
    verdict = log_verdict([], [], pods=())
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.ENDPOINTS_NOT_READY)


def test_remedy_of_a_truncated_log_counts_from_its_end() -> None:
    """Line numbers of a cut log hold only for the same number of last lines."""
    verdict = judge(log_tail("ERROR: x", truncated=True))
    assert verdict.remedy == f"Read the line: kubectl logs {POD_A} -c chat-api -n {NAMESPACE} --tail=3 | sed -n 3p"


@pytest.mark.parametrize("line", ["{", '{"level": 7}', "[]", "\x00\ufffd", '{"level": null, "event": {}}', "{'a': 1}"])
def test_odd_lines_never_raise(line: str) -> None:
    """Whatever a log holds, it is read."""
    assert judge(log_tail(line)).status is Status.PASS
