"""What a pod asks of the cluster, read from a template or a pod."""

from gate.readers import objects
from gate.records import EnvVar, Probe, Resources, VolumeMount, VolumeSource

CONTAINER = {
    "name": "chat-api",
    "image": "localhost:5000/carepath-chat-api:v2.0",
    "resources": {"requests": {"cpu": "250m"}, "limits": {"cpu": "1", "memory": "1Gi"}},
    "ports": [{"name": "http", "containerPort": 8002}],
    "env": [
        {"name": "LLM_MODE", "value": "mock"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "chat-api", "key": "token"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "EMPTY"},
    ],
    "envFrom": [{"configMapRef": {"name": "chat-api-settings"}}],
    "startupProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 1, "failureThreshold": 60},
    "livenessProbe": {"tcpSocket": {"port": 8002}, "initialDelaySeconds": 5},
}
TEMPLATE = {"spec": {"containers": [CONTAINER]}}


def test_container_requests_missing_follow_from_limits() -> None:
    """A request that is not stated is the limit, as the API server sets it on the pod."""
    spec = objects.deployment({"spec": {"template": TEMPLATE}}).template.container("chat-api")
    assert spec is not None
    assert spec.requests == Resources(cpu_m=250, memory_bytes=1_073_741_824)
    assert spec.limits == Resources(cpu_m=1000, memory_bytes=1_073_741_824)


def test_container_environment_keeps_sources_and_never_a_secrets_value() -> None:
    """A variable has its literal value or the place it comes from; a bulk source stands under its prefix."""
    spec = objects.deployment({"spec": {"template": TEMPLATE}}).template.containers[0]
    assert spec.env == (
        EnvVar(name="LLM_MODE", value="mock"),
        EnvVar(name="TOKEN", source="secretKeyRef chat-api/token"),
        EnvVar(name="NODE", source="fieldRef spec.nodeName"),
        EnvVar(name="EMPTY", value=""),
        EnvVar(name="*", source="configMapRef chat-api-settings"),
    )


def test_container_mounts_and_volumes_keep_what_sizing_asks() -> None:
    """Where a volume is seen, whether it may be written, how large an emptyDir may get and whether it is memory."""
    container = {
        **CONTAINER,
        "volumeMounts": [{"name": "models", "mountPath": "/models", "readOnly": True}, {"name": "tmp"}],
        "securityContext": {"readOnlyRootFilesystem": True},
    }
    volumes = [
        {"name": "models", "emptyDir": {"sizeLimit": "4Gi"}},
        {"name": "tmp", "emptyDir": {"medium": "Memory"}},
        {"name": "cache", "persistentVolumeClaim": {"claimName": "chat-api-model-cache"}},
    ]
    raw = {"spec": {"template": {"spec": {"containers": [container], "volumes": volumes}}}}
    template = objects.deployment(raw).template
    spec = template.containers[0]
    assert spec.mounts == (
        VolumeMount(volume="models", path="/models", read_only=True),
        VolumeMount(volume="tmp", path=""),
    )
    assert spec.read_only_root
    assert template.volumes == (
        VolumeSource(name="models", kind="emptyDir", size_limit_bytes=4_294_967_296),
        VolumeSource(name="tmp", kind="emptyDir", in_memory=True),
        VolumeSource(name="cache", kind="persistentVolumeClaim", reference="chat-api-model-cache"),
    )


def test_container_probes_get_the_api_servers_defaults() -> None:
    """What a probe leaves out has the value that the API documents."""
    spec = objects.deployment({"spec": {"template": TEMPLATE}}).template.containers[0]
    assert spec.startup == Probe(kind="http", path="/ready", port="http", period_s=1, failure_threshold=60)
    assert spec.liveness == Probe(kind="tcp", port="8002", initial_delay_s=5, period_s=10, timeout_s=1)
    assert spec.readiness is None


def test_container_probes_with_zeros_get_the_api_servers_defaults() -> None:
    """The API server takes 0 for "not set": a period of 0 s is one of 10 s."""
    probe = {"httpGet": {"port": 8002}, "periodSeconds": 0, "timeoutSeconds": 0, "failureThreshold": 0}
    spec = {"containers": [{"name": "chat-api", "livenessProbe": probe}]}
    found = objects.deployment({"spec": {"template": {"spec": spec}}}).template.containers[0].liveness
    assert found == Probe(kind="http", path="/", port="8002", period_s=10, timeout_s=1, failure_threshold=3)


def test_init_container_that_always_restarts_is_a_sidecar() -> None:
    """Init containers come first, in their order, and say whether they stay."""
    spec = {
        "initContainers": [{"name": "fetch"}, {"name": "proxy", "restartPolicy": "Always"}],
        "containers": [{"name": "chat-api"}],
    }
    found = objects.pod({"spec": spec}).spec.containers
    assert [(each.name, each.init, each.sidecar) for each in found] == [
        ("fetch", True, False),
        ("proxy", True, True),
        ("chat-api", False, False),
    ]


def test_pod_requested_with_sidecar_init_and_overhead_is_the_schedulers_sum() -> None:
    """Init 900m beside the earlier sidecar 100m needs 1000m, more than 500m + 100m at run time; overhead is added."""
    spec = {
        "initContainers": [
            {"name": "proxy", "restartPolicy": "Always", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}},
            {"name": "fetch", "resources": {"requests": {"cpu": "900m"}}},
        ],
        "containers": [{"name": "chat-api", "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}}],
        "overhead": {"cpu": "10m"},
    }
    reserved = objects.pod({"spec": spec}).spec.requested
    assert reserved == Resources(cpu_m=1010, memory_bytes=(1024 + 64) * 1024**2, ephemeral_storage_bytes=0, pods=1)


def test_pod_requested_with_resources_of_the_whole_pod_replaces_the_sum() -> None:
    """An amount stated for the pod counts instead of its containers', the others still add up."""
    spec = {
        "resources": {"requests": {"cpu": "2"}},
        "containers": [{"name": "chat-api", "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}}],
    }
    reserved = objects.pod({"spec": spec}).spec.requested
    assert (reserved.cpu_m, reserved.memory_bytes) == (2000, 1024**3)
