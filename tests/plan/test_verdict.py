from datetime import UTC, datetime, timedelta

import pytest

from gate.causes import Cause
from gate.plan.parse import Action, Change, FieldChange, Plan
from gate.plan.verdict import plan_verdict
from gate.verdict import Status, Verdict

MADE = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
IMAGE = FieldChange(path="spec.template.spec.containers[chat-api].image", before="r/c:v1.0", after="r/c:v2.0")
DEPLOYMENT = Change(
    name="Deployment/chat-api", kind="Deployment", address="kubectl_manifest.d", action=Action.UPDATE, fields=(IMAGE,)
)
PORT = Change(
    name="Service/chat-api-service",
    kind="Service",
    address="kubectl_manifest.s",
    action=Action.UPDATE,
    fields=(FieldChange(path="spec.ports[http].port", before="80", after="8080"),),
)


def change(name: str, action: Action, *, kind: str = "", drifted: bool = False) -> Change:
    """Return a change without fields."""
    return Change(
        name=name, kind=kind or name.partition("/")[0], address=f"address of {name}", action=action, drifted=drifted
    )


def judge(*changes: Change, allowed: tuple[str, ...] = ("Deployment/chat-api",), **plan: bool) -> Verdict:
    """Return TFP-1 of a plan made at 12:00."""
    return plan_verdict(
        Plan(changes=changes, terraform_version="1.11.4", created_at=MADE, **plan),
        allowed_changes=allowed,
        source="plan.json",
    )


def test_plan_that_changes_what_the_deploy_is_about_passes() -> None:
    """The image of the one Deployment; everything else stays."""
    verdict = judge(DEPLOYMENT, change("Service/chat-api-service", Action.NOTHING))

    assert verdict.status is Status.PASS
    assert verdict.reason == (
        "The plan changes 1 field of Deployment/chat-api, which this deploy may change (Deployment/chat-api), "
        "and destroys nothing."
    )
    assert [str(each) for each in verdict.evidence][1] == (
        "Deployment/chat-api spec.template.spec.containers[chat-api].image = r/c:v1.0 -> r/c:v2.0"
    )


def test_plan_that_changes_another_object_fails() -> None:
    """A Service port rode along."""
    verdict = judge(DEPLOYMENT, PORT)

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.PLAN_UNEXPECTED_CHANGE)
    assert verdict.reason == (
        "The plan would update Service/chat-api-service (spec.ports[http].port), and this deploy may only create or "
        "change Deployment/chat-api."
    )
    assert verdict.remedy == (
        "Take the change of Service/chat-api-service out of this deploy, or add it to desired.allowed_changes of the "
        "target."
    )


def test_plan_that_changes_an_object_allowed_by_pattern_passes() -> None:
    """The near miss: the target's pattern covers it."""
    assert judge(DEPLOYMENT, PORT, allowed=("Deployment/chat-api", "Service/*")).status is Status.PASS


def test_plan_that_only_creates_is_a_first_deploy() -> None:
    """Nothing stands that could be harmed."""
    verdict = judge(change("Namespace/carepath-demo", Action.CREATE), change("Service/chat-api-service", Action.CREATE))

    assert verdict.status is Status.PASS
    assert verdict.reason == ("The plan is a first deploy: it creates 2 objects and changes or destroys none.")


def test_plan_that_adds_an_object_to_what_stands_fails() -> None:
    """Beside existing objects, a new one is a change like any other."""
    verdict = judge(change("Service/chat-api-service", Action.NOTHING), change("Ingress/chat-api", Action.CREATE))

    assert verdict.cause is Cause.PLAN_UNEXPECTED_CHANGE


def test_plan_that_changes_nothing_passes_with_the_count() -> None:
    """An apply would be harmless, and there is nothing to deploy."""
    verdict = judge(change("Deployment/chat-api", Action.NOTHING), change("Namespace/x", Action.NOTHING))

    assert verdict.status is Status.PASS
    assert verdict.reason == "The plan changes nothing: all 2 objects are as configured."


@pytest.mark.parametrize(
    ("lost", "kind"),
    [
        ("Namespace/carepath-demo", ""),
        ("PersistentVolumeClaim/model-cache", ""),
        ("module.eks.aws_eks_cluster.this", "aws_eks_cluster"),
        ("aws_ecr_repository.chat", "aws_ecr_repository"),
    ],
)
@pytest.mark.parametrize(
    ("action", "verb"), [(Action.DELETE, "destroys"), (Action.REPLACE, "destroys and creates anew")]
)
def test_plan_that_destroys_what_holds_data_fails_whatever_is_allowed(
    lost: str, kind: str, action: Action, verb: str
) -> None:
    """Even a pattern that allows everything does not allow this."""
    verdict = judge(DEPLOYMENT, change(lost, action, kind=kind), allowed=("*",))

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.PLAN_DESTROYS_STATEFUL)
    assert verdict.reason == f"The plan {verb} {lost}: what it holds is lost."
    assert verdict.remedy == (
        f"Do not apply. Find why the plan wants address of {lost} gone, and keep it with "
        "lifecycle { prevent_destroy = true }."
    )


def test_plan_that_replaces_the_deployment_itself_fails() -> None:
    """Replacing is no rolling update: every pod would go at once. What it holds is not lost, so it is unexpected."""
    verdict = judge(change("Deployment/chat-api", Action.REPLACE))

    assert verdict.cause is Cause.PLAN_UNEXPECTED_CHANGE


def test_plan_that_undoes_a_change_in_the_cluster_warns() -> None:
    """After `kubectl set env` or `rollout undo` the manifest is the same as before, and the apply takes it back."""
    verdict = judge(change("Deployment/chat-api", Action.UPDATE, drifted=True))

    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.PLAN_DRIFT)
    assert verdict.reason == (
        "Deployment/chat-api was changed in the cluster since the last apply; this plan puts it back to what is "
        "configured."
    )


@pytest.mark.parametrize(
    ("errored", "complete", "what"),
    [
        (True, False, "ended in an error"),
        (False, False, "is incomplete: terraform says that another plan has to follow"),
    ],
)
def test_plan_unfinished_is_inconclusive(errored: bool, complete: bool, what: str) -> None:  # noqa: FBT001  # parameters
    """What it would do is not known in full."""
    verdict = judge(DEPLOYMENT, errored=errored, complete=complete)

    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.PLAN_INCOMPLETE)
    assert verdict.reason == f"The plan {what}, so what an apply would do is not known."


@pytest.mark.parametrize(("later_s", "status"), [(0, Status.PASS), (90, Status.FAIL)])
def test_plan_older_than_the_configuration_is_stale(later_s: int, status: Status) -> None:
    """It describes what is no longer configured."""
    verdict = plan_verdict(
        Plan(changes=(DEPLOYMENT,), terraform_version="1.11.4", created_at=MADE),
        allowed_changes=("Deployment/chat-api",),
        source="plan.json",
        configuration_at=MADE + timedelta(seconds=later_s),
        configuration="terraform.tfvars",
    )

    assert verdict.status is status
    if status is Status.FAIL:
        assert verdict.cause is Cause.PLAN_STALE
        assert verdict.reason == (
            "The plan is older than the configuration: terraform.tfvars was changed 90 s after it was made."
        )


def test_plan_age_is_the_files_where_terraform_does_not_say() -> None:
    """Plans of terraform before 1.5 have no timestamp."""
    verdict = plan_verdict(
        Plan(changes=(DEPLOYMENT,), terraform_version="1.4.0"),
        allowed_changes=("Deployment/chat-api",),
        source="plan.json",
        written_at=MADE,
        configuration_at=MADE + timedelta(seconds=1),
    )

    assert verdict.cause is Cause.PLAN_STALE
