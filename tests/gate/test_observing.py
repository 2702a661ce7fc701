"""Asking the service: who is asked what, how often, and that nothing asked is lost. No network: the chat is a fake."""

import itertools
import threading
from collections import Counter
from dataclasses import dataclass, field, replace

from gate.observing import (
    DIAGNOSIS_QUESTION,
    QUESTIONS,
    Interview,
    Traffic,
    burst,
    diagnosis_answers,
    first_answers,
    greet,
    interview,
    rounds,
)
from gate.records import Answer, Identity, Reply
from tests.diagnosis_answers import observations as make

PATIENTS = ("MRN-001", "MRN-002", "MRN-003", "MRN-004")


@dataclass
class FakeChat:
    """A pod that answers at once and remembers what it was asked.

    Attributes:
        name: of the pod.
        asked: every (patient, question), in order.
        now_s: this pod's clock; each answer takes ``seconds``.
        reached: set when it has answered as often as ``enough``.
    """

    name: str
    asked: list[tuple[str, str]] = field(default_factory=list)
    now_s: float = 0.0
    seconds: float = 1.0
    enough: int = 0
    reached: threading.Event = field(default_factory=threading.Event)

    def health(self) -> Reply:
        """Say that it lives."""
        return make.health(self.name)

    def version(self) -> Identity:
        """Say who it is."""
        return make.identity(self.name)

    def ask(self, patient_mrn: str, query: str) -> Answer:
        """Answer."""
        self.asked.append((patient_mrn, query))
        self.now_s += self.seconds
        if len(self.asked) >= self.enough:
            self.reached.set()
        return replace(make.answer(self.name), patient_mrn=patient_mrn, query=query)


def interviewed(*pods: FakeChat, samples: int, budget_s: float = 60.0, service: FakeChat | None = None) -> Interview:
    """Return the interview of these pods; the first one's clock is the interview's."""
    clock = (lambda: pods[0].now_s) if pods else (lambda: 0.0)
    return interview(pods, service, patients=PATIENTS, samples=samples, budget_s=budget_s, clock=clock)


def test_greet_asks_for_health_and_identity_and_no_question() -> None:
    """Each pod says who it is, all say how they are, the Service too, and none computes an answer."""
    pods, service = [FakeChat("a"), FakeChat("b")], FakeChat("service")
    greeting = greet(pods, service)
    assert [each.via for each in greeting.health] == [make.health(name).via for name in ("a", "b", "service")]
    assert [each.reply.via for each in greeting.identities] == [make.identity(name).reply.via for name in ("a", "b")]
    assert [pod.asked for pod in (*pods, service)] == [[], [], []]


def test_rounds_combine_every_patient_with_every_question_before_any_comes_again() -> None:
    """Twelve different pairs, then the same twelve."""
    pairs = list(itertools.islice(rounds(PATIENTS), 24))
    every = set(itertools.product(PATIENTS, QUESTIONS))
    assert set(pairs[:12]) == every
    assert pairs[12:] == pairs[:12]


def test_rounds_change_patient_and_question_together() -> None:
    """Two answers in a row that are equal are suspicious already: nothing that was asked is."""
    pairs = list(itertools.islice(rounds(PATIENTS), 12))
    assert all(
        first[0] != second[0] and first[1] != second[1] for first, second in itertools.pairwise([*pairs, pairs[0]])
    )


def test_rounds_with_one_patient_go_through_the_questions() -> None:
    """Nobody else is asked about to make up for it."""
    assert list(itertools.islice(rounds(("MRN-001",)), 3)) == [("MRN-001", question) for question in QUESTIONS]


def test_interview_shares_warm_samples_evenly_after_one_cold_question_each() -> None:
    """20 samples over 3 pods are 7 rounds of 3, so that no pod is judged on fewer; the cold ones are marked."""
    pods = [FakeChat(name) for name in ("a", "b", "c")]
    seen = interviewed(*pods, samples=20)
    assert [len(pod.asked) for pod in pods] == [8, 8, 8]
    assert [(answer.reply.via, answer.cold) for answer in seen.answers[:4]] == [
        ("pod/a", True),
        ("pod/b", True),
        ("pod/c", True),
        ("pod/a", False),
    ]
    assert Counter(answer.cold for answer in seen.answers) == {True: 3, False: 21}


def test_interview_asks_each_pod_in_a_cycle_of_its_own() -> None:
    """Each of 3 pods is asked all 12 combinations in 12 questions; a shared cycle would ask each 4 of them thrice."""
    pods = [FakeChat(name) for name in ("a", "b", "c")]
    interviewed(*pods, samples=33)
    assert [len(set(pod.asked)) for pod in pods] == [12, 12, 12]
    assert len({pod.asked[0] for pod in pods}) == 3


def test_interview_within_its_budget_asks_all() -> None:
    """A round begins while the budget is not exceeded: 5 warm rounds of 1 s fit 4 s exactly."""
    pod = FakeChat("a")
    assert len(interviewed(pod, samples=5, budget_s=4.0).answers) == 1 + 5


def test_interview_out_of_budget_starts_no_further_round() -> None:
    """What is missing shows in the count: 4 warm rounds of 1 s have passed 3 s."""
    pod = FakeChat("a")
    assert len(interviewed(pod, samples=50, budget_s=3.0).answers) == 1 + 4


def test_interview_without_samples_asks_each_pod_once() -> None:
    """A drill wants to know only that each answers."""
    pods = [FakeChat("a"), FakeChat("b")]
    assert [answer.cold for answer in interviewed(*pods, samples=0).answers] == [True, True]


def test_interview_asks_the_service_for_its_health_only() -> None:
    """The way users go is asked once; which pod answers there is not known."""
    service = FakeChat("the-service")
    seen = interviewed(FakeChat("a"), samples=3, service=service)
    assert [each.via for each in seen.health] == ["pod/a", "pod/the-service"]
    assert [each.reply.via for each in seen.identities] == ["pod/a"]
    assert service.asked == []


def test_interview_without_pods_is_empty() -> None:
    """Nobody to ask is not an error here: it is judged as nothing measured."""
    assert interviewed(samples=20) == Interview(health=(), identities=(), answers=())


def test_traffic_stops_and_loses_nothing() -> None:
    """Every request that was sent has its answer, and none is sent after the end."""
    users = [FakeChat("a", enough=5), FakeChat("b", enough=5)]
    with Traffic(users, PATIENTS, pause_s=0.0) as traffic:
        assert all(user.reached.wait(10) for user in users)
    sent = [len(user.asked) for user in users]
    assert len(traffic.answers) == sum(sent)
    assert Counter(answer.reply.via for answer in traffic.answers) == {"pod/a": sent[0], "pod/b": sent[1]}
    assert not any(thread.name.startswith("traffic-") for thread in threading.enumerate())


def test_traffic_of_two_users_starts_with_different_questions() -> None:
    """Two users who ask the same in step would be one user."""
    users = [FakeChat("a", enough=1), FakeChat("b", enough=1)]
    with Traffic(users, PATIENTS, pause_s=0.0):
        assert all(user.reached.wait(10) for user in users)
    assert users[0].asked[0] != users[1].asked[0]


def test_traffic_lets_the_last_request_finish() -> None:
    """A request under way at the end is answered before the block is left."""
    begun, finish = threading.Event(), threading.Event()

    class Slow(FakeChat):
        def ask(self, patient_mrn: str, query: str) -> Answer:
            begun.set()
            assert finish.wait(10)
            return super().ask(patient_mrn, query)

    # A pause that only the end cuts short: however late the end comes, no second request begins.
    with Traffic([Slow("a")], PATIENTS, pause_s=60.0) as traffic:
        assert begun.wait(10)
        threading.Timer(0.01, finish.set).start()
    assert len(traffic.answers) == 1


def test_burst_sends_exactly_as_many_requests_from_all_clients() -> None:
    """30 over 4 clients are 8, 8, 7 and 7."""
    clients = [FakeChat(name) for name in "abcd"]
    answers = burst(clients, patients=PATIENTS, requests=30)
    assert len(answers) == 30
    assert [len(client.asked) for client in clients] == [8, 8, 7, 7]


def test_burst_of_fewer_requests_than_clients_leaves_some_silent() -> None:
    """The number asked for is kept."""
    clients = [FakeChat(name) for name in "abcd"]
    assert len(burst(clients, patients=PATIENTS, requests=3)) == 3


def test_burst_asks_all_clients_at_once() -> None:
    """Nobody waits for another: each first answer comes only when all have asked."""
    together = threading.Barrier(4, timeout=10)

    class Waiting(FakeChat):
        def ask(self, patient_mrn: str, query: str) -> Answer:
            together.wait()
            return super().ask(patient_mrn, query)

    assert len(burst([Waiting(name) for name in "abcd"], patients=PATIENTS, requests=4)) == 4


def test_first_answers_differ_in_question_and_patient_and_are_not_asked_again() -> None:
    """What was asked while figures were waited for is the interview's beginning."""
    pods = [FakeChat("a"), FakeChat("b")]
    first = first_answers(pods, patients=PATIENTS)
    assert [(each.reply.via, each.cold) for each in first] == [
        ("pod/a", True),
        ("pod/a", False),
        ("pod/a", False),
        ("pod/b", True),
        ("pod/b", False),
        ("pod/b", False),
    ]
    for pod in pods:
        asked_about, asked = zip(*pod.asked, strict=True)
        assert len(set(asked_about)) > 1
        assert len(set(asked)) == 3
    whole = interview(pods, None, patients=PATIENTS, samples=8, budget_s=60.0, before=first, clock=lambda: 0.0)
    assert whole.answers[:6] == first
    assert sum(each.cold for each in whole.answers) == 2
    for number, pod in enumerate(pods):
        assert pod.asked == list(itertools.islice(rounds(PATIENTS), number, number + 7))


def test_diagnosis_answers_ask_every_pod_about_every_patient() -> None:
    """Four pods and four patients: sixteen questions are sixteen pairs, all for the diagnosis."""
    pods = [FakeChat(name) for name in "abcd"]
    answers = diagnosis_answers(pods, patients=PATIENTS, samples=16, budget_s=60.0, clock=lambda: 0.0)
    assert {each.query for each in answers} == {DIAGNOSIS_QUESTION}
    assert all(Counter(patient for patient, _ in pod.asked) == dict.fromkeys(PATIENTS, 1) for pod in pods)


def test_diagnosis_answers_of_one_pod_are_about_every_patient() -> None:
    """One replica is asked about all of them in turn."""
    pod = FakeChat("a")
    diagnosis_answers([pod], patients=PATIENTS, samples=8, budget_s=60.0, clock=lambda: 0.0)
    assert [patient for patient, _ in pod.asked] == [*PATIENTS, *PATIENTS]


def test_diagnosis_answers_end_with_the_budget_and_with_the_first_refusal() -> None:
    """A slow pod is not asked for ever, a refusing one not again."""
    slow, refusing = FakeChat("a", seconds=10.0), Refusing("b")
    assert len(diagnosis_answers([slow], patients=PATIENTS, samples=9, budget_s=25.0, clock=lambda: slow.now_s)) == 3
    assert len(diagnosis_answers([refusing], patients=PATIENTS, samples=9, budget_s=60.0, clock=lambda: 0.0)) == 1
    assert diagnosis_answers([], patients=PATIENTS, samples=9, budget_s=60.0, clock=lambda: 0.0) == ()


class Refusing(FakeChat):
    """A pod whose queue is full."""

    def ask(self, patient_mrn: str, query: str) -> Answer:
        """Refuse."""
        return replace(make.refused(429, self.name), patient_mrn=patient_mrn, query=query)
