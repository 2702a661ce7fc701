"""The way a pod goes: drained on SIGTERM, at once on the second, with a code when the model cannot be loaded."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn

from service_chat import server
from service_chat.app import create_app
from service_chat.runtime import Runtime
from service_chat.server import EXIT_MODEL, EXIT_OK, DrainingServer
from service_chat.services.model_manager import ModelManager, State
from service_chat.settings import Settings
from tests.service_chat.fakes import QUERY, FakeEngine, engine_failure, patient_api, until
from tests.service_chat.service import MODEL

QUESTION = {"patient_mrn": "MRN-001", "query": QUERY}


@dataclass
class Pod:
    """A serving process in miniature: a real uvicorn on a Unix socket."""

    server: DrainingServer
    runtime: Runtime
    serving: asyncio.Task[None]
    connect: Callable[[], httpx.AsyncClient]
    delays_s: list[float]
    delay_over: asyncio.Event

    async def ended(self) -> None:
        """Wait until the server has ended."""
        await asyncio.wait_for(self.serving, timeout=20)


@asynccontextmanager
async def _pod(folder: Path, engine: FakeEngine, **chosen: object) -> AsyncIterator[Pod]:
    fields = {"llm_mode": MODEL, "model_cache_dir": folder, "drain_delay_s": 7.0, **chosen}
    settings = Settings.model_validate(fields)

    def load(_path: Path, _settings: Settings) -> FakeEngine:
        if engine.failure is not None:
            raise engine.failure
        return engine

    servers: list[DrainingServer] = []

    def failed(cause: str) -> None:
        servers[0].fail(cause)

    app = create_app(
        settings,
        on_load_failure=failed,
        manager=ModelManager(settings, load),
        patients=patient_api(),
    )
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5)
    delays_s, delay_over = list[float](), asyncio.Event()

    async def sleep(seconds: float) -> None:
        delays_s.append(seconds)
        if seconds:
            await delay_over.wait()

    servers.append(DrainingServer(config, app.state.runtime, sleep))
    path = str(folder / "pod.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(path)
        serving = asyncio.create_task(servers[0].serve(sockets=[listening]))
        await until(lambda: servers[0].started or serving.done())
        yield Pod(
            servers[0],
            app.state.runtime,
            serving,
            lambda: httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=path), base_url="http://pod"),
            delays_s,
            delay_over,
        )
        if not serving.done():
            servers[0].should_exit = True
            await serving


def test_sigterm_keeps_serving_for_the_delay_then_finishes_what_was_accepted(model_folder: Path) -> None:
    """Not ready at once; still answering for the delay; the request at work when it ends is answered; exit code 0."""

    async def run() -> None:
        gate = threading.Event()
        async with _pod(model_folder, FakeEngine(gate=gate)) as pod:
            await until(lambda: pod.runtime.manager.state is State.LOADED)
            async with pod.connect() as client:
                at_work = asyncio.create_task(client.post("/triage", json=QUESTION))
                await until(lambda: pod.runtime.admission.running == 1)
                os.kill(os.getpid(), signal.SIGTERM)
                await until(lambda: pod.runtime.draining)
                async with pod.connect() as late:
                    not_ready = await late.get("/ready")
                    waiting = asyncio.create_task(late.post("/triage", json=QUESTION))
                    await until(lambda: pod.runtime.admission.waiting == 1)
                    pod.delay_over.set()
                    await until(lambda: pod.server.should_exit)
                    gate.set()
                    answers = [await at_work, await waiting]
            await pod.ended()
        assert not_ready.status_code == 503
        assert not_ready.headers["Connection"] == "close"
        assert [answer.status_code for answer in answers] == [200, 200]
        assert pod.delays_s == [7.0]
        assert pod.server.exit_code == EXIT_OK

    asyncio.run(run())


def test_sigterm_after_the_delay_nothing_new_is_taken(model_folder: Path) -> None:
    """Once the delay is over the socket is closed: a new caller finds another pod."""

    async def run() -> None:
        async with _pod(model_folder, FakeEngine(), drain_delay_s=0) as pod:
            await until(lambda: pod.runtime.manager.state is State.LOADED)
            os.kill(os.getpid(), signal.SIGTERM)
            await pod.ended()
            with pytest.raises(httpx.ConnectError):
                await pod.connect().get("/health")

    asyncio.run(run())


def test_sigint_has_no_delay(model_folder: Path) -> None:
    """Ctrl-C comes from a terminal, where no endpoints have to learn of it."""

    async def run() -> None:
        async with _pod(model_folder, FakeEngine()) as pod:
            await until(lambda: pod.runtime.manager.state is State.LOADED)
            os.kill(os.getpid(), signal.SIGINT)
            await pod.ended()
            assert pod.delays_s == [0.0]
        assert pod.server.exit_code == EXIT_OK

    asyncio.run(run())


def test_second_signal_ends_at_once(model_folder: Path) -> None:
    """Who is in a hurry sends a second signal: the delay is not waited for."""

    async def run() -> None:
        async with _pod(model_folder, FakeEngine()) as pod:
            await until(lambda: pod.runtime.manager.state is State.LOADED)
            pod.server.handle_exit(signal.SIGTERM, None)
            await until(lambda: pod.runtime.draining)
            pod.server.handle_exit(signal.SIGTERM, None)
            pod.server._captured_signals.clear()  # uvicorn would raise it again, in the process of the tests
            await pod.ended()

    asyncio.run(run())


def test_model_cannot_be_loaded_ends_with_its_code_and_tells_kubernetes(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash with a reason: an exit code of its own, and the cause where `kubectl describe pod` shows it."""
    termination_log = tmp_path / "termination-log"
    termination_log.touch()
    monkeypatch.setattr(server, "_TERMINATION_LOG", termination_log)

    async def run() -> None:
        async with _pod(model_folder, FakeEngine(failure=engine_failure())) as pod:
            await pod.ended()
        assert pod.server.exit_code == EXIT_MODEL

    asyncio.run(run())
    assert termination_log.read_text() == f"{MODEL}: the fake engine failed"


def test_tell_kubernetes_outside_of_a_pod_makes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without kubelet's file nothing is written anywhere."""
    monkeypatch.setattr(server, "_TERMINATION_LOG", tmp_path / "termination-log")
    server.tell_kubernetes("a cause")
    assert list(tmp_path.iterdir()) == []
