"""The pods are Ready and claim the target's model; what answers, or what is logged, is not as it should be.

Every near miss here runs the same script in front of the real service, which then answers unchanged: a proxy in the
pod is no fault.
"""

from copy import deepcopy
from functools import cache, partial
from pathlib import Path

from e2e.faults import impostor, other_architecture
from e2e.faults.app import App
from e2e.faults.case import Case, Change
from e2e.faults.cases.configuration import env
from e2e.faults.conditions import ended, ready
from gate.causes import Cause
from gate.waiting import FIGURES_S

FOLDER = "/scripts"

#: What these criteria need after the figures: up to 17 questions of a second or two on a node that others share. The
#: mock needs no figures, and suffices where only its log is looked at.
ASKING_S = 60.0

#: A log line that tells what happened and nothing of whom: what LOG-2 must let pass.
DISCREET = '{"level": "info", "event": "asked", "trace_id": "$trace", "digest": "$digest", "has_diagnosis": true}'


@cache
def source(path: str) -> str:
    """Return a script's text."""
    return Path(path).read_text(encoding="utf-8")


def scripts(app: App) -> None:
    """Mount the scripts of the matrix into the chat API's container."""
    texts = {Path(path).name: source(path) for path in (impostor.__file__, other_architecture.__file__)}
    app.add({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "scripts"}, "data": texts})
    app.pod["volumes"].append({"name": "scripts", "configMap": {"name": "scripts"}})
    app.container["volumeMounts"].append({"name": "scripts", "mountPath": FOLDER})


def behind(mode: str = "real", *, sleep: bool = False, log: str = "") -> Change:
    """Run the impostor in the service's place, or with the service behind it."""

    def change(app: App) -> None:
        scripts(app)
        words = [f"--mode={mode}", *(["--sleep"] if sleep else []), *([f"--log={log}"] if log else [])]
        app.container["command"] = ["python", f"{FOLDER}/impostor.py", *words]

    return change


def architecture(name: str) -> Change:
    """Load a copy of the model whose header names this architecture; ``llama`` is the model's own."""

    def change(app: App) -> None:
        scripts(app)
        app.pod["volumes"].append({"name": "patched", "emptyDir": {"sizeLimit": "256Mi"}})
        writes = {"name": "patched", "mountPath": "/patched"}
        copying = {key: deepcopy(app.container[key]) for key in ("image", "resources", "securityContext")}
        copying |= {
            "name": "patch",
            "command": ["python", f"{FOLDER}/other_architecture.py", name],
            "volumeMounts": [{"name": "scripts", "mountPath": FOLDER}, writes],
        }
        app.pod["initContainers"] = [copying]
        catalogue = {"name": "patched", "mountPath": "/app/service_chat/models.toml", "subPath": "models.toml"}
        app.container["volumeMounts"] += [writes, catalogue]
        app.setenv(MODEL_CACHE_DIR="/patched")

    return change


#: What answers is LLM-1's business and shows at once; what the answers are worth is QLT-1's, after the figures.
answers = partial(Case, criterion="LLM-1", model=True, near_miss=behind(), terminal_when=ready())
quality = partial(
    Case,
    criterion="QLT-1",
    model=True,
    terminal_when=ready(),
    waited_s=FIGURES_S,
    within_s=FIGURES_S + ASKING_S,
)
logged = partial(Case, terminal_when=ready(), within_s=ASKING_S)

CASES = (
    answers(
        name="canned-text",
        fault=behind("canned"),
        cause=Cause.MODEL_CANNED,
    ),
    answers(
        name="canned-text-behind-sleeps",
        fault=behind("canned", sleep=True),
        cause=Cause.MODEL_CANNED,
    ),
    answers(
        name="template-echoes-question",
        fault=behind("echo"),
        cause=Cause.MODEL_CANNED,
    ),
    answers(
        name="template-echoes-behind-sleeps",
        fault=behind("echo", sleep=True),
        cause=Cause.MODEL_CANNED,
    ),
    answers(
        name="another-model-answers",
        fault=behind(),
        expects="Qwen3-4B-Thinking-2507",
        cause=Cause.MODEL_WRONG,
    ),
    answers(
        name="another-file-of-that-name",
        fault=behind("other-file"),
        cause=Cause.MODEL_WRONG,
    ),
    answers(
        name="answers-without-a-word",
        incidents=(28,),
        fault=behind("wordless"),
        cause=Cause.MODEL_THINKING_UNFINISHED,
    ),
    quality(
        name="thoughts-leak",
        fault=behind("thoughts"),
        near_miss=behind(),
        cause=Cause.MODEL_THOUGHT_LEAKED,
    ),
    quality(
        name="another-patients-record",
        fault=behind("other-patient"),
        near_miss=behind(),
        cause=Cause.MODEL_DIAGNOSIS_MISSING,
    ),
    quality(
        name="answers-cut-in-the-middle",
        fault=env(MAX_TOKENS="5"),
        near_miss=env(MAX_TOKENS="96"),
        cause=Cause.MODEL_CUT_SHORT,
    ),
    logged(
        name="errors-in-the-log",
        fault=behind(log='{"level": "error", "event": "cache.write_failed"}'),
        near_miss=behind(log='{"level": "warning", "event": "no error: the cache was written at the second try"}'),
        criterion="LOG-1",
        cause=Cause.LOG_ERRORS,
    ),
    logged(
        name="refusals-in-the-log",
        incidents=(13,),
        fault=env(DB_API_BASE_URL="http://patient-api-service:80"),
        near_miss=env(DB_API_BASE_URL="http://patient-api-service:8001/"),
        criterion="LOG-1",
        cause=Cause.DEPENDENCY_UNREACHABLE,
    ),
    logged(
        name="patient-text-in-the-log",
        incidents=(20,),
        fault=behind(log='{"level": "info", "event": "asked", "text": "$mrn: $query"}'),
        near_miss=behind(log=DISCREET),
        criterion="LOG-2",
        cause=Cause.LOG_PATIENT_DATA,
        quick=True,
    ),
    logged(
        name="token-in-the-log",
        fault=behind(log="downloading with token $token"),
        near_miss=behind(log="hf_hub_download: token is set, revision $digest, max_tokens=64"),
        criterion="LOG-2",
        cause=Cause.LOG_SECRET,
    ),
    Case(
        name="architecture-unknown-to-the-engine",
        incidents=(14,),
        fault=architecture("qwen9"),
        near_miss=architecture("llama"),
        terminal_when=ended(1, code=4),
        cause=Cause.MODEL_ARCHITECTURE,
        model=True,
    ),
)
