"""What a setting will be, and what stays open where that is not known."""

import pytest

from gate.diagnosis.effective import unknown_settings
from gate.records import EnvVar, Setting, SettingsSchema
from gate.records.effective import Effective, effective
from tests.diagnosis import factories as make

DEADLINE = Effective("REQUEST_DEADLINE_S", None, "from configMapKeyRef chat/deadline, not read")
PORT = Effective("PORT", None, "from configMapRef chat, not read")
KNOWN = Effective("DRAIN_S", "20", "20")


def test_settings_that_are_not_known_are_told_together() -> None:
    """One finding, with where each of them comes from; what is known is left out."""
    (found,) = unknown_settings(
        (PORT, KNOWN, DEADLINE), workload="chat-api", container="chat", unjudged="the way to the service"
    )
    assert found.reason == (
        "PORT, REQUEST_DEADLINE_S of container chat are not known: the way to the service was not judged in full."
    )
    assert [(each.object, each.field, each.value) for each in found.evidence] == [
        ("Deployment/chat-api", "containers[chat].env[PORT]", "from configMapRef chat, not read"),
        (
            "Deployment/chat-api",
            "containers[chat].env[REQUEST_DEADLINE_S]",
            "from configMapKeyRef chat/deadline, not read",
        ),
    ]
    assert found.remedy == "Write PORT, REQUEST_DEADLINE_S as plain values into the pod template, and plan again."


def test_settings_that_are_known_leave_nothing_open() -> None:
    """No finding at all."""
    assert unknown_settings((KNOWN,), workload="chat-api", container="chat", unjudged="the way to the service") == ()


@pytest.mark.parametrize(
    ("value", "number"),
    [("0", None), ("0.5", 0.5), ("60", 60.0), ("61", None), ("inf", None), ("nan", None), ("", 9.0)],
)
def test_setting_that_the_service_refuses_has_no_number(value: str, number: float | None) -> None:
    """CFG-1 names it; nobody computes with it, or divides by it."""
    setting = Setting(key="REQUEST_DEADLINE_S", type="number", exclusive_minimum=0, maximum=60, default="9")
    spec = make.container_spec(env=(EnvVar(name="REQUEST_DEADLINE_S", value=value),))
    found = effective(spec, SettingsSchema(source="s.json", settings=(setting,)), "REQUEST_DEADLINE_S")
    assert found.number == number


def test_number_without_bounds_must_be_finite() -> None:
    """Infinite seconds have no whole number."""
    assert Effective("DRAIN_S", "inf", "inf").number is None
