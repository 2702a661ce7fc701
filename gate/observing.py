"""Asks the running service: every pod by itself, and the way users go. Makes what ``diagnosis`` judges.

Pods are asked one after the other, so that one pod's inference does not slow another's on a shared node and the
latencies are those of an otherwise idle service. Only the target's synthetic test patients are ever asked about.
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Protocol, Self

from gate.records import Answer, Identity, Reply

#: The one whose answer must name what the record says (QLT-1); the checklist's own.
DIAGNOSIS_QUESTION = "What is my current diagnosis?"

#: Each asks for something else in the patient's summary, so that one text cannot answer all of them.
QUESTIONS: tuple[str, ...] = (
    DIAGNOSIS_QUESTION,
    "Which medications do I take?",
    "When should I seek urgent care?",
)


#: Of each pod before anything else. They differ in question and patient; two pairs that are alike make canned answers,
#: one may be chance, so three are the fewest that tell before the figures of fresh pods are waited for.
FIRST_QUESTIONS = 3

_OK = 200

#: Users that keep asking while a rollout runs: few, so that they measure the rollout and not the load. Every second one
#: connects anew for each request, as most of a load balancer's clients do.
ROLLOUT_USERS = 2


class Chat(Protocol):
    """What is asked of one way to the service; never raises for an HTTP status or a broken connection."""

    def health(self) -> Reply:
        """GET /health."""
        ...

    def version(self) -> Identity:
        """GET /version."""
        ...

    def ask(self, patient_mrn: str, query: str) -> Answer:
        """POST /triage."""
        ...


def rounds(patients: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Return (patient, question) pairs for ever, every combination once before any comes again.

    Patient and question change together from one pair to the next, so that few samples already differ in both.
    """
    combinations = [
        (patients[(index + shift) % len(patients)], QUESTIONS[index % len(QUESTIONS)])
        for shift in range(len(patients))
        for index in range(len(QUESTIONS))
    ]
    return itertools.cycle(dict.fromkeys(combinations))


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """What the pods and the Service say of themselves; asking costs them nothing."""

    health: tuple[Reply, ...]
    identities: tuple[Identity, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interview(Greeting):
    """The same, and what the pods answered."""

    answers: tuple[Answer, ...]


def greet(pods: Sequence[Chat], service: Chat | None) -> Greeting:
    """Ask every pod for health and identity, and the Service for its health."""
    health = tuple(chat.health() for chat in (*pods, *((service,) if service else ())))
    return Greeting(health=health, identities=tuple(chat.version() for chat in pods))


def interview(
    pods: Sequence[Chat],
    service: Chat | None,
    *,
    patients: Sequence[str],
    samples: int,
    budget_s: float,
    before: Sequence[Answer] = (),
    clock: Callable[[], float] = time.monotonic,
) -> Interview:
    """Ask every pod for health, identity and triage answers, and the Service for its health.

    Args:
        pods: one client per pod.
        service: the client of the way users go, None where there is none.
        patients: MRNs of synthetic patients.
        samples: warm triage answers wanted over all pods; each pod gets an equal share and one cold question before.
        budget_s: no further warm round starts after this many seconds; what is missing shows in the count.
        before: what ``first_answers`` brought already, the cold questions among it; they are not asked again.
        clock: monotonic seconds.
    """
    greeting = greet(pods, service)
    # Each pod gets a cycle of its own: a shared one would ask three pods three questions each for ever.
    begun = FIRST_QUESTIONS if before else 0
    asked = [(chat, itertools.islice(rounds(patients), number + begun, None)) for number, chat in enumerate(pods)]
    answers = list(before) or [replace(chat.ask(*next(questions)), cold=True) for chat, questions in asked]
    started = clock()
    for _ in range(-(-samples // len(pods)) if pods else 0):
        if clock() - started > budget_s:
            break
        answers += [chat.ask(*next(questions)) for chat, questions in asked]
    return Interview(health=greeting.health, identities=greeting.identities, answers=tuple(answers))


def first_answers(pods: Sequence[Chat], *, patients: Sequence[str]) -> tuple[Answer, ...]:
    """Ask each pod its first questions, about two things and two patients: one text for all of them shows at once."""
    answers: list[Answer] = []
    for number, chat in enumerate(pods):
        questions = itertools.islice(rounds(patients), number, number + FIRST_QUESTIONS)
        own = [chat.ask(*pair) for pair in questions]
        answers += [replace(own[0], cold=True), *own[1:]]
    return tuple(answers)


def diagnosis_answers(
    pods: Sequence[Chat],
    *,
    patients: Sequence[str],
    samples: int,
    budget_s: float,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Answer, ...]:
    """Ask for the diagnosis, of pods and patients in turn; none after a question that got no answer.

    Args:
        pods: one client per pod.
        patients: MRNs of synthetic patients.
        samples: how many questions.
        budget_s: none starts after this many seconds; what is missing shows in the count.
        clock: monotonic seconds.
    """
    answers: list[Answer] = []
    started = clock()
    while pods and len(answers) < samples and clock() - started < budget_s:
        turn = len(answers)
        # Each pod is asked about every patient, also where there are as many of one as of the other.
        patient = patients[(turn // len(pods) + turn % len(pods)) % len(patients)]
        answers.append(pods[turn % len(pods)].ask(patient, DIAGNOSIS_QUESTION))
        if answers[-1].reply.status != _OK:
            break
    return tuple(answers)


@dataclass
class Traffic:
    """Requests that keep coming, as users send them, while something else changes the cluster.

    Each worker is one user: it asks, waits ``pause_s`` and asks again, over a client of its own.
    """

    clients: Sequence[Chat]
    patients: Sequence[str]
    pause_s: float = 0.5
    answers: list[Answer] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Start the workers."""
        for number, client in enumerate(self.clients):
            thread = threading.Thread(target=self._work, args=(client, number), name=f"traffic-{number}")
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let each worker finish its request, then return."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self, client: Chat, number: int) -> None:
        for patient, question in itertools.islice(rounds(self.patients), number, None):
            if self._stop.is_set():
                return
            self.answers.append(client.ask(patient, question))
            self._stop.wait(self.pause_s)


def burst(clients: Sequence[Chat], *, patients: Sequence[str], requests: int) -> tuple[Answer, ...]:
    """Send ``requests`` questions from all clients at once, each client one after the other, and return all answers."""
    shares = [requests // len(clients) + (number < requests % len(clients)) for number in range(len(clients))]
    answers: list[Answer] = []

    def work(client: Chat, number: int) -> None:
        for patient, question in itertools.islice(rounds(patients), number, number + shares[number]):
            answers.append(client.ask(patient, question))

    threads = [threading.Thread(target=work, args=(client, number)) for number, client in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tuple(answers)
