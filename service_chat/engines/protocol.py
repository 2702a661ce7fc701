"""What the service asks of an inference engine, and nothing more.

An engine turns messages into its model's prompt and a prompt into text. It knows nothing of patients, HTTP, queues or
thoughts. It may raise `EngineError` and `PromptTooLongError`; its own library's exceptions stop in its module.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

from service_chat.errors import PromptTooLongError


class Finish(StrEnum):
    """Why a generation ended; the value is what X-Finish-Reason shows."""

    STOP = "stop"
    LENGTH = "length"
    DEADLINE = "deadline"


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user"]
    content: str


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen; temperature 0 is greedy, top_k 0 considers every token."""

    temperature: float
    top_p: float
    top_k: int
    min_p: float


@dataclass(frozen=True)
class Generation:
    """What one generation gave; counts are tokens of the engine's own tokenizer."""

    text: str
    finish: Finish
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class Limit:
    """When a generation has to stop: at a time of the monotonic clock, or as soon as it is cancelled."""

    at_s: float
    clock: Callable[[], float] = time.monotonic
    cancelled: threading.Event = field(default_factory=threading.Event)

    def remaining_s(self) -> float:
        """Return the seconds left, 0 if it has passed."""
        return 0.0 if self.cancelled.is_set() else max(0.0, self.at_s - self.clock())

    def passed(self) -> bool:
        """Say whether the generation has to stop now."""
        return self.remaining_s() <= 0.0

    def share(self, fraction: float) -> "Limit":
        """Return an earlier limit that leaves the rest of the time to somebody else; cancelling reaches both."""
        return Limit(self.clock() + self.remaining_s() * fraction, self.clock, self.cancelled)


class Engine(Protocol):
    """A loaded model. Methods block: call them off the event loop; they may be called from several threads."""

    name: str
    version: str

    def render(self, messages: Sequence[Message]) -> str:
        """Return the prompt that the model's own chat template makes of the messages, ready for the answer."""

    def generate(
        self, prompt: str, *, sampling: Sampling, max_tokens: int, stop: Sequence[str], limit: Limit
    ) -> Generation:
        """Continue the prompt until the model ends, a stop text comes (it is not returned), or a bound is met.

        A limit that passes is not an error: what there is by then is returned, with Finish.DEADLINE.

        Raises:
            PromptTooLongError: the prompt and max_tokens exceed the context.
            EngineError: the engine failed.
        """

    def close(self) -> None:
        """Give the memory back; the engine cannot be used afterwards."""


def within_context(prompt_tokens: int, max_tokens: int, context_tokens: int) -> None:
    """Accept a request that fits the context, thoughts and answer included.

    Raises:
        PromptTooLongError: it does not; the message has the numbers.
    """
    if prompt_tokens + max_tokens > context_tokens:
        raise PromptTooLongError(
            f"the question and the patient's summary take {prompt_tokens} tokens; "
            f"with {max_tokens} for the answer that exceeds the context of {context_tokens}"
        )
