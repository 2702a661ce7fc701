"""What an ended container's log says that its exit code does not, without showing a line of it.

A log may hold patient data, so nothing of it is quoted: a line is only matched against what programs print before they
end, and what leaves is a cause, the name of a setting or the name of an exception's class. Which logs to read, and
reading them, is ``gate.waiting``'s business.
"""

import re
from dataclasses import dataclass, replace

from gate.causes import Cause
from gate.diagnosis.deployments import Rollout
from gate.records import LogTail, Snapshot
from gate.verdict import Evidence, Verdict

#: Causes that say only that a program ended: its log may know more.
SPEECHLESS = frozenset(
    {
        Cause.CONTAINER_EXITED,
        Cause.CONTAINER_INIT_FAILED,
        Cause.CONTAINER_SIDECAR_FAILED,
        Cause.CONFIG_BAD_VALUE,
    }
)

#: What a log may say that a second start does not change: the image, or a mode that it does not know. No crash loop has
#: to be waited out then.
FINAL_WORDS = frozenset({Cause.IMAGE_WRONG_PLATFORM, Cause.MODEL_ARCHITECTURE, Cause.CONFIG_UNKNOWN_LLM_MODE})


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a line tells of; the templates take ``found`` (the pattern's group), ``arch`` and ``logs``.

    ``cause`` None keeps the one that the exit code gave.
    """

    pattern: re.Pattern[str]
    cause: Cause | None
    what: str
    remedy: str
    shown: str


_RULES: tuple[_Rule, ...] = (
    # runc on the container's stderr (libcontainer/standard_init_linux.go): the kernel's ENOEXEC.
    _Rule(
        re.compile(r"exec format error"),
        Cause.IMAGE_WRONG_PLATFORM,
        "its program is for another processor than the node's ({arch})",
        "Build for the nodes' platform: docker build --platform linux/{arch} ...",
        "exec format error",
    ),
    # llama.cpp (llama-model-loader) and transformers (configuration_auto).
    _Rule(
        re.compile(r"unknown model architecture|does not recognize this architecture"),
        Cause.MODEL_ARCHITECTURE,
        "its engine does not know the model's architecture",
        "Update the engine in the image; qwen3 needs transformers 4.51.",
        "unknown model architecture",
    ),
    # chat-api's refusal to start: one line per setting, `  - LLM_MODE='x': ...`.
    _Rule(
        re.compile(r"^\s*- (LLM_MODE)=.*is not known"),
        Cause.CONFIG_UNKNOWN_LLM_MODE,
        "{found} is neither mock nor a model of the catalogue",
        "Set {found} to mock or to a name in service_chat/models.toml.",
        "{found} is refused",
    ),
    _Rule(
        re.compile(r"^\s*- ([A-Z][A-Z0-9_]{2,})="),
        Cause.CONFIG_BAD_VALUE,
        "it refuses the value of {found}",
        "Correct {found} in the template: {logs}",
        "{found} is refused",
    ),
    _Rule(
        re.compile(r"No space left on device"),
        None,
        "a disk that it writes to is full",
        "See which volume it is: {logs}",
        "No space left on device",
    ),
    _Rule(
        re.compile(r"^([A-Za-z_][\w.]*(?:Error|Exception))(?::|$)"),
        None,
        "its log ends with {found}",
        "Read the rest: {logs}",
        "{found}",
    ),
)


@dataclass(frozen=True, slots=True)
class Speaker:
    """Whose log to read. ``previous`` as the API means it: of the instance before the one that runs or ended last."""

    pod: str
    container: str
    previous: bool


def speaker(rollout: Rollout, verdict: Verdict) -> Speaker | None:
    """Return whose log may explain the verdict, None if its cause says enough.

    Of a container that is down, the log of its last instance is the current one; the kubelet keeps only one dead
    instance (--maximum-dead-containers-per-container), so that the one before is gone.
    """
    if verdict.cause not in SPEECHLESS:
        return None
    found = next((fault for fault in rollout.pod_faults if fault.cause is verdict.cause), None)
    pod = next((each for each in rollout.pods if found and each.name == found.pod), None)
    status = pod.status(found.container) if pod and found else None
    return Speaker(pod.name, status.name, status.state.kind == "running") if pod and status else None


def explained(snapshot: Snapshot, verdict: Verdict, tail: LogTail) -> Verdict:
    """Return the verdict with what the log adds; unchanged if it adds nothing."""
    matches = ((rule, rule.pattern.search(line)) for line in reversed(tail.lines) for rule in _RULES)
    rule, match = next(((rule, match) for rule, match in matches if match), (None, None))
    if rule is None or match is None:
        return verdict
    facts = {
        "found": match[1] if match.re.groups else "",
        "arch": _architecture(snapshot, tail.pod),
        "logs": _logs(snapshot, tail),
    }
    return replace(
        verdict,
        cause=rule.cause or verdict.cause,
        reason=f"{verdict.reason.rstrip('.')}: {rule.what.format(**facts)}.",
        remedy=rule.remedy.format(**facts),
        evidence=(
            *verdict.evidence,
            Evidence(f"Pod/{tail.pod}", f"log of {tail.container}", rule.shown.format(**facts)),
        ),
    )


def _logs(snapshot: Snapshot, tail: LogTail) -> str:
    previous = " --previous" if tail.previous else ""
    return f"kubectl logs {tail.pod} -n {snapshot.namespace} -c {tail.container}{previous}"


def _architecture(snapshot: Snapshot, pod: str) -> str:
    nodes = {node.name: node.architecture for node in snapshot.nodes}
    on = next((each.node for each in snapshot.pods if each.name == pod), None)
    return nodes.get(on or "", "") or "amd64"
