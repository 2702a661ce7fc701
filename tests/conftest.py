"""What holds for all of tests/: nothing reaches beyond this machine, and no example is remembered.

An attempt to reach further fails the test, whatever the code under test catches.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import settings

# The first example may wait for a busy machine. No database of examples: a run does not depend on the one before it.
settings.register_profile("tests", deadline=None, database=None)
settings.load_profile("tests")


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """Let sockets connect to loopback and to sockets of the file system only, and look up no name but localhost."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
        patch.setattr(socket, "getaddrinfo", _looked_up(socket.getaddrinfo))
        yield


def _guarded(connect: Callable[[socket.socket, Any], Any]) -> Callable[[socket.socket, Any], Any]:
    def guarded(self: socket.socket, address: Any) -> Any:  # noqa: ANN401  # as the socket module declares it
        if self.family != socket.AF_UNIX and not _is_local(address[0]):
            _refuse(f"{address[0]}:{address[1]}")
        return connect(self, address)

    return guarded


def _looked_up(getaddrinfo: Callable[..., Any]) -> Callable[..., Any]:
    def looked_up(host: str | bytes | None, *rest: Any, **options: Any) -> Any:  # noqa: ANN401  # same
        if host is not None and not _is_address(host) and not _is_local(host):
            _refuse(f"the name service, for {host!r}")
        return getaddrinfo(host, *rest, **options)

    return looked_up


def _is_address(host: str | bytes) -> bool:
    try:
        ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host)
    except ValueError:
        return False
    return True


def _is_local(host: str | bytes) -> bool:
    text = host.decode() if isinstance(host, bytes) else host
    return text == "localhost" or (_is_address(text) and ipaddress.ip_address(text).is_loopback)


def _refuse(whom: str) -> None:
    # pytest's own exception is no Exception, so that code which turns every OSError into a verdict does not hide it.
    pytest.fail(f"this test reaches for {whom}: tests/ uses no network, hand the code a fake transport instead")
