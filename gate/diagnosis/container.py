"""Judges the built image by what a container made of it did (CON-1 to CON-4, CON-7).

Pure: what the bench saw comes in (``gate.readers.bench`` runs the containers), a Verdict leaves.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import pairwise

from gate.causes import Cause
from gate.diagnosis.log_patterns import known_line
from gate.records import Answer, Identity, Reply
from gate.verdict import Evidence, Finding, Status, Verdict, inconclusive, judged, passed


@dataclass(frozen=True, slots=True, kw_only=True)
class Privileges:
    """Who the process is, and what it could write with a read-only root file system.

    Attributes:
        declared_user: USER of the image, empty for none.
        uid: of the running process, None where it had ended before anybody could look.
        capabilities: effective set of the process, a bit mask; None with it.
        served: whether /health came to 200.
        written: paths outside /tmp and /dev/shm that a write succeeded in.
        last_lines: of the log, already free of patient data (nobody was asked about yet).
    """

    image: str
    declared_user: str
    uid: int | None
    capabilities: int | None
    served: bool
    written: tuple[str, ...]
    last_lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSample:
    """/health and /ready asked at the same moment, ``at_s`` seconds after the start; None: no answer."""

    at_s: float
    health: int | None
    ready: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request of the contract and what came back."""

    name: str
    expected: int
    reply: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Shutdown:
    """SIGTERM while a request was under way: its answer, and how the process ended."""

    answer: Answer
    sent_after_s: float
    exit_code: int | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineStart:
    """A start without a network; ``how`` says where the model was."""

    how: str
    ready: bool
    seconds: float
    identity: Identity | None
    last_lines: tuple[str, ...] = ()


def privileges_verdict(seen: Privileges) -> Verdict:
    """Return CON-1."""
    image = f"image/{seen.image}"
    facts = (
        Evidence(image, "Config.User", seen.declared_user or "(none: root)"),
        Evidence("process", "uid", "none: it has ended" if seen.uid is None else str(seen.uid)),
        Evidence("process", "CapEff", "none: it has ended" if seen.capabilities is None else f"{seen.capabilities:#x}"),
        Evidence("container", "root file system", "mounted read-only"),
    )
    unprivileged = f"The process runs as uid {seen.uid} and serves on a read-only root file system."
    return judged("CON-1", _privilege_findings(seen, facts), passed("CON-1", unprivileged, facts))


def _privilege_findings(seen: Privileges, facts: tuple[Evidence, ...]) -> Iterator[Finding]:
    user = seen.declared_user.partition(":")[0]
    if seen.uid == 0 or user in {"", "0", "root"}:
        yield Finding(
            Status.FAIL,
            Cause.IMAGE_RUNS_AS_ROOT,
            f"The process of {seen.image} runs as root (USER {user or 'not declared'}).",
            facts,
            "End the Dockerfile with USER and a number above 0.",
        )
    elif not user.isdecimal():
        yield Finding(
            Status.FAIL,
            Cause.IMAGE_RUNS_AS_ROOT,
            f"The image declares user {user!r}: a kubelet with runAsNonRoot refuses a user that is no number.",
            facts,
            "Write the user's number into the Dockerfile's USER.",
        )
    if seen.uid is None and seen.served:
        yield Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_NOT_MEASURED,
            f"Nobody could look into the container of {seen.image}: it has no cat and no find.",
            facts,
            "Build the image under test on a base with a shell, or judge its user by the pod's securityContext.",
        )
    if not seen.served:
        yield Finding(
            Status.FAIL,
            Cause.IMAGE_NEEDS_WRITABLE_ROOT,
            f"The container does not serve on a read-only root file system: {' / '.join(seen.last_lines) or 'no log'}.",
            facts,
            "Write only below /tmp, or mount an emptyDir where the service writes.",
        )
    if seen.written:
        yield Finding(
            Status.FAIL,
            Cause.IMAGE_NEEDS_WRITABLE_ROOT,
            f"The process can write to {', '.join(seen.written)} although the root file system is read-only.",
            facts,
            "Remove the VOLUME instructions that open these folders.",
        )


def probes_verdict(samples: Sequence[ProbeSample], *, startup_budget_s: int | None) -> Verdict:
    """Return CON-2.

    An engine may hold the interpreter while it reads the weights; a startup probe keeps liveness away until then.

    Args:
        samples: in the order in which they were taken, from the start to the first ready one.
        startup_budget_s: of the startup probe that the deploy declares, None where it declares none.
    """
    subject = "container"
    alive = [sample for sample in samples if sample.health == HTTPStatus.OK]
    loading = [sample for sample in samples if sample.ready == HTTPStatus.SERVICE_UNAVAILABLE]
    ready = [sample for sample in samples if sample.ready == HTTPStatus.OK]
    silent = next((pair for pair in pairwise(samples) if _fell_silent(*pair)), None)
    facts = (
        Evidence(subject, "/health first 200", f"{alive[0].at_s:.2f} s" if alive else "never"),
        Evidence(subject, "/ready 503", f"{len(loading)} of {len(samples)} samples"),
        Evidence(subject, "/ready first 200", f"{ready[0].at_s:.2f} s" if ready else "never"),
        Evidence(subject, "/health silent while loading", f"from {silent[1].at_s:.2f} s on" if silent else "never"),
        Evidence("Deployment", "startupProbe", f"{startup_budget_s} s" if startup_budget_s is not None else "none"),
    )
    if not samples:
        return inconclusive(
            "CON-2", Cause.GATE_NOT_MEASURED, "Nobody asked /health and /ready.", facts, "Run it again."
        )
    if not alive:
        return _failed("CON-2", Cause.HEALTH_FAILED, "/health never came to 200.", facts, "Read the container's log.")
    if not ready:
        reason = f"/ready stayed away from 200 for {samples[-1].at_s:.0f} s."
        remedy = "Read the container's log: the model did not load."
        return _failed("CON-2", Cause.MODEL_NOT_LOADED, reason, facts, remedy)
    if silent and startup_budget_s is None:
        reason = (
            f"/health fell silent at {silent[1].at_s:.1f} s while the model was loaded, and no startup probe covers it."
        )
        remedy = "Declare a startup probe: without one the liveness probe kills the container while it loads."
        return _failed("CON-2", Cause.HEALTH_FAILED, reason, facts, remedy)
    if not loading:
        return inconclusive(
            "CON-2",
            Cause.GATE_NOT_MEASURED,
            "The model was loaded before /ready could be seen at 503.",
            facts,
            "Repeat with less CPU for the container, so that loading takes longer than one sample.",
        )
    but = f" (silent at {silent[1].at_s:.1f} s, which the startup probe covers)" if silent else ""
    return passed(
        "CON-2",
        f"/health answered from {alive[0].at_s:.1f} s on{but}, /ready was 503 until the model was loaded at "
        f"{ready[0].at_s:.1f} s and 200 after.",
        facts,
    )


def _fell_silent(before: ProbeSample, after: ProbeSample) -> bool:
    return before.health == HTTPStatus.OK and after.health != HTTPStatus.OK


def contract_verdict(exchanges: Sequence[Exchange], answer: Answer) -> Verdict:
    """Return CON-3, of the error answers and of one good answer."""
    asked = (("good question", answer.reply), *((each.name, each.reply) for each in exchanges))
    facts = tuple(Evidence("POST /triage", name, _came_back(reply), reply.started_at) for name, reply in asked)
    if not exchanges:
        reason = "No bad request was sent."
        return inconclusive("CON-3", Cause.GATE_NOT_MEASURED, reason, facts, "Send one of each kind.")
    wrong = [each for each in exchanges if each.reply.status != each.expected]
    if answer.reply.status != HTTPStatus.OK or answer.violations or not answer.response.strip():
        found = "; ".join(answer.violations) or answer.reply.error or f"{_came_back(answer.reply)}, no text"
        reason = f"A good question does not get the answer that the contract states: {found}."
        return _failed(
            "CON-3", Cause.CONTRACT_VIOLATED, reason, facts, "Compare the answer's fields with README's API."
        )
    if wrong:
        told = "; ".join(f"{each.name}: {_came_back(each.reply)} instead of {each.expected}" for each in wrong)
        return _failed(
            "CON-3",
            Cause.CONTRACT_VIOLATED,
            f"{len(wrong)} of {len(exchanges)} error answers break the contract: {told}.",
            facts,
            "Correct the status: clients retry on 429 and 503 and on nothing else.",
        )
    return passed("CON-3", f"The answer has its fields, and {len(exchanges)} kinds of bad request their status.", facts)


def shutdown_verdict(seen: Shutdown, *, grace_s: float) -> Verdict:
    """Return CON-4.

    Args:
        seen: what happened after SIGTERM.
        grace_s: seconds until a kubelet would send SIGKILL.
    """
    facts = (
        Evidence("POST /triage", "status of the request under way", _came_back(seen.answer.reply)),
        Evidence("container", "SIGTERM sent after", f"{seen.sent_after_s:.2f} s of the request"),
        Evidence("container", "exit code", str(seen.exit_code)),
        Evidence("container", "ended after", f"{seen.seconds:.1f} s"),
    )
    if seen.answer.reply.elapsed_s <= seen.sent_after_s:
        return inconclusive(
            "CON-4",
            Cause.GATE_NOT_MEASURED,
            f"The request was answered in {seen.answer.reply.elapsed_s:.2f} s, before SIGTERM was sent.",
            facts,
            "Repeat; with less CPU for the container its answer takes longer.",
        )
    if seen.answer.reply.status != HTTPStatus.OK or not seen.answer.response.strip():
        return _failed(
            "CON-4",
            Cause.SHUTDOWN_DROPS_REQUESTS,
            f"SIGTERM cut the request under way: {_came_back(seen.answer.reply)}.",
            facts,
            "Finish accepted requests before the process ends; start it in exec form so that SIGTERM reaches it.",
        )
    if seen.exit_code is None or seen.seconds > grace_s:
        state = "had not ended" if seen.exit_code is None else "ended"
        return _failed(
            "CON-4",
            Cause.SHUTDOWN_TOO_SLOW,
            f"The process {state} {seen.seconds:.0f} s after SIGTERM; after {grace_s:.0f} s a kubelet kills it.",
            facts,
            "Lower DRAIN_DELAY_S and DRAIN_S, or raise terminationGracePeriodSeconds above their sum.",
        )
    if seen.exit_code != 0:
        return _failed(
            "CON-4",
            Cause.CONTAINER_EXITED,
            f"The process ended with exit code {seen.exit_code} after SIGTERM.",
            facts,
            "Read the end of the container's log: a clean stop ends in 0.",
        )
    return passed(
        "CON-4", f"The request under way was answered and the process ended {seen.seconds:.1f} s after.", facts
    )


def offline_verdict(starts: Sequence[OfflineStart], *, expected_model: str) -> Verdict:
    """Return CON-7, of one start for each place the model may be in."""
    facts = tuple(
        Evidence(
            f"container, model {start.how}",
            "ready without a network",
            f"after {start.seconds:.1f} s" if start.ready else f"no: {' / '.join(start.last_lines) or 'no log'}",
        )
        for start in starts
    )
    if not starts:
        none = (Evidence("image", "starts tried", "0"),)
        return inconclusive(
            "CON-7", Cause.GATE_NOT_MEASURED, "No start was tried.", none, "Name an image with a model."
        )
    for start in starts:
        if not start.ready:
            reason = f"With the model {start.how} the container does not come up without a network"
            known = known_line(start.last_lines)
            if known is None:
                remedy = "Read its log: what does it try to reach?"
                return _failed("CON-7", Cause.START_FAILED, f"{reason}.", facts, remedy)
            return _failed("CON-7", known.cause, f"{reason}; its log says: {known.name}.", facts, known.remedy)
        model = start.identity.model if start.identity else None
        if model != expected_model:
            reason = f"With the model {start.how} the container declares {model}, expected is {expected_model}."
            return _failed("CON-7", Cause.MODEL_WRONG, reason, facts, "Correct LLM_MODE or what was baked in.")
    hows = " and ".join(start.how for start in starts)
    return passed("CON-7", f"{expected_model} starts without a network, {hows}.", facts)


def _came_back(reply: Reply) -> str:
    return str(reply.status) if reply.status is not None else reply.error or "no answer"


def _failed(criterion: str, cause: Cause, reason: str, facts: tuple[Evidence, ...], remedy: str) -> Verdict:
    return Verdict(criterion, Status.FAIL, reason, facts, cause, remedy)
