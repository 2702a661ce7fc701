"""The guard that keeps tests/ off the network."""

import socket

import pytest


def test_connection_beyond_loopback_fails_the_test() -> None:
    """An address of another machine is refused before a packet leaves, and not as an OSError."""
    with socket.socket() as each, pytest.raises(pytest.fail.Exception, match=r"reaches for 192\.0\.2\.1:443"):
        each.connect(("192.0.2.1", 443))


def test_name_lookup_fails_the_test() -> None:
    """A name is not even looked up."""
    with pytest.raises(pytest.fail.Exception, match=r"the name service, for 'example\.invalid'"):
        socket.create_connection(("example.invalid", 443))


def test_connection_to_loopback_works() -> None:
    """A server that a test starts itself can be asked."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=5) as connection,
    ):
        assert connection.getpeername()[0] == "127.0.0.1"
