"""What one named cluster instance is: its number, addresses, files and settings. Pure data, and its record on disk.

Names, addresses and paths are decided here and nowhere else, so that two instances cannot meet. What stands behind
them (namespaces, processes, cgroups) is made and removed by the modules that own those.
"""

import dataclasses
import ipaddress
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from infra.paths import DEFAULT_NAME, run_dir

# In cgroup and file names, and with the sockets' paths below the 107 bytes of sun_path (unix(7)).
_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")
# Instances: 10.90.0.0/30 to 10.90.63.0/30. Private range, not used by the pods, Services or Docker's bridge below.
MAX_INSTANCES = 64
INTERFACE_PREFIX = "carepath"
POD_CIDR = "10.85.0.0/16"
SERVICE_CIDR = "10.96.0.0/16"
API_SERVICE_IP = "10.96.0.1"  # by convention the first address of the range
DNS_SERVICE_IP = "10.96.0.10"
DOCKER_BRIDGE = "172.30.0.1/24"
REGISTRY_PORT = 5000
# As it stands in image names, the same from pods, from our own Docker engine and from one on the host.
REGISTRY_NAME = f"localhost:{REGISTRY_PORT}"


class InstanceError(Exception):
    """A name, a record or a setting of an instance is wrong; the message says what would be right."""


class Nodes(StrEnum):
    """What pods run on.

    A simulated node needs a control plane of its own: kwok beside a real kubelet draws real pods on to nodes that are
    not there.
    """

    REAL = "real"
    NONE = "none"
    SIMULATED = "simulated"


@dataclass(frozen=True)
class Settings:
    """What a user chooses at `up`; an instance keeps it until `down`."""

    # The default root volume of an EKS managed node group (EKS API, CreateNodegroup diskSize).
    disk_gib: int = 20
    # The default idle timeout of an Elastic Load Balancer (user guide, "Configure the idle connection timeout").
    lb_idle_timeout_s: int = 60
    nodes: Nodes = Nodes.REAL

    @property
    def has_node(self) -> bool:
        """Return whether pods run here: kubelet, container runtime, registry and load balancer are there."""
        return self.nodes is Nodes.REAL


@dataclass(frozen=True)
class Instance:
    """One cluster: `index` numbers its subnet, interface and loopback address; `run` holds all of its state."""

    name: str
    index: int
    run: Path
    settings: Settings = Settings()

    @property
    def host_ip(self) -> str:
        """The host's end of the veth pair."""
        return str(ipaddress.ip_address("10.90.0.1") + 256 * self.index)

    @property
    def node_ip(self) -> str:
        """The node's end: API server, kubelet and NodePorts, reachable from the host and from nowhere else."""
        return str(ipaddress.ip_address("10.90.0.2") + 256 * self.index)

    @property
    def loopback_ip(self) -> str:
        """The host's loopback address on which the load balancer and the registry answer."""
        return f"127.0.0.{1 + self.index}"

    @property
    def ingress(self) -> dict[str, str]:
        """The address that Services of type LoadBalancer get; a name for the first instance, as an ELB has."""
        if self.index == 0:
            return {"hostname": "localhost"}
        # Proxy: kube-proxy must not shortcut the address inside the cluster (KEP-1860).
        return {"ip": self.loopback_ip, "ipMode": "Proxy"}

    @property
    def interface(self) -> str:
        """The name of the host's end of the veth pair."""
        return f"{INTERFACE_PREFIX}{self.index}"

    @property
    def cgroup(self) -> str:
        """The cgroup, in every hierarchy, under which every process of the instance runs."""
        return cgroup_of(self.name)

    @property
    def node_name(self) -> str:
        """The node's name in the cluster."""
        return f"{self.name}-node"

    @property
    def server(self) -> str:
        """The API server's URL, the same from the host and from inside."""
        return f"https://{self.node_ip}:6443"

    @property
    def registry_url(self) -> str:
        """The registry's URL for programs on the host."""
        return f"http://{self.loopback_ip}:{REGISTRY_PORT}"

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.run / "pki"

    @property
    def config(self) -> Path:
        """Rendered configuration files."""
        return self.run / "config"

    @property
    def logs(self) -> Path:
        """One log file per component."""
        return self.run / "log"

    @property
    def sockets(self) -> Path:
        """Unix sockets that the host may use."""
        return self.run / "sock"

    @property
    def storage(self) -> Path:
        """The node's disk, visible inside the mount namespace only."""
        return self.run / "node"

    @property
    def docker_storage(self) -> Path:
        """Our own Docker engine's disk; apart, so that builds do not eat the node's ephemeral storage."""
        return self.run / "docker"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, with certificates embedded."""
        return self.run / "kubeconfig"

    @property
    def containerd_socket(self) -> Path:
        """The container runtime's socket."""
        return self.sockets / "containerd.sock"

    @property
    def docker_socket(self) -> Path:
        """Our own Docker engine's socket; exists only where the host has no engine."""
        return self.sockets / "docker.sock"


@dataclass(frozen=True)
class Programs:
    """The executables that are ours: Kubernetes in one binary, metrics-server, and kwok where nodes are simulated."""

    kube: Path
    metrics_server: Path
    kwok: Path | None = None


@dataclass(frozen=True)
class Record:
    """The instance as it was started: present from before the first change to the host until the last is undone."""

    instance: Instance
    programs: Programs
    ready: bool
    own_docker: bool

    def save(self) -> None:
        """Write the record atomically: it is what a later `down` relies on."""
        text = json.dumps(
            {
                "name": self.instance.name,
                "index": self.instance.index,
                "settings": dataclasses.asdict(self.instance.settings),
                "kube": str(self.programs.kube),
                "metrics_server": str(self.programs.metrics_server),
                "kwok": str(self.programs.kwok) if self.programs.kwok else None,
                "ready": self.ready,
                "own_docker": self.own_docker,
            },
            indent=2,
        )
        path = self.instance.run / "instance.json"
        partial = path.with_suffix(".partial")
        partial.write_text(text + "\n", encoding="utf-8")
        partial.rename(path)


def load_record(name: str) -> Record | None:
    """Return the record of the instance `name`, or None if there is none.

    Raises:
        InstanceError: the name is not usable, or the record is damaged.
    """
    run = run_dir(checked_name(name))
    path = run / "instance.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        settings = Settings(**{**data["settings"], "nodes": Nodes(data["settings"]["nodes"])})
        instance = Instance(data["name"], data["index"], run, settings)
        kwok = Path(data["kwok"]) if data["kwok"] else None
        programs = Programs(Path(data["kube"]), Path(data["metrics_server"]), kwok)
        return Record(instance, programs, ready=data["ready"], own_docker=data["own_docker"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise InstanceError(f"{path} is damaged ({error}); `down` removes the instance all the same") from error


def cgroup_of(name: str) -> str:
    """Return the cgroup of the instance `name`: known even where its record cannot be read."""
    return f"carepath-{name}"


def checked_name(name: str) -> str:
    """Return `name` if an instance can have it.

    Raises:
        InstanceError: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise InstanceError(
            f"instance name {name!r}: up to 20 lower-case letters, digits and hyphens, a letter first, would be right"
        )
    return name


def free_index(name: str, taken: set[int]) -> int:
    """Return the instance number for `name`: 0 is kept for the default name, so that its addresses never move.

    Raises:
        InstanceError: every number is taken.
    """
    candidates = [0] if name == DEFAULT_NAME else range(1, MAX_INSTANCES)
    for index in candidates:
        if index not in taken:
            return index
    raise InstanceError(f"no free subnet for instance {name!r}: 10.90.N.0/30 is taken for N in {sorted(taken)}")
