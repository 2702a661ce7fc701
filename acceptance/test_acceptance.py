"""The success criteria of the deployment, in the cluster."""

from collections.abc import Sequence

import pytest

from gate.context import Gate
from gate.criteria import threshold
from gate.diagnosis.answers import model_verdict
from gate.diagnosis.error_rate import error_rate_verdict
from gate.diagnosis.health import health_verdict
from gate.diagnosis.hpa import hpa_verdict
from gate.diagnosis.latency import latency_verdict
from gate.diagnosis.logs import log_verdict
from gate.diagnosis.privacy import privacy_verdict
from gate.diagnosis.quality import Rates, quality_verdict
from gate.diagnosis.resources import resources_verdict
from gate.diagnosis.rollout import digest_verdict
from gate.diagnosis.throttling import ThrottlingLimits
from gate.diagnosis.user_reports import user_report_verdict
from gate.observing import DIAGNOSIS_QUESTION, Interview
from gate.records import Answer, LogTail, PatientRecords, Pod, Readings, Snapshot
from gate.waiting import Waited

# A fixture's time is that of the first test which wants it: the rollout may take rollout_timeout_s, the questions
# latency_budget_s and a round.
pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(1800)]


@pytest.mark.criterion("POD-1")
def test_rollout_is_complete_and_stable(gate: Gate, rollout: Waited) -> None:
    """Every pod of the newest revision runs and stays ready for a window."""
    gate.judge(rollout.verdict)


@pytest.mark.criterion("HPA-1")
def test_hpa_works(gate: Gate, measured: Snapshot) -> None:
    """The HPA reads metrics, can scale and is not pinned; judged before the gate's questions load it."""
    cluster = gate.target.cluster
    gate.judge(
        hpa_verdict(
            measured,
            hpa=cluster.hpa,
            deployment=cluster.deployment,
            container=cluster.container,
            cpu_target_percent=threshold("HPA-1", "cpu_target"),
        )
    )


@pytest.mark.criterion("HLT-1")
def test_health_is_ok_on_every_pod_and_service(gate: Gate, asked: Snapshot, answers: Interview) -> None:
    """/health is 200 on every pod and through the Service."""
    gate.judge(health_verdict(asked, answers.health, service=gate.target.cluster.service))


@pytest.mark.criterion("LLM-1")
def test_every_pod_answers_with_the_model(gate: Gate, pods: Sequence[Pod], answers: Interview) -> None:
    """Every pod answers with the target's model, never the mock."""
    gate.judge(
        model_verdict(
            answers.identities,
            answers.answers,
            expected_model=gate.target.model.name,
            pods=[pod.name for pod in pods],
            expected_sha256=gate.expected_sha256(),
        )
    )


@pytest.mark.criterion("LAT-1")
def test_latency_stays_under_target(gate: Gate, answers: Interview) -> None:
    """Warm triage latency p95 stays under its limit."""
    gate.judge(
        latency_verdict(
            answers.answers,
            p95_limit_s=threshold("LAT-1", "p95_s"),
            min_samples=int(threshold("LAT-1", "min_samples")),
        )
    )


@pytest.mark.criterion("QLT-1")
def test_answers_are_complete_and_name_the_diagnosis(
    gate: Gate, diagnoses: Sequence[Answer], answers: Interview, records: PatientRecords
) -> None:
    """Answers are complete, leak no thought, and name the recorded diagnosis, at the target's rates."""
    wanted = gate.target.quality
    gate.judge(
        quality_verdict(
            diagnoses,
            answers.identities,
            diagnosis_question=DIAGNOSIS_QUESTION,
            records=records,
            rates=Rates(
                complete=wanted.complete_rate,
                diagnosis=wanted.diagnosis_rate,
                confidence=threshold("QLT-1", "confidence"),
                ends=frozenset(wanted.complete_ends),
            ),
        )
    )


@pytest.mark.criterion("LOG-1")
def test_logs_hold_no_errors(gate: Gate, pods: Sequence[Pod], logs: Sequence[LogTail], answers: Interview) -> None:
    """No errors in the logs; the model's loading is confirmed by /version."""
    cluster = gate.target.cluster
    gate.judge(
        log_verdict(
            logs,
            answers.identities,
            pods=[pod.name for pod in pods],
            container=cluster.container,
            namespace=cluster.namespace,
        )
    )


@pytest.mark.criterion("LOG-2")
def test_logs_hold_no_patient_data(
    gate: Gate, pods: Sequence[Pod], logs: Sequence[LogTail], answers: Interview, records: PatientRecords
) -> None:
    """No patient data and no credential in the logs; what is found is never shown."""
    gate.judge(
        privacy_verdict(
            logs,
            answers.answers,
            pods=[pod.name for pod in pods],
            patients=gate.target.acceptance.test_mrns,
            records=records,
            namespace=gate.target.cluster.namespace,
        )
    )


@pytest.mark.criterion("RES-1")
def test_resources_leave_margin(gate: Gate, measured: Snapshot, readings: Readings) -> None:
    """CPU and memory in use leave a margin below the limits, and throttling is in bounds."""
    cluster = gate.target.cluster
    gate.judge(
        resources_verdict(
            measured,
            readings,
            deployment=cluster.deployment,
            container=cluster.container,
            memory_share_limit=threshold("RES-1", "memory_share"),
            throttled=ThrottlingLimits(
                period_share=threshold("RES-1", "throttled_share"),
                withheld_share=threshold("RES-1", "withheld_share"),
            ),
        )
    )


@pytest.mark.criterion("ERR-1")
def test_error_rate_is_in_bounds(gate: Gate, pods: Sequence[Pod], answers: Interview, readings: Readings) -> None:
    """Error and refusal rate of every pod since the deploy are in bounds."""
    gate.judge(
        error_rate_verdict(
            readings,
            answers.answers,
            pods=pods,
            container=gate.target.cluster.container,
            error_share_limit=threshold("ERR-1", "error_share"),
            refusal_share_limit=threshold("ERR-1", "refusal_share"),
            rejected_share_limit=threshold("ERR-1", "rejected_share"),
            min_requests=int(threshold("ERR-1", "min_requests")),
        )
    )


@pytest.mark.criterion("USR-1")
def test_users_reported_no_bad_answer(gate: Gate, pods: Sequence[Pod], readings: Readings) -> None:
    """No user has reported a bad answer since the deploy."""
    gate.judge(
        user_report_verdict(
            readings.after,
            pods=pods,
            container=gate.target.cluster.container,
            max_negative=int(threshold("USR-1", "negative_reports")),
        )
    )


@pytest.mark.criterion("POD-2")
def test_pods_run_intended_digest(gate: Gate, snapshot: Snapshot) -> None:
    """Every pod runs the intended digest, still after all questions: another deploy meanwhile spoils every verdict."""
    cluster = gate.target.cluster
    intended = gate.image_of(gate.deployed)
    gate.judge(
        digest_verdict(
            gate.reader.snapshot(),
            deployment=cluster.deployment,
            container=cluster.container,
            intended=intended.digest,
            intended_source=intended.source,
            earlier=snapshot,
        )
    )
