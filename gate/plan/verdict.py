"""TFP-1: does the saved plan change only what this deploy is about, and destroy nothing that holds data.

Enters: the plan's records and what this kind of deploy may change. The reviewer's question at the checklist's "review
the plan" is answered by field, not by resource: an image and a mode are the deploy, a Service port beside them is not.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from fnmatch import fnmatchcase

from gate.causes import Cause
from gate.plan.parse import Action, Change, Plan
from gate.verdict import Evidence, Finding, Status, Verdict, judged, passed

#: What loses data or its address when it is destroyed: kinds of manifests and types of resources.
STATEFUL = (
    "Namespace",
    "PersistentVolumeClaim",
    "PersistentVolume",
    "StatefulSet",
    "Secret",
    "CustomResourceDefinition",
    "aws_eks_*",
    "aws_db_*",
    "aws_rds_*",
    "aws_ecr_repository*",
    "aws_ebs_*",
    "aws_efs_*",
    "aws_s3_bucket*",
    "aws_dynamodb_*",
    "aws_kms_*",
    "aws_vpc*",
    "kubernetes_namespace*",
    "kubernetes_persistent_volume*",
    "kubernetes_stateful_set*",
)

#: Field changes of one object that stand as evidence.
EVIDENCED_FIELDS = 20


def plan_verdict(
    plan: Plan,
    *,
    allowed_changes: Sequence[str],
    source: str,
    written_at: datetime | None = None,
    configuration_at: datetime | None = None,
    configuration: str = "the configuration",
) -> Verdict:
    """Judge TFP-1.

    Args:
        plan: the saved plan.
        allowed_changes: ``Kind/name`` patterns (fnmatch) that this kind of deploy may create or change.
        source: where the plan stands.
        written_at: when the plan was written, where terraform does not say.
        configuration_at: when the newest configuration file was changed.
        configuration: that file.
    """
    evidence = tuple(_evidence(plan, source))
    made_at = plan.created_at or written_at
    findings = [
        *_unfinished(plan, source),
        *_stale(made_at, configuration_at, configuration, source),
        *_destroyed(plan),
        *_unexpected(plan, allowed_changes),
        *_drifted(plan),
    ]
    return judged("TFP-1", findings, passed("TFP-1", _summary(plan, allowed_changes), evidence))


def first_deploy(plan: Plan) -> bool:
    """Return whether the plan only creates, everything it manages."""
    return bool(plan.changes) and all(each.action is Action.CREATE for each in plan.changes)


def _summary(plan: Plan, allowed: Sequence[str]) -> str:
    changes = plan.effective
    if not changes:
        return f"The plan changes nothing: all {len(plan.changes)} objects are as configured."
    if first_deploy(plan):
        return f"The plan is a first deploy: it creates {len(changes)} objects and changes or destroys none."
    names = ", ".join(each.name for each in changes)
    fields = sum(len(each.fields) for each in changes)
    return (
        f"The plan changes {fields} field{'' if fields == 1 else 's'} of {names}, which this deploy may change "
        f"({', '.join(allowed)}), and destroys nothing."
    )


def _evidence(plan: Plan, source: str) -> Iterator[Evidence]:
    counts = {action: sum(each.action is action for each in plan.changes) for action in Action}
    yield Evidence(
        f"plan {source}",
        "actions",
        ", ".join(f"{count} {action}" for action, count in counts.items()),
        plan.created_at,
    )
    for change in plan.effective:
        yield from _change_evidence(change)


def _change_evidence(change: Change) -> Iterator[Evidence]:
    if not change.fields:
        drift = " (the object was changed in the cluster since the last apply)" if change.drifted else ""
        yield Evidence(change.name, "action", f"{change.action}{drift}")
    for field in change.fields[:EVIDENCED_FIELDS]:
        yield Evidence(change.name, field.path, f"{field.before} -> {field.after}")
    if len(change.fields) > EVIDENCED_FIELDS:
        yield Evidence(change.name, "further fields", str(len(change.fields) - EVIDENCED_FIELDS))


def _unfinished(plan: Plan, source: str) -> Iterator[Finding]:
    if plan.errored or not plan.complete:
        what = "ended in an error" if plan.errored else "is incomplete: terraform says that another plan has to follow"
        yield Finding(
            Status.INCONCLUSIVE,
            Cause.PLAN_INCOMPLETE,
            f"The plan {what}, so what an apply would do is not known.",
            (Evidence(f"plan {source}", "errored, complete", f"{plan.errored}, {plan.complete}", plan.created_at),),
            "Correct what `terraform plan` reports, and plan again.",
        )


def _stale(
    made_at: datetime | None, configuration_at: datetime | None, configuration: str, source: str
) -> Iterator[Finding]:
    if made_at is None or configuration_at is None or made_at >= configuration_at:
        return
    age_s = (configuration_at - made_at).total_seconds()
    yield Finding(
        Status.FAIL,
        Cause.PLAN_STALE,
        f"The plan is older than the configuration: {configuration} was changed {age_s:.0f} s after it was made.",
        (
            Evidence(f"plan {source}", "made at", f"{made_at:%Y-%m-%d %H:%M:%S} UTC", made_at),
            Evidence(configuration, "changed at", f"{configuration_at:%Y-%m-%d %H:%M:%S} UTC", configuration_at),
        ),
        "Plan again, and review and apply that plan.",
    )


def _destroyed(plan: Plan) -> Iterator[Finding]:
    for change in plan.effective:
        if change.action not in {Action.DELETE, Action.REPLACE}:
            continue
        if any(fnmatchcase(change.kind, pattern) for pattern in STATEFUL):
            verb = "destroys" if change.action is Action.DELETE else "destroys and creates anew"
            yield Finding(
                Status.FAIL,
                Cause.PLAN_DESTROYS_STATEFUL,
                f"The plan {verb} {change.name}: what it holds is lost.",
                (Evidence(change.name, "action", f"{change.action} ({change.address})"), *_change_evidence(change)),
                f"Do not apply. Find why the plan wants {change.address} gone, and keep it with "
                f"lifecycle {{ prevent_destroy = true }}.",
            )


def _unexpected(plan: Plan, allowed: Sequence[str]) -> Iterator[Finding]:
    if first_deploy(plan):
        return
    for change in plan.effective:
        stateful = any(fnmatchcase(change.kind, pattern) for pattern in STATEFUL)
        gone = change.action in {Action.DELETE, Action.REPLACE}
        # A drifted object outside the deploy is put back to what is configured; _drifted says so.
        if (gone and stateful) or (change.drifted and not gone):
            continue
        if not gone and any(fnmatchcase(change.name, pattern) for pattern in allowed):
            continue
        fields = f" ({', '.join(each.path for each in change.fields[:3])})" if change.fields else ""
        yield Finding(
            Status.FAIL,
            Cause.PLAN_UNEXPECTED_CHANGE,
            f"The plan would {change.action} {change.name}{fields}, and this deploy may only create or change "
            f"{', '.join(allowed)}.",
            (Evidence(change.name, "action", f"{change.action} ({change.address})"), *_change_evidence(change)),
            f"Take the change of {change.name} out of this deploy, or add it to desired.allowed_changes of the target.",
        )


def _drifted(plan: Plan) -> Iterator[Finding]:
    for change in plan.effective:
        if change.drifted:
            yield Finding(
                Status.WARN,
                Cause.PLAN_DRIFT,
                f"{change.name} was changed in the cluster since the last apply; this plan puts it back to what is "
                f"configured.",
                tuple(_change_evidence(change)),
                "Look at what was changed (python -m infra.tf show prints it field by field), and keep it in the "
                "configuration if it was meant.",
            )
