"""Runs one case on the cluster: break, watch, judge, clean up; and says what came of it.

Two observers that know nothing of each other. The harness looks at the raw objects five times a second and stamps the
moment the fault became final; acceptance runs as CI runs it, in a process of its own with a target file of its own, and
leaves report.json. Both stand on one machine, so the report's times are moved to the harness's monotonic clock with the
offset measured when the run began; that they lie within the process's life is checked.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from e2e.faults.app import LABEL, MODEL, App, Images, baseline
from e2e.faults.case import FEW_SAMPLES, Case
from e2e.faults.conditions import Condition, available
from e2e.faults.hands import LOOK_EVERY_S, Glance, Hands, HarnessError, free, stamp
from gate.verdict import Status
from infra.cluster.api import Api
from infra.paths import PROJECT

#: The gate's own limit for a rollout, longer than any tolerance that a case waits out.
ROLLOUT_TIMEOUT_S = 180.0
#: A run of acceptance that takes longer hangs.
RUN_TIMEOUT_S = 300.0
#: The model's load on a busy machine, with room: 0.2 s alone on 2 cores.
START_TIMEOUT_S = 90.0
#: Ports at the shared load balancer, below the ephemeral ones; each case has two.
FIRST_PORT = 18000


@dataclass(frozen=True)
class World:
    """The cluster that cases run on.

    Attributes:
        api: as administrator.
        environment: what the cluster's `env` exports, PATH completed.
        server: the API server's URL, the identity that a target names.
        images: by digest.
    """

    api: Api
    environment: Mapping[str, str]
    server: str
    images: Images

    def hands(self, namespace: str) -> Hands:
        """Return what a case may do in its namespace."""
        return Hands(namespace, self.api, self.environment)


@dataclass(frozen=True)
class Acceptance:
    """One run of acceptance as CI sees it; times on the harness's monotonic clock.

    Attributes:
        exit_code: of the process.
        verdicts: report.json's, by criterion.
        ended: when each verdict stood.
        began: when the process was started.
        over: when it had ended.
        output: what it printed.
        kubectl: what `kubectl rollout status` had said by then.
    """

    exit_code: int
    verdicts: Mapping[str, Mapping[str, Any]]
    ended: Mapping[str, float]
    began: float
    over: float
    output: str
    kubectl: str = ""

    def told(self, criterion: str) -> str:
        """Return a criterion's verdict in a line."""
        verdict = self.verdicts.get(criterion)
        if verdict is None:
            return f"{criterion}: no verdict; exit code {self.exit_code}\n{self.output[-2000:]}"
        return f"{criterion} {verdict['status']} {verdict['cause'] or ''}: {verdict['reason']}"


@dataclass(frozen=True)
class Outcome:
    """What a case showed.

    Attributes:
        case: which.
        acceptance: the run on the broken app.
        terminal_at: when the fault was final by the raw objects; None: it never was.
        near: the run on the near miss.
    """

    case: Case
    acceptance: Acceptance
    terminal_at: float | None
    near: Acceptance

    @property
    def seconds(self) -> float | None:
        """Return the time from terminal to the verdict; negative: the verdict came before it was final."""
        ended = self.acceptance.ended.get(self.case.criterion)
        return None if ended is None or self.terminal_at is None else ended - self.terminal_at

    def problems(self) -> Iterator[str]:
        """Yield what is not as it should be, a sentence each."""
        case, verdict = self.case, self.acceptance.verdicts.get(self.case.criterion)
        told = self.acceptance.told(case.criterion)
        if verdict is None or (verdict["status"], verdict["cause"]) != (case.status.value, case.cause.value):
            yield f"expected {case.status.value} {case.cause.value}, got {told}"
        if self.terminal_at is None:
            yield f"the fault never became final by its own condition; got {told}"
        elif self.seconds is not None and self.seconds > case.within_s:
            yield f"the verdict came {self.seconds:.1f} s after the fault was final, limit {case.within_s:g} s"
        if case.status is Status.FAIL and self.acceptance.exit_code != 1:
            yield f"acceptance ended with exit code {self.acceptance.exit_code} on a failure, expected 1"
        near = self.near.verdicts.get(case.criterion)
        if near is None or near["status"] != case.near_status.value:
            yield f"near miss: expected {case.near_status.value}, got {self.near.told(case.criterion)}"


@dataclass
class Stamp:
    """The moment a condition first held, by a look of its own in a thread of its own."""

    condition: Condition
    look: Callable[[], Glance]
    at: float | None = None
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self) -> Iterator["Stamp"]:
        """Look until the condition holds or the block is left."""
        thread = threading.Thread(target=self._work, name="terminal")
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def _work(self) -> None:
        while self.at is None and not self._stop.wait(LOOK_EVERY_S):
            self.at = stamp(self.condition, self.look, time.monotonic)


def run_case(case: Case, world: World, *, index: int) -> Outcome:
    """Run the fault and then the near miss, each in a namespace of its own.

    Args:
        case: what to run.
        world: where.
        index: the case's place in the list, for a port of its own.

    Raises:
        HarnessError: the case could not be set up.
        CommandError: kubectl refused something.
    """
    port = FIRST_PORT + 2 * index
    with _deployed(case, world, f"fault-{case.name}", port) as (hands, app):
        stamped = Stamp(case.terminal_when, lambda: Glance(world.api, hands.namespace))
        with stamped.watching():
            case.fault(app)
            hands.apply(app.documents)
            if case.act:
                case.act(hands)
            broken = judge(hands.namespace, world, app, case.samples, expects=case.expects)
    with _deployed(case, world, f"near-{case.name}", port + 1) as (hands, app):
        case.near_miss(app)
        hands.apply(app.documents)
        if case.near_act:
            case.near_act(hands)
        near = judge(hands.namespace, world, app, case.near_samples or case.samples)
    return Outcome(case, broken, stamped.at, near)


@contextmanager
def _deployed(case: Case, world: World, namespace: str, port: int) -> Iterator[tuple[Hands, App]]:
    """Yield the case's namespace, with what was there before where the case says so, and remove it in the end."""
    hands = world.hands(namespace)
    if case.alone:
        hands.kubectl("delete", "namespace", "--selector", LABEL, "--wait=true", timeout_s=180)
    hands.delete(wait=True)
    room = free(world.api)
    app = baseline(namespace, port, world.images, room, model=case.model)
    try:
        if case.prepare:
            case.prepare(hands)
        if case.first:
            case.first(app)
            hands.apply(app.documents)
            hands.wait_for(available, timeout_s=START_TIMEOUT_S)
        yield hands, app
    finally:
        if case.undo:
            case.undo(hands)
        hands.delete(wait=case.alone)


def judge(namespace: str, world: World, app: App, samples: int = FEW_SAMPLES, *, expects: str = MODEL) -> Acceptance:
    """Run acceptance on a namespace, as CI does.

    Args:
        namespace: to be judged.
        world: the cluster.
        app: what was deployed, or meant to be.
        samples: warm questions over all pods.
        expects: the model that the target names.

    Raises:
        HarnessError: it hangs, or its report's times cannot be.
    """
    with tempfile.TemporaryDirectory(prefix="carepath-fault-") as scratch:
        folder = Path(scratch)
        manifests = folder / "manifests.yaml"
        manifests.write_text(yaml.safe_dump_all(app.documents), encoding="utf-8")
        target = folder / "target.toml"
        registry = world.environment["CAREPATH_REGISTRY_URL"]
        text = target_text(namespace, world.server, manifests, registry, samples=samples, expects=expects)
        target.write_text(text, encoding="utf-8")
        return accept(target, folder / "report", world.environment, namespace=namespace)


def accept(target: Path, report: Path, environment: Mapping[str, str], *, namespace: str | None = None) -> Acceptance:
    """Run `pytest -m acceptance` on a target file and return what it left.

    Args:
        target: the target file.
        report: folder for the report.
        environment: what the cluster's `env` exports.
        namespace: where `kubectl rollout status` shall run beside it; None: nowhere.

    Raises:
        HarnessError: it hangs, or its report's times cannot be.
    """
    wall_minus_monotonic = time.time() - time.monotonic()
    status = _rollout_status(namespace, environment) if namespace else None
    began = time.monotonic()
    try:
        done = subprocess.run(
            command(target, report),
            cwd=PROJECT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise HarnessError(f"acceptance on {namespace} did not end within {RUN_TIMEOUT_S:g} s") from error
    finally:
        said = _said(status) if status else ""
    over = time.monotonic()
    verdicts, ended = read_report(report / "report.json", wall_minus_monotonic)
    for criterion, at in ended.items():
        # A second for the two clocks' drift and for a report that rounds.
        if not began - 1 <= at <= over + 1:
            raise HarnessError(
                f"{criterion}: judged {at - began:.1f} s after the start of a run of {over - began:.1f} s"
            )
    return Acceptance(done.returncode, verdicts, ended, began, over, done.stdout + done.stderr, said)


def command(target: Path, report: Path) -> list[str]:
    """Return the command of CI's acceptance; the cache is off, for several run at once in one checkout.

    With "=": pytest takes a word that is an existing path for something to collect, and looks for its root there.
    """
    options = [f"--target={target}", f"--report={report}"]
    return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "acceptance", *options]


def target_text(
    namespace: str,
    server: str,
    manifests: Path,
    registry: str | None = None,
    *,
    samples: int = FEW_SAMPLES,
    expects: str = MODEL,
) -> str:
    """Return a target file for one namespace of the embedded cluster: few samples, a short window.

    Args:
        namespace: to be judged.
        server: the API server's URL, by which the cluster is known.
        manifests: what the deploy was meant to bring.
        registry: URL of the registry that resolves tags; None: tags stay unresolved.
        samples: warm questions over all pods.
        expects: the model that must answer.
    """
    reader = f'reader = "http"\nurl = "{registry}"' if registry else 'reader = "none"'
    return f"""
name = "fault"
image_repository = "localhost:5000/carepath-chat-api"

[cluster]
identity = {{ server = "{server}" }}
namespace = "{namespace}"

[desired]
manifests = "{manifests}"

[registry]
{reader}

[model]
name = "{expects}"

[acceptance]
test_mrns = ["MRN-001", "MRN-002", "MRN-003", "MRN-004"]
stable_window_s = 3.0
rollout_timeout_s = {ROLLOUT_TIMEOUT_S}
latency_samples = {samples}
request_timeout_s = 60.0

[quality]
diagnosis_rate = 0.6
complete_rate = 0.6
"""


def read_report(path: Path, wall_minus_monotonic: float) -> tuple[dict[str, dict[str, Any]], dict[str, float]]:
    """Return report.json's verdicts by criterion, and when each stood on the monotonic clock; nothing without a file.

    Args:
        path: of report.json.
        wall_minus_monotonic: seconds between the two clocks of this machine.
    """
    if not path.is_file():
        return {}, {}
    verdicts = {each["criterion"]: each for each in json.loads(path.read_text(encoding="utf-8"))["verdicts"]}
    ended = {
        criterion: datetime.fromisoformat(each["started_at"]).timestamp() + each["duration_s"] - wall_minus_monotonic
        for criterion, each in verdicts.items()
    }
    return verdicts, ended


def _rollout_status(namespace: str, environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        ["/usr/bin/env", "kubectl", "rollout", "status", "deployment/chat-api", "--namespace", namespace],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _said(status: "subprocess.Popen[str]") -> str:
    """Return what `kubectl rollout status` makes of it by now, and end it."""
    waits = status.poll() is None
    status.terminate()
    text = status.communicate()[0].strip().splitlines()
    return "still waiting" if waits else (text[-1] if text else f"exit status {status.returncode}")
