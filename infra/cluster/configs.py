"""Configuration files of the components, rendered from an instance. Pure: text in, text out, `write_configs` apart.

What a component takes as a flag stands in `components`; only what it reads from a file is here.
"""

import json
import os

import yaml

from infra.cluster.instance import DNS_SERVICE_IP, DOCKER_BRIDGE, POD_CIDR, REGISTRY_NAME, REGISTRY_PORT, Instance

# Pods a node may have. EKS computes it from the instance's network interfaces: 58 is its figure for t3.xlarge and
# m5.xlarge (awslabs/amazon-eks-ami, eni-max-pods), the size of node this machine stands in for.
MAX_PODS = 58
PAUSE_IMAGE = f"{REGISTRY_NAME}/pause:1"


def write_configs(instance: Instance, cpus: int | None = None) -> None:
    """Write every configuration file below the run folder; `cpus` defaults to this machine's."""
    cores = cpus or os.cpu_count() or 1
    files = {
        "containerd.toml": containerd(instance),
        f"certs.d/{REGISTRY_NAME}/hosts.toml": registry_hosts(),
        "cni/10-bridge.conflist": cni(instance),
        "kubelet.yaml": yaml.safe_dump(kubelet(instance, cores), sort_keys=False),
        "Corefile": corefile(instance),
        "resolv.conf": f"nameserver {instance.node_ip}\n",
        "registry.yaml": yaml.safe_dump(registry(instance), sort_keys=False),
        "docker.json": json.dumps(docker(instance), indent=2),
        "kwok.yaml": yaml.safe_dump(kwok(), sort_keys=False),
    }
    for name, text in files.items():
        path = instance.config / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def kube_reserved_cpu_m(cpus: int) -> int:
    """Return the millicores EKS reserves: 6 % of core 1, 1 % of core 2, 0.5 % of 3 and 4, 0.25 % of each further one.

    Source: awslabs/amazon-eks-ami, nodeadm/internal/kubelet/config.go. 2 cores: 70, 4: 80, 8: 90.
    """
    shares = [60.0, 10.0, 5.0, 5.0]
    return int(sum(shares[:cpus]) + 2.5 * max(0, cpus - len(shares)))


def kube_reserved_memory_mib(max_pods: int) -> int:
    """Return the memory EKS reserves for kubelet and runtime: 255 MiB and 11 MiB per possible pod (same file)."""
    return 255 + 11 * max_pods


def kubelet(instance: Instance, cpus: int) -> dict[str, object]:
    """Return the kubelet's configuration: reservations and eviction thresholds as EKS sets them."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(instance.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(instance.pki / "kubelet.crt"),
        "tlsPrivateKeyFile": str(instance.pki / "kubelet.key"),
        "address": instance.node_ip,
        "healthzBindAddress": instance.node_ip,
        "containerRuntimeEndpoint": f"unix://{instance.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        # cgroup hierarchies are shared by all instances and with the host.
        "cgroupRoot": f"/{instance.cgroup}",
        # A host with swap is fine: pods get none (memorySwap's default, NoSwap).
        "failSwapOn": False,
        "clusterDNS": [DNS_SERVICE_IP],
        "clusterDomain": "cluster.local",
        "resolvConf": str(instance.config / "resolv.conf"),
        "maxPods": MAX_PODS,
        "kubeReserved": {
            "cpu": f"{kube_reserved_cpu_m(cpus)}m",
            "memory": f"{kube_reserved_memory_mib(MAX_PODS)}Mi",
            "ephemeral-storage": "1Gi",
        },
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "10%", "nodefs.inodesFree": "5%"},
        # containerd 1.6 does not pin the sandbox image, and 100 switches the collection off: a pause image that went
        # would have to be pulled before the next pod starts. The disk lives no longer than the cluster.
        "imageGCHighThresholdPercent": 100,
        # The default folder is below /usr, which is the host's.
        "volumePluginDir": str(instance.storage / "volume-plugins"),
    }


def kwok() -> dict[str, object]:
    """Return kwok's configuration: every node is its own, and its default stages say what becomes of nodes and pods."""
    return {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokConfiguration",
        "options": {
            "manageAllNodes": True,
            # The kubelet's default (nodeLeaseDurationSeconds); without leases every heartbeat would write a whole node.
            "nodeLeaseDurationSeconds": 40,
        },
    }


def containerd(instance: Instance) -> str:
    """Return containerd's configuration."""
    # restrict_oom_score_adj: without CAP_SYS_RESOURCE (a container, some virtual machines) runc cannot lower a
    # sandbox's score and dies with "can't get final child's PID from pipe: EOF".
    return f"""\
version = 2
root = "{instance.storage}/containerd"
state = "/run/containerd"
[grpc]
  address = "{instance.containerd_socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{instance.storage}/opt-containerd"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni_plugins()}"
    conf_dir = "{instance.config}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{instance.config}/certs.d"
"""


def cni_plugins() -> str:
    """Return the folder of the CNI plugins: Debian's, or the one the plugins' own project uses."""
    return "/usr/lib/cni" if os.path.exists("/usr/lib/cni/bridge") else "/opt/cni/bin"  # noqa: PTH110 - pure string


def registry_hosts() -> str:
    """Return containerd's entry for the registry: plain HTTP, as loopback addresses are to every client."""
    return f"""\
server = "http://{REGISTRY_NAME}"
[host."http://{REGISTRY_NAME}"]
  capabilities = ["pull", "resolve"]
"""


def cni(instance: Instance) -> str:
    """Return the pod network: one bridge, addresses from the pod range, masquerading towards the host."""
    bridge = {
        "type": "bridge",
        "bridge": "pods0",
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,  # a pod that reaches itself through its Service
        "ipam": {
            "type": "host-local",
            "dataDir": f"{instance.storage}/ipam",
            "ranges": [[{"subnet": POD_CIDR}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, portmap]}, indent=2)


def corefile(instance: Instance) -> str:
    """Return CoreDNS's configuration: the cluster's own names, and REFUSED at once for all others.

    Nothing is forwarded: the node reaches no resolver, and a name that takes seconds to fail hides why a pod waits.
    """
    return f"""\
.:53 {{
  bind {instance.node_ip}
  errors
  ready {instance.node_ip}:8181
  kubernetes cluster.local in-addr.arpa ip6.arpa {{
    kubeconfig {instance.pki}/coredns.kubeconfig
    pods insecure
    ttl 5
  }}
  cache 5
}}
"""


def registry(instance: Instance) -> dict[str, object]:
    """Return the OCI registry's configuration: in the run folder, not on the node's disk, and images can be deleted."""
    return {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": f"{instance.run}/registry"}, "delete": {"enabled": True}},
        # All of the node's own addresses: inside, localhost is the name in image references. No one else routes here.
        "http": {"addr": f":{REGISTRY_PORT}"},
    }


def docker(instance: Instance) -> dict[str, object]:
    """Return our own Docker engine's configuration; started only where the host has none."""
    return {
        "data-root": str(instance.docker_storage),
        "exec-root": "/run/docker",
        "pidfile": "/run/docker.pid",
        "hosts": [f"unix://{instance.docker_socket}"],
        "bip": DOCKER_BRIDGE,
        "cgroup-parent": f"/{instance.cgroup}/docker",
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
    }
