"""What a person is shown before an apply, from recorded shapes of `terraform show -json`."""

from typing import Any

import pytest

from gate.plan.parse import Action, PlanError
from infra.tf.review import Difference, Document, ObjectChange, changes, differences, review

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: chat-api, namespace: carepath-demo}}
spec:
  template:
    spec:
      containers:
        - name: chat-api
          image: {image}
          env:
            - {{name: LLM_MODE, value: {mode}}}
            - {{name: HF_TOKEN, value: {token}}}
            - {{name: MAX_TOKENS, value: "{tokens}"}}
"""


def deployment(image: str = "r/chat:v1.0", mode: str = "mock", credential: str = "a", tokens: str = "64") -> str:
    """Return a Deployment's YAML as the provider carries it."""
    return DEPLOYMENT.format(image=image, mode=mode, token=credential, tokens=tokens)


def plan(actions: list[str], before: str | None, after: str | None) -> dict[str, Any]:
    """Return a plan of one resource, shaped as `terraform show -json` prints it."""
    sides = {
        side: None if text is None else {"yaml_body": text} for side, text in (("before", before), ("after", after))
    }
    address = 'module.app.kubectl_manifest.workload["Deployment/chat-api"]'
    return {"resource_changes": [{"address": address, "mode": "managed", "change": {"actions": actions, **sides}}]}


def never_asked(document: Document) -> tuple[Document, Document] | None:
    """Fail: the cluster must not be asked where the plan itself says what changes."""
    raise AssertionError(document)


@pytest.mark.parametrize(
    ("actions", "before", "after", "expected"),
    [
        (["create"], None, deployment(), Action.CREATE),
        (["delete"], deployment(), None, Action.DELETE),
        (["delete", "create"], deployment(), deployment(), Action.REPLACE),
        (["create", "delete"], deployment(), deployment(), Action.REPLACE),
        (["no-op"], deployment(), deployment(), Action.NOTHING),
    ],
)
def test_change_of_a_whole_object_is_named(
    actions: list[str], before: str | None, after: str | None, expected: Action
) -> None:
    """Terraform's action lists become one word, and the object goes by kind and name."""
    assert changes(plan(actions, before, after), never_asked) == (ObjectChange("Deployment/chat-api", expected),)


def test_change_of_fields_lists_each_with_both_values() -> None:
    """An update shows exactly the fields that differ, list items by their name."""
    (change,) = changes(plan(["update"], deployment(), deployment("r/chat:v2.0", "SmolLM2")), never_asked)
    container = "spec.template.spec.containers[chat-api]"
    assert change == ObjectChange(
        "Deployment/chat-api",
        Action.UPDATE,
        (
            Difference(f"{container}.env[LLM_MODE].value", "mock", "SmolLM2"),
            Difference(f"{container}.image", "r/chat:v1.0", "r/chat:v2.0"),
        ),
    )


def test_change_of_a_credential_hides_both_values() -> None:
    """That a token changes is shown, what it is never; MAX_TOKENS is none."""
    (change,) = changes(plan(["update"], deployment(), deployment(credential="b", tokens="96")), never_asked)
    assert [(d.before, d.after) for d in change.differences] == [("(hidden)", "(hidden)"), ("64", "96")]


def test_differences_of_a_secret_hide_its_data() -> None:
    """Nothing of a Secret's data is shown, whatever its keys are called."""
    before: Document = {"kind": "Secret", "metadata": {"labels": {"a": "1"}}, "data": {"x": "old"}}
    after: Document = {"kind": "Secret", "metadata": {"labels": {"a": "2"}}, "data": {"x": "new", "y": "n"}}
    assert differences(before, after) == (
        Difference("data.x", "(hidden)", "(hidden)"),
        Difference("data.y", "(none)", "(hidden)"),
        Difference("metadata.labels.a", "1", "2"),
    )


def test_differences_of_lists_go_by_name_where_items_have_one() -> None:
    """An item that was added in front moves no other, and an added variable is one line."""
    before: Document = {"env": [{"name": "B", "value": "1"}], "drop": ["ALL"], "pull": [{"name": "x"}]}
    after: Document = {"env": [{"name": "A", "value": "0"}, {"name": "B", "value": "1"}], "drop": [], "pull": []}
    assert differences(before, after) == (
        Difference("drop", "(none)", "[]"),
        Difference("drop[0]", "ALL", "(none)"),
        Difference("env[A].value", "(none)", "0"),
        Difference("pull", "(none)", "[]"),
        Difference("pull[0].name", "x", "(none)"),
    )


def test_drift_shows_what_the_cluster_has() -> None:
    """Where the plan's text is the same before and after, the live object says what an apply would take back."""
    live: Document = {"kind": "Deployment", "spec": {"paused": True}}
    wanted: Document = {"kind": "Deployment", "spec": {"paused": False}}
    (change,) = changes(plan(["update"], deployment(), deployment()), lambda _: (live, wanted))
    assert change.drifted
    assert change.differences == (Difference("spec.paused", "True", "False"),)


def test_drift_without_a_cluster_is_still_named() -> None:
    """If the cluster cannot be asked, the review says that the object drifted, and not how."""
    (change,) = changes(plan(["update"], deployment(), deployment()), lambda _: None)
    assert change == ObjectChange("Deployment/chat-api", Action.UPDATE, drifted=True)


def test_review_counts_and_lists_what_changes() -> None:
    """Unchanged objects are counted, not listed; destroyed ones cannot be overlooked."""
    text = review(
        (
            ObjectChange("Namespace/carepath-demo", Action.NOTHING),
            ObjectChange("Service/chat-api-service", Action.DELETE),
            ObjectChange("Deployment/chat-api", Action.UPDATE, (Difference("spec.a", "1", "2"),), drifted=True),
        )
    )
    assert text.splitlines() == [
        "0 to create, 1 to change, 0 to replace, 1 to destroy, 1 unchanged",
        "  - Service/chat-api-service",
        "  ~ Deployment/chat-api  (was changed in the cluster since the last apply)",
        "      spec.a: 1 -> 2",
    ]


def test_review_cuts_long_values() -> None:
    """A value longer than any reference by digest is cut and says so; long ones stand on a line each."""
    text = review((ObjectChange("Deployment/x", Action.UPDATE, (Difference("spec.a", "v" * 161, "w" * 160),)),))
    assert text.splitlines()[-3:] == ["      spec.a:", f"        - {'v' * 157}...", f"        + {'w' * 160}"]


def test_unknown_action_is_refused() -> None:
    """An action that a later terraform may have is not guessed at."""
    with pytest.raises(PlanError, match=r"chat-api\"\]: actions \['sideways'\] are unknown"):
        changes(plan(["sideways"], None, None), never_asked)


def test_broken_manifest_is_refused_without_its_text() -> None:
    """A manifest that is no YAML may hold what must not be printed."""
    with pytest.raises(PlanError) as caught:
        changes(plan(["create"], None, "a: [secret"), never_asked)
    assert "yaml_body after the change is not YAML" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_data_sources_are_no_changes() -> None:
    """What is only read is not part of the review."""
    document = plan(["read"], None, None)
    document["resource_changes"][0]["mode"] = "data"
    assert changes(document, never_asked) == ()
