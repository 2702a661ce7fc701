"""How long a release engineer waits for an offline preflight: the whole process, against a pytest run of nothing.

The target is the one of EKS, judged without a cluster or credentials; it fails (a t3.medium is too small), which is
what it is for. Needs nothing but the project.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figure import print_figure

ROOT = Path(__file__).resolve().parent.parent
FAILED = 1
NOTHING_COLLECTED = 5


def main() -> None:
    """Print a line for each run and the figure as the last line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=7, help="of each kind (default: 7)")
    options = parser.parse_args()
    ours: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for run in range(1, options.runs + 1):
            report = f"--report={folder}/{run}"
            ours.append(_pytest(FAILED, "-m", "preflight", "--target=demo", "--offline", report))
            theirs.append(_pytest(NOTHING_COLLECTED, "-p", "no:gate.plugin", "-c", "/dev/null", folder))
            print(f"run {run}: offline preflight {ours[-1]:.2f} s, pytest with nothing to run {theirs[-1]:.2f} s")
    print_figure("offline preflight of target demo, whole process", ours, "pytest with nothing to run", theirs)


def _pytest(expected: int, *arguments: str) -> float:
    command = [sys.executable, "-m", "pytest", "-q", *arguments]
    begun = time.perf_counter()
    status = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False).returncode
    elapsed = time.perf_counter() - begun
    if status != expected:
        raise SystemExit(f"{' '.join(command)}: exit status {status}, expected {expected}")
    return elapsed


if __name__ == "__main__":
    main()
