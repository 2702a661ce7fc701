import json
from pathlib import Path
from typing import Any

import pytest

from gate.plan.parse import Action, PlanError, parse_plan

RECORDED = Path(__file__).parent / "recorded" / "upgrade.json"


def resource(
    before: str | None, after: str | None, *actions: str, address: str = "kubectl_manifest.a"
) -> dict[str, Any]:
    """Return one entry of resource_changes as the kubectl provider leaves it."""
    return {
        "address": address,
        "mode": "managed",
        "type": "kubectl_manifest",
        "change": {
            "actions": list(actions),
            "before": None if before is None else {"yaml_body": before},
            "after": None if after is None else {"yaml_body": after},
        },
    }


def plan(*resources: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON around them."""
    return {"format_version": "1.2", "terraform_version": "1.11.4", "resource_changes": list(resources)}


def test_plan_recorded_upgrade_shows_image_and_mode() -> None:
    """Written by terraform 1.11.4 with the kubectl provider 1.19 on the embedded cluster: mock to SmolLM2."""
    found = parse_plan(json.loads(RECORDED.read_text(encoding="utf-8")), known_keys=["LLM_MODE", "IMAGE"])

    assert [(each.name, each.action) for each in found.effective] == [("Deployment/chat-api", Action.UPDATE)]
    assert {each.name for each in found.changes} == {
        "Namespace/carepath-demo",
        "Service/chat-api-service",
        "HorizontalPodAutoscaler/chat-api",
        "Deployment/chat-api",
    }
    changed = {each.path: (each.before, each.after) for each in found.effective[0].fields}
    assert changed["spec.template.spec.containers[chat-api].env[LLM_MODE].value"] == ("mock", "SmolLM2-135M-Instruct")
    assert changed["spec.template.spec.containers[chat-api].image"][1].startswith(
        "localhost:5000/carepath-chat-api@sha256:"
    )
    assert len(changed) == 4
    assert found.complete
    assert not found.errored
    assert found.created_at is not None


def test_plan_values_that_may_be_secret_are_named_and_not_shown() -> None:
    """A variable that is no setting, a URL with credentials, a Secret's every key."""
    before = """
kind: Deployment
metadata: {name: chat-api}
spec: {template: {spec: {containers: [{name: chat-api, env: [
  {name: HF_TOKEN, value: hunter1}, {name: DB_API_BASE_URL, value: "http://api:8001"}]}]}}}
"""
    after = before.replace("hunter1", "hunter2").replace("http://api", "http://user:hunter2@api")
    secret = "kind: Secret\nmetadata: {name: s}\ndata: {image: aHVudGVyMQ==}\n"

    found = parse_plan(
        plan(
            resource(before, after, "update"),
            resource(secret, secret.replace("aHVudGVyMQ==", "aHVudGVyMg=="), "update", address="kubectl_manifest.b"),
        ),
        known_keys=["DB_API_BASE_URL"],
    )

    assert [str(field) for change in found.changes for field in change.fields] == [
        "spec.template.spec.containers[chat-api].env[DB_API_BASE_URL].value: http://api:8001 -> (not shown)",
        "spec.template.spec.containers[chat-api].env[HF_TOKEN].value: (not shown) -> (not shown)",
        "data.image: (not shown) -> (not shown)",
    ]
    assert "hunter" not in repr(found)


def test_plan_added_and_removed_fields_have_no_value_on_one_side() -> None:
    """An added setting, a dropped limit."""
    before = "kind: Deployment\nmetadata: {name: a}\nspec: {replicas: 2}\n"
    after = "kind: Deployment\nmetadata: {name: a}\nspec: {x: {image: b}}\n"

    (change,) = parse_plan(plan(resource(before, after, "update"))).changes

    assert [str(each) for each in change.fields] == ["spec.replicas: 2 -> (none)", "spec.x.image: (none) -> b"]


def test_plan_update_with_an_equal_manifest_is_drift() -> None:
    """The provider updates because the cluster differs, not the configuration."""
    body = "kind: Deployment\nmetadata: {name: chat-api}\n"

    (change,) = parse_plan(plan(resource(body, body, "update"))).changes

    assert change.drifted


def test_plan_other_resources_go_by_their_address() -> None:
    """A node group has no manifest; data sources are left out."""
    group = {"address": "aws_eks_node_group.a", "mode": "managed", "type": "aws_eks_node_group"}
    data = {"address": "data.aws_ami.b", "mode": "data", "type": "aws_ami", "change": {"actions": ["read"]}}

    found = parse_plan(plan({**group, "change": {"actions": ["delete", "create"], "before": {}, "after": {}}}, data))

    assert [(each.name, each.kind, each.action) for each in found.changes] == [
        ("aws_eks_node_group.a", "aws_eks_node_group", Action.REPLACE)
    ]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"resource_changes": []}, "not a plan: format_version is missing; write it with `terraform show -json PLAN`"),
        (plan(resource(None, None, "destroy")), "kubectl_manifest.a: actions ['destroy'] are unknown; known are "),
        (plan(resource("{", "a: b", "update")), "kubectl_manifest.a: yaml_body before the change is not YAML"),
        (plan(resource("[]", "a: b", "update")), "kubectl_manifest.a: yaml_body before the change is not a mapping"),
        ({**plan(), "timestamp": "yesterday"}, "timestamp: 'yesterday' is no RFC 3339 time"),
    ],
)
def test_plan_that_is_none_is_refused_by_name(raw: dict[str, Any], message: str) -> None:
    """Each message names the place, and none quotes a manifest."""
    with pytest.raises(PlanError) as caught:
        parse_plan(raw)

    assert str(caught.value).startswith(message)
