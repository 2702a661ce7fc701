from dataclasses import replace
from pathlib import Path

import pytest

from gate.readers.models import SETTINGS, settings_schema
from gate.records import ContainerSpec, EnvVar
from gate.sizing.answering import Run, Unsaid, run_of
from tests.sizing.factories import QWEN, USE, container

SCHEMA = settings_schema(Path(__file__).parents[2] / SETTINGS)


def run(of: ContainerSpec) -> Run:
    """Return how a container answers with Qwen3-4B."""
    found = run_of(QWEN, of, SCHEMA, USE)
    assert isinstance(found, Run)
    return found


def test_run_of_an_empty_environment_has_the_models_and_the_schemas_defaults() -> None:
    """What the model's entry says of lengths, and what the schema says of time and queue."""
    assert run(container(cpu_limit_m=2000)) == Run(
        engine="llama.cpp",
        threads_set=None,
        limit_m=2000,
        parallel=1,
        thinking_tokens=128,
        answer_tokens=256,
        deadline_s=9.0,
        thinking_share=0.5,
        max_queue=8,
    )


def test_run_of_an_environment_goes_before_every_default() -> None:
    """Engine, threads, parallel requests, lengths and times as the Deployment sets them."""
    spec = container(
        LLM_ENGINE="transformers",
        LLM_THREADS="4",
        LLM_PARALLEL="2",
        MAX_TOKENS="64",
        THINKING_BUDGET_TOKENS="0",
        REQUEST_DEADLINE_S="30",
        THINKING_TIME_SHARE="0.25",
        MAX_QUEUE="0",
    )

    found = run(spec)

    assert (found.engine, found.threads_set, found.parallel, found.max_queue) == ("transformers", 4, 2, 0)
    assert (found.answer_tokens, found.thinking_tokens, found.deadline_s, found.thinking_share) == (64, 0, 30.0, 0.25)
    assert found.tokens == "160 prompt + 64 answer tokens"


def test_run_of_a_model_that_does_not_think_has_no_thoughts() -> None:
    """The service ignores the budget for such a model."""
    found = run_of(replace(QWEN, thinking=False), container(THINKING_BUDGET_TOKENS="500"), SCHEMA, USE)

    assert isinstance(found, Run)
    assert found.generated_tokens == 256


def test_run_of_a_setting_from_a_config_map_is_unsaid() -> None:
    """A value that is not read is never guessed."""
    spec = replace(container(), env=(EnvVar(name="MAX_TOKENS", source="configMapKeyRef chat/tokens"),))

    assert run_of(QWEN, spec, SCHEMA, USE) == Unsaid(
        settings=(("MAX_TOKENS", "from configMapKeyRef chat/tokens, not read"),)
    )


def test_run_of_a_model_without_a_length_is_unsaid() -> None:
    """Neither environment, schema nor entry says how long an answer may be."""
    found = run_of(replace(QWEN, max_tokens=None), container(), SCHEMA, USE)

    assert found == Unsaid(settings=(("MAX_TOKENS", "not set, default None"),))


@pytest.mark.parametrize(
    ("limit_m", "threads_set", "threads"),
    [(2000, None, 2), (1500, None, 1), (500, None, 1), (None, None, 4), (8000, None, 4), (2000, 4, 4)],
)
def test_threads_follow_the_services_own_rule(limit_m: int | None, threads_set: int | None, threads: int) -> None:
    """The limit rounded down, at least 1, at most the node's 4 CPUs; LLM_THREADS goes before."""
    found = replace(run(container()), limit_m=limit_m, threads_set=threads_set)

    assert found.threads(4) == threads


@pytest.mark.parametrize(
    ("limit_m", "threads", "granted"), [(2000, 4, 0.5), (2000, 2, 1.0), (500, 1, 0.5), (None, 9, 1.0)]
)
def test_granted_is_what_the_limit_leaves_to_busy_threads(limit_m: int | None, threads: int, granted: float) -> None:
    """Two CPUs for four threads are half of what they want."""
    assert replace(run(container()), limit_m=limit_m).granted(threads) == granted
