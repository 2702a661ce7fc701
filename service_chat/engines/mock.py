"""The mock: an engine without a model.

It answers every question with the same text, so that whoever compares two answers can tell it from a model.
"""

from collections.abc import Sequence

from service_chat import __version__
from service_chat.engines.protocol import Finish, Generation, Limit, Message, Sampling

MOCK_TEXT = (
    "[MOCK] This is a canned answer of the mock mode; no language model was asked. "
    "Please contact your care team for medical advice."
)


class MockEngine:
    """Satisfies `Engine`; counts words where a model would count tokens."""

    name = "mock"
    version = __version__

    def render(self, messages: Sequence[Message]) -> str:
        """Join the messages; there is no template."""
        return "\n".join(message.content for message in messages)

    def generate(
        self,
        prompt: str,
        *,
        sampling: Sampling,  # noqa: ARG002 # the Protocol's; nothing is sampled
        max_tokens: int,
        stop: Sequence[str],
        limit: Limit,
    ) -> Generation:
        """Return the canned text, held to the same bounds as a model's."""
        words = len(prompt.split())
        if limit.passed():
            return Generation("", Finish.DEADLINE, words, 0)
        text = MOCK_TEXT
        for mark in stop:
            text = text.split(mark)[0]
        answer = text.split()
        finish = Finish.LENGTH if len(answer) > max_tokens else Finish.STOP
        return Generation(" ".join(answer[:max_tokens]), finish, words, min(len(answer), max_tokens))

    def close(self) -> None:
        """Nothing is held."""
