"""The committed manifests hold what a rollout, an undo and an autoscaler rely on; read as the gate reads them."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.paths import PROJECT

RENDERED = PROJECT / "infra/terraform/rendered"
ENVIRONMENTS = ("demo", "local")

Manifest = dict[str, Any]


def manifests(environment: str) -> dict[str, Manifest]:
    """Return KIND/NAME -> manifest of an environment's committed file."""
    text = (RENDERED / f"{environment}.yaml").read_text(encoding="utf-8")
    documents = list(yaml.safe_load_all(text))
    named = {f"{document['kind']}/{document['metadata']['name']}": document for document in documents}
    assert len(named) == len(documents)
    return named


def container(manifest: Manifest) -> Manifest:
    """Return the one container of a Deployment."""
    (only,) = manifest["spec"]["template"]["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def environment_of(manifest: Manifest) -> dict[str, str]:
    """Return the container's environment, which must name no variable twice."""
    items = container(manifest)["env"]
    found = {item["name"]: item["value"] for item in items}
    assert len(found) == len(items)
    return found


def deployments(environment: str) -> list[Manifest]:
    """Return the environment's Deployments; there is at least the chat API's."""
    found = [manifest for name, manifest in manifests(environment).items() if name.startswith("Deployment/")]
    assert found
    return found


def test_rendered_files_are_those_of_the_environments() -> None:
    """Each environment has its manifests committed, and no file is left of one that is gone."""
    assert sorted(file.stem for file in RENDERED.glob("*.yaml")) == list(ENVIRONMENTS)
    assert sorted(file.parent.name for file in (PROJECT / "infra/terraform/envs").glob("*/manifests.tf")) == list(
        ENVIRONMENTS
    )


@pytest.mark.parametrize(
    ("environment", "extra"),
    [
        ("demo", set()),
        ("local", {"ServiceAccount/patient-api", "Service/patient-api-service", "Deployment/patient-api"}),
    ],
)
def test_manifests_of_an_environment_are_complete(environment: str, extra: set[str]) -> None:
    """The objects that the rest of the project names are there, and the patient API only where it is a stand-in."""
    assert set(manifests(environment)) == extra | {
        "Namespace/carepath-demo",
        "ServiceAccount/chat-api",
        "Service/chat-api-service",
        "PodDisruptionBudget/chat-api",
        "Deployment/chat-api",
        "HorizontalPodAutoscaler/chat-api",
    }


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_namespace_holds_every_other_object(environment: str) -> None:
    """Nothing is applied outside the namespace that is created for it."""
    namespaces = {m["metadata"]["namespace"] for name, m in manifests(environment).items() if m["kind"] != "Namespace"}
    assert namespaces == {"carepath-demo"}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_documents_are_in_the_order_in_which_they_are_applied(environment: str) -> None:
    """The namespace comes first and the autoscaler last: `kubectl apply -f` of the file works as it stands."""
    kinds = [manifest["kind"] for manifest in manifests(environment).values()]
    assert kinds[0] == "Namespace"
    assert kinds[-1] == "HorizontalPodAutoscaler"
    assert max(i for i, kind in enumerate(kinds) if kind in {"Service", "ServiceAccount"}) < kinds.index("Deployment")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_deployment_selector_matches_its_pods(environment: str) -> None:
    """Deployments, Services and the disruption budget select the labels that the pods have."""
    found = manifests(environment)
    labels = [m["spec"]["template"]["metadata"]["labels"] for m in deployments(environment)]
    selectors = [m["spec"]["selector"]["matchLabels"] for m in deployments(environment)]
    selectors += [m["spec"]["selector"] for name, m in found.items() if name.startswith("Service/")]
    selectors.append(found["PodDisruptionBudget/chat-api"]["spec"]["selector"]["matchLabels"])
    assert len(selectors) == len(labels) * 2 + 1
    for selector in selectors:
        assert sum(selector.items() <= pod.items() for pod in labels) == 1


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_service_ports_lead_to_a_named_container_port(environment: str) -> None:
    """A Service finds its port by name in the very pods it selects, and each API listens where clients look for it."""
    ports = {
        name: (port["port"], pod_port["containerPort"])
        for name, service in manifests(environment).items()
        if name.startswith("Service/")
        for port in service["spec"]["ports"]
        for deployment in deployments(environment)
        if service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
        for pod_port in container(deployment)["ports"]
        if pod_port["name"] == port["targetPort"]
    }
    expected = {"Service/chat-api-service": (80, 8002), "Service/patient-api-service": (8001, 8001)}
    assert ports == {name: numbers for name, numbers in expected.items() if name in manifests(environment)}
    assert manifests(environment)["Service/chat-api-service"]["spec"]["type"] == "LoadBalancer"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_chat_deployment_has_no_replicas(environment: str) -> None:
    """The number of pods is the autoscaler's, which scales that Deployment at 60 percent of the CPU request."""
    found = manifests(environment)
    autoscaler = found["HorizontalPodAutoscaler/chat-api"]["spec"]
    assert "replicas" not in found["Deployment/chat-api"]["spec"]
    assert autoscaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat-api"}
    assert [m["resource"]["target"]["averageUtilization"] for m in autoscaler["metrics"]] == [60]
    assert container(found["Deployment/chat-api"])["resources"]["requests"]["cpu"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_chat_rollout_never_takes_a_ready_pod_away(environment: str) -> None:
    """A rolling update starts one new pod before it ends an old one, and keeps revisions to return to."""
    spec = manifests(environment)["Deployment/chat-api"]["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert spec["revisionHistoryLimit"] >= 2


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_chat_environment_is_in_the_pod_template(environment: str) -> None:
    """An undo brings LLM_MODE back because it is in the template; IMAGE is the image that runs."""
    deployment = manifests(environment)["Deployment/chat-api"]
    values = environment_of(deployment)
    assert values["IMAGE"] == container(deployment)["image"]
    assert values["LLM_MODE"] in deployment["metadata"]["annotations"]["kubernetes.io/change-cause"]
    assert values["DB_API_BASE_URL"].endswith(":8001")


def test_generation_settings_of_demo_are_the_models_own() -> None:
    """The variables' defaults are what Qwen recommends, as service_chat/models.toml has it from the model card."""
    values = environment_of(manifests("demo")["Deployment/chat-api"])
    models = tomllib.loads((PROJECT / "service_chat/models.toml").read_text(encoding="utf-8"))["models"]
    own = models[values["LLM_MODE"]]["defaults"]
    names = ("temperature", "top_p", "top_k", "max_tokens", "thinking_budget_tokens")
    assert {name: float(values[name.upper()]) for name in names} == {name: own[name] for name in names}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_grace_period_exceeds_the_drain_times(environment: str) -> None:
    """KILL comes after the service has had its delay and its drain."""
    deployment = manifests(environment)["Deployment/chat-api"]
    values = environment_of(deployment)
    grace_s = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace_s > float(values["DRAIN_DELAY_S"]) + float(values["DRAIN_S"])


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_chat_probes_ask_readiness_and_health_apart(environment: str) -> None:
    """Startup and readiness wait for the model, liveness for the process, all on the named port."""
    probed = container(manifests(environment)["Deployment/chat-api"])
    asked = {key: probed[key]["httpGet"] for key in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert asked == {
        "startupProbe": {"path": "/ready", "port": "http"},
        "readinessProbe": {"path": "/ready", "port": "http"},
        "livenessProbe": {"path": "/health", "port": "http"},
    }


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_no_probe_waits_longer_than_its_period(environment: str) -> None:
    """The kubelet asks one at a time: a longer time-out would make every budget longer than it says."""
    for deployment in deployments(environment):
        for key in ("startupProbe", "readinessProbe", "livenessProbe"):
            probe = container(deployment)[key]
            assert probe["timeoutSeconds"] <= probe["periodSeconds"], f"{deployment['metadata']['name']} {key}"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_startup_budget_ends_before_the_rollout_counts_as_stuck(environment: str) -> None:
    """A pod may still start for as long as the Deployment has not given it up."""
    spec = manifests(environment)["Deployment/chat-api"]["spec"]
    probe = container(manifests(environment)["Deployment/chat-api"])["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] < spec["progressDeadlineSeconds"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_pods_meet_the_restricted_pod_security_standard(environment: str) -> None:
    """No pod runs as root, writes to its image, gains privileges, or has a token or service links injected."""
    for deployment in deployments(environment):
        pod = deployment["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        assert container(deployment)["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_pods_can_write_to_tmp_alone_and_to_a_bound(environment: str) -> None:
    """The one writable folder is a volume with a size limit: a full one evicts its pod, not the node's others."""
    for deployment in deployments(environment):
        (volume,) = deployment["spec"]["template"]["spec"]["volumes"]
        assert container(deployment)["volumeMounts"] == [{"name": volume["name"], "mountPath": "/tmp"}]  # noqa: S108
        assert volume["emptyDir"]["sizeLimit"]


def test_demo_asks_for_what_the_first_rollout_asked() -> None:
    """Requests and replicas are those of incident 5, so that the preflight judges the deploy that failed."""
    found = manifests("demo")
    assert container(found["Deployment/chat-api"])["resources"]["requests"] == {"cpu": "1000m", "memory": "9216Mi"}
    assert found["HorizontalPodAutoscaler/chat-api"]["spec"]["minReplicas"] == 2
    assert environment_of(found["Deployment/chat-api"])["LLM_MODE"] == "Qwen3-4B-Thinking-2507"


def test_rendered_path_is_what_the_targets_name() -> None:
    """The gate's targets read the files that are written here."""
    named = {
        line.split('"')[1]
        for file in (PROJECT / "targets").glob("*.toml")
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.startswith("manifests = ")
    }
    assert named == {str(Path("infra/terraform/rendered") / f"{environment}.yaml") for environment in ENVIRONMENTS}
