"""What every engine has to do, as clauses that a test applies to one of them."""

import time
from collections.abc import Callable

from service_chat.engines.protocol import Engine, Finish, Limit, Message, Sampling

Clause = Callable[[Engine], None]

_GREEDY = Sampling(temperature=0, top_p=1, top_k=0, min_p=0)
_MESSAGES = (Message("system", "Answer briefly."), Message("user", "Name the capital of France."))


def _in(seconds: float) -> Limit:
    return Limit(time.monotonic() + seconds)


def names_itself(engine: Engine) -> None:
    """Name and version are what /version shows."""
    assert engine.name
    assert engine.version


def renders_every_message(engine: Engine) -> None:
    """The prompt holds what was said, in order."""
    prompt = engine.render(_MESSAGES)
    assert 0 <= prompt.index("Answer briefly.") < prompt.index("Name the capital of France.")


def generates_text_and_counts_it(engine: Engine) -> None:
    """A prompt gives text, and both counts are positive."""
    said = engine.generate(engine.render(_MESSAGES), sampling=_GREEDY, max_tokens=48, stop=(), limit=_in(60))
    assert said.text.strip()
    assert said.prompt_tokens > 0
    assert 0 < said.completion_tokens <= 48
    assert said.finish in {Finish.STOP, Finish.LENGTH}


def stops_at_max_tokens(engine: Engine) -> None:
    """No more tokens than allowed, and the finish says why it ended."""
    said = engine.generate(engine.render(_MESSAGES), sampling=_GREEDY, max_tokens=2, stop=(), limit=_in(60))
    assert said.completion_tokens == 2
    assert said.finish is Finish.LENGTH


def stops_before_a_stop_text(engine: Engine) -> None:
    """The text ends where the stop text would begin; that is a stop and not a cut."""
    prompt = engine.render(_MESSAGES)
    whole = engine.generate(prompt, sampling=_GREEDY, max_tokens=48, stop=(), limit=_in(60)).text
    mark = whole.split()[1]
    said = engine.generate(prompt, sampling=_GREEDY, max_tokens=48, stop=(mark,), limit=_in(60))
    assert said.text.strip() == whole.split(mark)[0].strip()
    assert said.finish is Finish.STOP


def returns_at_a_limit_that_has_passed(engine: Engine) -> None:
    """No time: no text, no error, and soon."""
    started_s = time.monotonic()
    said = engine.generate(engine.render(_MESSAGES), sampling=_GREEDY, max_tokens=48, stop=(), limit=_in(-1))
    assert (said.text, said.finish, said.completion_tokens) == ("", Finish.DEADLINE, 0)
    assert time.monotonic() - started_s < 5


def returns_when_cancelled(engine: Engine) -> None:
    """A cancelled limit is a passed one."""
    limit = _in(60)
    limit.cancelled.set()
    said = engine.generate(engine.render(_MESSAGES), sampling=_GREEDY, max_tokens=48, stop=(), limit=limit)
    assert said.finish is Finish.DEADLINE


CLAUSES: tuple[Clause, ...] = (
    names_itself,
    renders_every_message,
    generates_text_and_counts_it,
    stops_at_max_tokens,
    stops_before_a_stop_text,
    returns_at_a_limit_that_has_passed,
    returns_when_cancelled,
)
