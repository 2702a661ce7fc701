"""Soaks each service in a namespace of its own, all at once, each by `pytest -m soak` in a process of its own.

One of the processes is killed half-way and started again a while later: what it had sampled must count.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from e2e.faults.app import CHAT, App, baseline
from e2e.faults.conditions import available
from e2e.faults.hands import Hands, HarnessError, free
from e2e.faults.judging import World, target_text
from e2e.faults.running import START_TIMEOUT_S
from e2e.soaks.services import SERVICES, Service
from gate.durations import short_duration
from infra.paths import PROJECT

#: At the load balancer stand-in, below those of the fault matrix.
FIRST_PORT = 17900
#: When the pods' CPU is cut: after the beginning that latencies are compared with (a quarter) is over.
LATE_SHARE = 1 / 3
KILL_SHARE = 1 / 2
#: A killed soak is away for so long: its samples are missing, and nine tenths must be there.
AWAY_S = 45.0
#: Beyond --for: the start of the process, the last look, the report.
SLACK_S = 180.0


@dataclass(frozen=True)
class Soak:
    """How a service is soaked."""

    lasts_s: float
    every_s: float
    folder: Path


@dataclass(frozen=True)
class Soaked:
    """What SOK-1 said of one service.

    Attributes:
        service: which.
        exit_code: of `pytest -m soak`.
        verdict: report.json's, empty where there is none.
        output: what it printed.
    """

    service: Service
    exit_code: int
    verdict: Mapping[str, Any]
    output: str

    def problems(self) -> Iterator[str]:
        """Yield what is not as it should be."""
        wanted = (self.service.status.value, self.service.cause.value if self.service.cause else None)
        got = (self.verdict.get("status"), self.verdict.get("cause"))
        if got != wanted:
            told = self.verdict.get("reason") or self.output[-2000:]
            yield f"{self.service.name}: expected {wanted}, got {got}: {told}"


def run_all(services: Sequence[Service], world: World, soak: Soak) -> list[Soaked]:
    """Soak all services at once.

    Raises:
        HarnessError: a service does not start, or a soak hangs.
        CommandError: kubectl refused something.
    """
    with ThreadPoolExecutor(len(services)) as pool:
        return list(pool.map(lambda service: _run(service, world, soak), services))


def _run(service: Service, world: World, soak: Soak) -> Soaked:
    with _deployed(service, world) as (hands, app):
        folder = soak.folder / service.name
        folder.mkdir(parents=True, exist_ok=True)
        manifests = folder / "manifests.yaml"
        manifests.write_text(yaml.safe_dump_all(app.documents), encoding="utf-8")
        target = folder / "target.toml"
        text = target_text(hands.namespace, world.server, manifests)
        target.write_text(text, encoding="utf-8")
        return _soaked(service, hands, target, soak)


@contextmanager
def _deployed(service: Service, world: World) -> Iterator[tuple[Hands, App]]:
    """Yield the service running with one replica and no autoscaler, and remove it in the end."""
    hands = world.hands(f"soak-{service.name}")
    hands.delete(wait=True)
    app = baseline(hands.namespace, FIRST_PORT + SERVICES.index(service), world.images, free(world.api), model=True)
    app.remove("HorizontalPodAutoscaler", CHAT)
    app.deployment["spec"]["replicas"] = 1
    service.change(app)
    try:
        hands.apply(app.documents)
        hands.wait_for(available, timeout_s=START_TIMEOUT_S)
        yield hands, app
    finally:
        hands.delete(wait=False)


def _soaked(service: Service, hands: Hands, target: Path, soak: Soak) -> Soaked:
    report = target.with_name("report")
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "soak"),
        *(f"--for={short_duration(soak.lasts_s)}", f"--every={short_duration(soak.every_s)}"),
        *(f"--target={target}", f"--report={report}", f"--samples={target.with_name('samples.jsonl')}"),
    ]
    began = time.monotonic()
    with target.with_name("output.txt").open("w", encoding="utf-8") as output:
        process = _start(command, hands, output.fileno())
        try:
            for share, act in ((LATE_SHARE, service.late), (KILL_SHARE, None)):
                _wait(process, began + share * soak.lasts_s - time.monotonic())
                if act is not None:
                    act(hands, _pod_uid(hands))
            if service.interrupted:
                process.send_signal(signal.SIGKILL)
                process.wait()
                time.sleep(AWAY_S)
                process = _start(command, hands, output.fileno())
            process.wait(began + soak.lasts_s + SLACK_S - time.monotonic())
        except subprocess.TimeoutExpired as error:
            raise HarnessError(f"the soak of {service.name} did not end within {SLACK_S:g} s of its time") from error
        finally:
            process.kill()
    path = report / "report.json"
    verdicts = json.loads(path.read_text(encoding="utf-8"))["verdicts"] if path.is_file() else []
    said = target.with_name("output.txt").read_text(encoding="utf-8")
    return Soaked(service, process.returncode, verdicts[0] if verdicts else {}, said)


def _start(command: Sequence[str], hands: Hands, output: int) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, **hands.environment}
    return subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=output, stderr=subprocess.STDOUT)


def _wait(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    """Let time pass; a soak that ends meanwhile has failed to start, and its output says why."""
    try:
        process.wait(max(seconds, 0))
    except subprocess.TimeoutExpired:
        return
    raise HarnessError(f"a soak ended with exit code {process.returncode} before its time")


def _pod_uid(hands: Hands) -> str:
    return hands.kubectl(
        "get", "pods", "--selector", f"app={CHAT}", "--output", "jsonpath={.items[0].metadata.uid}"
    ).strip()
