"""Whether a TCP port of this host is taken: asked by the checks before a start, and by the load balancer."""

import socket


def is_free(address: str, port: int) -> bool:
    """Return whether a server could listen there; True where this user may not ask (ports below 1024)."""
    with socket.socket() as probe:
        # As servers do: connections of an ended server that linger in TIME_WAIT do not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except PermissionError:
            return True
        except OSError:
            return False
        return True
