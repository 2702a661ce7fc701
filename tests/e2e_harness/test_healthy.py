from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from e2e.faults.app import App, Free, Images, baseline
from e2e.faults.conditions import Look
from e2e.healthy import rollouts
from e2e.healthy.rollouts import STREAMS, Rollout
from e2e.healthy.running import CRITERIA, Judged
from e2e.healthy.table import markdown, terminal_line

IMAGES = Images(mock="c@sha256:1", model="c@sha256:2", without_model="c@sha256:4", patients="p@sha256:3")


@dataclass
class FakeHands:
    """Hands that remember what they were told; every condition is asked once of a Deployment that is complete."""

    said: list[str] = field(default_factory=list)
    applied: list[dict[str, Any]] = field(default_factory=list)

    def kubectl(self, *words: str) -> str:
        """Remember the command."""
        self.said.append(" ".join(words))
        return ""

    def apply(self, documents: list[dict[str, Any]]) -> None:
        """Remember the chat API's container as it was then."""
        (found,) = (
            each for each in documents if (each["kind"], each["metadata"]["name"]) == ("Deployment", "chat-api")
        )
        container = found["spec"]["template"]["spec"]["containers"][0]
        self.applied.append({each["name"]: each["value"] for each in container["env"]})

    def wait_for(self, condition: Any, *, timeout_s: float) -> None:  # noqa: ANN401  # as the real one
        """Believe it."""


def app() -> App:
    """Return the healthy app."""
    return baseline("healthy-0", 17800, IMAGES, Free(1000, 2**33, 50), model=True)


def begun(rollout: Rollout, here: App) -> FakeHands:
    """Begin a rollout on the app."""
    hands = FakeHands()
    rollout.begin(hands, here)  # type: ignore[arg-type]  # the part of Hands that a rollout uses
    return hands


def test_streams_hold_fifty_rollouts_of_every_kind() -> None:
    """Restarts, scale-ups, slow starts and fresh autoscalers among them, each stream from its first deploy on."""
    every = [rollout.name for stream in STREAMS for rollout in stream]
    assert len(every) == 50
    assert all(stream[0] is rollouts.FIRST for stream in STREAMS)
    slow = [name for name in every if name.startswith("slow start")]
    assert slow == [f"slow start, {seconds} s of 60 s" for seconds in (20, 30, 40, 45)]
    assert {"restart", "scale-up to 2", "scale-up to 3", "fresh HPA", "undo", "upgrade from mock to model"} <= set(
        every
    )


def test_slow_start_keeps_within_the_budget_that_the_manifests_give() -> None:
    """The startup probe allows 60 failures, one a second; nobody may lower it without this."""
    probe = app().container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == rollouts.BUDGET_S


def test_upgrade_goes_from_the_mocks_image_to_the_models() -> None:
    """Both are applied, one after the other, and what is meant in the end is the model."""
    hands = begun(rollouts.UPGRADE, app())
    assert [(env["LLM_MODE"], env["IMAGE"]) for env in hands.applied] == [
        ("mock", IMAGES.mock),
        ("SmolLM2-135M-Instruct", IMAGES.model),
    ]


def test_undo_ends_with_the_documents_that_ran_before() -> None:
    """What is meant after the undo is what was there before the new setting."""
    here = app()
    begun(rollouts.SETTING, here)
    before = [dict(each) for each in here.container["env"]]
    hands = begun(rollouts.UNDO, here)
    assert hands.said == ["rollout undo deployment/chat-api"]
    assert sorted(here.container["env"], key=str) == sorted(before, key=str)


def test_scale_up_leaves_the_autoscaler_room() -> None:
    """One pinned at its maximum would be named, and rightly."""
    here = app()
    begun(rollouts.UP_3, here)
    assert (here.hpa["spec"]["minReplicas"], here.hpa["spec"]["maxReplicas"]) == (3, 4)


def look(status: Mapping[str, int], *, replicas: int = 2, generation: int = 5) -> Look:
    """Return a look at a Deployment with this status."""
    found = {
        "metadata": {"name": "chat-api", "generation": generation},
        "spec": {"replicas": replicas},
        "status": dict(status),
    }
    return lambda _: [found]


@pytest.mark.parametrize(
    ("change", "complete"),
    [({}, True), ({"observedGeneration": 4}, False), ({"replicas": 3}, False), ({"updatedReplicas": 1}, False)],
)
def test_rollout_is_complete_when_the_newest_serves_and_nothing_else_is_left(
    change: dict[str, int],
    complete: bool,  # noqa: FBT001  # a parameter of the case
) -> None:
    """An unobserved generation, a pod of the surge, or an old one left: not yet."""
    status = {"observedGeneration": 5, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2} | change
    assert rollouts._complete(look(status)) is complete


def judged(rollout: Rollout, *problems: str, warnings: tuple[str, ...] = ()) -> Judged:
    """Return a rollout that was judged in 20 s."""
    statuses = dict.fromkeys(CRITERIA, "pass") | ({"POD-1": "fail"} if problems else {})
    return Judged(0, rollout, statuses, problems, warnings, 20.0)


def test_table_counts_alarms_and_tells_warnings() -> None:
    """A row per kind, each alarm and each warning in its own words."""
    text = markdown(
        [
            judged(rollouts.RESTART),
            judged(rollouts.RESTART, "POD-1 fail pod.lost: gone"),
            judged(rollouts.FRESH_HPA, warnings=("HPA-1 warn hpa.at_maximum: full",)),
        ],
        "2 cores",
        120,
    )
    assert "3 rollouts in 1 namespaces at once, 2 minutes: 1 false alarms." in text
    assert "| restart | 2 | 1 pass, 1 fail | 2 pass | 2 pass | 2 pass | 2 pass | 20 |" in text
    assert "## False alarms\n\n- restart: POD-1 fail pod.lost: gone" in text
    assert "## Warnings\n\n- fresh HPA: HPA-1 warn hpa.at_maximum: full" in text


def test_line_of_an_alarm_says_what_was_said() -> None:
    """The problem stands under its rollout."""
    assert terminal_line(judged(rollouts.RESTART, "POD-1 fail: gone")).splitlines()[1].strip() == "POD-1 fail: gone"
