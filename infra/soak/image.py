"""The gate's own image: what `pytest -m soak` needs, and nothing of the service it judges.

Built when it is wanted, not with the service's images: a deploy does not need it. The build has no network; the wheels
are fetched on the host and checked against the lock's hashes.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from infra.commands import run
from infra.images import base
from infra.images.engine import Engine
from infra.images.keys import context_key, key
from infra.images.registry import Registry
from infra.paths import PROJECT
from infra.progress import say

REPOSITORY = "carepath-gate"
DOCKERFILE = PROJECT / "infra/soak/Dockerfile"
LOCK = PROJECT / "requirements/gate.txt"
#: What the image holds beside its wheels, as the Dockerfile copies it.
FOLDERS, FILES = ("gate", "soak"), ("conftest.py", "pytest.ini", "pyproject.toml")
# 60 MB; a minute on a slow line.
_DOWNLOAD_DEADLINE_S = 600


def inputs() -> str:
    """Return a hash over all that the image is made from."""
    folders = (context_key(PROJECT / name, ()) for name in FOLDERS)
    files = ((PROJECT / name).read_bytes() for name in FILES)
    return key(base.runtime_key(), DOCKERFILE.read_bytes(), LOCK.read_bytes(), *folders, *files)


def ensure(engine: Engine, registry: Registry) -> str:
    """Build and push the image unless it is current, and return its reference by digest.

    Raises:
        BaseError: the base image cannot be made on this machine.
        CommandError: a download, the build or the push failed.
        RegistryError: the registry does not answer.
    """
    wanted = inputs()
    reference = f"{registry.name}/{REPOSITORY}:{wanted[:12]}"
    present = engine.image(reference)
    if present is None or present.inputs != wanted:
        base.ensure_runtime(engine)
        with tempfile.TemporaryDirectory(prefix="carepath-gate-image-") as folder:
            context = Path(folder)
            _stage(context)
            say(f"building {REPOSITORY}")
            arguments = {"BUILD_IMAGE": base.RUNTIME_TAG, "BASE_IMAGE": base.RUNTIME_TAG, "PIP_NO_INDEX": "1"}
            engine.build(context, DOCKERFILE, [reference], arguments, wanted)
    say(f"pushing {reference}")
    engine.push(reference)
    return registry.resolved(reference)


def _stage(context: Path) -> None:
    """Put together what the Dockerfile copies, with the wheels beside."""
    for name in FOLDERS:
        shutil.copytree(PROJECT / name, context / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy2(PROJECT / name, context / name)
    (context / "requirements").mkdir()
    shutil.copy2(LOCK, context / "requirements" / LOCK.name)
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    # The image's Python decides what fits, not the one that runs this.
    fitting = [f"--python-version={base.PYTHON_VERSION}", "--only-binary=:all:"]
    what = [f"--dest={context / 'wheels'}", "--require-hashes", "--requirement", str(LOCK)]
    run([*download, *fitting, *what], timeout_s=_DOWNLOAD_DEADLINE_S)
