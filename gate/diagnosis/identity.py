"""What a pod declares about its model: the mock, another model, other weights, or one that is not loaded.

LLM-1's first proof. A declaration alone proves little (a template could declare anything), which is why ``answers``
also looks at the texts and their timing; but what a pod openly declares wrong is the shortest way to the cause.
"""

from collections.abc import Sequence
from datetime import datetime

from gate.causes import Cause
from gate.diagnosis.exchanges import OK, exchange_evidence, grouped_by_outcome, outcome, pod_of, speakers
from gate.diagnosis.wording import count
from gate.records import Answer, Identity
from gate.verdict import Evidence, Finding, Status

_MOCK = "mock"
_ONE_FILE = "llama.cpp"
_HASH_CHARS = 12

#: Declarations shown as evidence; the rest is counted.
_SHOWN = 4


def identity_findings(declared: Sequence[Identity], expected: str, sha256: str = "") -> tuple[Finding, ...]:
    """Return what the declarations of the pods have against the target's model.

    Args:
        declared: what came back from /version, of pods that could be asked.
        expected: the target's model, as the service's catalogue names it.
        sha256: of that model's file in the catalogue; empty where it lists none.
    """
    spoke = [each for each in declared if each.reply.status == OK]
    mock = [each for each in spoke if _MOCK in {each.llm_mode, each.engine}]
    models = [each for each in spoke if each not in mock]
    unnamed = [each for each in models if each.model is None]
    other = [each for each in models if each not in unnamed and not _is(each, expected)]
    right = [each for each in models if each not in unnamed and _is(each, expected)]
    found = (
        _misdeclared(mock, Cause.MODEL_MOCK, "answered as the mock", expected),
        _misdeclared(other, Cause.MODEL_WRONG, _runs(other), expected),
        _misdeclared(unnamed, Cause.MODEL_UNKNOWN, "did not say which model it runs", expected),
        _unloaded([each for each in right if each.loaded is not True], expected),
        _other_file(right, expected, sha256),
        _weights(right, expected),
    )
    return (*(each for each in found if each is not None), *_silent(declared))


def mode_findings(answers: Sequence[Answer], expected: str) -> tuple[Finding, ...]:
    """Return the answers whose own ``llm_mode`` is not the target's model."""
    modes = [each for each in answers if each.llm_mode not in {None, expected}]
    if not modes:
        return ()
    mock = any(each.llm_mode == _MOCK for each in modes)
    who = speakers(each.reply for each in modes)
    said = ", ".join(sorted({str(each.llm_mode) for each in modes}))
    return (
        Finding(
            Status.FAIL,
            Cause.MODEL_MOCK if mock else Cause.MODEL_WRONG,
            f"{who} gave {count(len(modes), 'answer')} with llm_mode {said}; the target's model is {expected}.",
            tuple(
                Evidence(exchange_evidence(each.reply).object, "answer's llm_mode", str(each.llm_mode), _at(each))
                for each in modes[:_SHOWN]
            ),
            _remedy(expected),
        ),
    )


def declaration_evidence(identity: Identity) -> Evidence:
    """Return a declaration as evidence."""
    sha256 = identity.model_sha256[:12] if identity.model_sha256 else None
    value = (
        f"llm_mode={identity.llm_mode}, model={identity.model}, engine={identity.engine}, loaded={identity.loaded}, "
        f"model_sha256={sha256}"
    )
    return Evidence(exchange_evidence(identity.reply).object, "/version", value, identity.reply.started_at)


def _at(answer: Answer) -> datetime:
    return answer.reply.started_at


def _is(identity: Identity, expected: str) -> bool:
    """Return whether model and mode both name the expected model; a mode that is not said contradicts nothing."""
    return identity.model == expected and identity.llm_mode in {None, expected}


def _remedy(expected: str) -> str:
    return f"Set LLM_MODE={expected} in the Deployment's pod template and deploy again."


def _runs(identities: Sequence[Identity]) -> str:
    models = sorted({f"{each.model} (LLM_MODE {each.llm_mode})" for each in identities})
    return f"declared {', '.join(models)}"


def _misdeclared(which: Sequence[Identity], cause: Cause, what: str, expected: str) -> Finding | None:
    if not which:
        return None
    return Finding(
        Status.FAIL,
        cause,
        f"{speakers(each.reply for each in which)} {what}; the target's model is {expected}.",
        tuple(declaration_evidence(each) for each in which[:_SHOWN]),
        _remedy(expected),
    )


def _unloaded(which: Sequence[Identity], expected: str) -> Finding | None:
    if not which:
        return None
    return Finding(
        Status.FAIL,
        Cause.PROBE_READY_WITHOUT_MODEL,
        f"{speakers(each.reply for each in which)} became Ready before {expected} was loaded: "
        "the first callers wait for the load.",
        tuple(declaration_evidence(each) for each in which[:_SHOWN]),
        "Point the readiness probe at /ready, which is 503 until the model is loaded.",
    )


def _other_file(right: Sequence[Identity], expected: str, sha256: str) -> Finding | None:
    """Return the finding for pods that name the model and loaded another file than the catalogue's.

    Only llama.cpp loads the catalogue's one file; other engines load a folder, whose files have hashes of their own.
    """
    other = [
        each
        for each in right
        if sha256 and each.engine == _ONE_FILE and each.model_sha256 and each.model_sha256 != sha256
    ]
    if not other:
        return None
    return Finding(
        Status.FAIL,
        Cause.MODEL_WRONG,
        f"{speakers(each.reply for each in other)} loaded another file than the catalogue's {expected}: its SHA-256 "
        f"begins with {(other[0].model_sha256 or '')[:_HASH_CHARS]}, not {sha256[:_HASH_CHARS]}.",
        tuple(declaration_evidence(each) for each in other[:_SHOWN]),
        f"Put the file of service_chat/models.toml in place, whose SHA-256 is {sha256}.",
    )


def _weights(right: Sequence[Identity], expected: str) -> Finding | None:
    """Return the finding for pods that name the same model and run different files."""
    files = {each.model_sha256 for each in right if each.model_sha256}
    if len(files) < 2:  # noqa: PLR2004  # one file, or none declared
        return None
    return Finding(
        Status.FAIL,
        Cause.MODEL_WRONG,
        f"The pods run {len(files)} different files of {expected}: their weights are not the same.",
        tuple(declaration_evidence(each) for each in right),
        "Deploy one image by digest (or one model volume) to all pods, so that all load the same file.",
    )


def _silent(declared: Sequence[Identity]) -> tuple[Finding, ...]:
    silent = [each.reply for each in declared if each.reply.status != OK]
    return tuple(
        Finding(
            Status.FAIL,
            Cause.REQUEST_FAILED,
            f"{speakers(group)} did not declare its model: /version gave {outcome(group[0])}.",
            tuple(exchange_evidence(each) for each in group[:_SHOWN]),
            f"Read the log of pod {pod_of(group[0])} and check that its image serves /version.",
        )
        for group in grouped_by_outcome(silent).values()
    )
