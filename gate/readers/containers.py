"""One container of the service under a Docker engine: where it answers, whether it has ended, and what it said last.

``bench`` starts and removes containers and asks them its questions; what Docker says about them ends here.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

import docker.errors
import httpx
from docker.models.containers import Container
from testcontainers.core.container import DockerContainer

from gate.readers.chat import ChatClient
from gate.readers.errors import Unreachable, excerpt

CHAT_PORT = 8002
POLL_S = 0.1
LOG_LINES = 5


@dataclass(frozen=True, slots=True)
class Running:
    """A started container of the service; ``url`` is empty where it publishes no port (any more)."""

    container: Container
    url: str

    def ended(self) -> bool:
        """Return whether its process has ended."""
        self.container.reload()
        return bool(self.container.status in {"exited", "dead"})

    def client(self, timeout_s: float = 60.0) -> ChatClient:
        """Return a client of this container."""
        return ChatClient(httpx.HTTPTransport(), via="container", base_url=self.url, timeout_s=timeout_s)

    def last_lines(self) -> tuple[str, ...]:
        """Return the end of the log, cut and free of secrets."""
        text = self.container.logs(tail=LOG_LINES).decode("utf-8", "replace")
        return tuple(excerpt(line) for line in text.splitlines() if line.strip())

    def status(self, path: str) -> int | None:
        """Return the status code of a GET, None where nobody answered within 2 s."""
        try:
            return httpx.get(f"{self.url}{path}", timeout=2, trust_env=False).status_code
        except httpx.HTTPError:
            return None

    def comes_to_answer(self, path: str, limit_s: float) -> bool:
        """Return whether a path came to 200 before the limit, or the container's end."""
        return eventually(lambda: self.status(path) == HTTPStatus.OK, limit_s, unless=self.ended)

    def wait_until_ready(self, limit_s: float) -> None:
        """Return once /ready is 200.

        Raises:
            Unreachable: it ended, or was not ready in time; with its last words.
        """
        if not self.comes_to_answer("/ready", limit_s):
            raise self.not_ready(limit_s)

    def not_ready(self, limit_s: float) -> Unreachable:
        """Return the error of a container that did not become ready within the limit."""
        state = "ended" if self.ended() else f"is not ready after {limit_s:g} s"
        return Unreachable(f"the container {state}: {' / '.join(self.last_lines()) or 'no log'}")

    def exit_code(self, limit_s: float) -> int | None:
        """Return how its process ended, None where it has not within the limit."""
        return int(self.container.attrs["State"]["ExitCode"]) if eventually(self.ended, limit_s) else None


def address_of(chat: DockerContainer) -> str:
    """Return the service's URL; its own port look-up would wait, and give up with a StopIteration, if it has ended."""
    engine, started = chat.get_docker_client(), chat.get_wrapped_container()
    try:
        return f"http://{chat.get_container_host_ip()}:{engine.port(started.id, CHAT_PORT)}"
    except ConnectionError:  # nothing is published: the process has ended already, and its log tells why
        return ""


def eventually(holds: Callable[[], bool], limit_s: float, *, unless: Callable[[], bool] = lambda: False) -> bool:
    """Return whether something came to hold before the limit, and before ``unless`` did."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if holds():
            return True
        if unless():
            return False
        time.sleep(POLL_S)
    return False


@contextmanager
def engine_errors(image: str) -> Iterator[None]:
    """Raise what the Docker engine says as Unreachable, with the image's name."""
    try:
        yield
    except docker.errors.ImageNotFound as error:
        raise Unreachable(f"image {image} is not there and cannot be pulled: {excerpt(str(error))}") from error
    except docker.errors.DockerException as error:
        raise Unreachable(f"Docker engine, with image {image}: {excerpt(str(error))}") from error
