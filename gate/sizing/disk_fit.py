"""FIT-3: do image, unpacked layers and model fit the node's disk, and the model the volume that is to hold it.

The scheduler knows nothing of images, and of what pods write only what they request. A disk that fills up is noticed by
the kubelet alone, which evicts. So a node is filled here on paper: with the image of before and after the update, and
with as many pods as an even spread puts there; and once more with as many as CPU and memory let pile up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gate.causes import Cause
from gate.criteria import threshold
from gate.records import Claim, ContainerSpec, Deployment, Desired, ImageFacts, ImageUnread, ModelFacts, Snapshot
from gate.sizing.capacity import EVIDENCED_NODES
from gate.sizing.claims import ELASTIC_DRIVERS, scene_of
from gate.sizing.disk import DiskUse, ModelCache, disk_use, model_cache
from gate.sizing.fit import run_by
from gate.sizing.instances import UnknownInstanceTypeError, allocatable_storage_bytes, instance
from gate.sizing.offers import Offer, Planned, closed_to
from gate.sizing.rolling import slots
from gate.sizing.units import GIB, MIB, needed_mib, offered_mib
from gate.target import Model
from gate.verdict import Evidence, Finding, Status, Verdict, judged, passed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Disk:
    """One node's disk: how a reason names it, its allocatable bytes (None: not told), the most pods it may get."""

    node: str
    room_bytes: int | None
    pods_at_most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    """What the deploy brings: bytes of one image and of one pod, images on a node, pods in all.

    ``claim`` is the one that is to hold the model, ``elastic`` that its size is none.
    """

    use: DiskUse
    images: int
    standing: int
    peak: int
    workload: Deployment
    container: ContainerSpec
    cache: ModelCache
    claim: Claim | None
    elastic: bool


def disk_verdict(
    model: ModelFacts,
    workload: Deployment,
    *,
    container: str,
    use: Model,
    desired: Desired,
    image: ImageFacts | ImageUnread | None = None,
    planned: Planned | None = None,
    snapshot: Snapshot | None = None,
) -> Verdict:
    """Judge FIT-3.

    Args:
        model: the model that is to answer.
        workload: the Deployment as it is meant to be.
        container: the container that loads the model.
        use: the engine, where the container's environment does not say.
        desired: what else the deploy brings: its HPA and its claims.
        image: what the registry says about the image, None where the target has none.
        planned: the nodes as planned, if the target names them; judged where none were read.
        snapshot: the cluster, if it was read.

    Raises:
        LookupError: the Deployment has no such container.
    """
    spec = workload.container(container)
    known = image if isinstance(image, ImageFacts) else None
    scene = scene_of(workload, desired=desired, planned=planned, snapshot=snapshot)
    cache = model_cache(workload.template, spec)
    # A size that is raised is the new one's: of a claim's spec it alone may change.
    claim = (desired.claim(cache.claim) or scene.claim(cache.claim)) if cache.claim else None
    load = _Load(
        use=disk_use(model, workload.template, spec, engine=run_by(spec, use).engine, image=known),
        images=_images(workload, spec, snapshot),
        standing=scene.at.standing,
        peak=scene.peak,
        workload=workload,
        container=spec,
        cache=cache,
        claim=claim,
        elastic=claim is not None and scene.driver(claim) in ELASTIC_DRIVERS,
    )
    disks = _disks(load, planned, snapshot)
    evidence = tuple(_evidence(load, image, disks))
    findings = [*_place_findings(load, evidence), *_node_findings(load, disks, snapshot, evidence)]
    return judged("FIT-3", findings, _fits(load, disks, evidence))


def _images(workload: Deployment, container: ContainerSpec, snapshot: Snapshot | None) -> int:
    """Return how many images of the app a node holds during the update; unread, that there is one before it."""
    if snapshot is None:
        return 2
    running = snapshot.deployment(workload.name)
    old = running.template.container(container.name) if running else None
    return 2 if old is not None and old.image != container.image else 1


def _disks(load: _Load, planned: Planned | None, snapshot: Snapshot | None) -> tuple[_Disk, ...]:
    """Return the disks of the nodes that take the pods: as read, else as planned; none where nothing is known."""
    template = load.workload.template
    ask = template.requested
    if snapshot is not None and snapshot.unread("nodes") is None:
        return tuple(
            _Disk(
                node=f"node {node.name}",
                room_bytes=node.allocatable.ephemeral_storage_bytes,
                pods_at_most=_most(
                    slots(Offer(node=node.name, free=node.allocatable, free_at_least=node.allocatable), ask), load
                ),
            )
            for node in snapshot.nodes
            if not closed_to(node, template)
        )
    if planned is None:
        return ()
    nodes = planned.nodes
    try:
        held = [slots(each, ask) for each in planned.offers(instance(nodes.instance_type))]
    except UnknownInstanceTypeError:
        held = [load.peak] * nodes.count  # NODE-1's to tell; a disk is as large as the target says
    return tuple(
        _Disk(
            node=f"a {nodes.instance_type} node with {nodes.volume_gib} GiB",
            room_bytes=allocatable_storage_bytes(nodes.volume_gib),
            pods_at_most=_most(each, load),
        )
        for each in held
    )


def _most(held: int, load: _Load) -> int:
    return min(max(held, 1), load.peak)


def _spread(load: _Load, disks: Sequence[_Disk]) -> int:
    """Return the pods of the fullest node if they stand as evenly as can be."""
    return -(-load.standing // max(len(disks), 1))


# --- What the report shows --------------------------------------------------------------------------------------------


def _evidence(load: _Load, image: ImageFacts | ImageUnread | None, disks: Sequence[_Disk]) -> Iterator[Evidence]:
    use, where = load.use, f"Deployment/{load.workload.name}"
    if isinstance(image, ImageFacts) and use.image_read:
        size = f"{needed_mib(image.compressed_bytes or 0)} MiB compressed, {needed_mib(use.image.most)} MiB with what "
        yield Evidence(image.reference, "size", f"{size}it unpacks to (x 3.6, weights x 1.06)", image.read_at)
    else:
        why = image.message if isinstance(image, ImageUnread) else "no registry was asked"
        value = f"unread ({why}): {needed_mib(use.image.least)} to {needed_mib(use.image.most)} MiB"
        yield Evidence(load.container.image, "size with what it unpacks to", value)
    yield Evidence(where, "images on a node during the update", str(load.images))
    yield Evidence(where, f"MODEL_CACHE_DIR={load.cache.path}", _place(load))
    yield Evidence(
        where,
        "written by one pod",
        f"{needed_mib(use.per_pod)} MiB (model if it is fetched to the node, emptyDirs, 50 MiB of log a container)",
    )
    for node, room_bytes in list(dict.fromkeys((each.node, each.room_bytes) for each in disks))[:EVIDENCED_NODES]:
        room = "not reported" if room_bytes is None else f"{offered_mib(room_bytes)} MiB"
        yield Evidence(node, "allocatable ephemeral storage", room)


def _place(load: _Load) -> str:
    volume, size = load.cache.volume, f"{needed_mib(load.use.model_bytes)} MiB"
    if volume is None:
        return f"in the container's own layer, {size}" if load.use.in_layer else f"in the image, {size}"
    claim = load.claim
    if claim is not None:
        asked = "no size" if claim.requested_bytes is None else f"{offered_mib(claim.requested_bytes)} MiB"
        asked = f"{asked} (elastic)" if load.elastic else asked
        return f"PersistentVolumeClaim/{claim.name}, {asked}, for {size}"
    limit = "no limit" if volume.size_limit_bytes is None else f"limit {offered_mib(volume.size_limit_bytes)} MiB"
    return f"volume {volume.name} ({volume.kind}{', in memory' if volume.in_memory else ''}, {limit}), for {size}"


def _fits(load: _Load, disks: Sequence[_Disk], evidence: tuple[Evidence, ...]) -> Verdict:
    if not disks:  # _node_findings has said so
        return passed("FIT-3", "Nothing is known about the nodes' disks.", evidence)
    tightest = min(disks, key=lambda each: each.room_bytes or 0)
    pods = _spread(load, disks)
    needed = load.use.on_node(pods, load.images)
    return passed(
        "FIT-3",
        f"{_counted(load, pods)} take {'' if load.use.image_read else 'at most '}{needed_mib(needed.most)} MiB of the "
        f"{offered_mib(tightest.room_bytes or 0)} MiB of ephemeral storage that {tightest.node} has.",
        evidence,
    )


def _counted(load: _Load, pods: int) -> str:
    images = "2 images (before and after the update)" if load.images > 1 else "1 image"
    return f"{images} and {pods} {'pod' if pods == 1 else 'pods'}"


# --- What is wrong ----------------------------------------------------------------------------------------------------


def _place_findings(load: _Load, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    """Yield what is wrong with the place that is to hold the model, whatever the node."""
    use, name = load.use, load.workload.name
    model = f"the model's {needed_mib(use.model_bytes)} MiB"
    if use.in_layer:
        stuck = load.container.read_only_root
        yield Finding(
            Status.FAIL if stuck else Status.WARN,
            Cause.STORAGE_MODEL_IN_LAYER,
            f"MODEL_CACHE_DIR={load.cache.path} of {name} is no volume and the image does not bring the model: {model} "
            + (
                "cannot be written to a read-only root file system."
                if stuck
                else "go into the container's own layer, on the node's disk, anew at each restart."
            ),
            evidence,
            'Mount a volume there (Terraform: model_cache.kind = "pod" or "claim"), or build the image with '
            "DOWNLOAD_MODEL=true.",
        )
    volume, claim = load.cache.volume, load.claim
    if claim is not None and not load.elastic:
        yield from _held(load, f"PersistentVolumeClaim/{claim.name} requests", claim.requested_bytes, evidence)
    if volume is not None and volume.kind == "emptyDir":
        yield from _held(load, f"emptyDir {volume.name} is limited to", volume.size_limit_bytes, evidence)
    limits = [each.limits.ephemeral_storage_bytes for each in load.workload.template.containers]
    stated = sum(each for each in limits if each)
    if stated and stated < use.per_pod:
        # The kubelet holds what all containers and emptyDirs of a pod use against the sum of the limits that are
        # stated (pkg/kubelet/eviction/eviction_manager.go, podEphemeralStorageLimitEviction).
        yield Finding(
            Status.FAIL,
            Cause.STORAGE_VOLUME_TOO_SMALL,
            f"A pod of {name} may write {needed_mib(use.per_pod)} MiB to the node's disk and its containers' "
            f"ephemeral-storage limits are {offered_mib(stated)} MiB together: the kubelet evicts it.",
            evidence,
            f"Set limits.ephemeral-storage of container {load.container.name} to at least "
            f"{needed_mib(use.per_pod)}Mi, or keep the model in the image or on a claim.",
        )


def _held(load: _Load, what: str, size: int | None, evidence: tuple[Evidence, ...]) -> Iterator[Finding]:
    """Yield a finding if a volume of that size does not hold the model, or only just."""
    needed = load.use.model_bytes
    wanted_mib = needed_mib(needed * (1 + threshold("FIT-3", "volume_margin")))
    if size is None or size >= wanted_mib * MIB:
        return
    short = size < needed
    yield Finding(
        Status.FAIL if short else Status.WARN,
        Cause.STORAGE_VOLUME_TOO_SMALL,
        f"{what} {offered_mib(size)} MiB and the model has {needed_mib(needed)} MiB: "
        + (
            f"{needed_mib(needed) - offered_mib(size)} MiB are missing."
            if short
            else f"less than {100 * threshold('FIT-3', 'volume_margin'):.0f} % is left for the file system itself."
        ),
        evidence,
        f"Give it {wanted_mib} MiB (Terraform: model_cache.size_gib = {-(-wanted_mib * MIB // GIB)}).",
    )


def _node_findings(
    load: _Load, disks: Sequence[_Disk], snapshot: Snapshot | None, evidence: tuple[Evidence, ...]
) -> Iterator[Finding]:
    """Yield what is wrong with the nodes' disks."""
    unknown = [each.node for each in disks if each.room_bytes is None]
    if not disks or unknown:
        yield _unknown(unknown, snapshot, evidence)
        return
    pods = _spread(load, disks)
    for disk in sorted(disks, key=lambda each: each.room_bytes or 0):
        found = _full(load, disk, pods, evidence)
        if found is not None:
            yield found
            return


def _unknown(unknown: Sequence[str], snapshot: Snapshot | None, evidence: tuple[Evidence, ...]) -> Finding:
    unread = snapshot.unread("nodes") if snapshot else None
    cause, remedy = Cause.GATE_NOT_MEASURED, "Name the nodes in [nodes] of the target, or run without --offline."
    if unread is not None:
        cause = Cause.GATE_UNREACHABLE if unread.kind == "unreachable" else Cause.GATE_FORBIDDEN
        why, remedy = f"the nodes could not be read ({unread.message})", "Grant list on nodes, or add [nodes]."
    elif unknown:
        why = f"{', '.join(unknown)} does not report its allocatable ephemeral storage"
        remedy = "kubectl describe nodes"
    elif snapshot is not None:
        why, remedy = "no node takes such pods (FIT-2 says why)", "kubectl get nodes -o wide"
    else:
        why = "the target names no nodes and no cluster was read"
    return Finding(
        Status.INCONCLUSIVE,
        cause,
        f"Whether image and model fit a node's disk is unknown: {why}.",
        (*evidence, Evidence("Nodes", "allocatable ephemeral storage", "unknown")),
        remedy,
    )


def _full(load: _Load, disk: _Disk, pods: int, evidence: tuple[Evidence, ...]) -> Finding | None:
    """Return what is wrong with one node's disk, None if the deploy fits it in any case."""
    use, room = load.use, disk.room_bytes or 0
    needed = use.on_node(pods, load.images)
    there = f"{disk.node} has {offered_mib(room)} MiB of ephemeral storage for them"
    if needed.least > room:
        return Finding(
            Status.FAIL,
            Cause.STORAGE_DISK_TOO_SMALL,
            f"{_counted(load, pods)} take {'' if use.image_read else 'at least '}{needed_mib(needed.least)} MiB and "
            f"{there}: {needed_mib(needed.least) - offered_mib(room)} MiB are missing, and the kubelet evicts pods.",
            evidence,
            f"Give the nodes {-(-(needed.most - room) // GIB)} GiB more of disk (Terraform: node_disk_gib), or keep "
            f"the model on a claim.",
        )
    if needed.most > room:
        return Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_NOT_MEASURED,
            f"{_counted(load, pods)} take between {needed_mib(needed.least)} and {needed_mib(needed.most)} MiB and "
            f"{there}: the image's size must be known.",
            evidence,
            "Run where the registry can be asked (without --offline, with [registry] in the target).",
        )
    piled = use.on_node(disk.pods_at_most, load.images)
    if piled.most > room:
        return Finding(
            Status.WARN,
            Cause.STORAGE_DISK_NOT_REQUESTED,
            f"CPU and memory let {disk.pods_at_most} pods of {load.workload.name} stand on {disk.node}, where they "
            f"take {needed_mib(piled.most)} MiB of the {offered_mib(room)} MiB of ephemeral storage.",
            evidence,
            f"Set requests.ephemeral-storage of container {load.container.name} to {needed_mib(use.per_pod)}Mi, so "
            f"that the scheduler counts it.",
        )
    kept = int(threshold("FIT-3", "system_gib") * GIB)
    if room - needed.most < kept:
        return Finding(
            Status.WARN,
            Cause.NODE_MARGIN_THIN,
            f"{_counted(load, pods)} take {needed_mib(needed.most)} MiB and {there}: the "
            f"{offered_mib(room - needed.most)} MiB left are less than the {kept // MIB} MiB that the system and its "
            f"own images may take.",
            evidence,
            f"Give the nodes {-(-(kept - room + needed.most) // GIB)} GiB more of disk (Terraform: node_disk_gib).",
        )
    return None
