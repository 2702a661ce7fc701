"""`gate.collecting` on a scripted reader: which logs are read, and what is said of those that are not."""

from dataclasses import dataclass, field

import pytest

from gate.collecting import MAX_PODS, TAIL_BYTES, app_logs, pod_logs
from gate.readers.errors import Denied, NotFound, ReadError, Unreachable
from gate.records import LogTail, Snapshot
from tests.diagnosis import factories as make

READY, BROKEN = f"{make.NEW_REPLICA_SET}-aaaaa", f"{make.NEW_REPLICA_SET}-zzzzz"


@dataclass
class Logs:
    """A reader whose logs are their own names; a pod in ``troubles`` raises."""

    troubles: dict[str, ReadError] = field(default_factory=dict)
    whole: bool = False
    asked: list[tuple[str, str, bool]] = field(default_factory=list)

    def logs(self, pod: str, container: str, *, previous: bool = False, limit_bytes: int = 0) -> LogTail:
        """Return the log, or raise."""
        assert limit_bytes == (0 if self.whole else TAIL_BYTES)
        self.asked.append((pod, container, previous))
        if pod in self.troubles:
            raise self.troubles[pod]
        return LogTail(pod=pod, container=container, previous=previous, lines=(pod,))


def snapshot() -> Snapshot:
    """Return a rollout with a ready pod, one that was restarted, and one that is not of the app."""
    broken = make.unready_pod(make.running(3), BROKEN, status={"restarts": 2})
    other = make.pod("patient-api-1", owner=None, labels={"app": "patient-api"})
    return make.rollout_snapshot(make.pod(READY), broken, other)


def test_logs_of_the_app_are_read_broken_pods_first_with_the_instance_before_a_restart() -> None:
    """Other pods of the namespace are left alone."""
    reader = Logs()
    logs = app_logs(reader, snapshot(), deployment=make.DEPLOYMENT)
    assert reader.asked == [
        (BROKEN, make.CONTAINER, True),
        (BROKEN, make.CONTAINER, False),
        (READY, make.CONTAINER, False),
    ]
    assert (len(logs.tails), logs.missing) == (3, ())


def test_log_that_is_not_there_or_not_permitted_is_named_and_the_rest_is_read() -> None:
    """A missing permission is told in the reader's own words."""
    denied = Denied("get", "pods/log", make.NAMESPACE, "forbidden", status_code=403)
    logs = app_logs(Logs({BROKEN: denied}), snapshot(), deployment=make.DEPLOYMENT)
    assert [each.pod for each in logs.tails] == [READY]
    assert logs.missing[0] == (
        f"log of pod {BROKEN}, container {make.CONTAINER}: "
        f"not permitted: get pods/log in namespace {make.NAMESPACE}: forbidden"
    )
    logs = app_logs(Logs({READY: NotFound("waiting to start")}), snapshot(), deployment=make.DEPLOYMENT)
    assert logs.missing == (f"log of pod {READY}, container {make.CONTAINER}: it has written none that is still there",)


def test_server_that_does_not_answer_is_asked_once() -> None:
    """Each further log would cost its whole retry budget."""
    reader = Logs({BROKEN: Unreachable("connection refused")})
    logs = app_logs(reader, snapshot(), deployment=make.DEPLOYMENT)
    assert len(reader.asked) == 1
    assert logs.missing == (f"logs from pod {BROKEN} on: connection refused",)


def test_more_pods_than_fit_are_named() -> None:
    """Of a large rollout only so many logs are read, and the index says whose are not."""
    pods = [make.pod(f"{make.NEW_REPLICA_SET}-{number:05}") for number in range(MAX_PODS + 2)]
    logs = app_logs(Logs(), make.rollout_snapshot(*pods), deployment=make.DEPLOYMENT)
    assert len(logs.tails) == MAX_PODS
    assert [each.split(":")[0] for each in logs.missing] == [f"logs of pod {pod.name}" for pod in pods[MAX_PODS:]]


def test_namespace_without_the_deployment_has_no_logs() -> None:
    """Nothing was deployed: nothing to read."""
    reader = Logs()
    assert app_logs(reader, snapshot(), deployment="another").tails == ()
    assert reader.asked == []


def test_logs_to_be_judged_are_those_of_every_container_or_an_error() -> None:
    """What the node has removed is left out; a log that may not be read is no clean log."""
    pods = snapshot().pods[:2]
    logs = pod_logs(Logs(whole=True), pods)
    assert [(each.pod, each.previous) for each in logs] == [(READY, False), (BROKEN, True), (BROKEN, False)]
    gone = pod_logs(Logs({BROKEN: NotFound("previous terminated container not found")}, whole=True), pods)
    assert {each.pod for each in gone} == {READY}
    with pytest.raises(Denied):
        pod_logs(Logs({READY: Denied("get", "pods/log", "carepath-demo", "no")}, whole=True), pods)
