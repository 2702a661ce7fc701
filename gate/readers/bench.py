"""Runs the built image under a Docker engine and records what it does: the container tier's eyes.

Containers come from testcontainers, what is inside them is read by testinfra. Everything started here is removed here.
The service runs as a pod would: read-only root, no capabilities, a memory limit, the patient API beside it.
"""

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import cycle, islice
from pathlib import Path

import httpx
import testinfra
from docker.models.containers import Container
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from gate.diagnosis.container import Exchange, OfflineStart, Privileges, ProbeSample, Shutdown
from gate.diagnosis.container_memory import MemoryUse
from gate.diagnosis.contents import ImageContents
from gate.readers.containers import CHAT_PORT, POLL_S, Running, address_of, engine_errors, eventually
from gate.readers.layers import image_contents
from gate.records import Answer, ContainerSpec, Identity, Reply

PATIENT_PORT = 8001
PATIENT_ALIAS = "patient-api"
#: Folders where a pod may write: an emptyDir at /tmp, and the shared memory every container has.
WRITABLE = ("/tmp", "/dev/shm")  # noqa: S108  # the container's, not the host's
#: Where the image keeps a baked-in model (service_chat/Dockerfile), and where a volume with it is mounted.
MODELS, MOUNT = "/models", "/mounted"
#: Docker counts CPU in billionths. Part of a CPU makes answering slow enough to be interrupted.
SLOW_NANO_CPUS = 400_000_000
#: Less and less, until the load of even a small model takes longer than one look.
LOADING_NANO_CPUS = (200_000_000, 100_000_000, 50_000_000)
#: What a start may take on a busy machine before nothing more is waited for.
START_S = 90.0
#: Within the 2,000 characters that /triage takes, and a context of 2,048 tokens.
LONG_QUESTION = " ".join(["Which of my medications may I take together, and when should I seek urgent care?"] * 12)
_PROBE = """
import json, urllib.request
try:
    with urllib.request.urlopen("http://127.0.0.1:{port}/ready", timeout=2): pass
    with urllib.request.urlopen("http://127.0.0.1:{port}/version", timeout=2) as answer: print(answer.read().decode())
except OSError as error:
    print(json.dumps({{"error": str(error)}}))
"""


class Bench:
    """One image on one Docker engine.

    Attributes:
        image: reference of the service's image.
        model: LLM_MODE it runs with.
        startup_budget_s: of the startup probe that the deploy declares, None where it declares none.
    """

    def __init__(
        self, image: str, patient_image: str, *, model: str, declared: ContainerSpec | None, patients: tuple[str, ...]
    ) -> None:
        self.image = image
        self.model = model
        self.startup_budget_s = declared.startup.budget_s if declared and declared.startup else None
        self._patient_image = patient_image
        self._memory_bytes = declared.limits.memory_bytes if declared else None
        self._patients = patients

    @contextmanager
    def run(
        self,
        *,
        env: Mapping[str, str] | None = None,
        patient_api: bool = True,
        start_timeout_s: float = START_S,
        wait: bool = True,
        **options: object,
    ) -> Iterator[tuple[Running, Container | None]]:
        """Run the service, with the patient API beside it, and remove both.

        Args:
            env: settings beside LLM_MODE and DB_API_BASE_URL.
            patient_api: False leaves it out.
            start_timeout_s: until /ready is 200.
            wait: False returns as soon as the process was started.
            options: the Docker engine's, such as ``nano_cpus``.

        Raises:
            Unreachable: no Docker engine, no such image, or the service does not become ready.
        """
        with engine_errors(self.image), Network() as network:
            patients = (
                DockerContainer(self._patient_image).with_network(network).with_network_aliases(PATIENT_ALIAS)
                if patient_api
                else None
            )
            chat = (
                DockerContainer(self.image)
                .with_network(network)
                .with_exposed_ports(CHAT_PORT)
                .with_tmpfs_mount(WRITABLE[0])
                .with_kwargs(**self._as_in_a_pod(), **options)
            )
            for key, value in self._settings(env).items():
                chat = chat.with_env(key, value)
            try:
                if patients is not None:
                    patients.start()
                chat.start()
                running = Running(chat.get_wrapped_container(), address_of(chat))
                if wait:
                    running.wait_until_ready(start_timeout_s)
                yield running, patients.get_wrapped_container() if patients else None
            finally:
                chat.stop()
                if patients is not None:
                    patients.stop()

    def _settings(self, env: Mapping[str, str] | None) -> dict[str, str]:
        return {
            "LLM_MODE": self.model,
            "DB_API_BASE_URL": f"http://{PATIENT_ALIAS}:{PATIENT_PORT}",
            **(env or {}),
        }

    def _as_in_a_pod(self) -> dict[str, object]:
        limits = {"mem_limit": self._memory_bytes} if self._memory_bytes else {}
        return {"read_only": True, "cap_drop": ["ALL"], **limits}

    def contents(self) -> ImageContents:
        """Return what looks like a secret in the image's layers and history."""
        with engine_errors(self.image):
            return image_contents(DockerContainer(self.image).get_docker_client().client, self.image)

    def privileges(self) -> Privileges:
        """Return who the process is and what it can write."""
        with self.run(patient_api=False, wait=False) as (running, _):
            served = running.comes_to_answer("/health", 60)
            inside = testinfra.get_host(f"docker://{running.container.id}")
            # Fails in a container that has ended: what could not write may well have.
            told = inside.run("cat /proc/1/status")
            status = dict(line.split(":", 1) for line in told.stdout.splitlines() if ":" in line)
            folders = inside.run("find / -xdev -type d -writable -not -path '/proc/*'").stdout.split()
            written = tuple(
                folder
                for folder in folders
                if not any(Path(folder).is_relative_to(place) for place in WRITABLE)
                and inside.run("touch %s/.gate-write-test", folder).succeeded
            )
            running.container.reload()
            return Privileges(
                image=self.image,
                declared_user=running.container.attrs["Config"]["User"],
                uid=int(status["Uid"].split()[0]) if told.succeeded else None,
                capabilities=int(status["CapEff"], 16) if told.succeeded else None,
                served=served,
                written=written,
                last_lines=() if served else running.last_lines(),
            )

    def start_samples(self, limit_s: float = START_S) -> tuple[ProbeSample, ...]:
        """Return /health and /ready from the start until both are 200, on so little CPU that loading shows."""
        samples: tuple[ProbeSample, ...] = ()
        for nano_cpus in LOADING_NANO_CPUS:
            samples = tuple(self._sampled(nano_cpus, limit_s))
            seen = {sample.ready for sample in samples}
            # One that never gets ready will not with less.
            if HTTPStatus.SERVICE_UNAVAILABLE in seen or HTTPStatus.OK not in seen:
                break
        return samples

    def _sampled(self, nano_cpus: int, limit_s: float) -> Iterator[ProbeSample]:
        with self.run(patient_api=False, wait=False, nano_cpus=nano_cpus) as (running, _):
            started = time.monotonic()
            while (at_s := time.monotonic() - started) < limit_s:
                ready, health = running.status("/ready"), running.status("/health")
                yield ProbeSample(at_s=at_s, health=health, ready=ready)
                if ready == HTTPStatus.OK or running.ended():
                    return
                time.sleep(POLL_S)

    def contract(self) -> tuple[tuple[Exchange, ...], Answer]:
        """Return each kind of bad request with its answer, and the answer to a good one."""
        mrn = self._patients[0]
        good = {"patient_mrn": mrn, "query": "What is my current diagnosis?"}
        with self.run() as (running, patient_api):
            with running.client() as client:
                answer = client.ask(good["patient_mrn"], good["query"])
            exchanges = [
                Exchange(name=name, expected=expected, reply=_post(running.url, body))
                for name, expected, body in (
                    ("unknown patient", 404, good | {"patient_mrn": "MRN-000"}),
                    ("no question", 422, {"patient_mrn": mrn}),
                    ("empty question", 422, good | {"query": ""}),
                    ("another llm_mode", 403, good | {"llm_mode": "mock" if self.model != "mock" else "other"}),
                )
            ]
            if patient_api is not None:
                patient_api.kill()
            exchanges.append(Exchange(name="patient API down", expected=503, reply=_post(running.url, good)))
        return tuple(exchanges), answer

    def memory(self, clients: int) -> MemoryUse:
        """Return what the container holds once loaded, and while that many ask long questions at once."""
        started = time.monotonic()
        with self.run(wait=False) as (running, _):
            loaded = running.comes_to_answer("/ready", START_S)
            held, answers = self._pressed(running, clients) if loaded else ((), ())
            killed = running.ended() and running.container.attrs["State"]["OOMKilled"]
            if not loaded and not killed:
                raise running.not_ready(START_S)
        return MemoryUse(
            limit_bytes=self._memory_bytes,
            idle_bytes=held[0] if held else None,
            peak_bytes=max((each for each in held if each is not None), default=None),
            readings=len(held),
            replies=tuple(each.reply for each in answers),
            killed_after_s=time.monotonic() - started if killed else None,
            loaded=loaded,
        )

    def _pressed(self, running: Running, clients: int) -> tuple[Sequence[int | None], Sequence[Answer]]:
        """Ask from so many clients at once; return what was held, before first, and what came back."""
        with running.client() as client, ThreadPoolExecutor(clients) as users:
            held = [client.metrics().held_bytes]
            asking = [users.submit(client.ask, mrn, LONG_QUESTION) for mrn in islice(cycle(self._patients), clients)]
            while not all(each.done() for each in asking):
                held.append(client.metrics().held_bytes)
                time.sleep(POLL_S)
            return held, [each.result() for each in asking]

    def shutdown(self, limit_s: float) -> Shutdown:
        """Return how a request under way and the process ended after SIGTERM."""
        answers: list[Answer] = []
        with self.run(nano_cpus=SLOW_NANO_CPUS) as (running, _), running.client() as client:
            question = (self._patients[0], "Which medications do I take?")
            asking = threading.Thread(target=lambda: answers.append(client.ask(*question)))
            asked = time.monotonic()
            asking.start()
            time.sleep(POLL_S * 2)
            sent = time.monotonic()
            running.container.kill("SIGTERM")
            exit_code = running.exit_code(limit_s)
            seconds = time.monotonic() - sent
            asking.join()
        return Shutdown(answer=answers[0], sent_after_s=sent - asked, exit_code=exit_code, seconds=seconds)

    def offline_starts(self) -> tuple[OfflineStart, ...]:
        """Return a start without a network with the model baked in, and one with the same model mounted."""
        baked = self._start_offline("baked in", DockerContainer(self.image))
        with self._model_volume() as volume:
            chat = DockerContainer(self.image).with_volume_mapping(volume, MOUNT, "ro").with_tmpfs_mount(MODELS)
            mounted = self._start_offline("mounted", chat.with_env("MODEL_CACHE_DIR", f"{MOUNT}{MODELS}"))
        return baked, mounted

    def _start_offline(self, how: str, chat: DockerContainer) -> OfflineStart:
        chat = chat.with_tmpfs_mount(WRITABLE[0]).with_kwargs(**self._as_in_a_pod(), network_mode="none")
        for key, value in self._settings({}).items():
            chat = chat.with_env(key, value)
        with engine_errors(self.image):
            started = time.monotonic()
            chat.start()
            try:
                running = Running(chat.get_wrapped_container(), "")
                inside = testinfra.get_host(f"docker://{running.container.id}")
                identities: list[Identity] = []
                ready = eventually(lambda: _identity_inside(inside, identities), 60, unless=running.ended)
                seconds = time.monotonic() - started
                last_lines = () if ready else running.last_lines()
            finally:
                chat.stop()
        return OfflineStart(
            how=how,
            ready=ready,
            seconds=seconds,
            identity=identities[-1] if identities else None,
            last_lines=last_lines,
        )

    @contextmanager
    def _model_volume(self) -> Iterator[str]:
        """Copy the image's /models into a volume."""
        with engine_errors(self.image):
            engine = DockerContainer(self.image).get_docker_client().client
            volume = engine.volumes.create()
            try:
                copier = engine.containers.create(self.image, volumes={volume.name: {"bind": MOUNT, "mode": "rw"}})
                try:
                    stream, _ = copier.get_archive(MODELS)
                    copier.put_archive(MOUNT, b"".join(stream))
                finally:
                    copier.remove()
                yield volume.name
            finally:
                volume.remove()


def _identity_inside(inside: testinfra.host.Host, found: list[Identity]) -> bool:
    result = inside.run("python -c %s", _PROBE.format(port=CHAT_PORT))
    said = json.loads(result.stdout) if result.succeeded else {"error": result.stderr}
    if "error" in said:
        return False
    now = datetime.now(UTC)
    reply = Reply(via="container", path="/version", status=HTTPStatus.OK, elapsed_s=0.0, started_at=now)
    found.append(
        Identity(reply=reply, llm_mode=said.get("llm_mode"), model=said.get("model"), loaded=said.get("loaded"))
    )
    return True


def _post(url: str, body: Mapping[str, str]) -> Reply:
    started_at, begun = datetime.now(UTC), time.monotonic()
    try:
        status, error = httpx.post(f"{url}/triage", json=dict(body), timeout=30, trust_env=False).status_code, ""
    except httpx.HTTPError as failure:
        status, error = None, type(failure).__name__
    elapsed_s = time.monotonic() - begun
    return Reply(
        via="container", path="/triage", status=status, elapsed_s=elapsed_s, started_at=started_at, error=error
    )
