"""Bounded thinking, with an engine that says what it is told to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_chat import thinking
from service_chat.engines.protocol import Finish, Limit, Sampling
from tests.service_chat.fakes import FakeEngine

SAMPLING = Sampling(temperature=0.6, top_p=0.95, top_k=20, min_p=0)
PROMPT = "<user> What do I have?<think>"


def _answer(engine: FakeEngine, *, budget_tokens: int = 8, limit: Limit | None = None) -> thinking.ThoughtfulAnswer:
    return thinking.answer(
        engine,
        PROMPT,
        sampling=SAMPLING,
        max_tokens=16,
        budget_tokens=budget_tokens,
        time_share=0.5,
        limit=limit or Limit(10.0, clock=lambda: 0.0),
    )


def test_answer_thoughts_closed_by_the_model_are_kept_for_the_second_pass() -> None:
    """Thoughts that end in time are closed as the model would have, and none of them is in the answer."""
    engine = FakeEngine(replies=("I recall gout.</think> ignored", "You have gout."))
    said = _answer(engine)
    assert said.generation.text == "You have gout."
    assert said.generation.finish is Finish.STOP
    assert (said.thinking_tokens, said.generation.completion_tokens) == (3, 3)
    assert said.closed_by_model
    assert engine.prompts == [PROMPT, f"{PROMPT}I recall gout.</think>\n\n"]
    assert engine.max_tokens == [8, 16]


def test_answer_budget_spent_closes_the_thoughts_and_still_answers() -> None:
    """A model that thinks on is stopped at the budget, told to answer, and answers."""
    engine = FakeEngine(replies=("one two three four five six seven eight nine ten", "You have gout."))
    said = _answer(engine)
    assert said.generation.text == "You have gout."
    assert said.thinking_tokens == 8
    assert not said.closed_by_model
    assert engine.prompts[1].startswith(f"{PROMPT}one two three four five six seven eight\n\n")
    assert engine.prompts[1].endswith("\n</think>\n\n")
    assert "nine" not in engine.prompts[1]


def test_answer_no_budget_answers_in_one_pass() -> None:
    """A budget of 0 closes the thoughts before they begin."""
    engine = FakeEngine(replies=("You have gout.",))
    said = _answer(engine, budget_tokens=0)
    assert said.generation.text == "You have gout."
    assert said.thinking_tokens == 0
    assert said.generation.prompt_tokens == len(engine.prompts[0].split())
    assert len(engine.prompts) == 1


def test_answer_counts_the_callers_prompt_and_not_the_thoughts_as_prompt() -> None:
    """X-Prompt-Tokens is what the question took, also after a second pass."""
    said = _answer(FakeEngine(replies=("a b c</think>", "d")))
    assert said.generation.prompt_tokens == len(PROMPT.split())


def test_answer_thinking_gets_its_share_of_the_time_and_no_more() -> None:
    """Half of the 10 s left may go into thoughts; the answer may use what is left of all of it."""
    engine = FakeEngine(replies=("a</think>", "b"))
    limit = Limit(14.0, clock=lambda: 4.0)
    _answer(engine, limit=limit)
    assert [given.at_s for given in engine.limits] == [9.0, 14.0]
    limit.cancelled.set()
    assert all(given.passed() for given in engine.limits)


def test_answer_deadline_in_the_thoughts_leaves_an_empty_answer_with_its_reason() -> None:
    """When there is no time at all, the finish says deadline and the text is empty: the caller makes it an error."""
    said = _answer(FakeEngine(replies=("a b c",)), limit=Limit(0.0, clock=lambda: 1.0))
    assert (said.generation.text, said.generation.finish) == ("", Finish.DEADLINE)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("You have gout.", "You have gout."),
        ("  You have gout.\n", "You have gout."),
        ("so it is gout</think>You have gout.", "You have gout."),
        ("a</think>b</think>You have gout.", "You have gout."),
        ("<think>hm</think>You have gout.", "You have gout."),
        ("You have gout.<think>or have they", "You have gout."),
        ("<think>hm", ""),
        ("hm</think>", ""),
    ],
)
def test_without_thoughts_leaves_the_answer_alone(text: str, answer: str) -> None:
    """Every known leak of thoughts is cut out; an answer without marks stays as it is."""
    assert thinking.without_thoughts(text) == answer


@given(st.lists(st.sampled_from(["<think>", "</think>", "secret thought", "word", " "])).map("".join))
def test_without_thoughts_never_returns_a_mark(text: str) -> None:
    """Whatever comes in, no mark of thinking goes out."""
    answer = thinking.without_thoughts(text)
    assert thinking.OPENING not in answer
    assert thinking.CLOSING not in answer
