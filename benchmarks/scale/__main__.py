"""How the time and memory of a full read and verdict grow with the number of pods, against `kubectl get pods`.

Needs an instance with simulated nodes (`python -m infra.cluster up --name scale --nodes simulated`) and its kubectl on
PATH, as `make scale` has them. 20 pods are broken in five ways at every size; a look that does not name exactly these,
each under its cause, ends the run, and so does one over its limits.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figure import print_figure
from benchmarks.scale.population import (
    APPS,
    APPS_BROKEN,
    BROKEN_LATER,
    NAMESPACE,
    NODES,
    break_pods,
    make_apps,
    make_nodes,
    scale_to,
)
from gate.causes import Cause
from infra.cluster.api import Api
from infra.cluster.environment import completed
from infra.cluster.instance import Nodes, load_record

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "scale.md"
SIZES = (500, 1000, 2500, 5000)
#: Of the issue that asked for this: a full read and verdict at the largest size.
LIMIT_S = 10.0
LIMIT_MIB = 400.0
#: What a pod may cost at a larger size, as a share of its cost at the smallest: 1 is linear, the rest is noise.
LINEAR = 1.2
RUNS = 3
#: A look that takes longer than this is not slow but stuck.
STUCK_S = 120


_HEAD = """\
# Thousands of pods

`make scale` on {date}: {machine}, Kubernetes {version} on the same machine. Medians of {runs} runs; of memory the peak.
Load of the machine when it began to measure: {load:.0f} processes on {cpus} cores.

{nodes} nodes are simulated by kwok, {apps} Deployments made by the real controllers and placed by the real scheduler.
At every size 20 pods are broken in five ways, and every look named these and no other, each under its cause. Simulated
kubelets report no events: a pod has about two, on real nodes four to six in its first hour.

| pods | events | read s | judge s | whole process s | its CPU s | peak RSS MiB | `kubectl get pods` s |
|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Look:
    """What `benchmarks.scale.look` prints."""

    read_s: float
    judge_s: float
    cpu_s: float
    peak_rss_mib: float
    pods: int
    nodes: int
    events: int
    passed: int
    named: list[tuple[str, list[str]]]


@dataclass(frozen=True)
class Row:
    """One size: medians of reading, judging and CPU time, the peak of memory, one value a run of whole processes."""

    pods: int
    events: int
    read_s: float
    judge_s: float
    cpu_s: float
    peak_rss_mib: float
    process_s: tuple[float, ...]
    kubectl_s: tuple[float, ...]

    @property
    def total_s(self) -> float:
        """Return the seconds of reading and judging."""
        return self.read_s + self.judge_s

    def __str__(self) -> str:
        """Return the line that is printed while the benchmark runs."""
        return (
            f"{self.pods} pods on {NODES} nodes, {self.events} events: read {self.read_s:.2f} s, judged "
            f"{self.judge_s:.2f} s, whole process {statistics.median(self.process_s):.2f} s "
            f"({self.cpu_s:.2f} s of CPU), {self.peak_rss_mib:.0f} MiB; kubectl get pods "
            f"{statistics.median(self.kubectl_s):.2f} s"
        )


def main() -> None:
    """Print a line for each size and the figure as the last line; write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--name", default="scale", help="instance with simulated nodes (default: scale)")
    options = parser.parse_args()
    record = load_record(options.name)
    if record is None or record.instance.settings.nodes is not Nodes.SIMULATED:
        raise SystemExit(
            f"cluster {options.name} has no simulated nodes: "
            f"python -m infra.cluster up --name {options.name} --nodes simulated"
        )
    load, *_ = os.getloadavg()
    api = Api(record.instance)
    make_nodes(api)
    make_apps(api)
    scale_to(api, SIZES[0])
    broken = break_pods(api)
    environment = completed(record)
    rows: list[Row] = []
    for size in SIZES:
        scale_to(api, size, broken=BROKEN_LATER)
        rows.append(_measured(size, broken, environment))
        print(rows[-1], flush=True)
    _write(rows, api, load)
    _require(rows)
    name = f"full read and verdict of {SIZES[-1]} pods on {NODES} nodes, {sum(map(len, broken.values()))} broken"
    print_figure(name, rows[-1].process_s, "kubectl get pods", rows[-1].kubectl_s)


def _measured(size: int, broken: Mapping[Cause, frozenset[str]], environment: Mapping[str, str]) -> Row:
    looks: list[Look] = []
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(RUNS):
        elapsed_s, printed = _timed([sys.executable, "-m", "benchmarks.scale.look", NAMESPACE], environment)
        ours.append(elapsed_s)
        looks.append(Look(**json.loads(printed)))
        theirs.append(_timed(["kubectl", "get", "pods", "-n", NAMESPACE, "--no-headers"], environment)[0])
        _check(looks[-1], size, broken)
    return Row(
        pods=size,
        events=looks[-1].events,
        read_s=statistics.median(look.read_s for look in looks),
        judge_s=statistics.median(look.judge_s for look in looks),
        cpu_s=statistics.median(look.cpu_s for look in looks),
        peak_rss_mib=max(look.peak_rss_mib for look in looks),
        process_s=tuple(ours),
        kubectl_s=tuple(theirs),
    )


def _timed(command: Sequence[str], environment: Mapping[str, str]) -> tuple[float, str]:
    begun = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=STUCK_S,
    )
    elapsed_s = time.perf_counter() - begun
    if done.returncode:
        raise SystemExit(f"{shlex.join(command)}: exit status {done.returncode}")
    return elapsed_s, done.stdout


def _check(look: Look, size: int, broken: Mapping[Cause, frozenset[str]]) -> None:
    """Raise SystemExit unless the look saw everything and named each broken pod, and no other, under its cause."""
    named = {cause: frozenset(names) for cause, names in look.named}
    expected = {str(cause): names for cause, names in broken.items()}
    if named != expected:
        raise SystemExit(f"{size} pods: broken are {_sorted(expected)}, the verdicts name {_sorted(named)}")
    if (look.pods, look.nodes, look.passed) != (size, NODES, APPS - APPS_BROKEN):
        raise SystemExit(
            f"{size} pods on {NODES} nodes, {APPS - APPS_BROKEN} Deployments in order: the look saw {look.pods} pods, "
            f"{look.nodes} nodes, {look.passed} passed"
        )


def _sorted(named: Mapping[str, frozenset[str]]) -> dict[str, list[str]]:
    return {cause: sorted(names) for cause, names in named.items()}


def _require(rows: Sequence[Row]) -> None:
    """Raise SystemExit unless the largest size is within its limits and no size costs more per pod than the first."""
    first, last = rows[0], rows[-1]
    if last.total_s > LIMIT_S or last.peak_rss_mib > LIMIT_MIB:
        raise SystemExit(
            f"{last.pods} pods took {last.total_s:.1f} s and {last.peak_rss_mib:.0f} MiB; "
            f"{LIMIT_S:g} s and {LIMIT_MIB:g} MiB would be right"
        )
    for row in rows[1:]:
        for what, ratio in (
            ("time", row.total_s / first.total_s),
            ("memory", row.peak_rss_mib / first.peak_rss_mib),
        ):
            if ratio > LINEAR * row.pods / first.pods:
                raise SystemExit(
                    f"{row.pods} pods took {ratio:.1f} times the {what} of {first.pods}: worse than linear"
                )


def _write(rows: Sequence[Row], api: Api, load: float) -> None:
    """Write the table, whole or not at all."""
    version = api.get("/version")["gitVersion"]
    head = _HEAD.format(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        machine=_machine(),
        version=version,
        nodes=NODES,
        apps=APPS + 2,
        runs=RUNS,
        load=load,
        cpus=os.cpu_count(),
    )
    lines = [
        f"| {row.pods} | {row.events} | {row.read_s:.2f} | {row.judge_s:.2f} | {statistics.median(row.process_s):.2f} "
        f"| {row.cpu_s:.2f} | {row.peak_rss_mib:.0f} | {statistics.median(row.kubectl_s):.2f} |\n"
        for row in rows
    ]
    RESULTS.parent.mkdir(exist_ok=True)
    draft = RESULTS.with_suffix(".draft")
    draft.write_text(head + "".join(lines), encoding="utf-8")
    draft.rename(RESULTS)


def _machine() -> str:
    cpus = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = next(line.partition(":")[2].strip() for line in cpus.splitlines() if line.startswith("model name"))
    return f"{os.cpu_count()} cores of {model}"


if __name__ == "__main__":
    main()
