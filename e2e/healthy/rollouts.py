"""What a healthy rollout can be. Each is begun and judged at once, while it is still going on, as CI does it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from e2e.faults.app import CHAT, MODEL, App
from e2e.faults.conditions import Condition, Look, available
from e2e.faults.hands import Hands
from e2e.faults.running import START_TIMEOUT_S

#: Begins the rollout on the running app; the documents are changed with it, for they say what is meant.
Begin: TypeAlias = Callable[[Hands, App], None]

#: Replicas of a scale-up at most: three pods of four streams fit one small node.
MOST_REPLICAS = 3

#: The startup budget that the manifests give (startupProbe: 60 failures, one a second).
BUDGET_S = 60


@dataclass(frozen=True)
class Rollout:
    """One kind of healthy rollout."""

    name: str
    begin: Begin


def _apply(hands: Hands, app: App) -> None:
    hands.apply(app.documents)


def _restart(hands: Hands, _: App) -> None:
    hands.kubectl("rollout", "restart", f"deployment/{CHAT}")


def _restart_and_set(hands: Hands, app: App) -> None:
    """Change the template again while the first change is still rolled out; the newest revision is the one judged."""
    _restart(hands, app)
    _new_setting(hands, app)


def _toggle(app: App) -> None:
    now = next((each["value"] for each in app.container["env"] if each["name"] == "LOG_LEVEL"), "INFO")
    app.setenv(LOG_LEVEL="INFO" if now == "WARNING" else "WARNING")


def _new_setting(hands: Hands, app: App) -> None:
    _toggle(app)
    _apply(hands, app)


def _more_memory(hands: Hands, app: App) -> None:
    now = int(app.container["resources"]["requests"]["memory"].removesuffix("Mi"))
    app.container["resources"]["requests"]["memory"] = f"{now + 16}Mi"
    _apply(hands, app)


def _undo(hands: Hands, app: App) -> None:
    """Go back one revision: that of a setting changed a moment ago, rolled out before."""
    _new_setting(hands, app)
    hands.wait_for(_complete, timeout_s=START_TIMEOUT_S)
    hands.kubectl("rollout", "undo", f"deployment/{CHAT}")
    _toggle(app)


def _upgrade(hands: Hands, app: App) -> None:
    """Go from the mock's image to the model's, as the checklist does."""
    app.use(app.images.mock)
    app.setenv(LLM_MODE="mock")
    _apply(hands, app)
    hands.wait_for(_complete, timeout_s=START_TIMEOUT_S)
    app.use(app.images.model)
    app.setenv(LLM_MODE=MODEL)
    _apply(hands, app)


def _scale(replicas: int) -> Begin:
    """Let the autoscaler want so many at least."""

    def begin(hands: Hands, app: App) -> None:
        app.hpa["spec"] |= {"minReplicas": replicas, "maxReplicas": replicas + 1}
        _apply(hands, app)
        hands.wait_for(_wanted(replicas), timeout_s=START_TIMEOUT_S)

    return begin


def _scale_down(hands: Hands, app: App) -> None:
    app.hpa["spec"] |= {"minReplicas": 1, "maxReplicas": 2}
    _apply(hands, app)


def _fresh_autoscaler(hands: Hands, app: App) -> None:
    hands.kubectl("delete", "horizontalpodautoscaler", CHAT)
    _apply(hands, app)


def _fresh_autoscaler_and_restart(hands: Hands, app: App) -> None:
    _fresh_autoscaler(hands, app)
    _restart(hands, app)


def _slow_start(seconds: int) -> Begin:
    """Begin to start only after so many seconds; Python and the model take 3 s more, 10 s on a busy machine."""
    program = f"import os, time; time.sleep({seconds}); os.execvp('python', ['python', '-m', 'service_chat'])"

    def begin(hands: Hands, app: App) -> None:
        app.container["command"] = ["python", "-c", program]
        _apply(hands, app)

    return begin


def _quick_again(hands: Hands, app: App) -> None:
    app.container.pop("command", None)
    _apply(hands, app)


def _wanted(replicas: int) -> Condition:
    return lambda look: any(
        each["spec"].get("replicas", 1) >= replicas for each in look("Deployment") if each["metadata"]["name"] == CHAT
    )


def _complete(look: Look) -> bool:
    """The newest revision serves, and nothing of the one before is left."""
    (found,) = (each for each in look("Deployment") if each["metadata"]["name"] == CHAT)
    spec, status = found["spec"], found.get("status", {})
    current = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
    wanted = spec.get("replicas", 1)
    counts = (status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas"))
    return available(look) and current and all(count == wanted for count in counts)


RESTART = Rollout("restart", _restart)
TWICE = Rollout("restart, and a new setting at once", _restart_and_set)
SETTING = Rollout("new setting", _new_setting)
MEMORY = Rollout("new memory request", _more_memory)
UNDO = Rollout("undo", _undo)
UPGRADE = Rollout("upgrade from mock to model", _upgrade)
UP_2, UP_3 = (Rollout(f"scale-up to {replicas}", _scale(replicas)) for replicas in (2, MOST_REPLICAS))
DOWN = Rollout("scale-down to 1", _scale_down)
FRESH_HPA = Rollout("fresh HPA", _fresh_autoscaler)
FRESH_BOTH = Rollout("fresh HPA and restart", _fresh_autoscaler_and_restart)
QUICK = Rollout("quick start again", _quick_again)
FIRST = Rollout("first deploy, fresh HPA", _apply)


def slow(seconds: int) -> Rollout:
    """Return a rollout whose pods begin to serve so late."""
    return Rollout(f"slow start, {seconds} s of {BUDGET_S} s", _slow_start(seconds))


#: Each stream is a namespace of its own, in which one follows the other; they run beside each other.
STREAMS: tuple[tuple[Rollout, ...], ...] = (
    (FIRST, RESTART, SETTING, UP_2, RESTART, FRESH_HPA, UNDO, DOWN, RESTART, slow(20), QUICK, RESTART, FRESH_BOTH),
    (FIRST, UPGRADE, RESTART, TWICE, slow(30), RESTART, QUICK, UP_2, SETTING, FRESH_BOTH, DOWN, RESTART, MEMORY),
    (FIRST, UP_2, UP_3, RESTART, DOWN, SETTING, TWICE, FRESH_HPA, slow(40), QUICK, UNDO, RESTART),
    (FIRST, slow(45), RESTART, QUICK, FRESH_BOTH, UPGRADE, MEMORY, RESTART, UP_2, TWICE, RESTART, DOWN),
)
