"""Stand-ins with the same Protocols as the real things, checked by the same contract test."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

import httpx

from service_chat.engines.protocol import Finish, Generation, Limit, Message, Sampling
from service_chat.errors import EngineError, PromptTooLongError
from service_chat.services.patients import PatientApi

# Words that may appear in no log line: the fields of the one patient the fake API knows, and the question.
PATIENT = {
    "mrn": "MRN-001",
    "name": "Ada Sample",
    "age": 41,
    "sex": "female",
    "diagnosis": "quixotic fever",
    "medications": ["metformin 500 mg"],
    "allergies": ["latex"],
    "last_visit": date(2026, 3, 9).isoformat(),
}
QUERY = "Which zebra medicine do I take?"
BASE_URL = "http://patients.test:8001"


@dataclass
class FakeEngine:
    """An engine that says what it is told to; words are its tokens.

    Attributes:
        replies: texts by turn; the last one repeats.
        context_tokens: words that prompt and answer may have together.
        gate: generation waits for it, looking at its limit meanwhile; None does not wait.
        failure: raised instead of answering.
        prompts: every prompt it was given.
        max_tokens: every bound it was given.
    """

    replies: Sequence[str] = ("You have quixotic fever.",)
    context_tokens: int = 2048
    gate: threading.Event | None = None
    deaf: bool = False
    failure: Exception | None = None
    name: str = "fake"
    version: str = "1"
    closed: bool = False
    prompts: list[str] = field(default_factory=list)
    max_tokens: list[int] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)

    def render(self, messages: Sequence[Message]) -> str:
        """Join the messages, with their roles."""
        return "\n".join(f"<{message.role}> {message.content}" for message in messages)

    def generate(
        self, prompt: str, *, sampling: Sampling, max_tokens: int, stop: Sequence[str], limit: Limit
    ) -> Generation:
        """Say the next reply, held to the bounds; `deaf` does not look at the limit while it waits for the gate."""
        del sampling
        prompt_tokens = len(prompt.split())
        if prompt_tokens + max_tokens > self.context_tokens:
            raise PromptTooLongError(f"{prompt_tokens} + {max_tokens} tokens exceed {self.context_tokens}")
        text = self.replies[min(len(self.prompts), len(self.replies) - 1)]
        self.prompts.append(prompt)
        self.max_tokens.append(max_tokens)
        self.limits.append(limit)
        while self.gate is not None and not self.gate.wait(0.005):
            if limit.passed() and not self.deaf:
                return Generation("", Finish.DEADLINE, prompt_tokens, 0)
        if self.failure is not None:
            raise self.failure
        if limit.passed():
            return Generation("", Finish.DEADLINE, prompt_tokens, 0)
        for mark in stop:
            text = text.split(mark)[0]
        words = text.split(" ") if text else []
        finish = Finish.LENGTH if len(words) > max_tokens else Finish.STOP
        return Generation(" ".join(words[:max_tokens]), finish, prompt_tokens, min(len(words), max_tokens))

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True


def engine_failure() -> EngineError:
    """Return what an engine raises when its library fails."""
    return EngineError("the fake engine failed")


def patient_api(handler: httpx.MockTransport | None = None) -> PatientApi:
    """Return a patient API that knows `PATIENT` and nobody else, or answers as `handler` does."""
    return PatientApi(BASE_URL, timeout_s=1.0, transport=handler or httpx.MockTransport(_known_patient))


def _known_patient(request: httpx.Request) -> httpx.Response:
    if request.url.path == f"/patients/{PATIENT['mrn']}/summary":
        return httpx.Response(200, json=PATIENT)
    return httpx.Response(404, json={"detail": "not found"})


async def until(condition: Callable[[], bool]) -> None:
    """Return once the condition holds; the test's own timeout bounds it."""
    while not condition():  # noqa: ASYNC110 # other threads make it true, no event tells of it
        await asyncio.sleep(0.001)
