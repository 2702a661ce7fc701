import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from gate.soak_options import soak_options
from gate.target import load_target
from infra.paths import PROJECT
from infra.soak import image, manifests
from infra.soak.manifests import TargetTextError, in_cluster_target, reading_manifests, soak_manifests

UID = "0f3c9a52-6c1e-4f0a-9d57-3f1a6c2b8e11"
IMAGE = "localhost:5000/carepath-gate@sha256:" + "5a" * 32


def made(**changes: str) -> list[dict[str, Any]]:
    """Return the manifests for a namespace of another name."""
    target = in_cluster_target((PROJECT / "targets" / "demo.toml").read_text(encoding="utf-8"), UID)
    options = {"namespace": "elsewhere", "schedule": "0 7 * * 1", "lasts": "48h", "every": "10m"} | changes
    return list(soak_manifests(IMAGE, target, **options))


def of(kind: str, documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the one document of a kind."""
    (found,) = (each for each in documents if each["kind"] == kind)
    return found


def pod(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the pod spec of the CronJob."""
    spec: dict[str, Any] = of("CronJob", documents)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("name", ["demo", "local"])
def test_target_in_the_cluster_differs_in_its_identity_alone(name: str, tmp_path: Path) -> None:
    """Every shipped target can be taken; what it is proven by is the UID, and the rest is the same."""
    text = (PROJECT / "targets" / f"{name}.toml").read_text(encoding="utf-8")
    path = tmp_path / "target.toml"
    path.write_text(in_cluster_target(text, UID), encoding="utf-8")
    there, here = load_target(str(path), PROJECT), load_target(name, PROJECT)
    assert there.cluster.identity is not None
    assert (there.cluster.identity.kube_system_uid, there.cluster.identity.server) == (UID, None)
    same = here.cluster.model_copy(update={"identity": there.cluster.identity, "context": None})
    assert there == here.model_copy(update={"cluster": same})


def test_target_with_a_context_loses_it() -> None:
    """There is no kubeconfig in a pod."""
    text = 'name = "x"\n[cluster]\ncontext = "admin"\nidentity = { server = "https://x" }\n'
    assert in_cluster_target(text, UID) == f'name = "x"\n[cluster]\nidentity = {{ kube_system_uid = "{UID}" }}\n'


def test_target_with_an_identity_over_several_lines_is_refused() -> None:
    """Half of a table must not be left behind."""
    with pytest.raises(TargetTextError, match="identity on one line"):
        in_cluster_target('[cluster]\n[cluster.identity]\nserver = "https://x"\n', UID)


def test_manifests_are_filled_for_namespace_image_and_times() -> None:
    """What the file has as an example is replaced everywhere."""
    documents = made()
    assert {each["metadata"]["namespace"] for each in documents} == {"elsewhere"}
    container = pod(documents)["containers"][0]
    assert container["image"] == IMAGE
    assert [each for each in container["args"] if each.startswith(("--for", "--every"))] == ["--for=48h", "--every=10m"]
    assert of("CronJob", documents)["spec"]["schedule"] == "0 7 * * 1"


def test_command_of_the_cronjob_is_one_that_the_gate_takes() -> None:
    """Its options are the plugin's, with the times that the file itself has."""
    (cronjob,) = (
        each for each in yaml.safe_load_all(manifests.CRONJOB.read_text("utf-8")) if each["kind"] == "CronJob"
    )
    args = cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"]
    assert args[:3] == ["python", "-m", "pytest"]
    given = dict(each.removeprefix("--").split("=", 1) for each in args if each.startswith("--"))
    assert set(given) == {"for", "every", "target", "samples", "report"}
    options = soak_options({key: given[key] for key in ("for", "every", "samples")}, target="x", root=PROJECT)
    assert (options.lasts_s, options.every_s, str(options.file)) == (86_400, 300, "/soak/samples.jsonl")


def test_pod_has_the_readers_account_and_no_right_to_write() -> None:
    """The account that infra/rbac gives lists and reads; the pod runs under the restricted standard."""
    spec = pod(made())
    accounts = yaml.safe_load_all((PROJECT / "infra/rbac/reader.yaml").read_text(encoding="utf-8"))
    assert spec["serviceAccountName"] in {
        each["metadata"]["name"] for each in accounts if each["kind"] == "ServiceAccount"
    }
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_judged_soak_is_not_run_again_and_a_lost_one_is() -> None:
    """Exit codes of a verdict end the Job; a signal (137, 143) replaces the pod, which goes on with the volume."""
    spec = of("CronJob", made())["spec"]["jobTemplate"]["spec"]
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    fail, ignore = spec["podFailurePolicy"]["rules"]
    assert (fail["action"], fail["onExitCodes"]["values"]) == ("FailJob", [1, 3, 4, 5, 10])
    assert fail["onExitCodes"]["containerName"] == spec["template"]["spec"]["containers"][0]["name"]
    assert ignore == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert spec["backoffLimit"] >= 1


def test_every_volume_that_is_mounted_is_there() -> None:
    """Claim and ConfigMap are among the manifests, under the names that the pod uses."""
    documents = made()
    spec = pod(documents)
    names = {each["name"] for each in spec["volumes"]}
    assert {each["name"] for each in spec["containers"][0]["volumeMounts"]} == names
    (claim,) = (each["persistentVolumeClaim"] for each in spec["volumes"] if "persistentVolumeClaim" in each)
    (config,) = (each["configMap"] for each in spec["volumes"] if "configMap" in each)
    assert of("PersistentVolumeClaim", documents)["metadata"]["name"] == claim["claimName"]
    assert of("ConfigMap", documents)["metadata"]["name"] == config["name"]
    assert list(of("ConfigMap", documents)["data"]) == ["target.toml"]


def test_reading_pod_serves_the_report_of_the_same_volume_to_the_loopback() -> None:
    """Nobody but a port-forward reaches it, and it has no token."""
    (reading,) = reading_manifests(IMAGE, namespace="elsewhere")
    spec = reading["spec"]
    assert (reading["metadata"]["namespace"], spec["containers"][0]["image"]) == ("elsewhere", IMAGE)
    assert spec["automountServiceAccountToken"] is False
    assert shlex.join(map(str, spec["containers"][0]["args"])).endswith("--bind 127.0.0.1 --directory /soak/report")
    claims = [each["persistentVolumeClaim"]["claimName"] for each in spec["volumes"]]
    assert claims == [of("PersistentVolumeClaim", made())["metadata"]["name"]]


def test_image_holds_what_the_dockerfile_copies_and_changes_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every COPY of the project's files is part of the hash."""
    text = image.DOCKERFILE.read_text(encoding="utf-8")
    copied = {word for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE) for word in line.split()}
    assert copied == {*image.FOLDERS, *image.FILES, "requirements/gate.txt", "wheels*"}
    before = image.inputs()
    lock = tmp_path / "gate.txt"
    lock.write_text("other==1\n", encoding="utf-8")
    monkeypatch.setattr(image, "LOCK", lock)
    assert image.inputs() != before


def test_staged_context_holds_the_gate_and_the_soak_and_no_bytecode(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The wheels are fetched by the lock's hashes; nothing else of the project is sent to the engine."""
    commands: list[list[str]] = []
    monkeypatch.setattr(image, "run", lambda command, **_: commands.append([str(word) for word in command]))
    image._stage(tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted((*image.FOLDERS, *image.FILES, "requirements"))
    assert (tmp_path / "gate" / "criteria.toml").is_file()
    assert not list(tmp_path.rglob("__pycache__"))
    (command,) = commands
    assert {"download", "--require-hashes", "--python-version=3.11"} <= set(command)
