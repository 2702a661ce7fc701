"""What a deploy puts on a node's disk: the image as it is pulled and unpacked, the model, what a pod may write.

Enters: a pod template, the model, and the image as its registry describes it, or None. Leaves: bytes, as a range where
the image could not be read. Whether they fit is judged in ``disk_fit``. Memory-backed volumes are no disk; a claim's
volume is not the node's.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath

from gate.records import ContainerSpec, ImageFacts, ModelFacts, PodSpec, VolumeSource
from gate.sizing.fit import TRUE
from gate.sizing.memory import BF16_BYTES, Engine
from gate.sizing.units import GIB, MIB

#: Where the image looks for the model unless told otherwise (service_chat/Dockerfile, MODEL_CACHE_DIR).
IMAGE_CACHE_DIR = "/models"

#: gzip -6 makes 198.4 MB of 721.1 MB of Python packages with their libraries (measured 2026-11-22).
UNPACKED_FACTOR = 3.6
#: The same of weights, quantised: 92.7 MB of the 98.4 MB of SmolLM2-135M Q4_1 (measured 2026-11-22).
WEIGHTS_FACTOR = 1.06

#: At most what an image holds beside the model, its compressed layers and what they unpack to together. llama.cpp:
#: 139 MB of Debian and 132 MB of wheels (measured 2026-11-22), by the factor above 0.7 GB. transformers: PyPI's torch
#: alone brings 2.7 GB of CUDA libraries where nobody chose the build for CPUs.
SOFTWARE_BYTES: dict[Engine, int] = {"llama.cpp": GIB, "transformers": 8 * GIB}

#: The kubelet keeps five files of 10 MiB of each container's log (KubeletConfiguration, containerLogMaxFiles and
#: containerLogMaxSize); they count as the pod's ephemeral storage.
LOG_BYTES = 5 * 10 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCache:
    """Where a container looks for the model's file.

    Attributes:
        path: MODEL_CACHE_DIR.
        volume: the pod's volume that is mounted there or above; None: the container's own file system.
        downloads: whether DOWNLOAD_MODEL asks for a download at start; None: the image's own default holds, which
            fetches what the build did not.
    """

    path: str
    volume: VolumeSource | None
    downloads: bool | None

    @property
    def claim(self) -> str:
        """Return the name of the claim behind the volume, empty where it is none."""
        volume = self.volume
        return volume.reference if volume is not None and volume.kind == "persistentVolumeClaim" else ""


def model_cache(template: PodSpec, container: ContainerSpec) -> ModelCache:
    """Return where the container looks for the model's file; of several mounts above it the innermost counts."""
    path = container.value_of("MODEL_CACHE_DIR") or IMAGE_CACHE_DIR
    above = [each for each in container.mounts if PurePosixPath(path).is_relative_to(each.path)]
    innermost = max(above, key=lambda each: len(PurePosixPath(each.path).parts), default=None)
    downloads = container.value_of("DOWNLOAD_MODEL")
    return ModelCache(
        path=path,
        volume=template.volume(innermost.volume) if innermost else None,
        downloads=None if downloads is None else downloads.lower() in TRUE,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Bytes, between what is certain and what is possible; both are the same where they are known."""

    least: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUse:
    """What a deploy puts on a node's disk, in bytes.

    Attributes:
        model_bytes: the model's file, for transformers its folder.
        image: one image, compressed layers and unpacked ones beside each other: so it is while it is pulled, and stays
            unless the runtime discards the former (containerd, discard_unpacked_layers; EKS's nodes do).
        image_read: whether the registry said how large the image is.
        in_layer: the model is fetched into the container's own layer.
        per_pod: what one pod writes: the model, if it is fetched to the node's disk, other emptyDirs, logs.
        per_node: the model in a folder of the node, which its pods share.
    """

    model_bytes: int
    image: Range
    image_read: bool
    in_layer: bool
    per_pod: int
    per_node: int

    def on_node(self, pods: int, images: int) -> Range:
        """Return what so many pods and images take on one node."""
        written = pods * self.per_pod + self.per_node
        return Range(least=images * self.image.least + written, most=images * self.image.most + written)


def disk_use(
    model: ModelFacts, template: PodSpec, container: ContainerSpec, *, engine: Engine, image: ImageFacts | None
) -> DiskUse:
    """Return what a deploy puts on a node's disk.

    Args:
        model: the model that is to answer.
        template: the pods.
        container: the one that loads the model.
        engine: what runs the model; llama.cpp loads one file, transformers a folder with two bytes a parameter.
        image: as the registry describes it; None: nobody was asked, or it did not say.
    """
    model_bytes = BF16_BYTES * model.parameters if engine == "transformers" else model.weights_bytes
    cache = model_cache(template, container)
    kind = cache.volume.kind if cache.volume else ""
    compressed = image.compressed_bytes if image else None
    in_image = cache.volume is None and _baked_in(cache, model_bytes, compressed)
    in_layer = cache.volume is None and not in_image
    on_pod = in_layer or (kind == "emptyDir" and not (cache.volume and cache.volume.in_memory))
    others = sum(
        each.size_limit_bytes or 0
        for each in template.volumes
        if each.kind == "emptyDir" and not each.in_memory and each != cache.volume
    )
    return DiskUse(
        model_bytes=model_bytes,
        image=_image(model_bytes if in_image else 0, compressed, engine),
        image_read=compressed is not None,
        in_layer=in_layer,
        per_pod=(model_bytes if on_pod else 0) + others + len(template.containers) * LOG_BYTES,
        per_node=model_bytes if kind == "hostPath" else 0,
    )


def _baked_in(cache: ModelCache, model_bytes: int, compressed: int | None) -> bool:
    """Return whether the image brings the model: by its size where that is known, else by what the manifest says."""
    if compressed is not None:
        # DOWNLOAD_MODEL=false with a small image fetches nothing, and its container layer stays empty.
        return compressed >= model_bytes / WEIGHTS_FACTOR or cache.downloads is False
    return not cache.downloads


def _image(baked_in: int, compressed: int | None, engine: Engine) -> Range:
    weights = int(baked_in / WEIGHTS_FACTOR)
    if compressed is None:
        least = weights + baked_in
        return Range(least=least, most=least + SOFTWARE_BYTES[engine])
    inside = weights if compressed >= weights else 0
    unpacked = (baked_in if inside else 0) + int(UNPACKED_FACTOR * (compressed - inside))
    return Range(least=compressed + unpacked, most=compressed + unpacked)
