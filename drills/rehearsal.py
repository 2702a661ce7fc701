"""A way back and forth, as the rollback drill goes it: changed under requests, asked, planned, and put back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gate.context import Gate
from gate.deploying import Change, under_traffic
from gate.diagnosis.ownership import newest_replica_set, previous_replica_set
from gate.diagnosis.rollback import MODE_SETTING, Attempt, Drift
from gate.drilling import Drill, drill
from gate.journal import FOLDER, journal_path
from gate.observing import ROLLOUT_USERS, Chat
from gate.plan.parse import field_changes
from gate.readers.errors import DrillRefused
from gate.records import EnvVar, ReplicaSet
from gate.target import Way
from gate.terraform import SHOWN_SETTINGS, Terraform

#: What the checklist switches to when the model is the trouble.
MOCK = "mock"


@dataclass(frozen=True, slots=True)
class Roll:
    """The way back with what came of it, and the rolling update forward again."""

    attempt: Attempt
    forth: Change


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A drill in progress on one way back.

    Attributes:
        gate: the run's view of the target.
        running: the drill that holds Lease and journal.
        users: who keeps asking meanwhile.
        current: the revision that runs, and is to run again.
        terraform: None where the target is not deployed by it.
    """

    gate: Gate
    running: Drill
    users: Sequence[Chat]
    current: ReplicaSet
    terraform: Terraform | None

    def go(self, way: Way, expected: ReplicaSet) -> Roll:
        """Go back, look, and go forth again."""
        original = self.running.current()
        steps = {
            Way.UNDO: lambda: self.running.undo(_revision(expected)),
            Way.SET_ENV: lambda: self.running.set_environment(MODE_SETTING, MOCK),
            Way.TERRAFORM: lambda: self._apply("--chat-image", *_image_and_mode(expected, self._container)),
        }
        back = under_traffic(self.gate, steps[way], self.users)
        snapshot = back.waited.snapshot or self.gate.reader.snapshot()
        deployment = snapshot.deployment(self.running.deployment)
        _, asked = self.gate.question(snapshot, samples=0)
        drift = None if way is Way.TERRAFORM else self._drift(original)
        forward = self._apply if way is Way.TERRAFORM else lambda: self.running.undo(_revision(self.current))
        forth = under_traffic(self.gate, forward, self.users)
        attempt = Attempt(
            way=way,
            expected=expected,
            running=newest_replica_set(snapshot, deployment) if deployment else None,
            rollout=back.waited.verdict,
            identities=asked.identities,
            answers=asked.answers,
            changed_at=back.started_at,
            seconds=back.seconds,
            traffic=back.traffic,
            drift=drift,
            forward=forth.waited.verdict,
        )
        return Roll(attempt, forth)

    @property
    def _container(self) -> str:
        return self.gate.target.cluster.container

    def _apply(self, *options: str) -> None:
        """Plan and apply; what the drill could not put back is not touched."""
        if self.terraform is None:
            raise DrillRefused(f"target {self.gate.target.name} names no rollback.environment to apply")
        plan = self.terraform.plan(*options)
        wanted = f"Deployment/{self.running.deployment}"
        others = [each.name for each in plan.effective if each.name != wanted]
        if others:
            raise DrillRefused(
                f"terraform {self.terraform.environment}: the drill's plan would also change {', '.join(others)}, "
                f"which the drill could not put back; apply or undo that first"
            )
        self.terraform.apply()

    def _drift(self, original: dict[str, Any]) -> Drift | None:
        """Return whether the next plan would redeploy what was rolled back, and in which fields."""
        if self.terraform is None:
            return None
        plan = self.terraform.plan()
        wanted = f"Deployment/{self.running.deployment}"
        changed = field_changes(_template_of(self.running.current()), _template_of(original), SHOWN_SETTINGS)
        return Drift(
            named=any(each.name == wanted for each in plan.effective), fields=tuple(str(each) for each in changed)
        )


def rehearse(gate: Gate, users: Sequence[Chat], way: Way) -> Roll | None:
    """Go one way back and forth; None where there is nothing to go back to, or no such way.

    Raises:
        DrillRefused: another drill runs, one died and was not restored, or a reviewed plan would be made stale.
        ReadError: the cluster or Terraform could not be used.
    """
    cluster, environment = gate.target.cluster, gate.target.rollback.environment
    before = gate.snapshot()
    deployment = before.deployment(cluster.deployment)
    current = newest_replica_set(before, deployment) if deployment else None
    expected = expected_after(gate, way)
    if current is None or current.revision is None or expected is None:
        return None
    if way is Way.TERRAFORM:
        _refuse_waiting_plan(gate)
    terraform = Terraform(environment, gate.root, gate.root / FOLDER / gate.target.name) if environment else None
    applies = way is Way.TERRAFORM and terraform is not None
    with drill(
        gate.reader,
        cluster.deployment,
        journal_path(gate.root, gate.target.name),
        target=gate.target.name,
        environment=environment if applies else None,
        reapply=terraform.apply_again if terraform is not None and applies else None,
    ) as running:
        rehearsal = Rehearsal(gate, running, users[:ROLLOUT_USERS], current, terraform)
        roll = rehearsal.go(way, expected)
    # The history is what it was: a drill's own revisions are in the last snapshot and gone from the cluster.
    gate.use_snapshot(gate.reader.snapshot())
    return roll


def expected_after(gate: Gate, way: Way) -> ReplicaSet | None:
    """Return the revision that a way leads to, or one like it; None where the way does not exist."""
    cluster = gate.target.cluster
    snapshot = gate.snapshot()
    deployment = snapshot.deployment(cluster.deployment)
    if deployment is None or (way is Way.TERRAFORM and gate.target.rollback.environment is None):
        return None
    if way is not Way.SET_ENV:
        return previous_replica_set(snapshot, deployment)
    current = newest_replica_set(snapshot, deployment)
    spec = current.template.container(cluster.container) if current else None
    if current is None or spec is None or spec.value_of(MODE_SETTING) in {None, MOCK}:
        return None
    env = tuple(EnvVar(name=MODE_SETTING, value=MOCK) if each.name == MODE_SETTING else each for each in spec.env)
    containers = tuple(
        replace(each, env=env) if each.name == cluster.container else each for each in current.template.containers
    )
    return replace(current, template=replace(current.template, containers=containers))


def _refuse_waiting_plan(gate: Gate) -> None:
    plan = gate.target.desired.plan
    if plan is not None and (gate.root / plan).is_file():
        raise DrillRefused(
            f"{plan} waits to be applied, and the drill's own applies would make it stale; apply it, or plan again "
            f"after the drill (choose the other ways with --way)"
        )


def _revision(replica_set: ReplicaSet) -> int:
    if replica_set.revision is None:
        raise DrillRefused(f"replicaset/{replica_set.name} has no revision to go to")
    return replica_set.revision


def _image_and_mode(revision: ReplicaSet, container: str) -> tuple[str, ...]:
    spec = revision.template.container(container)
    if spec is None:
        raise DrillRefused(f"replicaset/{revision.name} has no container {container} whose image could be deployed")
    mode = spec.value_of(MODE_SETTING)
    return (spec.image, *(("--llm-mode", mode) if mode else ()))


def _template_of(deployment: dict[str, Any]) -> dict[str, Any]:
    return {"kind": deployment.get("kind", "Deployment"), "spec": {"template": deployment["spec"]["template"]}}
