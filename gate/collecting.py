"""Reads the app's logs, of every container and of the instance before a restart.

For judging (LOG-1, LOG-2) all of them, and what cannot be read raises: a log nobody read is no clean log. For a
diagnostics bundle little, because something already went wrong, perhaps with the cluster itself: it gives up at once
when the API server does not answer, and says what is missing instead of raising. What may be shown of a log is the
bundle's business.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from gate.diagnosis.ownership import pods_of_deployment
from gate.readers.errors import NotFound, ReadError, Unreachable
from gate.records import LogTail, Pod, Snapshot

#: Pods whose logs are read, those that are not ready first. A fault shows in a few; a request each is 10 to 50 ms.
MAX_PODS = 12

#: Of each log: the lines before an end and the start of a model fit many times; a dozen pods stay below the bundle's
#: limit (text is squeezed to a tenth).
TAIL_BYTES = 256 * 1024


class LogReader(Protocol):
    """The part of ``ClusterReader`` that reads logs."""

    def logs(self, pod: str, container: str, *, previous: bool = False, limit_bytes: int = ...) -> LogTail:
        """Return the end of a container's log.

        Raises:
            ReadError: there is none, or it could not be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Logs:
    """What was read, and what was not: a sentence each."""

    tails: tuple[LogTail, ...]
    missing: tuple[str, ...]


def pod_logs(reader: LogReader, pods: Sequence[Pod]) -> tuple[LogTail, ...]:
    """Return the logs of every container of these pods since it started, and of the instance before a restart.

    Raises:
        ReadError: one could not be read; what was never written, or was removed by the node since, is left out.
    """
    tails: list[LogTail] = []
    for pod, container, previous in _wanted(pods):
        with suppress(NotFound):
            tails.append(reader.logs(pod.name, container, previous=previous))
    return tuple(tails)


def app_logs(reader: LogReader, snapshot: Snapshot, *, deployment: str) -> Logs:
    """Return the ends of the logs of the Deployment's pods, of containers that were restarted the previous one too."""
    found = snapshot.deployment(deployment)
    pods = sorted(pods_of_deployment(snapshot, found) if found else (), key=lambda pod: (pod.ready, pod.name))
    missing = [f"logs of pod {pod.name}: the logs of {MAX_PODS} others are here" for pod in pods[MAX_PODS:]]
    tails: list[LogTail] = []
    for pod, container, previous in _wanted(pods[:MAX_PODS]):
        try:
            tails.append(reader.logs(pod.name, container, previous=previous, limit_bytes=TAIL_BYTES))
        except NotFound:
            missing.append(f"log of pod {pod.name}, container {container}: it has written none that is still there")
        except Unreachable as error:
            missing.append(f"logs from pod {pod.name} on: {error}")
            break
        except ReadError as error:
            missing.append(f"log of pod {pod.name}, container {container}: {error}")
    return Logs(tuple(tails), tuple(missing))


def _wanted(pods: Sequence[Pod]) -> Iterator[tuple[Pod, str, bool]]:
    for pod in pods:
        for status in pod.statuses:
            if status.restarts:
                yield pod, status.name, True
            yield pod, status.name, False
