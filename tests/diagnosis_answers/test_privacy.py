"""LOG-2: patients and credentials in a log are told by kind, place and count, and never shown."""

import json

import pytest

from gate.causes import Cause
from gate.diagnosis.privacy import privacy_verdict
from gate.records import Answer, LogTail, PatientRecord, PatientRecords
from gate.verdict import Status, Verdict
from tests.diagnosis_answers.observations import POD_A, POD_B, answer, at, log_tail, lost, text

PODS = (POD_A, POD_B)
NAMESPACE = "carepath-demo"
SAID = "Please keep taking one of your tablets every morning with a glass of water."
RECORDS = PatientRecords(
    records=(
        PatientRecord(
            mrn="MRN-001", name="Ada Example", diagnosis="essential hypertension", medications=("lisinopril 10 mg",)
        ),
        PatientRecord(mrn="MRN-002", name="Ben Sample", diagnosis="gout", medications=()),
    )
)
#: Put together here, so that no scanner takes this file for a leak.
HUB_TOKEN = "hf_" + "aB3" * 11 + "x"
AWS_KEY = "AKIA" + "QWERTYUIOPASDF12"
JWT = "eyJhbGciOiJSUzI1NiJ9" + "." + "eyJzdWIiOiJjaGF0In0" + "." + "c2lnbmF0dXJl"


def judge(
    *tails: LogTail,
    records: PatientRecords = RECORDS,
    answers: list[Answer] | None = None,
    pods: tuple[str, ...] = PODS,
) -> Verdict:
    """Judge the logs; a pod without one given has a healthy log."""
    given = {each.pod for each in tails}
    healthy = [log_tail(pod=pod) for pod in pods if pod not in given]
    asked = [answer(POD_A, response=SAID), answer(POD_B, response=SAID)] if answers is None else answers
    return privacy_verdict(
        [*tails, *healthy], asked, pods=pods, patients=("MRN-001", "MRN-002"), records=records, namespace=NAMESPACE
    )


def json_line(**fields: object) -> str:
    """Return a line as the service logs it."""
    return json.dumps({"time": "2026-11-22T12:00:00Z", "level": "info", **fields})


def test_clean_logs_pass_and_say_what_was_looked_for() -> None:
    """What was searched stands beside the pass, in numbers."""
    verdict = judge()
    assert verdict.status is Status.PASS
    assert verdict.reason == "No credential and nothing of the test patients in 4 log lines of 2 pods."
    assert [f"{each.field}: {each.value}" for each in verdict.evidence[2:]] == [
        "patterns looked for: 11",
        "test patients' numbers, questions and answers looked for: 10 texts and 9 runs of 6 words",
        "values of the test patients' records looked for: 5 values",
    ]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (json_line(event="request", patient_mrn="MRN-001"), "a test patient's record number"),
        ("asked about mrn_002 again", "a test patient's record number"),
        ("asked about MRN-77123", "a medical record number"),
        (json_line(event="asked", text="What is my current diagnosis?"), "the text of a question"),
        ("prompt: what is  my CURRENT diagnosis", "the text of a question"),
        (json_line(event="done", said="... one of your tablets EVERY morning, with ..."), "the text of an answer"),
        (json_line(event="done", detail={"who": ["Example, Ada"]}), "a test patient's name"),
        ("summary: ADA EXAMPLE, 47", "a test patient's name"),
        (json_line(event="record", note="gout"), "a test patient's diagnosis"),
        (json_line(event="record", note="Lisinopril 10 mg"), "a test patient's medication"),
        ("ssn 123-45-6789", "a social security number"),
        (json_line(event="asked", query="Why does my left knee hurt?"), "a field named query"),
        (json_line(event="asked", patient={"dob": "1979-03-02"}), "a field named dob"),
    ],
)
def test_patient_data_in_a_log_fails(line: str, kind: str) -> None:
    """Incident 20, in every form the gate can know; one kind in one line is one finding."""
    verdict = judge(log_tail(line))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.LOG_PATIENT_DATA)
    assert verdict.reason == (
        f"1 log line holds patient data ({kind}) in container chat-api of 1 pod ({POD_A}), first in line 3."
    )
    for word in ("Ada", "gout", "hypertension", "knee", "6789", "77123", "lisinopril"):
        assert word.lower() not in text(verdict).lower()


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (f"using token {HUB_TOKEN}", "hub token"),
        (json_line(event="env", HUGGINGFACE_TOKEN=HUB_TOKEN), "hub token"),
        (f"credentials {AWS_KEY}", "AWS access key id"),
        (f"headers: {JWT}", "JSON web token"),
        ("GET / Authorization: Bearer 0123456789abcdef0123", "Authorization header"),
        ("-----BEGIN RSA PRIVATE KEY-----", "private key"),
        ("postgres://chat:s3cr3t-pass@db:5432/patients", "password in an address"),
        ("DB_PASSWORD=correct-horse-battery", "named secret"),
        (json_line(event="env", aws_secret_access_key="wJalrXUtnFEMI0K7MDENG0bPxRfiCY0000000000"), "named secret"),
        ("ghp_" + "a1B2" * 9, "GitHub token"),
        ("k8s-aws-v1.aHR0cHM6Ly9zdHM", "EKS token"),
    ],
)
def test_credential_in_a_log_fails(line: str, kind: str) -> None:
    """A credential is told by its kind, and what to do first is to replace it."""
    verdict = judge(log_tail(line, times=(None, None, at(5))))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.LOG_SECRET)
    assert verdict.reason == (
        f"1 log line holds a credential ({kind}) in container chat-api of 1 pod ({POD_A}), first in line 3 "
        "at 12:00:05 UTC."
    )
    assert verdict.remedy == (
        "Revoke and replace what was logged at once, delete the stored log, and take it out of the code that wrote "
        f"line 3: kubectl logs {POD_A} -c chat-api -n {NAMESPACE}"
    )
    assert line.rsplit(maxsplit=1)[-1] not in text(verdict)


@pytest.mark.parametrize(
    "line",
    [
        json_line(event="request", trace_id="3f2a9c0e11d84b7e9a55c0ffee123456", status=200),
        "sha256:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        json_line(event="summary read", trace_id="8d0f6a1e-1234-4c56-8a90-123456789012", has_diagnosis=True),
        "the diagnosis field is present, patient_mrn is set",
        "field patient_mrn: String should match pattern",
        json_line(event="request", query="diagnosis", answer="stop", prompt="p-17"),
        json_line(event="asked", query="***", patient_name="[redacted]", mrn=None),
        json_line(max_tokens=64, completion_tokens="22", token_budget=128),
        "loading hf_hub_download and hf_transfer",
        "password=*** api_key=<hidden> auth_token=$TOKEN secret_key=None",
        "http://patient-api-service:8001/health answered",
        "Authorization: Basic authentication is not used here",
        "one of your tablets is a kernel table every morning",
        "2026-11-22 12:00:00,123 10-20-3000",
        "{not json MRNs}",
        "",
    ],
)
def test_near_misses_pass(line: str) -> None:
    """Trace ids, digests, masks, settings, and the words of the trade without anybody's data."""
    assert judge(log_tail(line)).status is Status.PASS


def test_lines_are_counted_by_kind_and_pod_and_the_rest_are_symptoms() -> None:
    """Three lines of two pods are one finding; a credential comes before it."""
    verdict = judge(
        log_tail("MRN-001", f"token {HUB_TOKEN}", "MRN-002", pod=POD_A), log_tail("about MRN-001", pod=POD_B)
    )
    assert verdict.cause is Cause.LOG_SECRET
    (symptom,) = verdict.symptoms
    assert symptom == (
        "3 log lines hold patient data (a test patient's record number) in container chat-api of 2 pods "
        f"({POD_A}, {POD_B}), first in line 3."
    )


def test_previous_instance_and_sidecar_are_searched_too() -> None:
    """What an instance wrote before it was restarted has been shipped already."""
    verdict = judge(log_tail(), log_tail("about MRN-001", previous=True, container="proxy"))
    assert verdict.reason == (
        "1 log line holds patient data (a test patient's record number) in container proxy (previous instance) of 1 "
        f"pod ({POD_A}), first in line 3."
    )
    assert verdict.remedy.endswith(f"kubectl logs {POD_A} -c proxy -n {NAMESPACE} --previous")


def test_records_out_of_reach_pass_and_say_so() -> None:
    """A patient API in another place: numbers, questions and answers are looked for, values are not."""
    verdict = judge(records=PatientRecords(missing="DB_API_BASE_URL names no Service here", out_of_reach=True))
    assert verdict.status is Status.PASS
    assert verdict.reason == (
        "No credential and nothing of the test patients in 4 log lines of 2 pods; their records were not compared."
    )
    assert verdict.evidence[-1].value == "none: DB_API_BASE_URL names no Service here"


def test_records_that_could_not_be_read_are_inconclusive() -> None:
    """The patient API is there and did not answer: nobody knows whether a name is in the log."""
    verdict = judge(records=PatientRecords(missing="Pod/patient-api-1, the patient API: ConnectError"))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
    assert verdict.reason == (
        "The test patients' own values were not looked for: Pod/patient-api-1, the patient API: ConnectError."
    )


def test_records_that_may_not_be_read_are_forbidden() -> None:
    """The missing right is the gate's trouble, and named."""
    denied = PatientRecords(missing="not permitted: list services in namespace carepath-demo: no", forbidden=True)
    assert judge(records=denied).cause is Cause.GATE_FORBIDDEN


def test_found_outranks_what_was_not_looked_for() -> None:
    """A leak that is seen fails, whatever else is unknown."""
    verdict = judge(log_tail("MRN-001"), records=PatientRecords(missing="no answer"))
    assert verdict.status is Status.FAIL


def test_pod_that_was_not_asked_is_inconclusive() -> None:
    """A service that nobody asked anything had nothing to log."""
    assert judge(answers=[answer(POD_A), answer(POD_B, reply=lost("forbidden", POD_B))]).cause is Cause.GATE_FORBIDDEN


def test_pod_without_a_line_is_inconclusive() -> None:
    """An empty log proves nothing."""
    verdict = judge(log_tail(lines=()))
    assert verdict.reason == f"There is no log line to search of 1 of 2 pods ({POD_A})."


def test_no_pods_fail() -> None:
    """No pod, no log, no pass."""
    assert judge(pods=()).cause is Cause.ENDPOINTS_NOT_READY


@pytest.mark.parametrize(
    "line", ["{", "[]", "{" * 3000, "\x00\ufffd", '{"level": null, "event": {}}', '{"a": [[[1]]]}']
)
def test_odd_lines_never_raise(line: str) -> None:
    """Whatever a log holds, it is searched."""
    assert judge(log_tail(line)).status is Status.PASS
