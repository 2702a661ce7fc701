"""Hashes of what an image is made from: equal hashes mean that building again would change nothing that matters.

Too much counts rather than too little: a file that the build ignores only costs a build that finds its layers cached.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

# Never part of an image (each context's .dockerignore has them, which a test checks), and changed by merely running the
# code beside them. `models` can hold gigabytes.
NEVER_COPIED = frozenset({"__pycache__", "models", ".env"})


def key(*parts: str | bytes) -> str:
    """Return a hash over the parts; ("ab", "c") and ("a", "bc") differ."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:32]


def context_files(context: Path) -> tuple[Path, ...]:
    """Return the files of a build context that may end up in an image, sorted."""
    found = (file for file in context.rglob("*") if file.is_file())
    return tuple(sorted(file for file in found if NEVER_COPIED.isdisjoint(file.relative_to(context).parts)))


def context_key(context: Path, others: Iterable[str]) -> str:
    """Return a hash over a build context (names, contents, which files can be executed) and `others`."""
    parts: list[str | bytes] = []
    for file in context_files(context):
        executable = "x" if file.stat().st_mode & 0o100 else "-"
        parts += [f"{file.relative_to(context)} {executable}", file.read_bytes()]
    return key(*parts, *others)
