"""How many tokens a second a node computes: of a prompt, and of an answer. Always a band, never one figure.

Writing a token reads all weights and the KV cache once, so it is bound by memory bandwidth; reading a prompt costs two
operations per parameter and token, so it is bound by arithmetic. Both were measured with llama.cpp on models of 7B and
2B on nearly every type (``instance_facts.csv``). How much of that this project's engines reach was measured on two Zen
4 cores and is held against m7a.large, which is two Zen 4 cores. What a target says was measured on its own nodes goes
before all of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gate.records import ModelFacts
from gate.sizing.answering import Run
from gate.sizing.instances import InstanceType, instance_types
from gate.sizing.memory import BF16_BYTES, Engine
from gate.target import Speed


@dataclass(frozen=True, slots=True)
class Band:
    """From the least to the most that measured figures allow."""

    low: float
    high: float

    def times(self, share: "Band") -> "Band":
        """Return the product, edge by edge."""
        return Band(self.low * share.low, self.high * share.high)

    def times_both(self, factor: float) -> "Band":
        """Return both edges multiplied."""
        return Band(self.low * factor, self.high * factor)


@dataclass(frozen=True, slots=True)
class Rates:
    """Tokens a second of one request that has the node's CPUs for itself.

    Attributes:
        prefill_tok_s: of the prompt.
        decode_tok_s: of thoughts and answer.
        threads: that compute.
        granted: share of the CPU time that the container's limit leaves them; both rates have it in them.
        basis: on which figures this rests.
    """

    prefill_tok_s: Band
    decode_tok_s: Band
    threads: int
    granted: float
    basis: str


@dataclass(frozen=True, slots=True)
class _Reached:
    """Which share of the table's figures an engine reaches."""

    prefill: Band
    decode: Band


#: m7a.large in the table: 25.4 and 30.4 GB/s, 157 and 182 GFLOP/s. Measured beside it on two Zen 4 cores, 2026-11-22:
#: llama.cpp (the xllamacpp wheel) on the Qwen3-4B shape, 6.2 tok/s of 2.57 GB (15.9 GB/s) and 16.8 prompt tok/s of
#: 8.04 GFLOP (135); built for the very CPU it reaches the table's prefill. transformers in bf16: 1.15 to 1.20 tok/s of
#: 8.1 GB (9.3 to 9.7 GB/s), 20 (cold) to 30.6 prompt tok/s (161 to 246 GFLOP/s).
_REACHED: Mapping[Engine, _Reached] = {
    "llama.cpp": _Reached(prefill=Band(0.86, 1.0), decode=Band(0.63, 1.0)),
    "transformers": _Reached(prefill=Band(1.0, 1.35), decode=Band(0.36, 0.38)),
}

#: Far below the smallest model of the table the work between two reads of the weights counts. SmolLM2-135M under
#: llama.cpp, same cores and day: 68 tok/s of 0.103 GB (7.0 GB/s) and 180 prompt tok/s (48 GFLOP/s) with two threads;
#: with one, 64 tok/s and 130, of half the table's figures.
_REACHED_BY_SMALL = _Reached(prefill=Band(0.31, 0.45), decode=Band(0.27, 0.52))
SMALL_PARAMETERS = 1_000_000_000

#: How far the same figure lies apart from run to run: a busy core took 18 s for what an idle one did in 8.4 s (load of
#: the Qwen3-4B shape), and prefill went from 20 to 25 tok/s between runs (same machine, 2026-11-22).
_AGAIN = Band(0.45, 1.25)


def rates_on(of: InstanceType, model: ModelFacts, run: Run) -> Rates | None:
    """Return what one request gets on a node of that type, None where nobody measured such a machine.

    With fewer threads than the node has CPUs, the low edge takes them for hyperthreads that share cores, the high edge
    for one on each core.
    """
    threads = run.threads(of.vcpus)
    granted = 1.0 if of.has_gpu else run.granted(threads)
    bandwidth = _bandwidth_gb_s(of, threads)
    arithmetic = _arithmetic_gflop_s(of, threads)
    if bandwidth is None or arithmetic is None:
        return None
    small = model.parameters < SMALL_PARAMETERS and run.engine == "llama.cpp"
    reached = _REACHED_BY_SMALL if small else _REACHED[run.engine]
    weights_bytes = BF16_BYTES * model.parameters if run.engine == "transformers" else model.weights_bytes
    # At most: the KV cache is as long as this only at the last token.
    read_gb = (weights_bytes + model.kv_bytes_per_token * (run.prompt_tokens + run.generated_tokens)) / 1e9
    computed_gflop = 2 * model.parameters / 1e9
    return Rates(
        prefill_tok_s=arithmetic.times(reached.prefill).times_both(granted / computed_gflop),
        decode_tok_s=bandwidth.times(reached.decode).times_both(granted / read_gb),
        threads=threads,
        granted=granted,
        basis=f"{bandwidth.low:.1f} to {bandwidth.high:.1f} GB/s and {arithmetic.low:.0f} to {arithmetic.high:.0f} "
        f"GFLOP/s of a {of.name} with {threads} threads (Spare Cores, CC BY-SA 4.0)",
    )


def rates_measured(speed: Speed, run: Run) -> Rates:
    """Return what the target says was measured on its nodes, with the spread that figures have from run to run.

    Fewer threads compute less in proportion; of more nothing is expected that nobody measured.
    """
    threads = run.threads(speed.threads)
    granted = run.granted(threads)
    again = _AGAIN.times_both(min(1.0, threads / speed.threads) * granted)
    return Rates(
        prefill_tok_s=again.times_both(speed.prefill_tok_s),
        decode_tok_s=again.times_both(speed.decode_tok_s),
        threads=threads,
        granted=granted,
        basis=f"{speed.prefill_tok_s:g} prompt and {speed.decode_tok_s:g} generated tokens a second with "
        f"{speed.threads} thread{'s' if speed.threads > 1 else ''} ({speed.measured})",
    )


def _bandwidth_gb_s(of: InstanceType, threads: int) -> Band | None:
    """Return what so many threads get: it grows more slowly than their number, and a whole node's has a ceiling.

    At least as much as all threads of a smaller machine of the family, or their share of this one's; at most what as
    many cores of the family got where there were fewest of them.
    """
    whole = _whole_gb_s(of)
    if whole is None or of.has_gpu or threads >= of.vcpus:
        return whole
    kin = [each for each in instance_types().values() if each.family == of.family]
    family = [(each, found) for each in kin if (found := _whole_gb_s(each))]
    smaller = [found.low for each, found in family if each.vcpus <= threads]
    a_core = max(found.high / each.cores for each, found in family)
    return Band(
        min(whole.low, max([whole.low * threads / of.vcpus, *smaller])),
        min(whole.high, a_core * threads),
    )


def _whole_gb_s(of: InstanceType) -> Band | None:
    found = [each for each in (of.decode_gb_s, of.decode_2b_gb_s) if each is not None]
    return Band(min(found), max(found)) if found else None


def _arithmetic_gflop_s(of: InstanceType, threads: int) -> Band | None:
    """Return the share of the type's own figures, else of its family's: arithmetic grows evenly with the vCPUs."""
    if of.has_gpu:
        return Band(min(of.prefill_gflop_s), max(of.prefill_gflop_s)) if of.prefill_gflop_s else None
    kin = [of] if of.prefill_gflop_s else [each for each in instance_types().values() if each.family == of.family]
    per_vcpu = [figure / each.vcpus for each in kin for figure in each.prefill_gflop_s]
    if not per_vcpu:
        return None
    hyperthreads = of.vcpus / of.cores
    return Band(
        min(per_vcpu) * min(threads, of.vcpus),
        max(per_vcpu) * min(threads * hyperthreads, of.vcpus),
    )
