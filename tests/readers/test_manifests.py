import json
from pathlib import Path

import pytest

from gate.readers.errors import Malformed, NotFound
from gate.readers.manifests import desired_from_plan, read_desired, read_manifests, read_plan
from gate.target import Desired

ROOT = Path(__file__).resolve().parent.parent.parent
RENDERED = ROOT / "infra" / "terraform" / "rendered"

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: chat-api, namespace: carepath-demo}
spec:
  template:
    spec:
      containers:
        - {name: chat-api, image: "localhost:5000/carepath-chat-api:v2.0"}
"""


def change(address: str, after: object, *actions: str) -> dict[str, object]:
    """Return a planned change of a manifest."""
    return {
        "address": address,
        "type": "kubectl_manifest",
        "change": {"actions": list(actions or ("update",)), "after": after},
    }


def test_manifests_that_are_committed_give_the_app() -> None:
    """The rendered file of each environment is read in full."""
    local = read_manifests(RENDERED / "local.yaml")
    chat = local.deployment("chat-api")
    assert chat is not None
    container = chat.template.container("chat-api")
    assert container is not None
    assert container.image.startswith("localhost:5000/carepath-chat-api")
    assert (container.requests.cpu_m, chat.desired) == (400, None)
    hpa = local.hpa("chat-api")
    assert hpa is not None
    assert (hpa.cpu_target_percent, hpa.target_name) == (60, "chat-api")
    service = local.service("chat-api-service")
    assert service is not None
    assert (service.ports[0].port, service.ports[0].target_port) == (80, "http")
    assert read_manifests(RENDERED / "demo.yaml").deployment("chat-api") is not None


def test_manifests_skip_empty_documents(tmp_path: Path) -> None:
    """A separator at the start or the end declares nothing."""
    path = tmp_path / "app.yaml"
    path.write_text(f"---\n---{DEPLOYMENT}---\n", encoding="utf-8")
    assert [each.name for each in read_manifests(path).deployments] == ["chat-api"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{DEPLOYMENT}---\nkind: [\n", "document 2, line 12: expected the node content, but found '<stream end>'"),
        (f"{DEPLOYMENT}---\n- a\n- b\n", "document 2: a list, not a Kubernetes object"),
        ("kind: Deployment\nmetadata: {}\n", "document 1: kind and metadata.name are needed"),
        ("metadata: {name: a}\n", "document 1: kind and metadata.name are needed"),
        ("kind: &a [*a]\nmetadata: {name: a}\n", "document 1: kind and metadata.name are needed"),
        ("when: 2026-13-01\n", "document 1: month must be in 1..12"),
        ("a: !!python/object:os.system {}\n", "document 1, line 1: could not determine a constructor for the tag"),
        ("a: \x00\n", "document 1: unacceptable character #x0000"),
    ],
)
def test_manifests_that_cannot_be_read_name_file_and_document(tmp_path: Path, text: str, message: str) -> None:
    """The place is told, so that a person can go there."""
    path = tmp_path / "app.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Malformed) as caught:
        read_manifests(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_manifests_that_are_missing_are_not_found(tmp_path: Path) -> None:
    """A missing file is not an empty deploy."""
    with pytest.raises(NotFound, match=r"none\.yaml: no such file"):
        read_manifests(tmp_path / "none.yaml")


def test_manifests_that_are_no_text_are_malformed(tmp_path: Path) -> None:
    """A binary file is named, not traced back."""
    path = tmp_path / "app.yaml"
    path.write_bytes(b"kind: \xff")
    with pytest.raises(Malformed, match="not UTF-8 text: byte 6"):
        read_manifests(path)


def test_plan_gives_what_will_exist_after_it() -> None:
    """Changed and unchanged manifests count, destroyed ones and other resources do not."""
    plan = {
        "resource_changes": [
            change('kubectl_manifest.app["chat-api"]', {"yaml_body": DEPLOYMENT}),
            change("kubectl_manifest.same", {"yaml_body": DEPLOYMENT.replace("chat-api,", "patient-api,")}, "no-op"),
            change("kubectl_manifest.gone", None, "delete"),
            {"address": "null_resource.x", "type": "null_resource", "change": {"actions": ["create"]}},
        ]
    }
    desired = desired_from_plan(plan)
    assert [each.name for each in desired.deployments] == ["chat-api", "patient-api"]
    assert desired.source == "plan"


def test_plan_with_an_unreadable_manifest_names_the_resource() -> None:
    """The address says which manifest, and nothing of its content is shown."""
    with pytest.raises(Malformed, match=r"^plan: kubectl_manifest\.app: document 1, line 1: "):
        desired_from_plan({"resource_changes": [change("kubectl_manifest.app", {"yaml_body": "{secret"})]})
    with pytest.raises(Malformed, match=r"^kubectl_manifest\.app: yaml_body is not known before the apply"):
        desired_from_plan({"resource_changes": [change("kubectl_manifest.app", {}, "create")]})


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not JSON"), ("[]", "not a plan"), ('{"format_version": "1.2"}', "not a plan: planned_values is missing")],
)
def test_plan_file_of_another_shape_is_malformed(tmp_path: Path, text: str, message: str) -> None:
    """A file that is no plan says how one is made."""
    path = tmp_path / "plan.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Malformed, match=message):
        read_plan(path)


def test_desired_of_a_target_with_a_plan_is_the_plans(tmp_path: Path) -> None:
    """The plan is what an apply will do; the manifests are read where there is none."""
    (tmp_path / "app.yaml").write_text(DEPLOYMENT.replace("chat-api,", "from-manifest,"), encoding="utf-8")
    plan = {"planned_values": {}, "resource_changes": [change("kubectl_manifest.app", {"yaml_body": DEPLOYMENT})]}
    (tmp_path / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    manifests = Desired(manifests=Path("app.yaml"))
    assert read_desired(manifests, tmp_path).deployment("from-manifest") is not None
    planned = read_desired(manifests.model_copy(update={"plan": Path("plan.json")}), tmp_path)
    assert (planned.source, [each.name for each in planned.deployments]) == ("plan.json", ["chat-api"])
