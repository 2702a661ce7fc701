import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.readers import objects, surroundings
from gate.records import (
    Claim,
    ContainerState,
    Endpoint,
    Owner,
    Requirement,
    ServicePort,
    Taint,
    Volume,
)

RECORDED = Path(__file__).parent / "recorded"

TEMPLATE = {"metadata": {"labels": {"app": "chat-api"}}, "spec": {"containers": [{"name": "chat-api"}]}}


def recorded(name: str) -> dict[str, Any]:
    """Return an object as the embedded cluster served it."""
    loaded: dict[str, Any] = json.loads((RECORDED / name).read_text(encoding="utf-8"))
    return loaded


def test_deployment_left_to_an_hpa_has_no_desired_count() -> None:
    """A manifest without replicas says nothing about them, and defaults are Kubernetes' own."""
    found = objects.deployment({"metadata": {"name": "chat-api"}, "spec": {"template": TEMPLATE}})
    assert (found.name, found.desired, found.observed_generation) == ("chat-api", None, None)
    assert (found.strategy, found.max_surge, found.max_unavailable) == ("RollingUpdate", "25%", "25%")
    assert (found.progress_deadline_s, found.min_ready_s, found.paused) == (600, 0, False)


def test_deployment_strategy_keeps_numbers_as_written() -> None:
    """Surge may be a number or a percentage."""
    rolling = {"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": "0%"}}}
    found = objects.deployment({"spec": {**rolling, "template": TEMPLATE}})
    assert (found.max_surge, found.max_unavailable) == ("1", "0%")


def test_pod_of_a_real_cluster_is_read_in_full() -> None:
    """A running pod as Kubernetes 1.34 served it gives node, digest, state and conditions."""
    pod = objects.pod(recorded("pod-running.json"))
    assert (pod.namespace, pod.node, pod.phase, pod.ready) == ("readers-check", "carepath-node", "Running", True)
    status = pod.status("echo")
    assert status is not None
    assert status.digest == "sha256:0a9bc4cc3427fb8745c9e277deaf183804de96b20e6e89305dbb043dd6d56549"
    assert status.state.kind == "running"
    assert status.state.started_at == datetime(2026, 11, 22, 16, 5, 24, tzinfo=UTC)
    assert pod.spec.service_account == "default"
    assert {each.type for each in pod.conditions} >= {"PodScheduled", "Initialized", "Ready"}


@pytest.mark.parametrize(
    ("reason", "message", "shown"),
    [
        ("Error", "patient Jane Roe has diabetes", ""),
        ("OOMKilled", "patient Jane Roe has diabetes", ""),
        ("StartError", 'exec: "serve": executable file not found in $PATH', 'exec: "serve": executable file not'),
    ],
)
def test_terminated_state_keeps_the_runtimes_message_and_drops_the_containers(
    reason: str, message: str, shown: str
) -> None:
    """What a process left in its termination log may hold patient data; the runtime's own text does not."""
    state = {
        "terminated": {"exitCode": 137, "reason": reason, "message": message, "finishedAt": "2026-11-22T16:00:00Z"}
    }
    pod = objects.pod({"status": {"containerStatuses": [{"name": "chat-api", "state": state, "lastState": {}}]}})
    found = pod.statuses[0].state
    assert found.message.startswith(shown)
    assert bool(found.message) == bool(shown)
    assert (found.kind, found.reason, found.exit_code) == ("terminated", reason, 137)
    assert found.finished_at == datetime(2026, 11, 22, 16, 0, tzinfo=UTC)
    assert pod.statuses[0].last_state is None


def test_replica_set_owner_is_its_controller() -> None:
    """Of several owners only the controlling one counts, and the revision is a number."""
    meta = {
        "name": "chat-api-5d",
        "uid": "rs-1",
        "annotations": {"deployment.kubernetes.io/revision": "3", "kubernetes.io/change-cause": "v2.0"},
        "ownerReferences": [
            {"kind": "Gadget", "name": "other", "uid": "x"},
            {"kind": "Deployment", "name": "chat-api", "uid": "d-1", "controller": True},
        ],
    }
    found = objects.replica_set({"metadata": meta, "spec": {"replicas": 2, "template": TEMPLATE}})
    assert found.owner == Owner(kind="Deployment", name="chat-api", uid="d-1")
    assert (found.revision, found.desired, found.change_cause) == (3, 2, "v2.0")


def test_hpa_reads_cpu_of_spec_and_status() -> None:
    """The CPU target and the CPU seen are taken from the resource metric, whatever else is measured."""
    spec = {
        "scaleTargetRef": {"kind": "Deployment", "name": "chat-api"},
        "maxReplicas": 4,
        "metrics": [
            {"type": "Resource", "resource": {"name": "memory", "target": {"averageUtilization": 80}}},
            {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 60}}},
        ],
    }
    status = {
        "currentReplicas": 2,
        "desiredReplicas": 3,
        "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 71}}}],
        "conditions": [{"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound"}],
    }
    found = objects.hpa({"metadata": {"name": "chat-api"}, "spec": spec, "status": status})
    assert (found.min_replicas, found.max_replicas) == (1, 4)
    assert (found.cpu_target_percent, found.cpu_current_percent) == (60, 71)
    assert (found.current_replicas, found.desired_replicas, found.target_name) == (2, 3, "chat-api")
    active = found.condition("ScalingActive")
    assert active is not None
    assert active.reason == "ValidMetricFound"


@pytest.mark.parametrize(("kind", "percent"), [(None, 80), ("memory", None), ("cpu", None)])
def test_hpa_without_a_cpu_percentage(kind: str | None, percent: int | None) -> None:
    """No metric at all means 80 % CPU to the API server; another metric, or an absolute one, means none."""
    metric = {"type": "Resource", "resource": {"name": kind, "target": {"type": "AverageValue", "averageValue": "1"}}}
    found = objects.hpa({"spec": {"maxReplicas": 4, "metrics": [metric] if kind else None}})
    assert found.cpu_target_percent == percent


def test_hpa_of_autoscaling_v1_has_its_percentage() -> None:
    """A manifest may still say it the old way."""
    assert objects.hpa({"spec": {"maxReplicas": 4, "targetCPUUtilizationPercentage": 60}}).cpu_target_percent == 60


def test_hpa_without_status_has_seen_nothing() -> None:
    """A fresh HPA has no current metrics: absent, never zero."""
    found = objects.hpa({"metadata": {"name": "chat-api"}, "spec": {"maxReplicas": 4}})
    assert (found.cpu_current_percent, found.current_replicas, found.conditions) == (None, None, ())


def test_service_of_a_load_balancer_has_its_addresses_and_ports() -> None:
    """A target port may be a name; without one it is the port itself."""
    spec = {
        "type": "LoadBalancer",
        "selector": {"app": "chat-api"},
        "ports": [{"name": "http", "port": 80, "targetPort": "http"}, {"name": "metrics", "port": 9000}],
    }
    status = {"loadBalancer": {"ingress": [{"hostname": "a.elb.example"}, {"ip": "10.0.0.9"}, {}]}}
    found = surroundings.service({"metadata": {"name": "chat-api-service"}, "spec": spec, "status": status})
    assert found.ingress == ("a.elb.example", "10.0.0.9")
    assert found.ports == (
        ServicePort(name="http", port=80, target_port="http"),
        ServicePort(name="metrics", port=9000, target_port="9000"),
    )


def test_service_keeps_what_it_asks_of_the_cloud_and_no_other_annotation() -> None:
    """The applied configuration, which repeats the object, is nobody's evidence."""
    idle = "service.beta.kubernetes.io/aws-load-balancer-connection-idle-timeout"
    meta = {"name": "chat-api-service", "annotations": {idle: "60", "kubectl.kubernetes.io/last-applied": "{}"}}
    found = surroundings.service({"metadata": meta, "spec": {"loadBalancerClass": "eks.amazonaws.com/nlb"}})
    assert found.balancer_annotations == {idle: "60"}
    assert found.balancer_class == "eks.amazonaws.com/nlb"


def test_endpoints_of_slices_name_pod_port_and_readiness() -> None:
    """A missing ready condition means ready, as the API says; what terminates is told apart."""
    one = {
        "metadata": {"labels": {"kubernetes.io/service-name": "chat-api-service"}},
        "ports": [{"name": "http", "port": 8002}],
        "endpoints": [
            {"addresses": ["10.85.0.4"], "conditions": {"ready": True}, "targetRef": {"kind": "Pod", "name": "a"}},
            {"addresses": ["10.85.0.5"], "conditions": {"ready": False, "terminating": True}},
            {"addresses": ["10.85.0.6"]},
        ],
    }
    assert surroundings.endpoints([one]) == (
        Endpoint(service="chat-api-service", address="10.85.0.4", ports=(8002,), pod="a", ready=True),
        Endpoint(service="chat-api-service", address="10.85.0.5", ports=(8002,), ready=False, terminating=True),
        Endpoint(service="chat-api-service", address="10.85.0.6", ports=(8002,), ready=True),
    )


def test_node_of_a_real_cluster_tells_capacity_from_allocatable() -> None:
    """Reserved resources make the two differ; what is requested is not the node's to say."""
    found = surroundings.node(recorded("node.json"))
    assert found.capacity.cpu_m == 2000
    assert found.allocatable.cpu_m == 1930
    assert found.allocatable.memory_bytes == 24_235_266_048
    assert (found.architecture, found.operating_system, found.zone) == ("amd64", "linux", "embedded-a")
    assert found.requested is None
    ready = found.condition("Ready")
    assert ready is not None
    assert ready.status == "True"


def test_node_that_is_cordoned_says_so_with_its_taint() -> None:
    """A cordon is a flag and a taint."""
    spec = {
        "unschedulable": True,
        "taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule", "timeAdded": "2026-11-22"}],
    }
    found = surroundings.node({"metadata": {"name": "node-a"}, "spec": spec})
    assert found.unschedulable
    assert found.taints == (Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule"),)


@pytest.mark.parametrize(
    "raw",
    [
        {
            "type": "Warning",
            "reason": "FailedScheduling",
            "message": "0/1 nodes are available",
            "involvedObject": {"kind": "Pod", "name": "chat-api-1", "uid": "u"},
            "count": 3,
            "firstTimestamp": "2026-11-22T16:00:00Z",
            "lastTimestamp": "2026-11-22T16:01:00Z",
            "source": {"component": "default-scheduler"},
        },
        {
            "type": "Warning",
            "reason": "FailedScheduling",
            "note": "0/1 nodes are available",
            "regarding": {"kind": "Pod", "name": "chat-api-1", "uid": "u"},
            "eventTime": "2026-11-22T16:00:00.000000Z",
            "series": {"count": 3, "lastObservedTime": "2026-11-22T16:01:00.000000Z"},
            "reportingController": "default-scheduler",
        },
        {
            "type": "Warning",
            "reason": "FailedScheduling",
            "note": "0/1 nodes are available",
            "regarding": {"kind": "Pod", "name": "chat-api-1", "uid": "u"},
            "deprecatedCount": 3,
            "deprecatedFirstTimestamp": "2026-11-22T16:00:00Z",
            "deprecatedLastTimestamp": "2026-11-22T16:01:00Z",
            "deprecatedSource": {"component": "default-scheduler"},
        },
    ],
    ids=["core", "events", "events-of-an-old-client"],
)
def test_event_of_either_api_reads_the_same(raw: dict[str, Any]) -> None:
    """Three spellings of one event give one record."""
    found = surroundings.event(raw)
    assert (found.kind, found.name, found.uid, found.reason) == ("Pod", "chat-api-1", "u", "FailedScheduling")
    assert (found.message, found.count, found.reporter) == ("0/1 nodes are available", 3, "default-scheduler")
    assert found.first_at == datetime(2026, 11, 22, 16, 0, tzinfo=UTC)
    assert found.last_at == datetime(2026, 11, 22, 16, 1, tzinfo=UTC)


def test_claim_that_is_only_declared_is_pending() -> None:
    """A manifest has no phase."""
    spec = {
        "storageClassName": "gp3",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "10Gi"}},
    }
    assert surroundings.claim({"metadata": {"name": "models"}, "spec": spec}) == Claim(
        name="models",
        phase="Pending",
        storage_class="gp3",
        access_modes=("ReadWriteOnce",),
        requested_bytes=10 * 1024**3,
    )


def test_claim_without_a_class_is_told_from_one_that_wants_none() -> None:
    """Left out, the default class holds; empty, none does."""
    assert surroundings.claim({"spec": {}}).storage_class is None
    assert surroundings.claim({"spec": {"storageClassName": ""}}).storage_class == ""


def test_volume_keeps_whose_it_is_and_from_where_it_is_reached() -> None:
    """An EBS volume as its driver makes it: bound, of one zone."""
    zone = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["us-east-1a"]}
    spec = {
        "storageClassName": "gp3",
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "4Gi"},
        "claimRef": {"namespace": "carepath-demo", "name": "models"},
        "csi": {"driver": "ebs.csi.aws.com"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [zone]}]}},
    }
    assert surroundings.volume({"metadata": {"name": "pv"}, "spec": spec, "status": {"phase": "Bound"}}) == Volume(
        name="pv",
        storage_class="gp3",
        capacity_bytes=4 * 1024**3,
        access_modes=("ReadWriteOnce",),
        phase="Bound",
        claim="carepath-demo/models",
        driver="ebs.csi.aws.com",
        affinity=((Requirement(key="topology.kubernetes.io/zone", operator="In", values=("us-east-1a",)),),),
    )


@pytest.mark.parametrize(
    ("operator", "values", "met"),
    [
        ("In", ("a", "b"), True),
        ("In", ("c",), False),
        ("NotIn", ("a",), False),
        ("NotIn", ("c",), True),
        ("Exists", (), True),
        ("DoesNotExist", (), False),
        ("Gt", ("1",), False),
    ],
)
def test_requirement_is_met_as_the_scheduler_has_it(operator: str, values: tuple[str, ...], met: bool) -> None:  # noqa: FBT001
    """A node in zone a; what nobody knows is met by nobody."""
    requirement = Requirement(key="zone", operator=operator, values=values)
    assert requirement.met_by({"zone": "a"}) is met
    assert requirement.met_by({}) is (operator in {"NotIn", "DoesNotExist"})


def test_storage_class_default_is_an_annotation() -> None:
    """The default class is marked by annotation, the text true."""
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
    found = surroundings.storage_class(
        {"metadata": {"name": "gp3", "annotations": annotations}, "provisioner": "ebs.csi.aws.com"}
    )
    assert (found.is_default, found.provisioner, found.binding_mode) == (True, "ebs.csi.aws.com", "Immediate")


def test_quota_not_yet_counted_still_has_its_limits() -> None:
    """Before its controller has run, a quota's limits stand in the spec only."""
    found = surroundings.quota({"metadata": {"name": "team"}, "spec": {"hard": {"requests.cpu": "2"}}})
    assert (dict(found.hard), dict(found.used)) == ({"requests.cpu": "2"}, {})


def test_pod_usage_counts_each_container_and_drops_what_is_not_measured() -> None:
    """A container without a figure is absent, not idle."""
    raw = {
        "metadata": {"name": "chat-api-1"},
        "timestamp": "2026-11-22T16:04:00Z",
        "window": "10.062s",
        "containers": [
            {"name": "chat-api", "usage": {"cpu": "12345678n", "memory": "210Mi"}},
            {"name": "new", "usage": {}},
        ],
    }
    (found,) = objects.pod_usage(raw)
    assert (found.pod, found.container, found.cpu_m, found.memory_bytes) == ("chat-api-1", "chat-api", 13, 220_200_960)
    assert found.window_s == pytest.approx(10.062)


def test_state_of_a_container_without_one_is_unknown() -> None:
    """A status the kubelet has not filled in yet is unknown, not running."""
    pod = objects.pod({"status": {"containerStatuses": [{"name": "chat-api"}]}})
    assert pod.statuses[0].state == ContainerState(kind="unknown")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
WORDS = """
addresses annotations conditions containers containerStatuses cpu currentMetrics endpoints env hard httpGet ingress
initContainers labels limits loadBalancer memory metadata metrics name ownerReferences port ports requests resource
resources series spec startupProbe state status template terminated timestamp type usage valueFrom volumes waiting
"""
KEYS = st.sampled_from(WORDS.split())
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=25
)


@pytest.mark.parametrize(
    "parse",
    [
        objects.deployment,
        objects.replica_set,
        objects.hpa,
        objects.pod,
        objects.pod_usage,
        surroundings.service,
        lambda raw: surroundings.endpoints([raw]),
        surroundings.node,
        surroundings.claim,
        surroundings.storage_class,
        surroundings.volume,
        surroundings.quota,
        surroundings.event,
    ],
)
@settings(max_examples=50)
@given(raw=st.dictionaries(KEYS, ANYTHING, max_size=6))
def test_any_object_of_any_shape_never_raises(parse: Any, raw: dict[str, Any]) -> None:  # noqa: ANN401
    """Fields that are missing, null, unknown or of another type end as not stated."""
    assert parse(raw) is not None
