"""Makes the record of a deploy from what `python -m gate rollout` saw: before the change, and after it."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gate.context import Gate, known_settings
from gate.deploying import Change
from gate.plan.parse import PlanError, parse_plan
from gate.readers.errors import Malformed, masked
from gate.readers.manifests import read_plan
from gate.records import ContainerSpec, Snapshot
from gate.report.deploys import Deploy, Judged, Planned
from gate.report.environment import node_types, shown_environment
from gate.report.provenance import provenance
from gate.report.text import showable
from gate.sizing.cost import monthly_cost
from gate.verdict import Verdict, worst


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What was there, and what was meant: an apply leaves neither."""

    image: str | None
    plan: tuple[Planned, ...] | None


def before_deploy(gate: Gate) -> Before:
    """Return the image that runs, and the saved plan's changes where the target has such a plan.

    Raises:
        ReadError: the plan there cannot be read.
    """
    spec = _container(gate, gate.snapshot())
    path = gate.target.desired.plan
    if path is None or not (gate.root / path).is_file():
        return Before(image=spec.image if spec else None, plan=None)
    try:
        plan = parse_plan(read_plan(gate.root / path), known_keys=sorted(known_settings(gate.root)))
    except PlanError as error:
        raise Malformed(f"{path}: {error}") from error
    changes = tuple(
        Planned(name=each.name, action=str(each.action), fields=tuple(str(field) for field in each.fields))
        for each in plan.effective
    )
    return Before(image=spec.image if spec else None, plan=changes)


def deploy_record(
    gate: Gate, before: Before, change: Change, verdicts: Sequence[Verdict], *, command: Sequence[str], report: Path
) -> Deploy:
    """Return the record.

    Args:
        gate: with the last snapshot as the run's.
        before: what was there.
        change: the rollout.
        verdicts: what was judged of it.
        command: what made the change.
        report: folder of the full report.
    """
    snapshot = gate.known_snapshot
    deployment = snapshot.deployment(gate.target.cluster.deployment) if snapshot else None
    spec = _container(gate, snapshot) if snapshot else None
    nodes = node_types(snapshot.nodes) if snapshot else {}
    cost = monthly_cost(nodes)
    version, revision = provenance()
    image = spec.image if spec else None
    return Deploy(
        at=change.started_at,
        seconds=round(change.seconds, 1),
        target=gate.target.name,
        server=snapshot.cluster.server if snapshot else None,
        kube_system_uid=snapshot.cluster.kube_system_uid if snapshot else None,
        namespace=gate.target.cluster.namespace,
        deployment=gate.target.cluster.deployment,
        revision=deployment.revision if deployment else None,
        image=image,
        digest=image.partition("@")[2] or None if image else None,
        image_before=before.image,
        environment=shown_environment(spec.env, known_settings(gate.root)) if spec else {},
        command=masked(shlex.join(command)),
        plan=before.plan,
        verdicts=tuple(
            Judged(
                criterion=each.criterion,
                status=each.status,
                cause=str(each.cause) if each.cause else None,
                reason=showable(each.reason),
            )
            for each in verdicts
        ),
        status=worst(each.status for each in verdicts),
        nodes=nodes,
        usd_per_month=round(cost.usd, 2) if cost.usd is not None else None,
        unpriced=cost.unpriced,
        report=str(report.relative_to(gate.root) if report.is_relative_to(gate.root) else report),
        gate_version=version,
        gate_revision=revision,
    )


def _container(gate: Gate, snapshot: Snapshot) -> ContainerSpec | None:
    return snapshot.container(gate.target.cluster.deployment, gate.target.cluster.container)
