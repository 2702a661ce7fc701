"""What the launcher's end-to-end tests look at and talk to: the host's traces, the command line, a backend of ours."""

import contextlib
import http.server
import json
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from infra.cluster import cgroups
from infra.cluster.instance import Instance, load_record
from infra.commands import run

# Where container software is known to write on a host, two levels deep.
WATCHED = (
    "/etc",
    "/opt",
    "/run",
    "/var/lib",
    "/var/log",
    "/usr/libexec",
    "/lib/systemd",
    str(Path.home()),
    "/dev/mapper",
)


def cluster(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the launcher the way a person does."""
    command = [sys.executable, "-m", "infra.cluster", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    if check:
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}{done.stderr}"
    return done


def running_instance(name: str) -> Instance:
    """Return the instance that runs."""
    record = load_record(name)
    assert record is not None
    return record.instance


@dataclass(frozen=True)
class Traces:
    """What a cluster could leave on a host."""

    mounts: frozenset[str]
    interfaces: frozenset[str]
    namespaces: frozenset[str]
    rules: frozenset[str]
    cgroups: frozenset[str]
    disks: frozenset[str]
    files: frozenset[str]
    settings: frozenset[str]

    def since(self, before: "Traces") -> dict[str, list[str]]:
        """Return what came (or, for settings, changed) since, by kind."""
        found = {
            kind: sorted(getattr(self, kind) - getattr(before, kind)) for kind in (field.name for field in fields(self))
        }
        return {kind: items for kind, items in found.items() if items}


def traces() -> Traces:
    """Look at the host as another program than the launcher sees it."""
    return Traces(
        mounts=frozenset(Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()),
        interfaces=frozenset(link["ifname"] for link in json.loads(run(["ip", "-json", "link"]))),
        namespaces=frozenset(run(["ip", "netns", "list"]).splitlines()),
        rules=frozenset(
            line
            for program in ("iptables-save", "ip6tables-save")
            for line in run([program]).splitlines()
            # Comments have the time, chains' heads their counters.
            if not line.startswith(("#", ":"))
        ),
        cgroups=frozenset(str(group) for root in cgroups.hierarchies() for group in root.iterdir() if group.is_dir()),
        disks=frozenset(run(["losetup", "--list", "--noheadings", "--output", "BACK-FILE"]).splitlines()),
        files=frozenset(str(path) for top in WATCHED for depth in ("*", "*/*") for path in Path(top).glob(depth)),
        settings=frozenset(
            f"{name}={Path('/proc/sys/net', name).read_text(encoding='ascii').strip()}"
            for name in ("ipv4/ip_forward", "ipv4/conf/all/forwarding", "netfilter/nf_conntrack_max")
            if Path("/proc/sys/net", name).exists()
        ),
    )


def processes_of(name: str) -> list[str]:
    """Return every process whose command line or cgroup names the instance, this test's own aside."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            group = (folder / "cgroup").read_text(encoding="utf-8")
            if int(folder.name) != os.getpid() and (f"carepath-{name}" in group or f"/{name}/" in command):
                found.append(f"{folder.name} {command}")
    return found


def kubectl(environment: dict[str, str], *words: str, stdin: str | None = None) -> str:
    """Run the kubectl that `env` puts first on PATH."""
    return run(["/usr/bin/env", "kubectl", *words], env=environment, stdin=stdin, timeout_s=90)


class Answer(http.server.BaseHTTPRequestHandler):
    """A backend outside of the cluster: answers after as many seconds as the path says."""

    def do_GET(self) -> None:
        """Answer."""
        time.sleep(float(self.path.strip("/") or 0))
        with contextlib.suppress(OSError):  # the load balancer has hung up
            self.send_response(200)
            self.end_headers()
            self.wfile.write(str(self.connection.getsockname()[1]).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@contextlib.contextmanager
def backend(instance: Instance) -> Iterator[int]:
    """Yield the port of a server on the host's end of the cable, which stands for a pod."""
    with http.server.ThreadingHTTPServer((instance.host_ip, 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


def balanced(name: str, port: int) -> str:
    """Return a Service of type LoadBalancer whose endpoints are set by hand."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"type": "LoadBalancer", "ports": [{"port": port}]},
        }
    )


def endpoints(instance: Instance, service: str, port: int) -> str:
    """Return the EndpointSlice that sends a Service to one backend on the host."""
    return json.dumps(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": service, "labels": {"kubernetes.io/service-name": service}},
            "addressType": "IPv4",
            "ports": [{"port": port}],
            "endpoints": [{"addresses": [instance.host_ip]}],
        }
    )


def eventually(ask: Callable[[], object], wanted: object, timeout_s: float = 20) -> None:
    """Ask until the wanted answer comes, and fail with the last one if it does not."""
    deadline = time.monotonic() + timeout_s
    seen = ask()
    while seen != wanted:
        if time.monotonic() > deadline:
            pytest.fail(f"{seen!r} instead of {wanted!r} after {timeout_s:g} s")
        time.sleep(0.1)
        seen = ask()
