"""A Docker engine through a client that can build with BuildKit.

Which client that is cannot be told from its name: one of 23 or newer builds with BuildKit only if the buildx plugin
lies beside it, an older one has BuildKit built in, and a machine may have both. So every `docker` on PATH is tried. The
engine is the one that DOCKER_HOST names, and only talked to, never configured.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.commands import CommandError, run

# The first client without BuildKit of its own (Docker Engine 23.0 release notes: buildx became the default builder).
_BUILDX_ONLY_SINCE = 23
# A cold build installs 100 MB of wheels and bakes a 98 MB model in: 40 s on 2 busy cores; a real model takes minutes.
BUILD_DEADLINE_S = 1800
PUSH_DEADLINE_S = 600
IMPORT_DEADLINE_S = 300
# The label by which an image is known to be made from what it would be made from now.
INPUTS_LABEL = "org.carepath.inputs"


class EngineError(Exception):
    """No client can build, or no engine answers; the message names what was tried and what would do."""


@dataclass(frozen=True)
class LocalImage:
    """An image the engine has: the hash it was made from (empty if it has none), and its digests in registries."""

    inputs: str
    repo_digests: tuple[str, ...]


@dataclass(frozen=True)
class Engine:
    """A Docker engine and the client program that talks to it."""

    client: Path

    def image(self, reference: str) -> LocalImage | None:
        """Return the image if the engine has it.

        Raises:
            CommandError: the engine did not answer.
        """
        try:
            text = run([self.client, "image", "inspect", reference])
        except CommandError as error:
            if "no such image" in error.output.lower():
                return None
            raise
        entry: dict[str, Any] = json.loads(text)[0]
        labels = (entry.get("Config") or {}).get("Labels") or {}
        return LocalImage(labels.get(INPUTS_LABEL, ""), tuple(entry.get("RepoDigests") or ()))

    def build(
        self, context: Path, dockerfile: Path, tags: Iterable[str], arguments: Mapping[str, str], inputs: str
    ) -> None:
        """Build one image without network: all it installs is in its base.

        Raises:
            CommandError: with the last lines of the build's output.
        """
        command: list[str | Path] = [self.client, "build", "--progress=plain", "--network=none"]
        command += [word for tag in tags for word in ("--tag", tag)]
        command += [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
        command += ["--label", f"{INPUTS_LABEL}={inputs}", "--file", dockerfile, context]
        run(command, env={"DOCKER_BUILDKIT": "1"}, timeout_s=BUILD_DEADLINE_S)

    def import_tar(self, tar: Path, tag: str, changes: Iterable[str], inputs: str) -> None:
        """Make an image of one layer from a file system's tar file.

        Raises:
            CommandError: the engine refused it.
        """
        lines = (*changes, f"LABEL {INPUTS_LABEL}={inputs}")
        run(
            [self.client, "import", *(word for line in lines for word in ("--change", line)), tar, tag],
            timeout_s=IMPORT_DEADLINE_S,
        )

    def push(self, reference: str) -> None:
        """Push an image to the registry in its name.

        Raises:
            CommandError: the registry is not reached, or refused it.
        """
        run([self.client, "push", "--quiet", reference], timeout_s=PUSH_DEADLINE_S)


def engine(search_path: str | None = None) -> Engine:
    """Return an engine that answers, through the first client of `search_path` (default PATH) that can build.

    Raises:
        EngineError: there is no such client, or no engine answers it.
    """
    tried = []
    for client in _clients(search_path):
        version = run([client, "--version"]).strip()
        if _builds_with_buildkit(client, version):
            return _answering(client)
        tried.append(f"{client} ({version}, without its buildx plugin)")
    raise EngineError(
        f"no docker client can build with BuildKit; tried: {', '.join(tried) or 'none is on PATH'}. "
        "Install Debian's docker.io (`make setup` does)"
    )


def _clients(search_path: str | None) -> list[Path]:
    folders = (search_path if search_path is not None else os.environ.get("PATH", os.defpath)).split(os.pathsep)
    candidates = [Path(folder) / "docker" for folder in folders if folder]
    return [path for path in dict.fromkeys(candidates) if path.is_file() and os.access(path, os.X_OK)]


def _builds_with_buildkit(client: Path, version: str) -> bool:
    match = re.search(r"version (\d+)\.", version)
    if match is not None and int(match[1]) < _BUILDX_ONLY_SINCE:
        return True
    try:
        run([client, "buildx", "version"])
    except CommandError:
        return False
    return True


def _answering(client: Path) -> Engine:
    try:
        run([client, "version", "--format", "{{.Server.Version}}"])
    except CommandError as error:
        raise EngineError(
            f"no Docker engine answers at {os.environ.get('DOCKER_HOST') or 'its usual socket'}. The embedded cluster "
            f'brings one: python -m infra.cluster up; eval "$(python -m infra.cluster env)"\n  {error}'
        ) from error
    return Engine(client)
