"""CON-1 to CON-4 and CON-7: each fault, and the near miss beside it."""

# ruff: noqa: ANN401  # a change may be of any field, and so of any type

from dataclasses import replace
from typing import Any

import pytest

from gate.causes import Cause
from gate.diagnosis.container import (
    Exchange,
    OfflineStart,
    Privileges,
    ProbeSample,
    Shutdown,
    contract_verdict,
    offline_verdict,
    privileges_verdict,
    probes_verdict,
    shutdown_verdict,
)
from gate.verdict import Status, Verdict
from tests.diagnosis_answers.observations import MODEL, answer, identity, lost, refused, reply

IMAGE = "localhost:5000/carepath-chat-api:v2.0"


def judged_as(verdict: Verdict) -> tuple[Status, Cause | None, str]:
    """Return what a reader acts on."""
    return verdict.status, verdict.cause, verdict.reason


# --- CON-1 ------------------------------------------------------------------------------------------------------------


def privileges(**changes: Any) -> Privileges:
    """Return what an image in order shows."""
    seen = Privileges(image=IMAGE, declared_user="10001:10001", uid=10001, capabilities=0, served=True, written=())
    return replace(seen, **changes)


def test_privileges_of_a_numeric_user_pass() -> None:
    """A number above 0, nothing writable, and it serves."""
    verdict = privileges_verdict(privileges())
    assert judged_as(verdict) == (
        Status.PASS,
        None,
        "The process runs as uid 10001 and serves on a read-only root file system.",
    )
    assert {each.field: each.value for each in verdict.evidence} == {
        "Config.User": "10001:10001",
        "uid": "10001",
        "CapEff": "0x0",
        "root file system": "mounted read-only",
    }


@pytest.mark.parametrize(
    ("declared", "uid", "said"), [("", 0, "not declared"), ("0:0", 0, "0"), ("root", None, "root"), ("1000", 0, "1000")]
)
def test_privileges_of_root_fail(declared: str, uid: int | None, said: str) -> None:
    """Root by declaration, by omission, or in fact."""
    verdict = privileges_verdict(privileges(declared_user=declared, uid=uid))
    assert judged_as(verdict) == (
        Status.FAIL,
        Cause.IMAGE_RUNS_AS_ROOT,
        f"The process of {IMAGE} runs as root (USER {said}).",
    )


def test_privileges_of_a_named_user_fail() -> None:
    """A kubelet cannot tell from a name that it is not root."""
    assert judged_as(privileges_verdict(privileges(declared_user="app"))) == (
        Status.FAIL,
        Cause.IMAGE_RUNS_AS_ROOT,
        "The image declares user 'app': a kubelet with runAsNonRoot refuses a user that is no number.",
    )


def test_privileges_of_a_container_without_a_shell_are_unknown() -> None:
    """It serves, and nobody could look: that is not known to be good."""
    verdict = privileges_verdict(privileges(uid=None, capabilities=None))
    assert judged_as(verdict) == (
        Status.INCONCLUSIVE,
        Cause.GATE_NOT_MEASURED,
        f"Nobody could look into the container of {IMAGE}: it has no cat and no find.",
    )


def test_privileges_of_a_container_that_ended_blame_the_read_only_root() -> None:
    """What cannot write may end at once: then there is no process to look at, and its last words tell."""
    gone = privileges(uid=None, capabilities=None, served=False, last_lines=("OSError: [Errno 30] /app/cache",))
    verdict = privileges_verdict(gone)
    assert judged_as(verdict) == (
        Status.FAIL,
        Cause.IMAGE_NEEDS_WRITABLE_ROOT,
        "The container does not serve on a read-only root file system: OSError: [Errno 30] /app/cache.",
    )
    assert "process uid = none: it has ended" in [str(each) for each in verdict.evidence]


def test_privileges_with_a_writable_folder_fail() -> None:
    """A VOLUME stays writable below a read-only root."""
    assert judged_as(privileges_verdict(privileges(written=("/data", "/models")))) == (
        Status.FAIL,
        Cause.IMAGE_NEEDS_WRITABLE_ROOT,
        "The process can write to /data, /models although the root file system is read-only.",
    )


# --- CON-2 ------------------------------------------------------------------------------------------------------------


def samples(*pairs: tuple[int | None, int | None]) -> list[ProbeSample]:
    """Return (health, ready) asked every half second."""
    return [ProbeSample(at_s=0.5 * index, health=health, ready=ready) for index, (health, ready) in enumerate(pairs)]


STARTING, LOADING, LOADED, SILENT = (None, None), (200, 503), (200, 200), (None, 503)


def test_probes_that_tell_alive_from_ready_pass() -> None:
    """Alive while it loads, ready when it is loaded."""
    verdict = probes_verdict(samples(STARTING, LOADING, LOADING, LOADED), startup_budget_s=120)
    assert judged_as(verdict) == (
        Status.PASS,
        None,
        "/health answered from 0.5 s on, /ready was 503 until the model was loaded at 1.5 s and 200 after.",
    )


def test_probes_silent_under_a_startup_probe_pass_and_say_so() -> None:
    """An engine may hold the interpreter while it loads, as long as liveness does not ask yet."""
    verdict = probes_verdict(samples(LOADING, SILENT, LOADED), startup_budget_s=120)
    assert judged_as(verdict) == (
        Status.PASS,
        None,
        (
            "/health answered from 0.0 s on (silent at 0.5 s, which the startup probe covers), /ready was 503 until "
            "the model was loaded at 1.0 s and 200 after."
        ),
    )


def test_probes_silent_without_a_startup_probe_fail() -> None:
    """Incident 7: liveness kills the container in the middle of its load."""
    assert judged_as(probes_verdict(samples(LOADING, SILENT, LOADED), startup_budget_s=None)) == (
        Status.FAIL,
        Cause.HEALTH_FAILED,
        "/health fell silent at 0.5 s while the model was loaded, and no startup probe covers it.",
    )


def test_probes_never_healthy_fail() -> None:
    """A process that never answers is not alive."""
    assert judged_as(probes_verdict(samples(STARTING, STARTING), startup_budget_s=120)) == (
        Status.FAIL,
        Cause.HEALTH_FAILED,
        "/health never came to 200.",
    )


def test_probes_never_ready_fail() -> None:
    """A model that never loads is not a slow one for ever."""
    assert judged_as(probes_verdict(samples(LOADING, LOADING, LOADING), startup_budget_s=120)) == (
        Status.FAIL,
        Cause.MODEL_NOT_LOADED,
        "/ready stayed away from 200 for 1 s.",
    )


def test_probes_ready_at_first_sight_are_inconclusive() -> None:
    """Incident 6: nobody saw whether /ready waits for the model."""
    assert judged_as(probes_verdict(samples(STARTING, LOADED), startup_budget_s=120)) == (
        Status.INCONCLUSIVE,
        Cause.GATE_NOT_MEASURED,
        "The model was loaded before /ready could be seen at 503.",
    )


def test_probes_nobody_asked_are_inconclusive() -> None:
    """Zero samples say nothing about the container."""
    assert judged_as(probes_verdict([], startup_budget_s=120)) == (
        Status.INCONCLUSIVE,
        Cause.GATE_NOT_MEASURED,
        "Nobody asked /health and /ready.",
    )


# --- CON-3 ------------------------------------------------------------------------------------------------------------


def exchange(name: str, expected: int, status: int | None, **changes: Any) -> Exchange:
    """Return a bad request and its answer."""
    return Exchange(name=name, expected=expected, reply=replace(reply(None, status=status), **changes))


GOOD_REFUSALS = [exchange("unknown patient", 404, 404), exchange("patient API down", 503, 503)]


def test_contract_kept_passes() -> None:
    """Each kind of bad request has its own status, and a good one its fields."""
    verdict = contract_verdict(GOOD_REFUSALS, answer())
    assert judged_as(verdict) == (
        Status.PASS,
        None,
        "The answer has its fields, and 2 kinds of bad request their status.",
    )
    assert [f"{each.field} = {each.value}" for each in verdict.evidence] == [
        "good question = 200",
        "unknown patient = 404",
        "patient API down = 503",
    ]


def test_contract_with_another_status_fails() -> None:
    """A client that retries on 503 only must not get 500, nor nothing."""
    wrong = [exchange("unknown patient", 404, 500), exchange("patient API down", 503, None, error="ReadTimeout")]
    assert judged_as(contract_verdict([*wrong, *GOOD_REFUSALS], answer())) == (
        Status.FAIL,
        Cause.CONTRACT_VIOLATED,
        (
            "2 of 4 error answers break the contract: unknown patient: 500 instead of 404; patient API down: "
            "ReadTimeout instead of 503."
        ),
    )


@pytest.mark.parametrize(
    ("bad", "found"),
    [
        (answer(violations=("field trace_id is missing",)), "field trace_id is missing"),
        (answer(response="  "), "200, no text"),
        (refused(503, error="the patient API is down"), "the patient API is down"),
    ],
    ids=["field missing", "empty", "refused"],
)
def test_contract_of_a_good_question_broken_fails(bad: Any, found: str) -> None:
    """The good answer counts first: without it the errors are of no interest."""
    assert judged_as(contract_verdict(GOOD_REFUSALS, bad)) == (
        Status.FAIL,
        Cause.CONTRACT_VIOLATED,
        f"A good question does not get the answer that the contract states: {found}.",
    )


def test_contract_without_bad_requests_is_inconclusive() -> None:
    """Zero kinds of bad request with the right status are no proof."""
    assert judged_as(contract_verdict([], answer())) == (
        Status.INCONCLUSIVE,
        Cause.GATE_NOT_MEASURED,
        "No bad request was sent.",
    )


# --- CON-4 ------------------------------------------------------------------------------------------------------------


def shutdown(**changes: Any) -> Shutdown:
    """Return a stop in order: SIGTERM after 0.2 s of a request of 2 s, ended 3 s after."""
    return replace(Shutdown(answer=answer(seconds=2.0), sent_after_s=0.2, exit_code=0, seconds=3.0), **changes)


def test_shutdown_that_drains_passes() -> None:
    """The request under way is answered, and the process ends with 0; the last moment of the grace period counts."""
    assert judged_as(shutdown_verdict(shutdown(), grace_s=30)) == (
        Status.PASS,
        None,
        "The request under way was answered and the process ended 3.0 s after.",
    )
    assert shutdown_verdict(shutdown(seconds=30.0), grace_s=30).status is Status.PASS


def test_shutdown_that_cuts_a_request_fails() -> None:
    """A clinician's question must not die with the pod."""
    cut = answer(reply=lost("closed", elapsed_s=0.3, error="connection closed"), response="")
    assert judged_as(shutdown_verdict(shutdown(answer=cut), grace_s=30)) == (
        Status.FAIL,
        Cause.SHUTDOWN_DROPS_REQUESTS,
        "SIGTERM cut the request under way: connection closed.",
    )


@pytest.mark.parametrize(
    ("exit_code", "seconds", "state"), [(None, 30.4, "had not ended 30 s"), (0, 31.0, "ended 31 s")]
)
def test_shutdown_beyond_the_grace_period_fails(exit_code: int | None, seconds: float, state: str) -> None:
    """A kubelet would have killed it."""
    late = shutdown(exit_code=exit_code, seconds=seconds)
    assert judged_as(shutdown_verdict(late, grace_s=30)) == (
        Status.FAIL,
        Cause.SHUTDOWN_TOO_SLOW,
        f"The process {state} after SIGTERM; after 30 s a kubelet kills it.",
    )


def test_shutdown_with_an_exit_code_fails() -> None:
    """A stop that was asked for is no error."""
    assert judged_as(shutdown_verdict(shutdown(exit_code=143), grace_s=30)) == (
        Status.FAIL,
        Cause.CONTAINER_EXITED,
        "The process ended with exit code 143 after SIGTERM.",
    )


def test_shutdown_after_the_answer_is_inconclusive() -> None:
    """A request that was over before SIGTERM shows nothing."""
    early = shutdown(answer=answer(seconds=0.15))
    assert judged_as(shutdown_verdict(early, grace_s=30)) == (
        Status.INCONCLUSIVE,
        Cause.GATE_NOT_MEASURED,
        "The request was answered in 0.15 s, before SIGTERM was sent.",
    )


# --- CON-7 ------------------------------------------------------------------------------------------------------------


def start(how: str, **changes: Any) -> OfflineStart:
    """Return a start without a network that came up."""
    return replace(OfflineStart(how=how, ready=True, seconds=4.0, identity=identity()), **changes)


def test_offline_starts_pass() -> None:
    """Baked in and mounted, the same model comes up without a network."""
    verdict = offline_verdict([start("baked in"), start("mounted")], expected_model=MODEL)
    assert judged_as(verdict) == (Status.PASS, None, f"{MODEL} starts without a network, baked in and mounted.")
    assert [each.value for each in verdict.evidence] == ["after 4.0 s", "after 4.0 s"]


def test_offline_start_that_hangs_fails_and_keeps_its_last_words() -> None:
    """The place of the model is named, the log is evidence."""
    hung = start("mounted", ready=False, identity=None, last_lines=("resolving the hub", "retry 5"))
    verdict = offline_verdict([start("baked in"), hung], expected_model=MODEL)
    assert judged_as(verdict) == (
        Status.FAIL,
        Cause.START_FAILED,
        "With the model mounted the container does not come up without a network.",
    )
    assert verdict.evidence[1].value == "no: resolving the hub / retry 5"


def test_offline_start_of_a_model_that_the_engine_does_not_know_names_the_architecture() -> None:
    """Incident 14, in llama.cpp's own words (xllamacpp, a file whose header says qwen9, 2026-11-22)."""
    said = (
        "0.00.072.422 E llama_model_load: error loading model: unknown model architecture: 'qwen9'",
        "0.00.072.473 E llama_model_load_from_file_impl: failed to load model",
    )
    hung = "With the model mounted the container does not come up without a network"
    verdict = offline_verdict([start("mounted", ready=False, identity=None, last_lines=said)], expected_model=MODEL)
    assert judged_as(verdict) == (
        Status.FAIL,
        Cause.MODEL_ARCHITECTURE,
        f"{hung}; its log says: unknown model architecture.",
    )
    assert verdict.remedy == (
        "Raise the engine's version in service_chat/requirements.in (qwen3 needs transformers 4.51 or later)."
    )


def test_offline_start_with_another_model_fails() -> None:
    """A mock that starts without a network proves nothing."""
    mock = start("baked in", identity=identity(llm_mode="mock", model=None))
    assert judged_as(offline_verdict([mock], expected_model=MODEL)) == (
        Status.FAIL,
        Cause.MODEL_WRONG,
        f"With the model baked in the container declares None, expected is {MODEL}.",
    )


def test_offline_without_a_start_is_inconclusive() -> None:
    """Zero starts are no success."""
    assert judged_as(offline_verdict([], expected_model=MODEL)) == (
        Status.INCONCLUSIVE,
        Cause.GATE_NOT_MEASURED,
        "No start was tried.",
    )
