"""uvicorn with the manners of a pod: a drain that loses no request, and exit codes that say why it ended.

On SIGTERM the endpoints of the Service still send requests for a while, so for DRAIN_DELAY_S the pod says it is not
ready and serves all the same, asking each caller to reconnect; then it takes nothing new, finishes what it accepted
within DRAIN_S, and ends. No preStop hook is needed for it.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType

import structlog
import uvicorn

from service_chat.app import create_app
from service_chat.runtime import Runtime
from service_chat.settings import Settings, SettingsError, load_settings
from service_chat.telemetry import configure_logging

EXIT_OK = 0
EXIT_SETTINGS = 2
EXIT_MODEL = 4  # uvicorn uses 1 and 3 itself

# Longer than the idle timeout of the load balancer before it (AWS: 60 s, Elastic Load Balancing user guides, "idle
# timeout"): whoever closes an idle connection first must be the one that would reuse it, or requests are lost.
KEEP_ALIVE_S = 75

# Requests beyond the queue are refused by admission.py, with words; this only bounds sockets.
_BACKLOG = 512

# Kubernetes shows its content as the container's last state: terminationMessagePath, default.
_TERMINATION_LOG = Path("/dev/termination-log")

_log = structlog.get_logger("service_chat.server")


class DrainingServer(uvicorn.Server):
    """Stops in two steps: not ready, then not listening.

    Args:
        config: uvicorn's.
        runtime: the app's.
        sleep: how the drain delay is waited for.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        runtime: Runtime,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(config)
        self._sleep = sleep
        self._runtime = runtime
        self._stopping: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.exit_code = EXIT_OK

    async def serve(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Serve until a signal or `fail` ends it."""
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)  # type: ignore[arg-type]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the drain; a second signal ends it at once. Called between two bytecodes of the main thread."""
        if self._runtime.draining:
            super().handle_exit(sig, frame)
            self.force_exit = True
            return
        # Not handed to uvicorn, which would raise it again at the end: a drained pod has ended well.
        self._runtime.draining = True
        if self._loop is None:
            self.should_exit = True
            return
        self._loop.call_soon_threadsafe(self._begin_drain, signal.Signals(sig))

    def _begin_drain(self, cause: signal.Signals) -> None:
        self._stopping = asyncio.ensure_future(self._drain(cause))

    async def _drain(self, cause: signal.Signals) -> None:
        settings, admission = self._runtime.settings, self._runtime.admission
        # Ctrl-C comes from a terminal: no endpoints have to learn of it.
        delay_s = 0.0 if cause is signal.SIGINT else settings.drain_delay_s
        _log.info("Draining", cause=cause.name, drain_delay_s=delay_s, drain_s=settings.drain_s)
        await self._sleep(delay_s)
        admission.close()
        self.should_exit = True  # the listening socket closes; connections at work go on
        finished = await admission.drained(settings.drain_s)
        _log.info("Drained", finished=finished)

    def fail(self, cause: str) -> None:
        """End because the model cannot be loaded; called on the event loop."""
        tell_kubernetes(cause)
        self.exit_code = EXIT_MODEL
        self._runtime.draining = True
        self.should_exit = True


def tell_kubernetes(cause: str) -> None:
    """Leave the cause where `kubectl describe pod` shows it; outside of a pod there is no such file."""
    with contextlib.suppress(OSError), _TERMINATION_LOG.open("r+", encoding="utf-8") as file:
        file.write(cause)


def serve(settings: Settings) -> int:
    """Run the service until it is told to stop; return the exit code."""
    servers: list[DrainingServer] = []  # the app needs the server's `fail`, the server needs the app

    def failed(cause: str) -> None:
        servers[0].fail(cause)

    app = create_app(settings, on_load_failure=failed)
    config = uvicorn.Config(
        app,
        host=settings.bind_address,
        port=settings.port,
        log_config=None,
        access_log=False,  # api/tracing.py logs requests, without paths
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(settings.drain_s) + 1,
        backlog=_BACKLOG,
    )
    servers.append(DrainingServer(config, app.state.runtime))
    servers[0].run()
    return servers[0].exit_code


def main() -> int:
    """Check the settings and serve; the exit code says what went wrong."""
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        tell_kubernetes(str(error))
        return EXIT_SETTINGS
    configure_logging(settings.log_level)
    return serve(settings)
