"""How long a container needs until its model is loaded, on a type of node: a figure to be expected, and the worst.

Enters: the model, how the container is run, the types of the nodes. Leaves: a StartTime. What was measured on one
machine is carried over by the ratio of effective memory bandwidth per core, the figure of the table that tells best how
fast a core gets through weights; what nobody measured counts as the slowest of its kind. Whether the probes allow that
much is judged in ``diagnosis.probe_settings``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from gate.records import ContainerSpec, ModelFacts, Span, StartTime
from gate.sizing.fit import run_by
from gate.sizing.instances import instance_types
from gate.sizing.memory import BF16_BYTES, Engine
from gate.target import Model

_GB = 1e9

#: Decode of the Qwen3-4B shape, Q4_K_M, on the machine of all figures below: 7.5 tok/s * 2.50 GB over its 2 cores
#: (AMD Zen 4, llama.cpp built for the CPU, measured 2026-11-22).
REFERENCE_GB_S_PER_CORE = 9.4

#: Python's start, the imports, the first socket. 1.5 s of CPU for the imports (measured 2026-11-22, one Zen 4 core);
#: first pods of the embedded cluster were Ready 6 s after they were made, scheduling and sandbox included.
PROCESS = Span(likely_s=2, most_s=6)

#: Seconds to load a GB of weights. llama.cpp: 8.4 s for the 2.50 GB of the Qwen3-4B shape on two idle Zen 4 cores, 18 s
#: on one busy core. transformers: 3 to 5 s for 8.04 GB of bf16, from the page cache. All measured 2026-11-22.
LOAD_S_PER_GB: Mapping[Engine, Span] = {
    "llama.cpp": Span(likely_s=3.4, most_s=7.2),
    "transformers": Span(likely_s=0.4, most_s=0.7),
}

#: Seconds to check a GB against its SHA-256: 1.7 GB/s with the CPU's SHA instructions, 0.49 GB/s without, which Intel's
#: before Ice Lake lack (OpenSSL on one Zen 4 core, the instructions switched off for the second, 2026-11-22).
CHECKSUM_S_PER_GB = Span(likely_s=0.6, most_s=2.1)

#: Base rate of a gp3 volume in GB/s (EBS user guide, "General Purpose SSD volumes": 125 MiB/s). A layer that was just
#: unpacked is still in the page cache; where memory is short it is read again.
DISK_GB_S = 0.131

#: A download from the model hub: the release checklist's 5 to 15 minutes for 8 GB.
DOWNLOAD_S_PER_GB = Span(likely_s=37.5, most_s=112.5)

_FULL_CORE_M = 1000


@dataclass(frozen=True, slots=True)
class _Speed:
    """Of one core: effective GB/s at best and at worst, and where the figures are from."""

    best: float
    worst: float
    basis: str


def start_time(
    model: ModelFacts, container: ContainerSpec, *, use: Model, downloads: bool | None, node_types: Iterable[str] = ()
) -> StartTime:
    """Return what the container needs until its model is loaded, in seconds.

    Args:
        model: the model; llama.cpp loads its quantized file, transformers two bytes a parameter.
        container: its environment chooses the engine; a CPU limit below one core stretches the start.
        use: the engine, where the environment does not say.
        downloads: whether the model is fetched at start; None where that is up to the image, which may hold the model.
        node_types: instance types of the nodes that may get the pod; the slowest counts. None known: the slowest of
            the table.
    """
    engine = run_by(container, use).engine
    speed = _speed(sorted(node_types))
    limit_m = container.limits.cpu_m
    throttled = _FULL_CORE_M / limit_m if limit_m and limit_m < _FULL_CORE_M else 1.0
    fast, slow = (REFERENCE_GB_S_PER_CORE / each * throttled for each in (speed.best, speed.worst))
    size_gb = (BF16_BYTES * model.parameters if engine == "transformers" else model.weights_bytes) / _GB
    computed = _times(LOAD_S_PER_GB[engine] + CHECKSUM_S_PER_GB, size_gb * fast, size_gb * slow)
    fetched = _times(DOWNLOAD_S_PER_GB, 0.0 if downloads is None else size_gb, size_gb)
    limited = f", stretched {throttled:.1f}-fold by a CPU limit of {limit_m}m" if throttled > 1 else ""
    return StartTime(
        process=_times(PROCESS, fast, slow),
        download=Span(likely_s=0, most_s=0) if downloads is False else fetched,
        load=computed + Span(likely_s=0, most_s=size_gb / DISK_GB_S),
        basis=f"{size_gb:.2f} GB of weights under {engine}, {speed.basis}{limited}",
    )


def _times(span: Span, likely: float, most: float) -> Span:
    return Span(likely_s=span.likely_s * likely, most_s=span.most_s * most)


def _speed(node_types: list[str]) -> _Speed:
    families = {name: found for name in node_types if (found := _families().get(_family(name)))}
    if families and len(families) == len(node_types):
        name, (worst, best) = min(families.items(), key=lambda each: each[1])
        return _Speed(best, worst, f"{worst:.1f} to {best:.1f} GB/s per core of {_family(name)} nodes (Spare Cores)")
    worst = min(worst for worst, _ in _families().values())
    what = f"{', '.join(node_types)}, which nobody measured" if node_types else "an unknown node type"
    return _Speed(
        REFERENCE_GB_S_PER_CORE,
        worst,
        f"{what}: {worst:.1f} (slowest known) to {REFERENCE_GB_S_PER_CORE} GB/s per core",
    )


def _family(name: str) -> str:
    return name.partition(".")[0]


@cache
def _families() -> Mapping[str, tuple[float, float]]:
    """Return the lowest and highest effective GB/s per core that was measured on a family; GPUs are not meant."""
    found: dict[str, tuple[float, float]] = {}
    for each in instance_types().values():
        if each.decode_gb_s is None or each.has_gpu:
            continue
        rate = each.decode_gb_s / each.cores
        low, high = found.get(_family(each.name), (rate, rate))
        found[_family(each.name)] = (min(low, rate), max(high, rate))
    return found
