"""The run's view of a target: what is meant to run, what is read once, who is asked, and the report's header."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gate.context import Gate, IntendedImage, header_of
from gate.observing import Interview
from gate.readers import registry
from gate.readers.errors import NotFound, Unreachable
from gate.records import Answer, Desired, EnvVar, ImageFacts, Pod, Service, ServicePort, Snapshot, Unreadable
from gate.target import Target, load_target
from tests.diagnosis import factories as make
from tests.diagnosis_answers import observations as answers

ROOT = Path(__file__).parents[2]
STARTED = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: chat-api, namespace: carepath-demo}
spec:
  template:
    spec:
      containers:
        - {name: chat-api, image: "localhost:5000/carepath-chat-api:TAG"}
"""


@dataclass
class FakeReader:
    """A cluster that is read without one; counts how often."""

    found: Snapshot = field(default_factory=make.healthy_snapshot)
    reads: int = 0

    def snapshot(self) -> Snapshot:
        """Return what is there."""
        self.reads += 1
        return self.found


def gate_of(root: Path = ROOT, *, reader: FakeReader | None = None) -> Gate:
    """Return the view of the embedded cluster's target, with another reader."""
    gate = Gate(target=load_target("local", ROOT), root=root)
    gate.reader = cast("Any", reader or FakeReader())
    return gate


def desired(image: str) -> Desired:
    """Return a deploy of that image."""
    template = make.pod_spec(containers=(make.container_spec(image=image),))
    return Desired(source="local.yaml", deployments=(make.deployment(template=template),))


def plan(tag: str) -> str:
    """Return the JSON of a plan that deploys that tag."""
    change = {"actions": ["update"], "after": {"yaml_body": MANIFEST.replace("TAG", tag)}}
    resource = {"address": "kubectl_manifest.app", "type": "kubectl_manifest", "change": change}
    return json.dumps({"planned_values": {}, "resource_changes": [resource]})


def image_in(found: Desired) -> str:
    """Return the image of chat-api."""
    deployment = found.deployment("chat-api")
    assert deployment is not None
    return deployment.template.containers[0].image


def files(root: Path, target: Target, **texts: str) -> None:
    """Write the target's files, by the name of the setting."""
    for name, text in texts.items():
        path = root / getattr(target.desired, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_desired_is_of_the_saved_plan_and_deployed_of_the_applied_one(tmp_path: Path) -> None:
    """Preflight judges what will be, acceptance what was meant to be; the rendered file is neither here."""
    gate = gate_of(tmp_path)
    files(tmp_path, gate.target, manifests=MANIFEST.replace("TAG", "v1"), plan=plan("v3"), applied=plan("v2"))
    assert image_in(gate.desired) == "localhost:5000/carepath-chat-api:v3"
    assert image_in(gate.deployed) == "localhost:5000/carepath-chat-api:v2"


def test_deployed_without_an_applied_plan_is_of_the_manifests(tmp_path: Path) -> None:
    """A cluster that somebody else deployed to is held against the rendered file."""
    gate = gate_of(tmp_path)
    files(tmp_path, gate.target, manifests=MANIFEST.replace("TAG", "v1"))
    assert image_in(gate.deployed) == "localhost:5000/carepath-chat-api:v1"


def test_desired_without_its_plan_is_not_found(tmp_path: Path) -> None:
    """A target that names a plan is not judged by the rendered file instead."""
    gate = gate_of(tmp_path)
    files(tmp_path, gate.target, manifests=MANIFEST.replace("TAG", "v1"))
    with pytest.raises(NotFound, match=r"plan\.json: no such file"):
        _ = gate.desired


def test_image_with_a_digest_is_taken_as_it_is() -> None:
    """A pinned image needs no registry."""
    image = f"{make.REPOSITORY}@{make.DIGEST}"
    assert gate_of().image_of(desired(image)) == IntendedImage(image, make.DIGEST, "local.yaml")


def test_image_with_a_tag_is_resolved_by_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tag means now is what must run."""
    image = f"{make.REPOSITORY}:v2.0"
    facts = ImageFacts(reference=image, digest=make.DIGEST, platforms=("linux/amd64",))
    monkeypatch.setattr(registry, "image_facts", lambda reference, _: replace(facts, reference=reference))
    found = gate_of().image_of(desired(image))
    assert found == IntendedImage(image, make.DIGEST, "local.yaml, tag resolved by the registry")


def test_image_that_the_registry_does_not_tell_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that cannot be asked is not a missing digest."""

    def unreachable(reference: str, _: object) -> ImageFacts:
        raise Unreachable(f"registry of {reference}: connection refused")

    monkeypatch.setattr(registry, "image_facts", unreachable)
    with pytest.raises(Unreachable, match="connection refused"):
        gate_of().image_of(desired(f"{make.REPOSITORY}:v2.0"))


def test_image_with_a_tag_and_no_registry_has_no_digest() -> None:
    """Nothing is guessed, and the source says why."""
    image = f"{make.REPOSITORY}:v2.0"
    gate = gate_of()
    gate.target = gate.target.offline()
    assert gate.image_of(desired(image)) == IntendedImage(
        image, None, "local.yaml: a tag, and the target has no registry"
    )


def test_image_of_a_deploy_without_the_container_names_it() -> None:
    """The target's container is not in the manifests: there is nothing to compare with."""
    assert gate_of().image_of(Desired(source="local.yaml")) == IntendedImage(
        None, None, "local.yaml: no container chat-api"
    )


def test_snapshot_is_read_once_until_a_newer_one_is_handed_over() -> None:
    """Every criterion of a run judges the same moment."""
    reader = FakeReader()
    gate = gate_of(reader=reader)
    assert gate.known_snapshot is None
    assert gate.snapshot() is gate.snapshot()
    assert reader.reads == 1
    newer = make.healthy_snapshot(namespace="carepath-demo")
    gate.use_snapshot(newer)
    assert gate.known_snapshot is gate.snapshot() is newer
    assert reader.reads == 1


def test_ready_pods_are_those_of_the_newest_revision_by_name() -> None:
    """Neither an old pod that still answers, nor one that loads, nor one that is being deleted."""
    new = make.NEW_REPLICA_SET
    pods = (
        make.pod(f"{new}-ccccc"),
        make.old_pod(),
        make.unready_pod(make.running(), f"{new}-bbbbb"),
        make.pod(f"{new}-ddddd", deleted_at=make.NOW),
        make.pod(f"{new}-aaaaa"),
    )
    found = gate_of().ready_pods(make.rollout_snapshot(*pods))
    assert [pod.name for pod in found] == [f"{new}-aaaaa", f"{new}-ccccc"]


def test_ready_pods_without_a_deployment_are_none() -> None:
    """Nothing deployed, nobody to ask."""
    assert gate_of().ready_pods(make.healthy_snapshot(deployments=())) == ()


def test_user_without_an_address_is_not_found() -> None:
    """The message names Service, namespace and the setting that would help."""
    reader = FakeReader(make.healthy_snapshot(services=()))
    with pytest.raises(NotFound) as caught:
        gate_of(reader=reader).user()
    assert str(caught.value) == (
        "service/chat-api-service in namespace carepath-demo has no load balancer address, and target local names no "
        "service_url"
    )


def test_service_url_is_the_load_balancers_or_the_targets() -> None:
    """What the target says goes before what the Service has."""
    gate = gate_of()
    assert gate.service_url == "http://localhost"
    gate.target = gate.target.model_copy(
        update={"cluster": gate.target.cluster.model_copy(update={"service_url": "https://chat.example"})}
    )
    assert gate.service_url == "https://chat.example"


def test_header_names_cluster_image_and_settings() -> None:
    """Whoever reads the report knows what was judged, where, and with which settings."""
    gate = gate_of()
    snapshot = gate.snapshot()
    header = header_of(gate, ("acceptance",), STARTED, {"TFP-1": "the target has no plan"})
    assert (header.target, header.tiers, header.started_at) == ("local", ("acceptance",), STARTED)
    assert (header.server, header.context, header.server_version, header.kube_system_uid) == (
        snapshot.cluster.server,
        "carepath",
        "v1.34.4",
        "uid-kube-system",
    )
    assert (header.namespace, header.image) == ("carepath-demo", f"{make.REPOSITORY}@{make.DIGEST}")
    assert header.settings["allow_mutation"] == "True"
    assert header.left_out == {"TFP-1": "the target has no plan"}


def test_header_without_a_cluster_names_none() -> None:
    """A run that read no cluster must not look as if it had, and does not read one for the header."""
    reader = FakeReader()
    gate = gate_of(reader=reader)
    gate.image = "localhost:5000/carepath-chat-api:v9"
    header = header_of(gate, ("container",), STARTED)
    assert (header.server, header.context, header.namespace) == (None, None, None)
    assert header.image == "localhost:5000/carepath-chat-api:v9"
    assert reader.reads == 0


def _of(desired: int, *pods: Pod, revision: int = 2) -> Snapshot:
    return make.healthy_snapshot(deployments=(make.deployment(desired=desired, revision=revision),), pods=pods)


class Asking(Gate):
    """A view that notes who was asked, and gives the same empty answer."""

    asked: list[tuple[str, ...]]

    def ask(
        self, pods: Sequence[Pod], *, samples: int, through_service: bool = False, before: Sequence[Answer] = ()
    ) -> Interview:
        """Note who was asked."""
        assert (samples, through_service, tuple(before)) == (20, True, ())
        self.asked.append(tuple(pod.name for pod in pods))
        return Interview(health=(), identities=(), answers=())


def _asked(before: Snapshot, *after: Snapshot) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    gate = Asking(target=load_target("local", ROOT), root=ROOT)
    later = iter(after)
    gate.reader = cast("Any", SimpleNamespace(snapshot=lambda: next(later)))
    gate.asked = []
    judged, _ = gate.question(before, samples=20)
    return gate.asked, tuple(pod.name for pod in gate.ready_pods(judged))


ONE, TWO, THREE = (make.pod(f"{make.NEW_REPLICA_SET}-{letter}") for letter in "abc")


def test_pods_that_the_autoscaler_took_away_are_not_judged() -> None:
    """A pod that leaves in the middle of its questions is no fault; those that stay are asked anew."""
    going = replace(THREE, deleted_at=make.NOW)
    asked, judged = _asked(_of(3, ONE, TWO, THREE), _of(2, ONE, TWO, going), _of(2, ONE, TWO))
    assert asked == [(ONE.name, TWO.name, THREE.name), (ONE.name, TWO.name)]
    assert judged == (ONE.name, TWO.name)


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(_of(3, ONE, TWO, THREE), id="all stayed"),
        pytest.param(_of(3, ONE, TWO), id="one is gone and still wanted"),
        pytest.param(_of(2, ONE), id="more are gone than are no longer wanted"),
        pytest.param(_of(2, ONE, TWO, revision=3), id="another deploy"),
        pytest.param(make.healthy_snapshot(deployments=()), id="the Deployment is gone"),
    ],
)
def test_pods_that_left_otherwise_stay_under_judgement(after: Snapshot) -> None:
    """A pod that died, or went with another deploy, is not excused."""
    asked, judged = _asked(_of(3, ONE, TWO, THREE), after)
    assert asked == [judged]
    assert judged == (ONE.name, TWO.name, THREE.name)


def test_records_out_of_reach_forbidden_and_unread_are_told_apart() -> None:
    """No address: out of reach. Services that may not be read: forbidden. No pod behind: neither, and not known."""
    healthy = make.healthy_snapshot()
    gate = gate_of()
    elsewhere = gate.patient_records(healthy)
    assert (elsewhere.records, elsewhere.out_of_reach, elsewhere.forbidden) == ((), True, False)
    assert elsewhere.missing.startswith("Deployment/chat-api states no DB_API_BASE_URL")
    env = (EnvVar(name="DB_API_BASE_URL", value="http://patient-api-service:8001"),)
    template = make.pod_spec(containers=(make.container_spec(env=env),))
    asks = replace(healthy, deployments=(make.deployment(template=template),))
    hidden = replace(asks, services=(), unreadable=(Unreadable(what="services", kind="forbidden", message="no"),))
    assert gate.patient_records(hidden).forbidden
    ports = (ServicePort(name="http", port=8001, target_port="http"),)
    service = Service(name="patient-api-service", selector={"app": "patient-api"}, ports=ports)
    down = gate.patient_records(replace(asks, services=(*healthy.services, service)))
    assert (down.out_of_reach, down.forbidden) == (False, False)
    assert down.missing == "no pod is ready behind Service/patient-api-service, the patient API"


def test_no_more_diagnoses_are_asked_for_where_they_cannot_change_the_verdict() -> None:
    """Enough of them, a refusal among the answers, or the mock: nobody is asked again."""
    gate = gate_of()
    enough = [answers.answer() for _ in range(gate.target.quality.diagnosis_samples)]
    for asked in (enough, [answers.refused(503)], [answers.answer(llm_mode="mock")]):
        assert gate.ask_for_diagnoses(make.healthy_snapshot().pods, asked) == ()


def test_expected_checksum_is_the_catalogues_and_empty_for_a_model_it_does_not_list(tmp_path: Path) -> None:
    """Without a catalogue there is nothing to compare with, and LLM-1 judges the rest."""
    assert gate_of().expected_sha256() == answers.SHA256
    assert gate_of(tmp_path).expected_sha256() == ""
