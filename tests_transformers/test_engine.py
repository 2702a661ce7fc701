"""The transformers engine: the contract of all engines, deadlines, thinking, what is kept between two requests."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
import torch

from service_chat import thinking
from service_chat.engines.protocol import Finish, Generation, Limit, Message, Sampling
from service_chat.engines.transformers import TransformersEngine
from service_chat.errors import PromptTooLongError
from tests.service_chat import engine_contract

GREEDY = Sampling(temperature=0, top_p=1, top_k=0, min_p=0)
QWEN = Sampling(temperature=0.6, top_p=0.95, top_k=20, min_p=0.0)
CAPITAL = (Message("user", "Name the capital of France."),)
LONG = (Message("user", "one two three four five six seven eight nine ten " * 80),)
# For what is not about deadlines: a prompt of 800 tokens takes a second, and minutes on a machine that others load.
PATIENCE_S = 900.0
THINK_END = 151_668  # `</think>` in Qwen3's vocabulary


@pytest.fixture(params=["smollm2", "qwen3"])
def engine(request: pytest.FixtureRequest) -> TransformersEngine:
    """Each model in turn: one from a GGUF file, one from a Hugging Face folder."""
    made: TransformersEngine = request.getfixturevalue(request.param)
    return made


def say(engine: TransformersEngine, prompt: str, max_tokens: int = 24, seconds: float = PATIENCE_S) -> Generation:
    """Return the greedy continuation of a prompt."""
    limit = Limit(time.monotonic() + seconds)
    return engine.generate(prompt, sampling=GREEDY, max_tokens=max_tokens, stop=(), limit=limit)


@contextmanager
def computed(engine: TransformersEngine) -> Iterator[list[int]]:
    """Collect how many tokens each pass through the model computes."""
    counts: list[int] = []
    hook = engine._model.get_input_embeddings().register_forward_pre_hook(
        lambda _module, args: counts.append(args[0].shape[-1])
    )
    try:
        yield counts
    finally:
        hook.remove()


@contextmanager
def scripted(engine: TransformersEngine, text: str) -> Iterator[None]:
    """Have the model say a text, token by token; everything around it stays real."""
    tokens = iter(engine._tokenizer(text, add_special_tokens=False)["input_ids"])

    def force(_module: torch.nn.Module, _args: Sequence[object], logits: torch.Tensor) -> torch.Tensor:
        forced = torch.full_like(logits, -1e4)
        forced[..., -1, next(tokens)] = 1e4
        return forced

    hook = engine._model.get_output_embeddings().register_forward_hook(force)
    try:
        yield
    finally:
        hook.remove()


@pytest.mark.parametrize("clause", engine_contract.CLAUSES, ids=lambda clause: clause.__name__)
def test_transformers_keeps_the_contract(engine: TransformersEngine, clause: engine_contract.Clause) -> None:
    """The clauses that the mock, the fake and llama.cpp keep hold for transformers, from file and from folder."""
    clause(engine)


def test_transformers_names_versions_type_and_device(smollm2: TransformersEngine) -> None:
    """What /version shows tells bfloat16 from anything else."""
    assert smollm2.name == "transformers"
    assert smollm2.version.startswith("transformers 5.")
    assert smollm2.version.endswith(", bfloat16, cpu")


def test_transformers_renders_what_llama_cpp_renders(smollm2: TransformersEngine) -> None:
    """The same template out of the same file, and as many tokens: e2e/test_service_engine.py has both numbers too."""
    prompt = smollm2.render((Message("system", "Be brief."), Message("user", "Hello.")))
    assert prompt == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello.<|im_end|>\n<|im_start|>assistant\n"
    )
    assert say(smollm2, prompt, max_tokens=1).prompt_tokens == 19


def test_transformers_answer_is_the_models(smollm2: TransformersEngine) -> None:
    """Weights that were unpacked wrongly would give text all the same, and no capital."""
    said = say(smollm2, smollm2.render(CAPITAL))
    assert said.text == "The capital of France is Paris."
    assert said.finish is Finish.STOP


def test_transformers_deadline_in_the_prompt_stops_it(smollm2: TransformersEngine) -> None:
    """A long prompt is not read to its end, and what was read of it is not taken for whole afterwards."""
    prompt = smollm2.render(LONG)
    started_s = time.monotonic()
    whole = say(smollm2, prompt, max_tokens=8)
    whole_s = time.monotonic() - started_s
    say(smollm2, smollm2.render(CAPITAL), max_tokens=1)  # nothing of the long prompt is kept now

    started_s = time.monotonic()
    cut = say(smollm2, prompt, max_tokens=8, seconds=whole_s / 8)
    cut_s = time.monotonic() - started_s

    assert (cut.text, cut.finish, cut.completion_tokens) == ("", Finish.DEADLINE, 0)
    assert cut_s < whole_s
    assert say(smollm2, prompt, max_tokens=8) == whole


def test_transformers_deadline_in_the_answer_returns_what_there_is(smollm2: TransformersEngine) -> None:
    """Words that are there at the deadline are kept."""
    prompt = smollm2.render((Message("user", "Tell a long story about a lighthouse."),))
    say(smollm2, prompt, max_tokens=1)
    started_s = time.monotonic()
    say(smollm2, prompt, max_tokens=40)
    said = say(smollm2, prompt, max_tokens=900, seconds=time.monotonic() - started_s)
    assert said.finish is Finish.DEADLINE
    assert said.text.strip()
    assert 0 < said.completion_tokens < 900


def test_transformers_cancelled_from_outside_ends_soon(smollm2: TransformersEngine) -> None:
    """A caller that hangs up frees the engine long before its deadline."""
    prompt = smollm2.render((Message("user", "Tell a long story about a lighthouse."),))
    limit = Limit(time.monotonic() + PATIENCE_S)
    timer = threading.Timer(1.0, limit.cancelled.set)
    timer.start()
    started_s = time.monotonic()
    said = smollm2.generate(prompt, sampling=QWEN, max_tokens=900, stop=(), limit=limit)
    timer.cancel()
    assert said.finish in {Finish.DEADLINE, Finish.STOP}  # a sampled story may end by itself
    assert time.monotonic() - started_s < PATIENCE_S / 2


def test_transformers_prompt_too_long_is_told_before_anything_is_computed(qwen3: TransformersEngine) -> None:
    """Prompt and answer together have to fit the context, in the words that llama.cpp's engine has too."""
    with (
        computed(qwen3) as counts,
        pytest.raises(PromptTooLongError, match=r"with 8 for the answer that exceeds the context of 1024"),
    ):
        say(qwen3, qwen3.render((Message("user", "word " * 1024),)), max_tokens=8)
    assert counts == []


def test_transformers_prompts_that_begin_alike_are_computed_once(engine: TransformersEngine) -> None:
    """The second of two passes computes what is new, and says what it would have said without the first."""
    prompt = engine.render(LONG)
    say(engine, engine.render(CAPITAL), max_tokens=1)
    with computed(engine) as counts:
        alone = say(engine, prompt, max_tokens=4)
    with computed(engine) as again:
        assert say(engine, prompt, max_tokens=4) == alone
    assert counts[0] > alone.prompt_tokens - 40  # but for the beginning of every template
    assert again[0] == 1


def test_transformers_thoughts_end_at_the_models_own_mark(qwen3: TransformersEngine) -> None:
    """`</think>` is one token of Qwen3's, seen as a stop text, and neither it nor a thought is in the answer."""
    assert qwen3._tokenizer.convert_tokens_to_ids("</think>") == THINK_END
    prompt = qwen3.render(CAPITAL) + "<think>\n"
    with scripted(qwen3, "A capital is asked for.</think>Paris.<|im_end|>"):
        said = thinking.answer(
            qwen3,
            prompt,
            sampling=QWEN,
            max_tokens=24,
            budget_tokens=64,
            time_share=0.5,
            limit=Limit(time.monotonic() + PATIENCE_S),
        )
    assert said.closed_by_model
    assert said.thinking_tokens == 7  # A, capital, is, asked, for, ., </think>
    assert (said.generation.text, said.generation.finish) == ("Paris.", Finish.STOP)


@pytest.mark.parametrize("budget_tokens", [0, 4])
def test_transformers_thoughts_past_their_budget_are_closed(engine: TransformersEngine, budget_tokens: int) -> None:
    """A model that never closes its thoughts is made to answer; the second pass computes no thought again."""
    prompt = engine.render(LONG) + "<think>\n"
    with computed(engine) as counts:
        said = thinking.answer(
            engine,
            prompt,
            sampling=GREEDY,
            max_tokens=8,
            budget_tokens=budget_tokens,
            time_share=0.5,
            limit=Limit(time.monotonic() + PATIENCE_S),
        )
    assert not said.closed_by_model
    assert said.thinking_tokens == budget_tokens
    assert 0 < said.generation.completion_tokens <= 8
    assert thinking.CLOSING not in said.generation.text
    assert sum(count > 40 for count in counts) <= 1


def test_transformers_samples_as_it_is_asked(smollm2: TransformersEngine) -> None:
    """The sampling reaches the library: the first of 49,152 tokens at any temperature, or any of them at a high one."""
    prompt = smollm2.render(CAPITAL)

    def sampled(top_k: int) -> str:
        chosen = Sampling(temperature=2.0, top_p=1, top_k=top_k, min_p=0)
        limit = Limit(time.monotonic() + PATIENCE_S)
        return smollm2.generate(prompt, sampling=chosen, max_tokens=16, stop=(), limit=limit).text

    assert sampled(top_k=1) == "The capital of France is Paris."
    assert sampled(top_k=0) != "The capital of France is Paris."


def test_transformers_leaves_the_event_loop_free(smollm2: TransformersEngine) -> None:
    """Health checks are answered while a long prompt is computed: the longest pause is short beside the computation."""
    prompt = smollm2.render((Message("user", "ten nine eight seven six five four three two one " * 80),))

    async def longest_pause_s() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        work = loop.run_in_executor(None, lambda: say(smollm2, prompt, max_tokens=2))
        pauses = []
        while not work.done():
            before_s = loop.time()
            await asyncio.sleep(0.01)
            pauses.append(loop.time() - before_s)
        await work
        return max(pauses), loop.time() - started_s

    pause_s, whole_s = asyncio.run(longest_pause_s())
    assert pause_s < whole_s / 2


def test_transformers_answers_two_at_a_time(qwen3_folder: object) -> None:
    """Two requests each have a cache of their own: neither sees the other's words."""
    made = TransformersEngine(qwen3_folder, context_tokens=512, parallel=2, threads=2)  # type: ignore[arg-type]
    prompts = [made.render((Message("user", text),)) for text in ("What is a fever?", "Name three planets.")]
    alone = [say(made, prompt) for prompt in prompts]
    with_both: list[Generation | None] = [None, None]

    def ask(at: int) -> None:
        with_both[at] = say(made, prompts[at])

    threads = [threading.Thread(target=ask, args=(at,)) for at in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made.close()
    assert with_both == alone
