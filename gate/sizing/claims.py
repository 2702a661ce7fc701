"""What a claim will find: of the cluster as it was read, and of what the deploy brings along.

Enters: the Deployment, the manifests or plan, the Snapshot if there is one. Leaves: each claim's class and volume, who
wants it at the same time, and why something is not known. What is wrong with that is judged in ``volumes``.
"""

from dataclasses import dataclass

from gate.causes import Cause
from gate.records import Claim, Deployment, Desired, Hpa, Node, Snapshot, StorageClass, Volume
from gate.sizing.capacity import replicas_kept
from gate.sizing.offers import Planned, closed_to
from gate.sizing.rolling import Pace, pace

#: Drivers of file systems that grow as they are written to, whatever size a claim asks for (EKS user guide, "Use
#: elastic file system storage with Amazon EFS").
ELASTIC_DRIVERS = frozenset({"efs.csi.aws.com"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the claims of a Deployment meet.

    Attributes:
        nodes: those that take the pods; None: not read.
        count: how many there are, read or planned; None: unknown.
        at: the pace of the rolling update.
        peak: the most pods that may stand at the same time.
    """

    workload: Deployment
    hpa: Hpa | None
    desired: Desired
    snapshot: Snapshot | None
    nodes: tuple[Node, ...] | None
    count: int | None
    at: Pace
    peak: int

    @property
    def classes(self) -> tuple[StorageClass, ...]:
        """Return the classes that are there or will be."""
        return (*self.desired.storage_classes, *(self.snapshot.storage_classes if self.snapshot else ()))

    @property
    def volumes(self) -> tuple[Volume, ...]:
        """Return the volumes that are there or will be."""
        return (*(self.snapshot.volumes if self.snapshot else ()), *self.desired.volumes)

    def claim(self, name: str) -> Claim | None:
        """Return the claim that pods will find: the one that is there, whose spec cannot change, or the new one."""
        there = self.snapshot.claim(name) if self.snapshot else None
        return there or self.desired.claim(name)

    def storage_class(self, claim: Claim) -> StorageClass | None:
        """Return the class of the claim, None where it is not there."""
        if claim.storage_class is None:
            return next((each for each in self.classes if each.is_default), None)
        return next((each for each in self.classes if each.name == claim.storage_class), None)

    def volume(self, claim: Claim) -> Volume | None:
        """Return the volume that the claim has, or that the controller will give it of those made by hand."""
        if claim.volume:
            return next((each for each in self.volumes if each.name == claim.volume), None)
        name = f"{self.workload.namespace}/{claim.name}"
        fits = [each for each in self.volumes if each.claim in {"", name} and _matches(each, claim)]
        return max(fits, key=lambda each: each.claim == name, default=None)

    def driver(self, claim: Claim) -> str:
        """Return the driver behind the claim, empty where there is none or it is not known."""
        volume, found = self.volume(claim), self.storage_class(claim)
        return volume.driver if volume else found.driver if found else ""

    def unseen(self, what: str) -> tuple[Cause, str] | None:
        """Return why a list of the cluster is not known, None if it was read."""
        if self.snapshot is None:
            return Cause.GATE_NOT_MEASURED, "no cluster was read"
        unread = self.snapshot.unread(what)
        if unread is None:
            return None
        return Cause.GATE_UNREACHABLE if unread.kind == "unreachable" else Cause.GATE_FORBIDDEN, unread.message


def _matches(volume: Volume, claim: Claim) -> bool:
    """Return whether a volume suits a claim (pkg/controller/volume/persistentvolume, FindMatchingVolume)."""
    return (
        volume.storage_class == (claim.storage_class or "")
        and set(claim.access_modes) <= set(volume.access_modes)
        and (volume.capacity_bytes or 0) >= (claim.requested_bytes or 0)
        and volume.phase in {"", "Available", "Bound", "Pending"}
    )


def scene_of(workload: Deployment, *, desired: Desired, planned: Planned | None, snapshot: Snapshot | None) -> Scene:
    """Return what the claims of a Deployment meet."""
    hpa = desired.scaler(workload.name)
    at = pace(workload, replicas_kept(workload, hpa, snapshot))
    nodes: tuple[Node, ...] | None = None
    if snapshot is not None and snapshot.unread("nodes") is None:
        nodes = tuple(node for node in snapshot.nodes if not closed_to(node, workload.template))
    return Scene(
        workload=workload,
        hpa=hpa,
        desired=desired,
        snapshot=snapshot,
        nodes=nodes,
        count=len(nodes) if nodes is not None else planned.nodes.count if planned else None,
        at=at,
        peak=max(at.replicas, hpa.max_replicas if hpa else 0) + at.surge,
    )
