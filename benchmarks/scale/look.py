"""One look of the gate in a process of its own: `python -m benchmarks.scale.look NAMESPACE`, by KUBECONFIG.

The same calls as `python -m gate diagnose`. Prints one JSON object: the seconds of reading and of judging, the CPU
seconds of the whole process, the peak of resident memory, and which pods are named under which cause.
"""

import json
import re
import sys
import time
from pathlib import Path

from gate.diagnosis.survey import survey
from gate.readers.cluster import ClusterReader
from gate.readers.kube import open_connection
from gate.target import Cluster
from gate.verdict import Status, Verdict

#: How ``rollout_verdict`` lists the pods of a fault that a reason cannot name.
_LIST = re.compile(r"\d+ pods with (\S+)")


def main() -> None:
    """Look once."""
    cluster = Cluster.model_construct(identity=None, namespace=sys.argv[1])
    begun = time.perf_counter()
    snapshot = ClusterReader(open_connection(None), cluster).snapshot()
    read = time.perf_counter()
    verdicts = survey(snapshot)
    judged = time.perf_counter()
    figures = {
        "read_s": read - begun,
        "judge_s": judged - read,
        "cpu_s": time.process_time(),
        "peak_rss_mib": _peak_rss_mib(),
        "pods": len(snapshot.pods),
        "nodes": len(snapshot.nodes),
        "events": len(snapshot.events),
        "passed": sum(verdict.status is Status.PASS for verdict in verdicts.values()),
        "named": [[cause, names] for verdict in verdicts.values() for cause, names in _named(verdict)],
    }
    print(json.dumps(figures))


def _named(verdict: Verdict) -> list[tuple[str, list[str]]]:
    return [
        (found.group(1), evidence.value.split(", "))
        for evidence in verdict.evidence
        if (found := _LIST.fullmatch(evidence.field))
    ]


def _peak_rss_mib() -> float:
    # VmHWM and not ru_maxrss: the latter keeps the peak of the process that started this one.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


if __name__ == "__main__":
    main()
