"""Reads what is in an image: every file of every layer, and its history, as whoever pulls it could.

Enters: an image on a Docker engine. Leaves: `ImageContents`. The layers are read one by one and not as the file system
that they add up to: what one layer adds and the next deletes is still there. A match is told by its kind and place; the
bytes themselves never leave this module.
"""

import json
import re
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import IO, Any

import docker.errors

from gate.diagnosis.contents import FoundSecret, ImageContents
from gate.readers.errors import Malformed, Unreachable, excerpt

#: Keys and tokens are short text in small files; weights and libraries hold every sequence of bytes there is.
_LARGEST_SEARCHED_BYTES = 4 * 1024 * 1024

#: Shapes as their makers document them; a shape without a fixed prefix would match hashes and base64 everywhere.
_SHAPES: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("a token of the model hub", re.compile(rb"\bhf_[A-Za-z0-9]{30,}\b")),
    # But for those of AWS's own documentation, which SDKs carry: AKIAIOSFODNN7EXAMPLE.
    ("an AWS access key", re.compile(rb"\b(?:AKIA|ASIA)(?![0-9A-Z]{9}EXAMPLE)[0-9A-Z]{16}\b")),
    ("a GitHub token", re.compile(rb"\bgh[pousr]_[A-Za-z0-9]{36}\b")),
)
#: Only in text: GnuTLS and others carry the keys of their self-tests in the library.
_PRIVATE_KEY = re.compile(rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s+[A-Za-z0-9+/=]{16}")

#: Files whose only use is to hold credentials, by the end of their path.
_CREDENTIALS = (
    ".netrc",
    ".pypirc",
    ".git-credentials",
    ".env",
    ".aws/credentials",
    ".docker/config.json",
    ".cache/huggingface/token",
    ".ssh/id_rsa",
    ".ssh/id_ed25519",
)

#: A variable or build argument with a value. GPG_KEY of Python's official images is a public key: KEY alone is none.
_NAMED = re.compile(r"\b(\w*(?:TOKEN|PASSWORD|PASSWD|SECRET|API_KEY|ACCESS_KEY))=(?!\s|$)", re.IGNORECASE)


def image_contents(engine: Any, image: str) -> ImageContents:  # noqa: ANN401  # the engine's client has no types
    """Look through an image.

    Args:
        engine: a client of the Docker engine that has it.
        image: its reference.

    Raises:
        Unreachable: the engine does not answer, or has no such image.
        Malformed: what the engine saved cannot be read.
    """
    with tempfile.TemporaryFile() as saved:
        try:
            found = engine.images.get(image)
            for piece in found.save():
                saved.write(piece)
            lines = list(_lines(found))
        except (docker.errors.DockerException, OSError) as error:  # requests' errors are the latter
            raise Unreachable(f"{image} cannot be read from the Docker engine: {excerpt(str(error))}") from error
        saved.seek(0)
        try:
            return _contents(saved, image, lines)
        except (tarfile.TarError, KeyError, ValueError) as error:
            raise Malformed(f"{image}: the Docker engine saved what cannot be read: {excerpt(str(error))}") from error


def _lines(image: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401  # same
    """Yield where a line stands and what it says: build steps with their arguments, and variables."""
    for step in image.history():
        yield "history", str(step.get("CreatedBy", ""))
    for variable in image.attrs.get("Config", {}).get("Env") or []:
        yield "environment", str(variable)


def _contents(saved: IO[bytes], image: str, lines: Sequence[tuple[str, str]]) -> ImageContents:
    found: list[FoundSecret] = []
    for where, text in lines:
        found += [FoundSecret(kind=f"{match[1]} with a value", where=where) for match in _NAMED.finditer(text)]
        found += [FoundSecret(kind=kind, where=where) for kind, shape in _SHAPES if shape.search(text.encode())]
    files = 0
    with tarfile.open(fileobj=saved) as archive:
        layers = json.loads(_member(archive, "manifest.json").read())[0]["Layers"]
        for number, name in enumerate(layers, 1):
            with tarfile.open(fileobj=_member(archive, name)) as layer:
                for path, content in _files(layer):
                    files += 1
                    where = f"layer {number} of {len(layers)}, /{path}"
                    found += [FoundSecret(kind=kind, where=where) for kind in _kinds(path, content)]
    return ImageContents(image=image, layers=len(layers), files=files, history=len(lines), found=tuple(found))


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    member = archive.extractfile(name)
    if member is None:
        raise KeyError(f"{name} is no file")
    return member


def _files(layer: tarfile.TarFile) -> Iterator[tuple[PurePosixPath, bytes]]:
    for entry in layer:
        content = layer.extractfile(entry) if entry.isreg() else None
        if content is not None:
            searched = content.read() if entry.size <= _LARGEST_SEARCHED_BYTES else b""
            yield PurePosixPath(entry.name), searched


def _kinds(path: PurePosixPath, content: bytes) -> Iterator[str]:
    if content.strip() and any(f"/{path}".endswith(f"/{name}") for name in _CREDENTIALS):
        yield "a credentials file"
    for kind, shape in _SHAPES:
        if shape.search(content):
            yield kind
    if b"\0" not in content and _PRIVATE_KEY.search(content):
        yield "a private key"
