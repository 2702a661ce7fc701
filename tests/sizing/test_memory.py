from gate.sizing.memory import fp32_weights_bytes, memory_need
from tests.sizing.factories import MIB, QWEN


def test_memory_need_llama_cpp_reads_all_weights_into_anonymous_memory() -> None:
    """2381.6 MiB file + 2048 tokens * 144 KiB + 256 MiB runtime; nothing of it can be dropped."""
    need = memory_need(QWEN, engine="llama.cpp", context_tokens=2048, parallel=1)

    assert need.kv_bytes == 288 * MIB
    assert need.working_bytes == 2_497_281_152 + (288 + 256) * MIB
    assert need.anonymous_bytes == need.working_bytes == need.peak_bytes


def test_memory_need_llama_cpp_mapped_keeps_a_rearranged_copy() -> None:
    """Peak 4.5 GB as measured (of 640 tokens); 1.70 GB copy + KV + runtime are anonymous, the file's pages are not."""
    need = memory_need(QWEN, engine="llama.cpp", context_tokens=640, parallel=1, mapped=True)

    assert need.repacked_bytes == 1_698_151_183
    assert round(need.peak_bytes / 1e9, 1) == 4.6
    assert need.anonymous_bytes == 1_698_151_183 + (90 + 256) * MIB


def test_memory_need_parallel_requests_each_have_a_cache() -> None:
    """Four requests of 2048 tokens: 4 * 288 MiB."""
    assert memory_need(QWEN, engine="llama.cpp", context_tokens=2048, parallel=4).kv_bytes == 1152 * MIB


def test_memory_need_transformers_is_the_measured_peak() -> None:
    """bf16, 512 tokens: 8.4 GB were measured."""
    need = memory_need(QWEN, engine="transformers", context_tokens=512, parallel=1)

    assert need.weights_bytes == 8_044_936_192
    assert round(need.working_bytes / 1e9, 1) == 8.4


def test_fp32_weights_exceed_a_16_gib_node() -> None:
    """14.98 GiB of weights alone: what older transformers loads unless told otherwise."""
    assert round(fp32_weights_bytes(QWEN) / 2**30, 2) == 14.98
