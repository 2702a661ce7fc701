"""Judges one namespace as CI does, in a process of its own, and reads its report back.

Both this harness and the gate stand on one machine, so the report's times are moved to the harness's monotonic clock
with the offset measured when the run began; that they lie within the process's life is checked.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from e2e.faults.app import MODEL, App, Images
from e2e.faults.case import ACCEPTANCE, FEW_SAMPLES, ROLLOUT_TIMEOUT_S, Case
from e2e.faults.hands import Hands, HarnessError
from infra.cluster.api import Api
from infra.paths import PROJECT

#: A run that takes longer hangs.
RUN_TIMEOUT_S = 240.0


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
        kubectl_at: when it had said it; None where it never ran.
    """

    exit_code: int
    verdicts: Mapping[str, Mapping[str, Any]]
    ended: Mapping[str, float]
    began: float
    over: float
    output: str
    kubectl: str = ""
    kubectl_at: float | None = None

    def told(self, criterion: str) -> str:
        """Return a criterion's verdict in a line."""
        verdict = self.verdicts.get(criterion)
        if verdict is None:
            return f"{criterion}: no verdict; exit code {self.exit_code}\n{self.output[-2000:]}"
        return f"{criterion} {verdict['status']} {verdict['cause'] or ''}: {verdict['reason']}"


def judge(
    hands: Hands, world: World, app: App, case: Case, *, near: bool = False, timeout_s: float = RUN_TIMEOUT_S
) -> Acceptance:
    """Run a case's tier on its namespace, as CI does, and beside it what the case does meanwhile.

    Args:
        hands: the namespace.
        world: the cluster.
        app: what was deployed, or meant to be.
        case: what the target shall say.
        near: it is the near miss that runs.
        timeout_s: after that the run is ended.

    Raises:
        HarnessError: it hangs, or its report's times cannot be.
    """
    meanwhile = case.near_meanwhile if near else case.meanwhile
    with tempfile.TemporaryDirectory(prefix="carepath-fault-") as scratch, ThreadPoolExecutor(1) as beside:
        folder = Path(scratch)
        manifests = folder / "manifests.yaml"
        manifests.write_text(yaml.safe_dump_all(app.documents), encoding="utf-8")
        target = folder / "target.toml"
        text = target_text(
            hands.namespace,
            world.server,
            manifests,
            world.environment["CAREPATH_REGISTRY_URL"],
            expects=MODEL if near else case.expects,
            samples=(case.near_samples or case.samples) if near else case.samples,
            rollout_timeout_s=case.rollout_timeout_s,
            drills=case.tier != ACCEPTANCE,
        )
        target.write_text(text, encoding="utf-8")
        doing = beside.submit(meanwhile, hands) if meanwhile else None
        ran = accept(
            target, folder / "report", world.environment, namespace=hands.namespace, tier=case.tier, timeout_s=timeout_s
        )
        if doing is not None:
            doing.result()
        return ran


def accept(
    target: Path,
    report: Path,
    environment: Mapping[str, str],
    *,
    namespace: str | None = None,
    tier: str = ACCEPTANCE,
    timeout_s: float = RUN_TIMEOUT_S,
) -> Acceptance:
    """Run `pytest -m acceptance`, or another tier, on a target file and return what it left.

    Args:
        target: the target file.
        report: folder for the report.
        environment: what the cluster's `env` exports.
        namespace: where `kubectl rollout status` shall run beside it; None: nowhere.
        tier: the marker of the tier; a drill is allowed to change the cluster.
        timeout_s: after that the run is ended.

    Raises:
        HarnessError: it hangs, or its report's times cannot be.
    """
    wall_minus_monotonic = time.time() - time.monotonic()
    status = _RolloutStatus(namespace, environment) if namespace else None
    began = time.monotonic()
    try:
        done = subprocess.run(
            command(target, report, tier),
            cwd=PROJECT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise HarnessError(f"{tier} on {namespace} did not end within {timeout_s:.0f} s") from error
    finally:
        said, said_at = status.end() if status else ("", None)
    over = time.monotonic()
    verdicts, ended = read_report(report / "report.json", wall_minus_monotonic)
    for criterion, at in ended.items():
        # A second for the two clocks' drift and for a report that rounds.
        if not began - 1 <= at <= over + 1:
            raise HarnessError(
                f"{criterion}: judged {at - began:.1f} s after the start of a run of {over - began:.1f} s"
            )
    return Acceptance(done.returncode, verdicts, ended, began, over, done.stdout + done.stderr, said, said_at)


def command(target: Path, report: Path, tier: str = ACCEPTANCE) -> list[str]:
    """Return CI's command for a tier; the cache is off, for several run at once in one checkout.

    With "=": pytest takes a word that is an existing path for something to collect, and looks for its root there.
    """
    # A case's app is not Terraform's, and the mock has no model to be replaced: of the ways back it has only the undo.
    drill = ["--allow-mutation", "--way=undo"] if tier != ACCEPTANCE else []
    options = [f"--target={target}", f"--report={report}", *drill]
    return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", tier, *options]


def target_text(
    namespace: str,
    server: str,
    manifests: Path,
    registry: str | None = None,
    *,
    expects: str = MODEL,
    samples: int = FEW_SAMPLES,
    rollout_timeout_s: float = ROLLOUT_TIMEOUT_S,
    drills: bool = False,
) -> str:
    """Return a target file for one namespace of the embedded cluster: few samples, a short window.

    Args:
        namespace: to be judged.
        server: the API server's URL, by which the cluster is known.
        manifests: what the deploy was meant to bring.
        registry: URL of the registry that resolves tags; None: tags stay unresolved.
        expects: the model that must answer.
        samples: warm questions over all pods.
        rollout_timeout_s: the gate's own limit for the rollout.
        drills: let a drill change the namespace.
    """
    reader = f'reader = "http"\nurl = "{registry}"' if registry else 'reader = "none"'
    return f"""
name = "fault"
image_repository = "localhost:5000/carepath-chat-api"
allow_mutation = {str(drills).lower()}

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
rollout_timeout_s = {rollout_timeout_s}
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


class _RolloutStatus:
    """`kubectl rollout status` beside a run, what it says and when."""

    def __init__(self, namespace: str, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["/usr/bin/env", "kubectl", "rollout", "status", "deployment/chat-api", "--namespace", namespace],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._ended_at: float | None = None
        self._text = ""
        self._thread = threading.Thread(target=self._read, name="rollout-status", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        self._text = self._process.communicate()[0]
        self._ended_at = time.monotonic()

    def end(self) -> tuple[str, float]:
        """Return its last line and when it ended; or that it waits still, and what is the time."""
        now, at = time.monotonic(), self._ended_at
        self._process.kill()
        self._thread.join()
        if at is None:
            return "still waiting", now
        lines = self._text.strip().splitlines()
        return (lines[-1] if lines else f"exit status {self._process.returncode}"), at
