"""Log lines whose meaning is known: what engines, kernels and libraries print before or while something is wrong.

Data for ``logs`` (LOG-1), which finds the lines and counts them; a line without a pattern here is still an error there.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gate.causes import Cause


@dataclass(frozen=True, slots=True)
class Pattern:
    """A known line: what it means, in a few words, and what to do about it."""

    name: str
    expression: re.Pattern[str]
    cause: Cause
    remedy: str


#: What a log says when the cause is known; looked for in every line, whatever its level. First match wins.
PATTERNS: tuple[Pattern, ...] = (
    # transformers' CONFIG_MAPPING refusal (auto_factory.py, since 4.46) and its older KeyError; llama.cpp's llama-arch.
    Pattern(
        "unknown model architecture",
        re.compile(
            r"does not recognize this architecture|unknown model architecture|KeyError: '(?:qwen3|llama|gemma3)'",
            re.IGNORECASE,
        ),
        Cause.MODEL_ARCHITECTURE,
        "Raise the engine's version in service_chat/requirements.in (qwen3 needs transformers 4.51 or later).",
    ),
    Pattern(
        "wrong platform (exec format error)",
        re.compile(r"exec format error", re.IGNORECASE),
        Cause.IMAGE_WRONG_PLATFORM,
        "Build the image for the node's platform: docker build --platform linux/amd64.",
    ),
    Pattern(
        "illegal instruction (the engine was built for another CPU)",
        re.compile(r"illegal instruction|SIGILL", re.IGNORECASE),
        Cause.IMAGE_WRONG_PLATFORM,
        "Use an engine build for the node's CPU features, or a node type that has them.",
    ),
    Pattern(
        "out of memory",
        re.compile(r"std::bad_alloc|Cannot allocate memory|DefaultCPUAllocator: .*memory|^MemoryError|^Killed\s*$"),
        Cause.CONTAINER_OOM_KILLED,
        "Compare the memory limit with FIT-1's figure and raise it, or load a smaller quantization.",
    ),
    Pattern(
        "GPU libraries fail",
        re.compile(
            r"CUDA (?:error|out of memory|driver)|Found no NVIDIA driver|libcuda\S* .*cannot open", re.IGNORECASE
        ),
        Cause.LOG_ERRORS,
        "Install the CPU build of the engine: these nodes have no GPU.",
    ),
    Pattern(
        "disk full",
        re.compile(r"No space left on device|\[Errno 28\]"),
        Cause.LOG_ERRORS,
        "Give the pod more ephemeral storage, or mount the model instead of downloading it.",
    ),
    Pattern(
        "read-only file system",
        re.compile(r"Read-only file system|\[Errno 30\]"),
        Cause.LOG_ERRORS,
        "Mount an emptyDir at the path that the program writes to.",
    ),
    Pattern(
        "segmentation fault",
        re.compile(r"Segmentation fault|Fatal Python error", re.IGNORECASE),
        Cause.LOG_ERRORS,
        "Go back to the engine version that ran before, and report the crash to its project.",
    ),
)

#: Looked for in error lines only: a client that hangs up logs the same words without anything being wrong.
DEPENDENCY = Pattern(
    "a dependency cannot be reached",
    re.compile(r"Connection refused|ConnectError|ConnectTimeout|Name or service not known|name resolution|patient_api"),
    Cause.DEPENDENCY_UNREACHABLE,
    "Check DB_API_BASE_URL (the patient API listens on 8001) and the patient API's pods.",
)


def known_line(lines: Iterable[str]) -> Pattern | None:
    """Return what the first line with a known meaning says; whatever its level."""
    return next((each for line in lines for each in PATTERNS if each.expression.search(line)), None)
