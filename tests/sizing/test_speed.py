from dataclasses import replace

import pytest

from gate.records import ModelFacts
from gate.sizing.answering import Run
from gate.sizing.instances import instance
from gate.sizing.speed import Rates, rates_measured, rates_on
from gate.target import Speed
from tests.sizing.factories import QWEN

RUN = Run(
    engine="llama.cpp",
    threads_set=None,
    limit_m=None,
    parallel=1,
    thinking_tokens=128,
    answer_tokens=256,
    deadline_s=9.0,
    thinking_share=0.5,
    max_queue=8,
)
SMOLLM2 = ModelFacts(
    name="SmolLM2-135M-Instruct",
    parameters=134_515_008,
    kv_bytes_per_token=23_040,
    quantization="Q4_1",
    weights_bytes=98_362_432,
    context_tokens=8192,
)


def rates(name: str, run: Run = RUN, model: ModelFacts = QWEN) -> Rates:
    """Return the rates on a type that was measured."""
    found = rates_on(instance(name), model, run)
    assert found is not None
    return found


def test_rates_on_the_reference_machine_hold_what_was_measured_there() -> None:
    """Two Zen 4 cores: 6.2 to 7.6 tokens/s written, 16.8 to 25 read (shared figures of 2026-11-22)."""
    found = rates("m7a.large")

    assert found.decode_tok_s.low == pytest.approx(6.2, abs=0.02)
    assert found.decode_tok_s.high > 7.6
    assert found.prefill_tok_s.low == pytest.approx(16.8, abs=0.05)
    assert 19 < found.prefill_tok_s.high < 25


def test_rates_of_transformers_hold_what_was_measured_there() -> None:
    """The same cores: 1.15 to 1.20 tokens/s, 20 to 30.6 of the prompt."""
    found = rates("m7a.large", replace(RUN, engine="transformers"))

    assert found.decode_tok_s.low == pytest.approx(1.13, abs=0.02)
    assert found.decode_tok_s.high > 1.2
    assert found.prefill_tok_s.low == pytest.approx(19.5, abs=0.1)
    assert found.prefill_tok_s.high == pytest.approx(30.5, abs=0.2)


def test_rates_of_a_small_model_reach_less_of_the_bandwidth() -> None:
    """SmolLM2 wrote 68 and read 180 tokens/s on the same cores, a quarter of what its size alone would give."""
    found = rates("m7a.large", replace(RUN, thinking_tokens=0, answer_tokens=64), SMOLLM2)

    assert found.decode_tok_s.low <= 68 <= found.decode_tok_s.high
    assert found.prefill_tok_s.low <= 181 <= found.prefill_tok_s.high


def test_rates_without_a_prefill_figure_take_the_familys_per_vcpu() -> None:
    """t3.xlarge and t3.2xlarge: 12.25 to 18.25 GFLOP/s a vCPU; t3.medium has 2, and 8.045 GFLOP make a token."""
    found = rates("t3.medium")

    assert found.prefill_tok_s.low == pytest.approx(0.86 * 2 * 12.25 / 8.045, abs=0.01)
    assert found.prefill_tok_s.high == pytest.approx(2 * 18.25 / 8.045, abs=0.01)


def test_rates_of_few_threads_on_a_large_node_are_those_of_few_cores() -> None:
    """Two threads on 32 cores get what all of m7a.large gets, not a sixteenth of 122 GB/s, and not all of it."""
    found = rates("m7a.8xlarge", replace(RUN, limit_m=2000))

    assert found.decode_tok_s == rates("m7a.large").decode_tok_s
    assert found.threads == 2


def test_rates_under_a_limit_below_the_threads_are_what_the_limit_leaves() -> None:
    """Four threads on two CPUs compute half of the time."""
    free, bound = rates("m5.xlarge"), rates("m5.xlarge", replace(RUN, threads_set=4, limit_m=2000))

    assert bound.decode_tok_s == free.decode_tok_s.times_both(0.5)
    assert (bound.threads, bound.granted) == (4, 0.5)


def test_rates_on_a_type_that_nobody_measured_are_unknown() -> None:
    """c7a.medium has neither a decode nor a prefill figure of its own."""
    assert rates_on(instance("c7a.medium"), QWEN, RUN) is None


def test_rates_measured_go_before_the_table_with_their_own_spread() -> None:
    """45 % to 125 % of what was measured: a busy core, another run."""
    speed = Speed(threads=2, prefill_tok_s=100, decode_tok_s=40, measured="by hand")

    found = rates_measured(speed, replace(RUN, limit_m=2000))

    assert (found.prefill_tok_s.low, found.prefill_tok_s.high) == pytest.approx((45, 125))
    assert (found.decode_tok_s.low, found.decode_tok_s.high) == pytest.approx((18, 50))


def test_rates_measured_with_more_threads_than_run_shrink_in_proportion() -> None:
    """One of two threads does half; more than were measured do not do more."""
    speed = Speed(threads=2, prefill_tok_s=100, decode_tok_s=40, measured="by hand")

    assert rates_measured(speed, replace(RUN, limit_m=1000)).decode_tok_s.high == pytest.approx(25)
    assert rates_measured(speed, replace(RUN, threads_set=4)).decode_tok_s.high == pytest.approx(50)
