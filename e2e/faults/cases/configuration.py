"""Settings that are missing, or that the service refuses."""

from typing import Any

from e2e.faults.app import App
from e2e.faults.case import Case, Change
from e2e.faults.conditions import ended, event, waiting
from gate.causes import Cause
from gate.diagnosis.tolerances import CONFIG_SYNC_S

#: How the kubelet calls a container whose configuration it cannot put together.
UNCONFIGURED = waiting("CreateContainerConfigError")


def env(**values: str) -> Change:
    """Set environment variables."""

    def change(app: App) -> None:
        app.setenv(**values)

    return change


def from_config_map(name: str) -> Change:
    """Take settings from this ConfigMap; there is one, called `settings`."""

    def change(app: App) -> None:
        app.add(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"LOG_LEVEL": "INFO"}}
        )
        app.container["envFrom"] = [{"configMapRef": {"name": name}}]

    return change


def from_secret(name: str, key: str, *, optional: bool = False) -> Change:
    """Take a variable from this key of this Secret; there is one, called `hub`, with the key `token`."""

    def change(app: App) -> None:
        app.add({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hub"}, "stringData": {"token": "none"}})
        reference: dict[str, Any] = {"name": name, "key": key, "optional": optional}
        app.container["env"].append({"name": "MODEL_HUB_CREDENTIAL", "valueFrom": {"secretKeyRef": reference}})

    return change


def mounted_config_map(name: str) -> Change:
    """Mount this ConfigMap; there is one, called `settings`."""

    def change(app: App) -> None:
        app.add({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"notes": "none"}})
        app.pod["volumes"].append({"name": "settings", "configMap": {"name": name}})
        app.container["volumeMounts"].append({"name": "settings", "mountPath": "/settings"})

    return change


def runs_as_user(number: int) -> Change:
    """Run as this user."""

    def change(app: App) -> None:
        app.container["securityContext"]["runAsUser"] = number

    return change


CASES = (
    Case(
        name="config-map-missing",
        incidents=(22,),
        fault=from_config_map("setings"),
        near_miss=from_config_map("settings"),
        terminal_when=UNCONFIGURED,
        waited_s=CONFIG_SYNC_S,
        cause=Cause.CONFIG_MISSING_CONFIG_MAP,
    ),
    Case(
        name="secret-missing",
        incidents=(22,),
        fault=from_secret("model-hub", "token"),
        near_miss=from_secret("model-hub", "token", optional=True),
        terminal_when=UNCONFIGURED,
        waited_s=CONFIG_SYNC_S,
        cause=Cause.CONFIG_MISSING_SECRET,
    ),
    Case(
        name="secret-key-missing",
        incidents=(22,),
        fault=from_secret("hub", "TOKEN"),
        near_miss=from_secret("hub", "token"),
        terminal_when=UNCONFIGURED,
        waited_s=CONFIG_SYNC_S,
        cause=Cause.CONFIG_MISSING_KEY,
    ),
    Case(
        name="mounted-config-map-missing",
        incidents=(22,),
        fault=mounted_config_map("setings"),
        near_miss=mounted_config_map("settings"),
        terminal_when=event("FailedMount"),
        waited_s=CONFIG_SYNC_S,
        cause=Cause.CONFIG_MISSING_CONFIG_MAP,
    ),
    Case(
        name="setting-out-of-range",
        incidents=(22,),
        fault=env(MAX_QUEUE="-1"),
        near_miss=env(MAX_QUEUE="0"),
        terminal_when=ended(1, code=2),
        cause=Cause.CONFIG_BAD_VALUE,
    ),
    Case(
        name="setting-misspelt",
        incidents=(12, 22),
        fault=env(DEFAULT_LLM_MODE="SmolLM2-135M-Instruct"),
        near_miss=env(CHAT_API_SERVICE_HOST="10.96.0.99"),
        terminal_when=ended(1, code=2),
        cause=Cause.CONFIG_BAD_VALUE,
    ),
    Case(
        name="runs-as-root",
        fault=runs_as_user(0),
        near_miss=runs_as_user(10002),
        terminal_when=UNCONFIGURED,
        waited_s=CONFIG_SYNC_S,
        cause=Cause.CONFIG_SECURITY_CONTEXT,
    ),
)
