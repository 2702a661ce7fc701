"""One `up` or `down` at a time: a lock that ends with its process and leaves no file behind."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class LockError(Exception):
    """Another process works on the same thing, or this user may not write the lock."""


@contextmanager
def exclusive(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock for `folder`, a file beside it, which need not exist; with `wait`, until it is free.

    Raises:
        LockError: another process holds it and `wait` is false, or this user may not.
    """
    path = folder.parent / f".{folder.name}.lock"
    file = _acquire(path, folder.name, wait=wait)
    try:
        os.ftruncate(file, 0)
        os.write(file, str(os.getpid()).encode())
        yield
    finally:
        path.unlink()
        os.close(file)
        # The last instance takes the folder of all instances with it; rmdir refuses while anything is in it.
        with suppress(OSError):
            path.parent.rmdir()


def _acquire(path: Path, name: str, *, wait: bool) -> int:
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except PermissionError as error:
            raise LockError(
                f"{path} cannot be written ({error.strerror}): only root starts and stops clusters"
            ) from error
        except (FileNotFoundError, FileExistsError) as error:
            # The last holder took the folder away between two of these steps; a file in its place will not go away.
            if path.parent.is_file():
                raise LockError(f"{path.parent} is a file, and a folder is needed there") from error
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(file, 20).decode(errors="replace")
            os.close(file)
            if not wait:
                raise LockError(f"{name}: another `up` or `down` is under way (pid {holder}); wait for it") from error
            time.sleep(0.05)
            continue
        # The holder before us removes the file as it leaves: a lock on a removed file protects nothing.
        try:
            if os.fstat(file).st_ino == path.stat().st_ino:
                return file
        except FileNotFoundError:
            pass
        os.close(file)
