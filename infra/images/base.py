"""The base images: Debian with Python, and the same with a folder of wheels for builds that have no network.

An official Python image would do as well, and the Dockerfiles default to it. These are for machines that reach Debian's
packages and no registry of images. A base is a debootstrap of the release, kept as a tar file in the cache under a hash
of its recipe; the engine gets it by import. Which mirror it comes from is the machine's own choice: apt's.
"""

import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

from infra.commands import SYSTEM_PATH, CommandError, run
from infra.images.engine import Engine
from infra.images.keys import key
from infra.paths import PROJECT, cache_dir
from infra.progress import say

RELEASE = "bookworm"
PYTHON_VERSION = "3.11"  # bookworm's
RUNTIME_TAG = f"carepath/python:{PYTHON_VERSION}-{RELEASE}"
BUILD_TAG = f"carepath/python-build:{PYTHON_VERSION}-{RELEASE}"
MIRROR_KEY = "CAREPATH_DEBIAN_MIRROR"
# libgomp1: llama.cpp's wheel is linked with OpenMP and does not bring it (ImportError: libgomp.so.1).
_PACKAGES = ("python3", "python3-venv", "ca-certificates", "libgomp1")
# Nothing reads these in a container: 275 MB become 138.
_LEFT_OUT = ("./usr/share/man/*", "./usr/share/locale/*", "./var/cache/apt/*", "./var/lib/apt/lists/*", "./var/log/*")
_IMAGE_CONFIG = ("ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 'CMD ["python3"]')
_BUILD_DOCKERFILE = PROJECT / "infra/images/python-build.Dockerfile"
# 3 to 4 times what was seen on a slow mirror (90 s, 2 busy cores).
_DEBOOTSTRAP_DEADLINE_S = 600
_TAR_DEADLINE_S = 180


class BaseError(Exception):
    """A base image cannot be made on this machine; the message says what is missing."""


def runtime_key() -> str:
    """Return a hash of the runtime base's recipe."""
    return key(RELEASE, platform.machine(), *_PACKAGES, *_LEFT_OUT, *_IMAGE_CONFIG)


def build_key(wheelhouse_key: str) -> str:
    """Return a hash of the build base's recipe, given that of the wheels in it."""
    return key(runtime_key(), wheelhouse_key, _BUILD_DOCKERFILE.read_bytes())


def ensure_runtime(engine: Engine) -> None:
    """Give the engine the runtime base, unless it has it.

    Raises:
        BaseError: not root, no mirror, or debootstrap is not installed.
        CommandError: debootstrap, tar or the engine failed.
    """
    wanted = runtime_key()
    present = engine.image(RUNTIME_TAG)
    if present is not None and present.inputs == wanted:
        return
    tar = cache_dir() / "images" / f"{RELEASE}-{wanted}.tar"
    if not tar.exists():
        _make_tar(tar)
    engine.import_tar(tar, RUNTIME_TAG, _IMAGE_CONFIG, wanted)


def ensure_build(engine: Engine, wheelhouse: Path, wheelhouse_key: str) -> None:
    """Give the engine the build base with the wheels of `wheelhouse`, unless it has it; the runtime base must be there.

    Raises:
        CommandError: the build failed.
    """
    wanted = build_key(wheelhouse_key)
    present = engine.image(BUILD_TAG)
    if present is None or present.inputs != wanted:
        engine.build(wheelhouse, _BUILD_DOCKERFILE, [BUILD_TAG], {"BASE_IMAGE": RUNTIME_TAG}, wanted)


def debian_mirror() -> str:
    """Return the base URL of the Debian mirror that apt is set up with, or that CAREPATH_DEBIAN_MIRROR names.

    Raises:
        BaseError: neither names one that has the release.
    """
    chosen = os.environ.get(MIRROR_KEY)
    if chosen:
        return chosen
    needs = f"set {MIRROR_KEY} to the URL of a Debian mirror that has {RELEASE}"
    try:
        # Never the updates or the security archive: they are suites beside the release, with other packages missing.
        text = run(
            [
                "apt-get",
                "indextargets",
                "--format",
                "$(REPO_URI)",
                "Created-By: Packages",
                f"Release: {RELEASE}",
                "Component: main",
            ]
        )
    except CommandError as error:
        raise BaseError(f"apt cannot be asked for its Debian mirror; {needs}\n  {error}") from error
    if not text.split():
        raise BaseError(f"apt has no source for Debian {RELEASE} main; {needs}")
    return text.split()[0]


def _make_tar(tar: Path) -> None:
    if os.geteuid() != 0 or sys.platform != "linux":
        raise BaseError(f"{tar.name}: debootstrap needs root on Linux")
    if shutil.which("debootstrap", path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}") is None:
        raise BaseError(f"{tar.name}: debootstrap is not installed; `make setup` installs it")
    mirror = debian_mirror()
    tar.parent.mkdir(parents=True, exist_ok=True)
    say(f"making the base image: Debian {RELEASE} with Python {PYTHON_VERSION} (once, about 80 s)")
    with tempfile.TemporaryDirectory(prefix="debootstrap-", dir=tar.parent) as folder:
        # In a mount namespace of its own: the /proc and /sys it mounts for the packages' scripts go with it, even if it
        # is killed, and nothing that is removed afterwards can be the machine's own.
        run(
            [
                *("unshare", "--mount", "--propagation=private"),
                *("debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", RELEASE, folder, mirror),
            ],
            timeout_s=_DEBOOTSTRAP_DEADLINE_S,
        )
        partial = tar.with_name(f"{tar.name}.{os.getpid()}")
        run(
            ["tar", "--numeric-owner", *(f"--exclude={path}" for path in _LEFT_OUT), "-C", folder, "-cf", partial, "."],
            timeout_s=_TAR_DEADLINE_S,
        )
        partial.rename(tar)
