"""How fast one pod is asked: the gate's port-forward against `kubectl port-forward`, in alternating runs.

Each run sends 200 requests to /health over 20 connections and counts the opening of those connections; the service's
own work is a few milliseconds, so that the way to it is what is measured. Needs kubectl and a running chat-api.
"""

import argparse
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.figure import print_figure
from gate.readers.chat import ChatClient, pod_transport, service_client
from gate.readers.cluster import ClusterReader, connect
from gate.records import Reply
from gate.target import load_target

ROOT = Path(__file__).resolve().parent.parent
REQUESTS = 200
CONNECTIONS = 20
PORT = 8002


def main() -> None:
    """Print a line for each run and the figure as the last line."""
    options = _options()
    cluster = load_target(options.target, ROOT).cluster
    if options.namespace:
        cluster = cluster.model_copy(update={"namespace": options.namespace})
    reader = connect(cluster)
    pods = [each.name for each in reader.snapshot().pods if each.labels.get("app") == cluster.deployment and each.ready]
    if not pods:
        raise SystemExit(f"no ready pod of {cluster.deployment} in {cluster.namespace}: deploy the app first")
    print(f"{REQUESTS} requests to pod {pods[0]} over {CONNECTIONS} connections, {reader.identity.version}")
    ours: list[float] = []
    theirs: list[float] = []
    for run in range(1, options.runs + 1):
        ours.append(_through_websockets(reader, pods[0]))
        theirs.append(_through_kubectl(cluster.namespace, pods[0]))
        print(f"run {run}: gate {ours[-1]:.3f} s, kubectl port-forward {theirs[-1]:.3f} s")
    print(f"threads left: {threading.active_count() - 1}")
    name = f"{REQUESTS} requests to one pod over {CONNECTIONS} connections"
    print_figure(name, ours, "kubectl port-forward", theirs)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--target", default="local", help="environment whose chat-api is asked (default: local)")
    parser.add_argument("--namespace", help="another namespace than the target's")
    parser.add_argument("--runs", type=int, default=5, help="of each kind (default: 5)")
    return parser.parse_args()


def _through_websockets(reader: ClusterReader, pod: str) -> float:
    begun = time.perf_counter()
    with ChatClient(pod_transport(reader, pod, PORT, CONNECTIONS), via=f"pod/{pod}") as chat:
        _ask(chat)
        return time.perf_counter() - begun


def _through_kubectl(namespace: str, pod: str) -> float:
    begun = time.perf_counter()
    with _kubectl(namespace, pod) as url, service_client(url, connections=CONNECTIONS) as chat:
        _ask(chat)
        return time.perf_counter() - begun


def _ask(chat: ChatClient) -> None:
    with ThreadPoolExecutor(CONNECTIONS) as users:
        replies = list(users.map(_health, [chat] * REQUESTS))
    failed = [reply for reply in replies if reply.status != httpx.codes.OK]
    if failed:
        raise SystemExit(f"{len(failed)} of {REQUESTS} requests failed, the first: {failed[0]}")


def _health(chat: ChatClient) -> Reply:
    return chat.health()


@contextmanager
def _kubectl(namespace: str, pod: str) -> Iterator[str]:
    """Run `kubectl port-forward` on a free port until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["kubectl", "port-forward", f"pod/{pod}", "-n", namespace, f"{port}:{PORT}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        try:
            line = running.stdout.readline() if running.stdout else ""
            if "Forwarding from" not in line:
                raise SystemExit(f"{' '.join(command)}: {line.strip()}")
            yield f"http://127.0.0.1:{port}"
        finally:
            running.terminate()


if __name__ == "__main__":
    main()
