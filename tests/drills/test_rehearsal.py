"""A way back and forth: which steps it takes, what it refuses to touch, and what it hands over to be judged."""

# ruff: noqa: ANN401  # stand-ins take whatever the real ones do

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from drills import rehearsal as subject
from drills.rehearsal import Roll, rehearse
from gate.deploying import Change
from gate.observing import Interview
from gate.plan.parse import Action, Plan
from gate.plan.parse import Change as PlannedChange
from gate.readers.errors import DrillRefused
from gate.records import EnvVar, Pod, PodSpec, Snapshot
from gate.target import Target, Way, load_target
from gate.verdict import Evidence, passed
from gate.waiting import Waited
from tests.diagnosis import factories as make
from tests.diagnosis_answers.observations import answer, identity

ROOT = Path(__file__).resolve().parents[2]
STABLE = passed("POD-1", "All is well.", (Evidence("Deployment/chat-api", "ready", "2"),))
OTHER = PlannedChange(name="HorizontalPodAutoscaler/chat-api", kind="", address="a", action=Action.UPDATE)
DEPLOYMENT = PlannedChange(name="Deployment/chat-api", kind="Deployment", address="b", action=Action.UPDATE)


def spec(mode: str, image: str = "r/chat:v2.0") -> PodSpec:
    """Return a template of that image in that mode."""
    return make.pod_spec(containers=(make.container_spec(image=image, env=(EnvVar(name="LLM_MODE", value=mode),)),))


def two_revisions() -> Snapshot:
    """Return v2 with the model, and v1 with the mock before it."""
    return make.healthy_snapshot(
        replica_sets=(
            make.old_replica_set(template=spec("mock", "r/chat:v1.0")),
            make.replica_set(template=spec("SmolLM2")),
        )
    )


@dataclass
class World:
    """A cluster and a Terraform that only note what is done to them."""

    root: Path
    target: Target
    snapshot: Snapshot = field(default_factory=two_revisions)
    planned: tuple[PlannedChange, ...] = (DEPLOYMENT,)
    done: list[str] = field(default_factory=list)
    journals: list[tuple[str, str | None]] = field(default_factory=list)
    mode: str = "SmolLM2"

    def gate(self) -> Any:
        """Return the run's view of it."""

        def question(snapshot: Snapshot, samples: int) -> tuple[tuple[Pod, ...], Interview]:
            assert snapshot is self.snapshot
            self.done.append(f"asked {samples}")
            return (), Interview(health=(), identities=(identity(llm_mode="mock"),), answers=(answer(),))

        return SimpleNamespace(
            root=self.root,
            target=self.target,
            reader=SimpleNamespace(snapshot=lambda: self.snapshot),
            snapshot=lambda: self.snapshot,
            use_snapshot=lambda _: self.done.append("snapshot read anew"),
            question=question,
        )

    def undo(self, revision: int) -> None:
        """Note it."""
        self.done.append(f"undo to {revision}")
        self.mode = "mock" if revision == make.old_replica_set().revision else "SmolLM2"

    def set_environment(self, key: str, value: str) -> None:
        """Note it."""
        self.done.append(f"set {key}={value}")
        self.mode = value

    def current(self) -> dict[str, Any]:
        """Return the Deployment as it is now."""
        container = {"name": "chat-api", "env": [{"name": "LLM_MODE", "value": self.mode}]}
        return {"kind": "Deployment", "spec": {"template": {"spec": {"containers": [container]}}}}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return the world, put in place of the cluster and of Terraform."""
    found = World(tmp_path, load_target("local", ROOT))

    @contextmanager
    def drill(_reader: Any, deployment: str, journal: Path, **how: Any) -> Iterator[Any]:
        found.journals.append((str(journal.relative_to(tmp_path)), how["environment"]))
        assert how["target"] == "local"
        assert (how["reapply"] is None) == (how["environment"] is None)
        yield SimpleNamespace(
            deployment=deployment, undo=found.undo, set_environment=found.set_environment, current=found.current
        )

    def under_traffic(_gate: Any, change: Callable[[], object], _users: Any) -> Change:
        change()
        waited = Waited(STABLE, found.snapshot, (), 1.0, 1)
        return Change(started_at=make.NOW, settled_at=make.NOW + timedelta(seconds=9), waited=waited, traffic=())

    class Program:
        """Terraform that plans what the world says."""

        def __init__(self, environment: str, _: Path, plans: Path) -> None:
            self.environment = environment
            assert plans == tmp_path / "reports/drills/local"

        def plan(self, *options: str) -> Plan:
            """Note it."""
            found.done.append(" ".join(("plan", *options)))
            return Plan(changes=found.planned, terraform_version="1.11")

        def apply(self) -> None:
            """Note it."""
            found.done.append("apply")

        def apply_again(self) -> None:
            """Never asked: the drill is the test's own, and ends well."""
            raise AssertionError

    monkeypatch.setattr(subject, "drill", drill)
    monkeypatch.setattr(subject, "under_traffic", under_traffic)
    monkeypatch.setattr(subject, "Terraform", Program)
    return found


def gone(world: World, way: Way) -> Roll:
    """Return the way back and forth."""
    found = rehearse(world.gate(), cast("Any", ()), way)
    assert found is not None
    return found


def test_undo_goes_to_the_revision_before_and_forth_to_that_of_today(world: World) -> None:
    """Between the two the pods are asked and the next plan is looked at; the history is read anew in the end."""
    roll = gone(world, Way.UNDO)
    old, new = make.old_replica_set().revision, make.replica_set().revision
    assert world.done == [f"undo to {old}", "asked 0", "plan", f"undo to {new}", "snapshot read anew"]
    assert world.journals == [("reports/drills/local.json", None)]
    assert roll.attempt.expected.revision == old
    assert roll.attempt.drift is not None
    assert (roll.attempt.drift.named, roll.attempt.drift.fields) == (
        True,
        ("spec.template.spec.containers[chat-api].env[LLM_MODE].value: mock -> SmolLM2",),
    )


def test_set_env_expects_the_image_of_today_in_mock_mode(world: World) -> None:
    """What must answer is this version without its model."""
    roll = gone(world, Way.SET_ENV)
    assert world.done[0] == "set LLM_MODE=mock"
    assert roll.attempt.expected.template == spec("mock")
    assert roll.attempt.what == "LLM_MODE=mock"


def test_terraform_applies_the_old_image_and_mode_and_then_what_was_applied_before(world: World) -> None:
    """The journal says that Terraform's state is changed too; no further plan is asked about drift."""
    roll = gone(world, Way.TERRAFORM)
    back = ["plan --chat-image r/chat:v1.0 --llm-mode mock", "apply"]
    assert world.done == [*back, "asked 0", "plan", "apply", "snapshot read anew"]
    assert world.journals == [("reports/drills/local.json", "local")]
    assert roll.attempt.drift is None


def test_terraform_that_would_change_more_than_the_deployment_applies_nothing(world: World) -> None:
    """What drifted elsewhere the drill would put right, and could not put back."""
    world.planned = (DEPLOYMENT, OTHER)
    with pytest.raises(DrillRefused, match=r"would also change HorizontalPodAutoscaler/chat-api, which the drill"):
        gone(world, Way.TERRAFORM)
    assert "apply" not in world.done


def test_terraform_beside_a_plan_that_waits_is_refused_before_anything_is_touched(world: World) -> None:
    """The drill's applies would make the reviewed plan stale; the other ways leave it alone."""
    plan = world.target.desired.plan
    assert plan is not None
    (world.root / plan).parent.mkdir(parents=True)
    (world.root / plan).write_text("{}")
    with pytest.raises(DrillRefused, match=r"plan\.json waits to be applied"):
        gone(world, Way.TERRAFORM)
    assert (world.done, world.journals) == ([], [])
    gone(world, Way.UNDO)


@pytest.mark.parametrize("way", Way)
def test_way_of_a_mock_without_a_revision_before_is_not_gone(world: World, way: Way) -> None:
    """Nothing to go back to, and no model to switch off."""
    world.snapshot = make.healthy_snapshot(replica_sets=(make.replica_set(template=spec("mock")),))
    assert rehearse(world.gate(), cast("Any", ()), way) is None
    assert (world.done, world.journals) == ([], [])


def test_target_without_terraform_has_no_way_back_by_it_and_no_plan_to_look_at(world: World) -> None:
    """The undo is rehearsed all the same; nobody claims that a plan would notice."""
    world.target = world.target.model_copy(
        update={"rollback": world.target.rollback.model_copy(update={"environment": None})}
    )
    assert rehearse(world.gate(), cast("Any", ()), Way.TERRAFORM) is None
    assert gone(world, Way.UNDO).attempt.drift is None
    assert "plan" not in world.done


def test_change_that_the_next_plan_does_not_name_is_handed_over_as_unnamed(world: World) -> None:
    """The verdict says what that means."""
    world.planned = (replace(DEPLOYMENT, action=Action.NOTHING),)
    drift = gone(world, Way.UNDO).attempt.drift
    assert drift is not None
    assert not drift.named
