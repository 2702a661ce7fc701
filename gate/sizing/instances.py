"""EC2 instance types: what AWS sells, and what EKS leaves of it to pods.

Enters: ``instance_facts.csv`` beside this module, part of the package as ``criteria.toml`` is. Leaves: InstanceType
records and allocatable Resources. The kubelet's reservations are computed as EKS's own node agent does; what the
hypervisor and the kernel take before the kubelet counts is measured where somebody measured it, and otherwise assumed.
Nodes of a cluster that was read are judged by their own figures, never by these.
"""

import csv
import difflib
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from gate.records import Resources
from gate.sizing.units import GIB, MIB

#: awslabs/amazon-eks-ami, nodeadm/internal/kubelet/config.go: kubeReserved memory, 255 MiB and 11 MiB per possible pod.
KUBE_RESERVED_MIB = 255
KUBE_RESERVED_MIB_PER_POD = 11
#: Same file: kubeReserved ephemeral-storage.
KUBE_RESERVED_STORAGE_BYTES = GIB
#: Same file: evictionHard memory.available.
EVICTION_MIB = 100
#: Same file: evictionHard nodefs.available = 10 %. The kubelet keeps the share as a float32; with it a 20 GiB volume
#: gives the 18242267924 bytes that real nodes report, and an 80 GiB one 76224326324.
EVICTION_NODEFS_SHARE = 0.10000000149011612
#: Boot partitions of the EKS image: nodes with 20 GiB report a capacity of 20959212 KiB, with 80 GiB 83873772 KiB.
BOOT_PARTITIONS_BYTES = 12308 * 1024

#: aws/karpenter-provider-aws, options.go: VM_MEMORY_OVERHEAD_PERCENT, for types that nobody measured; on Graviton
#: another 64 MiB that its kernel keeps for contiguous allocations.
ASSUMED_OVERHEAD_SHARE = 0.075
ASSUMED_OVERHEAD_ARM64_MIB = 64

#: EKS user guide, "Choosing an EC2 instance type": managed node groups cap the pods of a node, by its vCPUs.
POD_CAP = 110
POD_CAP_LARGE = 250
POD_CAP_LARGE_FROM_VCPUS = 30

_KUBERNETES_ARCH = {"x86_64": "amd64", "arm64": "arm64"}


class UnknownInstanceTypeError(Exception):
    """A type that the table does not have; ``near`` holds the names most like it."""

    def __init__(self, name: str, near: tuple[str, ...]) -> None:
        hint = f"; near names: {', '.join(near)}" if near else ""
        super().__init__(f"instance type {name!r} is not in instance_facts.csv{hint}")
        self.name = name
        self.near = near


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceType:
    """One row of the table; None where nobody measured.

    Attributes:
        architecture: ``amd64`` or ``arm64``, as nodes and images spell it.
        eni_max_pods: pods by network interfaces, before the managed node group's cap.
        overhead_mib: MiB of ``memory_mib`` that the kubelet never sees, measured.
        decode_gb_s: effective memory bandwidth of token generation in GB/s (10^9), llama.cpp on a 7B model.
        decode_2b_gb_s: the same on a 2B model.
        prefill_gflop_s: 10^9 floating point operations a second while a prompt is read, on a 7B and on a 2B model, as
            far as measured.
    """

    name: str
    architecture: str
    vcpus: int
    cores: int
    memory_mib: int
    eni_max_pods: int
    overhead_mib: int | None
    usd_per_hour: float
    decode_gb_s: float | None
    decode_2b_gb_s: float | None
    prefill_gflop_s: tuple[float, ...]

    @property
    def family(self) -> str:
        """Return what comes before the size: machines of one kind, of which larger ones have more."""
        return self.name.partition(".")[0]

    @property
    def has_gpu(self) -> bool:
        """Return whether its price pays for an accelerator, which a CPU service leaves idle."""
        return self.name.startswith(("g", "p", "inf", "trn"))

    @property
    def max_pods(self) -> int:
        """Return the pods that a managed node group lets such a node run."""
        return min(self.eni_max_pods, POD_CAP_LARGE if self.vcpus >= POD_CAP_LARGE_FROM_VCPUS else POD_CAP)

    @property
    def assumed_overhead_mib(self) -> int:
        """Return the overhead by Karpenter's rule of thumb."""
        fixed = ASSUMED_OVERHEAD_ARM64_MIB if self.architecture == "arm64" else 0
        return fixed + math.ceil(ASSUMED_OVERHEAD_SHARE * self.memory_mib)


@functools.cache
def instance_types() -> Mapping[str, InstanceType]:
    """Return every known type by name."""
    text = resources.files(__package__).joinpath("instance_facts.csv").read_text(encoding="utf-8")
    return {row["instance_type"]: _read(row) for row in csv.DictReader(text.splitlines())}


def _read(row: Mapping[str, str]) -> InstanceType:
    overhead = row["memory_overhead_mib_measured"]
    decode, decode_2b = row["decode_effective_gb_s_7b"], row["decode_effective_gb_s_2b"]
    prefill = (row["prefill_effective_gflop_s_7b"], row["prefill_effective_gflop_s_2b"])
    return InstanceType(
        name=row["instance_type"],
        architecture=_KUBERNETES_ARCH[row["arch"]],
        vcpus=int(row["vcpus"]),
        cores=int(row["cores"]),
        memory_mib=int(row["memory_mib"]),
        eni_max_pods=int(row["eni_max_pods"]),
        overhead_mib=int(overhead) if overhead else None,
        usd_per_hour=float(row["usd_per_hour_us_east_1"]),
        decode_gb_s=float(decode) if decode else None,
        decode_2b_gb_s=float(decode_2b) if decode_2b else None,
        prefill_gflop_s=tuple(float(each) for each in prefill if each),
    )


def instance(name: str) -> InstanceType:
    """Return a type by name.

    Raises:
        UnknownInstanceTypeError: with the names most like it.
    """
    types = instance_types()
    if name not in types:
        raise UnknownInstanceTypeError(name, tuple(difflib.get_close_matches(name, types, n=3, cutoff=0.5)))
    return types[name]


def allocatable(of: InstanceType, volume_gib: int) -> Resources:
    """Return what EKS offers to pods on such a node: by the measured overhead, or by the assumed one if none is known.

    Args:
        of: the type.
        volume_gib: size of the root volume in GiB.
    """
    overhead_mib = of.assumed_overhead_mib if of.overhead_mib is None else of.overhead_mib
    return _allocatable(of, volume_gib, overhead_mib)


def allocatable_at_least(of: InstanceType, volume_gib: int) -> Resources:
    """Return the lower of the measured and the assumed figure: what fits this fits whatever the kernel takes."""
    return _allocatable(of, volume_gib, max(of.assumed_overhead_mib, of.overhead_mib or 0))


def allocatable_storage_bytes(volume_gib: int) -> int:
    """Return the bytes of ephemeral storage that EKS offers on a root volume of so many GiB, whatever the type."""
    volume_bytes = volume_gib * GIB - BOOT_PARTITIONS_BYTES
    return max(volume_bytes - int(volume_bytes * EVICTION_NODEFS_SHARE) - KUBE_RESERVED_STORAGE_BYTES, 0)


def _allocatable(of: InstanceType, volume_gib: int, overhead_mib: int) -> Resources:
    # The memory formula takes the network's figure even where the pod cap is lower (same file as the constants).
    kube_reserved_mib = KUBE_RESERVED_MIB + KUBE_RESERVED_MIB_PER_POD * of.eni_max_pods
    return Resources(
        cpu_m=of.vcpus * 1000 - _reserved_cpu_m(of.vcpus),
        memory_bytes=(of.memory_mib - overhead_mib - kube_reserved_mib - EVICTION_MIB) * MIB,
        ephemeral_storage_bytes=allocatable_storage_bytes(volume_gib),
        pods=of.max_pods,
    )


def _reserved_cpu_m(vcpus: int) -> int:
    """Return kubeReserved CPU: 6 % of the first core, 1 % of the second, 0.5 % of the next two, 0.25 % of the rest."""
    second = min(max(vcpus - 1, 0), 1)
    third_and_fourth = min(max(vcpus - 2, 0), 2)
    further = max(vcpus - 4, 0)
    return math.ceil(60 + 10 * second + 5 * third_and_fourth + 2.5 * further)
