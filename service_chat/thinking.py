"""Bounded thinking: the two-pass way that Qwen documents, for any engine.

Qwen's thinking models open `<think>` in their chat template and may think for tens of thousands of tokens. The first
pass lets the model think up to a budget of tokens and a share of the time; if it has not closed its thoughts by then,
a short text closes them for it. The second pass generates the answer. Source: Qwen's documentation, "Thinking budget".

No thought leaves this module: known failures are a second `</think>` inside the answer, and a budget spent without an
answer.
"""

from dataclasses import dataclass

from service_chat.engines.protocol import Engine, Finish, Generation, Limit, Sampling

OPENING = "<think>"
CLOSING = "</think>"

_EARLY_STOP = "\n\nI have thought long enough and will answer from what I know by now.\n"


@dataclass(frozen=True)
class ThoughtfulAnswer:
    """An answer without its thoughts; `generation.completion_tokens` counts the answer alone."""

    generation: Generation
    thinking_tokens: int
    closed_by_model: bool
    """False where the budget or the time ended the thoughts."""


def without_thoughts(text: str) -> str:
    """Return the text after the last closing mark, and before an opening one that is never closed."""
    answer = text.rpartition(CLOSING)[2]
    return answer.partition(OPENING)[0].strip()


def answer(
    engine: Engine,
    prompt: str,
    *,
    sampling: Sampling,
    max_tokens: int,
    budget_tokens: int,
    time_share: float,
    limit: Limit,
) -> ThoughtfulAnswer:
    """Think within the budget, then answer.

    Args:
        engine: a loaded model whose template has opened the thoughts at the end of `prompt`.
        prompt: the rendered prompt.
        sampling: used for both passes.
        max_tokens: longest answer in tokens, thoughts not counted.
        budget_tokens: longest thoughts in tokens; 0 closes them at once.
        time_share: share of the time left that thinking may take, between 0 and 1.
        limit: when everything has to stop.

    Raises:
        PromptTooLongError: prompt, thoughts and answer exceed the context.
        EngineError: the engine failed.
    """
    if budget_tokens:
        first = engine.generate(
            prompt, sampling=sampling, max_tokens=budget_tokens, stop=(CLOSING,), limit=limit.share(time_share)
        )
    else:
        first = Generation("", Finish.LENGTH, prompt_tokens=0, completion_tokens=0)
    # An end of text inside the thoughts looks like a stop too; closing them quietly is right for it as well.
    closed = first.finish is Finish.STOP
    closing = CLOSING if closed else f"{_EARLY_STOP}{CLOSING}"
    second = engine.generate(
        f"{prompt}{first.text}{closing}\n\n", sampling=sampling, max_tokens=max_tokens, stop=(), limit=limit
    )
    said = Generation(
        without_thoughts(second.text),
        second.finish,
        first.prompt_tokens or second.prompt_tokens,
        second.completion_tokens,
    )
    return ThoughtfulAnswer(said, first.completion_tokens, closed_by_model=closed)
