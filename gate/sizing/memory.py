"""How much memory a model takes, by engine: weights, KV cache, and what the runtime adds.

Enters: a model's facts and how it is run. Leaves: a MemoryNeed. Anonymous and file-backed pages are told apart: only
the former get a pod killed, the latter are dropped and read again, which at one pass over the weights per token is as
good as a hang. Whether a need fits a limit or a node is judged in ``fit``.
"""

from dataclasses import dataclass
from typing import Literal

from gate.records import ModelFacts
from gate.sizing.units import MIB

Engine = Literal["llama.cpp", "transformers"]

#: llama.cpp beside weights and KV cache: the Python process with its libraries, tokenizer, compute buffers. Measured on
#: 2 cores, xllamacpp 2026.10: 110 MiB with SmolLM2-135M (248 MiB peak - 92 weights - 45 KV, of 2048 tokens); about 200
#: MiB with the Qwen3-4B shape (2.8 GB peak - 2382 MiB weights - 90 MiB KV, of 640 tokens). The rest is rounding.
LLAMA_CPP_RUNTIME_BYTES = 256 * MIB

#: Share of the weights that llama.cpp keeps a second time, anonymous and rearranged for the CPU, when it maps the file:
#: 4.5 GB peak measured with the Qwen3-4B shape, Q4_K_M, against 2.8 GB without mapping (1.7 of 2.5 GB).
LLAMA_CPP_REPACKED_SHARE = 0.68

#: transformers beside weights and KV cache: 8.4 GB peak measured with the Qwen3-4B shape in bf16 - 8.045 GB weights
#: - 75 MB KV (512 tokens).
TRANSFORMERS_RUNTIME_BYTES = 267 * MIB

BF16_BYTES = 2
FP32_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryNeed:
    """Bytes that one process needs.

    Attributes:
        weights_bytes: one copy of the weights, anonymous or mapped.
        kv_bytes: the KV cache of all requests that are answered at the same time.
        runtime_bytes: process, libraries, buffers.
        repacked_bytes: a second, anonymous copy of some of the weights; 0 unless the file is mapped.
        mapped: whether the weights are file-backed.
    """

    weights_bytes: int
    kv_bytes: int
    runtime_bytes: int
    repacked_bytes: int = 0
    mapped: bool = False

    @property
    def working_bytes(self) -> int:
        """Return what stays resident while answering at full speed; of a rearranged tensor one copy suffices."""
        return self.weights_bytes + self.kv_bytes + self.runtime_bytes

    @property
    def anonymous_bytes(self) -> int:
        """Return what cannot be dropped: a lower limit gets the pod killed."""
        weights = self.repacked_bytes if self.mapped else self.weights_bytes
        return weights + self.kv_bytes + self.runtime_bytes

    @property
    def peak_bytes(self) -> int:
        """Return the resident size after loading when nothing is short, as RSS and the metrics API show it."""
        return self.working_bytes + self.repacked_bytes


def memory_need(
    model: ModelFacts, *, engine: Engine, context_tokens: int, parallel: int, mapped: bool = False
) -> MemoryNeed:
    """Return what the model takes.

    Args:
        model: its facts; llama.cpp takes the size of the quantized file, transformers two bytes a parameter.
        engine: what runs it.
        context_tokens: tokens of one request.
        parallel: requests answered at the same time, each with a KV cache of its own.
        mapped: llama.cpp maps the file instead of reading it (LLM_MMAP).
    """
    kv_bytes = model.kv_bytes_per_token * context_tokens * parallel
    if engine == "transformers":
        return MemoryNeed(
            weights_bytes=BF16_BYTES * model.parameters, kv_bytes=kv_bytes, runtime_bytes=TRANSFORMERS_RUNTIME_BYTES
        )
    return MemoryNeed(
        weights_bytes=model.weights_bytes,
        kv_bytes=kv_bytes,
        runtime_bytes=LLAMA_CPP_RUNTIME_BYTES,
        repacked_bytes=int(LLAMA_CPP_REPACKED_SHARE * model.weights_bytes) if mapped else 0,
        mapped=mapped,
    )


def fp32_weights_bytes(model: ModelFacts) -> int:
    """Return the weights' size as older transformers read them unless told otherwise: four bytes a parameter."""
    return FP32_BYTES * model.parameters
