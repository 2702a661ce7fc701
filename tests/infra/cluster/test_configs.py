"""Rendered configuration: the figures that make the node like one of EKS, and the traps that cost a cluster."""

import json
import tomllib

import pytest
import yaml

from infra.cluster import configs
from infra.cluster.instance import Instance


@pytest.mark.parametrize(("cpus", "millicores"), [(1, 60), (2, 70), (4, 80), (8, 90), (16, 110)])
def test_reserved_cpu_is_what_eks_reserves(cpus: int, millicores: int) -> None:
    """The figures of awslabs/amazon-eks-ami for 2, 4, 8 and 16 vCPUs; 1 is the formula's first term."""
    assert configs.kube_reserved_cpu_m(cpus) == millicores


def test_reserved_memory_is_what_eks_reserves_for_29_pods() -> None:
    """r5.large, 29 pods: 255 + 11 * 29 MiB, which gives the 14.6Gi a real node shows."""
    assert configs.kube_reserved_memory_mib(29) == 574


def test_kubelet_reserves_and_evicts_like_eks(instance: Instance) -> None:
    """Allocatable differs from capacity as on EKS."""
    kubelet = configs.kubelet(instance, cpus=2)
    assert kubelet["kubeReserved"] == {"cpu": "70m", "memory": "893Mi", "ephemeral-storage": "1Gi"}
    assert kubelet["evictionHard"] == {
        "memory.available": "100Mi",
        "nodefs.available": "10%",
        "nodefs.inodesFree": "5%",
    }


def test_kubelet_keeps_to_the_instance_cgroup_and_never_deletes_images(instance: Instance) -> None:
    """Cgroup hierarchies are shared by all instances; a collected pause image would stop every new pod."""
    kubelet = configs.kubelet(instance, cpus=2)
    assert kubelet["cgroupRoot"] == "/carepath-two"
    assert kubelet["imageGCHighThresholdPercent"] == 100


def test_containerd_config_is_toml_with_the_sandbox_image_and_the_oom_restriction(instance: Instance) -> None:
    """Without the restriction every sandbox dies in runc where CAP_SYS_RESOURCE is missing."""
    cri = tomllib.loads(configs.containerd(instance))["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["restrict_oom_score_adj"] is True
    assert cri["sandbox_image"] == "localhost:5000/pause:1"
    assert cri["registry"]["config_path"] == f"{instance.config}/certs.d"


def test_registry_is_asked_by_plain_http_and_allows_deletion(instance: Instance) -> None:
    """A deleted image is how "image not found" is made for real."""
    assert tomllib.loads(configs.registry_hosts())["server"] == "http://localhost:5000"
    assert configs.registry(instance)["storage"] == {
        "filesystem": {"rootdirectory": f"{instance.run}/registry"},
        "delete": {"enabled": True},
    }


def test_pod_network_keeps_its_addresses_on_the_node_disk(instance: Instance) -> None:
    """host-local's default folder belongs to the host."""
    bridge = json.loads(configs.cni(instance))["plugins"][0]
    assert bridge["ipam"]["dataDir"] == f"{instance.storage}/ipam"
    assert bridge["hairpinMode"] is True


def test_every_config_file_is_written_where_its_component_looks(instance: Instance) -> None:
    """One file each, below the run folder."""
    configs.write_configs(instance, cpus=2)
    written = {str(p.relative_to(instance.config)) for p in instance.config.rglob("*") if p.is_file()}
    assert written == {
        "Corefile",
        "certs.d/localhost:5000/hosts.toml",
        "cni/10-bridge.conflist",
        "containerd.toml",
        "docker.json",
        "kubelet.yaml",
        "kwok.yaml",
        "registry.yaml",
        "resolv.conf",
    }
    kubelet = yaml.safe_load((instance.config / "kubelet.yaml").read_text(encoding="utf-8"))
    assert kubelet == configs.kubelet(instance, cpus=2)
