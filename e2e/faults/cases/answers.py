"""Everything runs and answers, and the answers are not the model's."""

from e2e.faults.app import MODEL, App
from e2e.faults.case import Case, Change
from e2e.faults.cases.configuration import env
from e2e.faults.conditions import ready
from e2e.faults.hands import Hands
from gate.causes import Cause


def mode_from_config_map(value: str, replicas: int) -> Change:
    """Take LLM_MODE from a ConfigMap, which a running pod never reads again."""

    def change(app: App) -> None:
        try:
            document = app.document("ConfigMap", "mode")
        except LookupError:
            document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mode"}}
            app.add(document)
        document["data"] = {"LLM_MODE": value}
        app.setenv(LLM_MODE=None)
        app.container["envFrom"] = [{"configMapRef": {"name": "mode"}}]
        app.hpa["spec"] |= {"minReplicas": replicas, "maxReplicas": 3}

    return change


def three(hands: Hands) -> None:
    """Wait for the replicas that the autoscaler adds."""
    hands.wait_for(ready(3), timeout_s=90)


def three_restarted(hands: Hands) -> None:
    """Let every pod read the setting anew."""
    three(hands)
    hands.kubectl("rollout", "restart", "deployment/chat-api")


CASES = (
    Case(
        name="mode-left-on-mock",
        incidents=(12,),
        fault=env(LLM_MODE="mock"),
        # The mock may be asked for by name, and the model answers whoever does not.
        near_miss=env(ALLOW_MODE_OVERRIDE="true"),
        terminal_when=ready(),
        criterion="LLM-1",
        cause=Cause.MODEL_MOCK,
        model=True,
        quick=True,
    ),
    Case(
        name="one-replica-of-three-is-the-mock",
        incidents=(25,),
        first=mode_from_config_map("mock", 1),
        fault=mode_from_config_map(MODEL, 3),
        act=three,
        near_miss=mode_from_config_map(MODEL, 3),
        near_act=three_restarted,
        terminal_when=ready(3),
        criterion="LLM-1",
        cause=Cause.MODEL_MOCK,
        model=True,
        near_samples=12,
    ),
    Case(
        name="answers-cut-to-one-token",
        fault=env(MAX_TOKENS="1"),
        near_miss=env(MAX_TOKENS="48"),
        terminal_when=ready(),
        criterion="LLM-1",
        cause=Cause.MODEL_CUT_SHORT,
        model=True,
    ),
)
