"""CON-5: an image that holds a secret, and the near misses beside it."""

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from gate.causes import Cause
from gate.diagnosis.contents import FoundSecret, ImageContents, secrets_verdict
from gate.readers.errors import Malformed, Unreachable
from gate.readers.layers import image_contents
from gate.verdict import Status

IMAGE = "localhost:5000/carepath-chat-api:v2.0"
TOKEN = f"hf_{'aB3' * 12}"


def tar(files: dict[str, bytes]) -> bytes:
    """Return a tar file of these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@dataclass
class FakeImage:
    """What the engine's client returns for an image, with its layers as dictionaries of files."""

    layers: list[dict[str, bytes]]
    commands: list[str] = field(default_factory=lambda: ["CMD python"])
    environment: list[str] = field(default_factory=lambda: ["PATH=/bin"])
    manifest: bytes | None = None

    @property
    def attrs(self) -> dict[str, Any]:
        """Return what `docker inspect` does, of which the environment is read."""
        return {"Config": {"Env": self.environment}}

    def history(self) -> list[dict[str, str]]:
        """Return the steps."""
        return [{"CreatedBy": command} for command in self.commands]

    def save(self) -> Iterator[bytes]:
        """Yield `docker save` in pieces."""
        names = [f"{number}/layer.tar" for number in range(len(self.layers))]
        manifest = self.manifest or json.dumps([{"Layers": names}]).encode()
        whole = tar({"manifest.json": manifest, **{n: tar(f) for n, f in zip(names, self.layers, strict=True)}})
        yield whole[:1000]
        yield whole[1000:]


def engine(image: FakeImage | Exception) -> Any:  # noqa: ANN401 # stands in for a client without types
    """Return a client whose engine has that image, or fails so."""

    def get(name: str) -> FakeImage:
        assert name == IMAGE
        if isinstance(image, Exception):
            raise image
        return image

    return SimpleNamespace(images=SimpleNamespace(get=get))


def found(
    *layers: dict[str, bytes], commands: tuple[str, ...] = (), environment: tuple[str, ...] = ()
) -> list[tuple[str, str]]:
    """Return kind and place of what is found in an image."""
    image = FakeImage(list(layers) or [{"app/main.py": b"print()"}], list(commands), list(environment))
    return [(each.kind, each.where) for each in image_contents(engine(image), IMAGE).found]


def test_contents_of_a_clean_image_are_counted_and_nothing_is_found() -> None:
    """Layers, files and lines are evidence that something was looked at."""
    seen = image_contents(engine(FakeImage([{"a": b"1", "b": b"2"}, {"c": b"3"}])), IMAGE)
    assert seen == ImageContents(image=IMAGE, layers=2, files=3, history=2)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (f"token = {TOKEN}".encode(), "a token of the model hub"),
        (b"aws_access_key_id=AKIA1234567890ABCDEF", "an AWS access key"),
        (f"https://ghp_{'a1' * 18}@example".encode(), "a GitHub token"),
        (b"-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA0Z3V\n", "a private key"),
    ],
    ids=["hub", "aws", "github", "key"],
)
def test_contents_with_a_secret_name_layer_path_and_kind(content: bytes, kind: str) -> None:
    """A later layer without the file does not help: the earlier one is read, too."""
    assert found({"app/x": b""}, {"root/left": content}, {"app/y": b""}) == [(kind, "layer 2 of 3, /root/left")]


@pytest.mark.parametrize(
    "content",
    [
        b"token=hf_xxx",
        b"AKIA1234",
        b"AKIAIOSFODNN7EXAMPLE",
        b"-----BEGIN PRIVATE KEY-----...",
        b"-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w",
        b"\x7fELF\0-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA0Z3V\n\0",
    ],
)
def test_contents_that_only_speak_of_secrets_are_left_alone(content: bytes) -> None:
    """Documentation and parsers name the shapes without holding one; libraries carry the keys of their self-tests."""
    assert found({"site-packages/docs.py": content}) == []


@pytest.mark.parametrize(
    "path", ["root/.netrc", "app/.env", "root/.docker/config.json", "root/.cache/huggingface/token"]
)
def test_contents_with_a_credentials_file_name_it(path: str) -> None:
    """Some files have no other use; an empty one, or one of a similar name, is none."""
    assert found({path: b"x"}) == [("a credentials file", f"layer 1 of 1, /{path}")]
    assert found({path: b"", f"{path}.example": b"x"}) == []


def test_contents_find_an_argument_in_the_history_and_a_variable() -> None:
    """A build argument with a value is in the history for good; its value is not repeated."""
    commands = ("|1 HUGGINGFACE_TOKEN=abc123 /bin/sh -c true", "RUN --mount=type=secret,id=token true")
    assert found(commands=commands) == [("HUGGINGFACE_TOKEN with a value", "history")]
    environment = ("DB_PASSWORD=x", "HF_TOKEN=", "GPG_KEY=A035C8C1", "MAX_TOKENS=64")
    assert found(environment=environment) == [("DB_PASSWORD with a value", "environment")]
    assert found(commands=(f"RUN login --with {TOKEN}",)) == [("a token of the model hub", "history")]


def test_contents_of_weights_are_not_searched() -> None:
    """A file of megabytes is no place for a key, and would match by chance."""
    assert found({"models/x.gguf": TOKEN.encode() + bytes(5 * 1024 * 1024)}) == []


def test_contents_of_an_image_that_is_not_there_are_unreachable() -> None:
    """The engine's own words, and which image."""
    with pytest.raises(Unreachable, match=f"{IMAGE} cannot be read from the Docker engine: no such image"):
        image_contents(engine(docker.errors.ImageNotFound("no such image")), IMAGE)


@pytest.mark.parametrize("manifest", [b"no JSON", b'[{"Layers": ["absent.tar"]}]', b"[{}]"])
def test_contents_that_are_no_image_are_malformed(manifest: bytes) -> None:
    """What cannot be read is not an image without secrets."""
    with pytest.raises(Malformed, match="the Docker engine saved what cannot be read"):
        image_contents(engine(FakeImage([], manifest=manifest)), IMAGE)


def contents(*secrets: FoundSecret, layers: int = 5) -> ImageContents:
    """Return an image with that in it."""
    return ImageContents(image=IMAGE, layers=layers, files=layers * 100, history=20, found=secrets)


def test_secrets_none_found_passes_with_what_was_looked_at() -> None:
    """The numbers say that it was no empty look."""
    verdict = secrets_verdict(contents())
    assert verdict.status is Status.PASS
    assert verdict.reason == "No key, token or credentials file in 5 layers with 500 files, nor in the history."


def test_secrets_found_fail_with_the_first_and_the_number_of_others() -> None:
    """Kind and place are enough to find it, and the remedy says that deleting is none."""
    first = FoundSecret(kind="a token of the model hub", where="layer 2 of 5, /root/token")
    verdict = secrets_verdict(contents(first, FoundSecret(kind="a private key", where="layer 3 of 5, /x")))
    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.IMAGE_HOLDS_SECRET)
    assert verdict.reason == (
        f"{IMAGE} holds a token of the model hub in layer 2 of 5, /root/token, and 1 more: whoever may pull the image "
        "can read it."
    )
    assert [(each.field, each.value) for each in verdict.evidence][:2] == [
        ("layer 2 of 5, /root/token", "a token of the model hub"),
        ("layer 3 of 5, /x", "a private key"),
    ]


def test_secrets_of_an_image_without_layers_are_not_measured() -> None:
    """Nothing read is not nothing found."""
    verdict = secrets_verdict(contents(layers=0))
    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
