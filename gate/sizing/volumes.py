"""STO-1: can every replica mount the claims of its pod: class, driver, access mode, and the nodes that reach them.

A claim that cannot be bound, or a volume that a second pod cannot have, stops a rollout without an error of the app's
own. What a claim will find is told in the order in which Kubernetes looks: the claim, its volume or else the class and
the driver behind it, who may have it at the same time, and from where. How large it is, is ``disk_fit``'s question.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from gate.causes import Cause
from gate.records import Claim, Deployment, Desired, Node, Snapshot, StorageClass, Volume
from gate.sizing.capacity import capacity_verdict
from gate.sizing.claims import Scene, scene_of
from gate.sizing.offers import Planned
from gate.sizing.units import needed_mib, offered_mib
from gate.verdict import Evidence, Finding, Status, Verdict, judged, passed

#: Drivers of disks: attached to one node and made in one zone (kubernetes-csi documentation, "Drivers", where their
#: access is "Read/Write Single Pod"). What they can share is a raw block device, which holds no model file.
DISK_DRIVERS = frozenset({"ebs.csi.aws.com", "pd.csi.storage.gke.io", "disk.csi.azure.com", "cinder.csi.openstack.org"})

SHARED = "ReadWriteMany"
READ_SHARED = "ReadOnlyMany"
ONE_POD = "ReadWriteOncePod"

#: The right that each list of the Snapshot needs, as infra/rbac writes it.
_RIGHTS = {
    "claims": "persistentvolumeclaims",
    "storage_classes": "storageclasses",
    "csi_drivers": "csidrivers",
    "volumes": "persistentvolumes",
}

_SHARE = (
    "Use ReadWriteMany with a class that can do it (EFS; EBS cannot), give each pod a disk of its own (Terraform: "
    'model_cache.kind = "pod") or bring the model with the image.'
)


def volume_verdict(
    workload: Deployment, *, desired: Desired, planned: Planned | None = None, snapshot: Snapshot | None = None
) -> Verdict:
    """Judge STO-1.

    Args:
        workload: the Deployment as it is meant to be.
        desired: what else the deploy brings: claims, classes, volumes, its HPA.
        planned: the nodes as planned, if the target names them; their number counts where none were read.
        snapshot: the cluster, if it was read.
    """
    names = [each.reference for each in workload.template.volumes if each.kind == "persistentVolumeClaim"]
    where = f"Deployment/{workload.name}"
    if not names:
        own = ", ".join(f"{each.name} ({each.kind})" for each in workload.template.volumes) or "none"
        return passed(
            "STO-1",
            f"{workload.name} mounts no PersistentVolumeClaim: nothing has to be provisioned or shared.",
            [Evidence(where, "spec.template.spec.volumes", own)],
        )
    scene = scene_of(workload, desired=desired, planned=planned, snapshot=snapshot)
    evidence = [Evidence(where, "pods at most", f"{scene.peak} (with the surge of a rolling update)")]
    findings: list[Finding] = []
    for name in names:
        shown = tuple(_evidence(name, scene))
        evidence.extend(shown)
        findings.extend(replace(each, evidence=(*each.evidence, *shown)) for each in _claim_findings(name, scene))
    on = "" if scene.count is None else f" on {scene.count} {'node' if scene.count == 1 else 'nodes'}"
    fits = f"Each of at most {scene.peak} pods of {workload.name}{on} can mount {', '.join(names)}."
    return judged("STO-1", findings, passed("STO-1", fits, evidence))


def _evidence(name: str, scene: Scene) -> Iterator[Evidence]:
    claim, at = scene.claim(name), scene.snapshot.read_at if scene.snapshot else None
    if claim is None:
        yield Evidence(f"PersistentVolumeClaim/{name}", "metadata.name", "not found", at)
        return
    size = "no size" if claim.requested_bytes is None else f"{offered_mib(claim.requested_bytes)} MiB"
    modes = ", ".join(claim.access_modes) or "no access mode"
    named = "the default class" if claim.storage_class is None else f"class {claim.storage_class or 'none'}"
    yield Evidence(f"PersistentVolumeClaim/{name}", "spec", f"{modes}, {size}, {named}, {claim.phase}", at)
    found, volume = scene.storage_class(claim), scene.volume(claim)
    if found is not None:
        yield Evidence(f"StorageClass/{found.name}", "provisioner", f"{found.provisioner}, {found.binding_mode}", at)
    if volume is not None:
        reach = " or ".join(
            " and ".join(f"{each.key} {each.operator} {'/'.join(each.values)}".strip() for each in term)
            for term in volume.affinity
        )
        yield Evidence(f"PersistentVolume/{volume.name}", "nodeAffinity", reach or "every node", at)


# --- One claim --------------------------------------------------------------------------------------------------------


def _claim_findings(name: str, scene: Scene) -> Iterator[Finding]:
    claim = scene.claim(name)
    if claim is None:
        yield _missing(name, scene)
        return
    if claim.phase == "Lost":
        yield _finding(
            claim,
            Cause.STORAGE_CLAIM_PENDING,
            f"Claim {name} is Lost: its volume {claim.volume or ''} is gone, and a claim never gets another.",
            f"kubectl describe pvc {name} -n {scene.workload.namespace}",
        )
        return
    volume = scene.volume(claim)
    yield from _volume_findings(claim, volume, scene) if volume or claim.volume else _supply_findings(claim, scene)
    yield from _mode_findings(claim, volume, scene)
    if volume is not None:
        yield from _reach_findings(claim, volume, scene)


def _finding(claim: Claim, cause: Cause, reason: str, remedy: str, status: Status = Status.FAIL) -> Finding:
    modes = ", ".join(claim.access_modes) or "none"
    return Finding(
        status, cause, reason, (Evidence(f"PersistentVolumeClaim/{claim.name}", "spec.accessModes", modes),), remedy
    )


def _unknown(claim: Claim, what: str, why: tuple[Cause, str], right: str) -> Finding:
    cause, told = why
    remedy = (
        "Run where the cluster can be read (without --offline)."
        if cause is Cause.GATE_NOT_MEASURED
        else f"Grant list on {_RIGHTS[right]}: infra/rbac/cluster-reader.yaml, infra/rbac/reader.yaml."
    )
    return _finding(claim, cause, f"{what} is unknown: {told}.", remedy, Status.INCONCLUSIVE)


def _missing(name: str, scene: Scene) -> Finding:
    why = scene.unseen("claims")
    absent = Claim(name=name, phase="")
    if why is not None:
        what = f"Whether the claim {name} exists, which {scene.desired.source} does not declare,"
        return _unknown(absent, what, why, "claims")
    there = ", ".join(each.name for each in (*scene.desired.claims, *(scene.snapshot.claims if scene.snapshot else ())))
    return _finding(
        absent,
        Cause.STORAGE_CLAIM_NOT_FOUND,
        f"{scene.workload.name} mounts the claim {name}, which neither {scene.desired.source} nor namespace "
        f"{scene.workload.namespace} has (claims there: {there or 'none'}).",
        "Declare the claim, or correct the volume's claimName.",
    )


def _volume_findings(claim: Claim, volume: Volume | None, scene: Scene) -> Iterator[Finding]:
    """Yield what is wrong with the volume that the claim has or names."""
    if volume is None:
        why = scene.unseen("volumes")
        if why is not None:
            yield _unknown(claim, f"From where volume {claim.volume} of claim {claim.name} is reached", why, "volumes")
        else:
            yield _finding(
                claim,
                Cause.STORAGE_CLAIM_PENDING,
                f"Claim {claim.name} waits for the volume {claim.volume}, which does not exist.",
                "Make the volume, or take volumeName out of the claim: kubectl get nodes,pv",
            )
    elif volume.driver:
        yield from _driver_findings(claim, volume.driver, f"volume {volume.name}", scene)


def _supply_findings(claim: Claim, scene: Scene) -> Iterator[Finding]:
    """Yield what keeps a volume from being made for a claim that has none."""
    found = scene.storage_class(claim)
    if found is not None and found.driver:
        yield from _driver_findings(claim, found.driver, f"class {found.name}", scene)
        yield from _zone_findings(claim, found, scene)
    elif found is not None or claim.storage_class == "":
        yield from _by_hand_findings(claim, scene)
    elif (why := scene.unseen("storage_classes")) is not None:
        named = f"StorageClass {claim.storage_class}" if claim.storage_class else "a default StorageClass"
        yield _unknown(claim, f"Whether {named} of claim {claim.name} exists, and its driver,", why, "storage_classes")
    else:
        there = ", ".join(each.name for each in scene.classes) or "none"
        what = (
            f"asks for StorageClass {claim.storage_class}, which does not exist"
            if claim.storage_class
            else "names no StorageClass, and none is the default"
        )
        yield _finding(
            claim,
            Cause.STORAGE_CLASS_NOT_FOUND,
            f"Claim {claim.name} {what} (classes there are: {there}): it would stay Pending for ever.",
            "Correct storageClassName, or create the class: kubectl get storageclasses",
        )


def _driver_findings(claim: Claim, driver: str, whose: str, scene: Scene) -> Iterator[Finding]:
    why = scene.unseen("csi_drivers")
    if why is not None:
        yield _unknown(claim, f"Whether the driver {driver} of {whose} is installed", why, "csi_drivers")
        return
    there = scene.snapshot.csi_drivers if scene.snapshot else ()
    if driver in there:
        return
    if ".csi." not in driver:
        # A provisioner from before CSI registers nowhere; a volume that it has made shows that it works.
        made = scene.snapshot.claims if scene.snapshot else ()
        if not any(each.phase == "Bound" and each.storage_class == claim.storage_class for each in made):
            yield _finding(
                claim,
                Cause.GATE_NOT_MEASURED,
                f"Whether the provisioner {driver} of {whose} answers is unknown: it is no CSI driver of this cluster, "
                f"and no claim of the namespace was ever bound by it.",
                f"kubectl describe pvc -n {scene.workload.namespace}",
                Status.INCONCLUSIVE,
            )
        return
    yield _finding(
        claim,
        Cause.STORAGE_NO_PROVISIONER,
        f"Claim {claim.name} needs the driver {driver} of {whose}, which is not installed in this cluster (drivers "
        f"there are: {', '.join(there) or 'none'}): it would wait for ever.",
        "Install the driver (on EKS: the aws-ebs-csi-driver or aws-efs-csi-driver add-on): kubectl get csidrivers",
    )


def _by_hand_findings(claim: Claim, scene: Scene) -> Iterator[Finding]:
    """Yield that no volume suits a claim that only volumes made by hand can serve."""
    why = scene.unseen("volumes")
    if why is not None:
        yield _unknown(claim, f"Whether a volume made by hand suits claim {claim.name}", why, "volumes")
        return
    there = "; ".join(
        f"{each.name}: {offered_mib(each.capacity_bytes or 0)} MiB, {', '.join(each.access_modes)}, "
        f"class {each.storage_class or 'none'}"
        for each in scene.volumes
    )
    yield _finding(
        claim,
        Cause.STORAGE_CLAIM_PENDING,
        f"Claim {claim.name} asks for {needed_mib(claim.requested_bytes or 0)} MiB, {', '.join(claim.access_modes)}, "
        f"class {claim.storage_class or 'none'}, of volumes made by hand, and none suits it "
        f"({there or 'there are none'}).",
        "Make such a volume, or name a class that provisions: kubectl get storageclasses",
    )


def _zone_findings(claim: Claim, found: StorageClass, scene: Scene) -> Iterator[Finding]:
    zones = sorted({node.zone for node in scene.nodes or () if node.zone})
    if found.driver in DISK_DRIVERS and found.binding_mode == "Immediate" and len(zones) > 1:
        yield _finding(
            claim,
            Cause.SCHEDULING_VOLUME_NODE_AFFINITY,
            f"Class {found.name} makes the disk of claim {claim.name} at once, in any of the zones {', '.join(zones)}: "
            f"the pods can then run in that zone only, whether it has room or not.",
            "Use a class with volumeBindingMode: WaitForFirstConsumer.",
            Status.WARN,
        )


# --- Who may have it at the same time, and where ----------------------------------------------------------------------


def _mode_findings(claim: Claim, volume: Volume | None, scene: Scene) -> Iterator[Finding]:
    modes, name, pods = set(claim.access_modes), scene.workload.name, scene.peak
    driver = scene.driver(claim)
    if modes & {SHARED} and driver in DISK_DRIVERS:
        yield _finding(
            claim,
            Cause.STORAGE_ACCESS_MODE,
            f"Claim {claim.name} asks for {SHARED}, and {driver} makes disks, which one node has at a time: no volume "
            f"would be made, or none attached.",
            _SHARE,
        )
        return
    if pods <= 1 or not modes or modes & {SHARED, READ_SHARED}:
        return
    nodes = scene.nodes if scene.nodes is None or volume is None else [n for n in scene.nodes if volume.reached_from(n)]
    count = scene.count if nodes is None else len(nodes)
    if modes == {ONE_POD}:
        yield _finding(
            claim,
            Cause.STORAGE_ACCESS_MODE,
            f"Claim {claim.name} is {ONE_POD}, and up to {pods} pods of {name} want it at the same time: all but one "
            f"stay Pending.",
            f"{_SHARE[:-1]}; for one replica, strategy Recreate.",
        )
    elif count is None:
        yield _finding(
            claim,
            Cause.GATE_NOT_MEASURED,
            f"Whether up to {pods} pods of {name} can share claim {claim.name} is unknown: it can be had on one node "
            f"only, and nobody says how many there are.",
            "Name the nodes in [nodes] of the target, or run without --offline.",
            Status.INCONCLUSIVE,
        )
    elif count > 1:
        yield _finding(
            claim,
            Cause.STORAGE_ACCESS_MODE,
            f"Claim {claim.name} is {', '.join(claim.access_modes)}, so one node has it at a time, and up to {pods} "
            f"pods of {name} run on {count} nodes: a pod on another node than the first waits for it for ever.",
            f"{_SHARE[:-1]}; for one replica, maxSurge 0.",
        )


def _reach_findings(claim: Claim, volume: Volume, scene: Scene) -> Iterator[Finding]:
    """Yield that no node, or none with room, reaches the volume."""
    if not volume.affinity or scene.nodes is None or scene.snapshot is None or not scene.nodes:
        return
    reached = [node for node in scene.nodes if volume.reached_from(node)]
    where = " or ".join(", ".join("/".join(each.values) or each.key for each in term) for term in volume.affinity)
    if len(reached) == len(scene.nodes):
        return
    others = _zones([node for node in scene.nodes if node not in reached])
    subject = f"Volume {volume.name} of claim {claim.name} is reached from {where} only"
    if not reached:
        yield _finding(
            claim,
            Cause.SCHEDULING_VOLUME_NODE_AFFINITY,
            f"{subject}, and no node that takes the pods is there ({others}).",
            f"Add a node in {where}, or delete the claim so that another volume is made (its data goes with it).",
        )
        return
    nodes = tuple(node for node in scene.snapshot.nodes if volume.reached_from(node))
    there = capacity_verdict(scene.workload, hpa=scene.hpa, snapshot=replace(scene.snapshot, nodes=nodes))
    anywhere = capacity_verdict(scene.workload, hpa=scene.hpa, snapshot=scene.snapshot)
    if there.status is Status.FAIL and anywhere.status is not Status.FAIL:
        yield _finding(
            claim,
            Cause.SCHEDULING_VOLUME_NODE_AFFINITY,
            f"{subject}, and the room is elsewhere ({others}). {there.reason}",
            f"Add a node in {where}, or delete the claim so that another volume is made (its data goes with it).",
        )


def _zones(nodes: Sequence[Node]) -> str:
    return ", ".join(f"{node.name} in {node.zone or 'no zone'}" for node in nodes)
