import hashlib
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gate.readers.errors import Denied, Malformed, NotFound, Unreachable
from gate.readers.images import InvalidReference, reference
from gate.readers.registry import image_facts, read_image
from gate.records import ImageFacts, ImageUnread
from gate.target import Registry

IMAGE = "localhost:5000/carepath-chat-api:v2.0"
WHERE = Registry(reader="http", url="http://127.0.0.1:5000")
CONFIG = {"architecture": "amd64", "os": "linux", "config": {"Env": ["TOKEN=hunter2"]}}


def blob(content: object) -> tuple[str, bytes]:
    """Return a document and its digest."""
    raw = json.dumps(content).encode()
    return f"sha256:{hashlib.sha256(raw).hexdigest()}", raw


CONFIG_DIGEST, CONFIG_RAW = blob(CONFIG)
MANIFEST = {
    "schemaVersion": 2,
    "config": {"digest": CONFIG_DIGEST, "size": 100},
    "layers": [{"digest": "sha256:1", "size": 30_000_000}, {"digest": "sha256:2", "size": 12}],
}
MANIFEST_DIGEST, MANIFEST_RAW = blob(MANIFEST)
INDEX = {
    "schemaVersion": 2,
    "manifests": [
        {"digest": MANIFEST_DIGEST, "platform": {"os": "linux", "architecture": "amd64"}},
        {"digest": "sha256:arm", "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
        {"digest": "sha256:att", "platform": {"os": "unknown", "architecture": "unknown"}},
    ],
}
INDEX_DIGEST, INDEX_RAW = blob(INDEX)

Handler = Callable[[httpx.Request], httpx.Response]


def serving(**documents: bytes) -> tuple[httpx.MockTransport, list[httpx.Request]]:
    """Return a registry that has these tags beside the documents that they lead to."""
    asked: list[httpx.Request] = []
    known = {
        **{f"/v2/carepath-chat-api/manifests/{tag.replace('_', '.')}": raw for tag, raw in documents.items()},
        f"/v2/carepath-chat-api/manifests/{MANIFEST_DIGEST}": MANIFEST_RAW,
        f"/v2/carepath-chat-api/blobs/{CONFIG_DIGEST}": CONFIG_RAW,
    }

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        found = known.get(request.url.path)
        if found is None:
            unknown = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
            return httpx.Response(404, json=unknown)
        return httpx.Response(200, content=found)

    return httpx.MockTransport(handler), asked


def refusing(status: int, **kwargs: Any) -> httpx.MockTransport:  # noqa: ANN401  # httpx's own keywords
    """Return a registry that answers everything so."""
    return httpx.MockTransport(lambda _: httpx.Response(status, **kwargs))


def test_image_with_one_platform_is_described_by_its_configuration() -> None:
    """A tag resolves to the digest of its manifest; the layers add up."""
    transport, asked = serving(v2_0=MANIFEST_RAW)
    facts = image_facts(IMAGE, WHERE, transport=transport)
    assert (facts.reference, facts.digest) == (IMAGE, MANIFEST_DIGEST)
    assert (facts.platforms, facts.compressed_bytes) == (("linux/amd64",), 30_000_012)
    assert facts.read_at is not None
    assert "application/vnd.oci.image.index.v1+json" in asked[0].headers["accept"]


def test_image_with_several_platforms_is_described_by_its_index() -> None:
    """The digest is the index's, attestations are no platform, the size is the first platform's."""
    transport, _ = serving(v2_0=INDEX_RAW)
    facts = image_facts(IMAGE, WHERE, transport=transport)
    assert facts.digest == INDEX_DIGEST
    assert facts.platforms == ("linux/amd64", "linux/arm64/v8")
    assert facts.compressed_bytes == 30_000_012


def test_image_named_by_digest_is_asked_for_by_digest() -> None:
    """A digest wins over a tag beside it."""
    transport, asked = serving()
    assert image_facts(f"{IMAGE}@{MANIFEST_DIGEST}", WHERE, transport=transport).digest == MANIFEST_DIGEST
    assert asked[0].url.path == f"/v2/carepath-chat-api/manifests/{MANIFEST_DIGEST}"


def test_image_that_is_not_there_is_not_found() -> None:
    """The registry's word is kept."""
    transport, _ = serving()
    with pytest.raises(NotFound, match=r"carepath-chat-api:v9: the registry at http://127\.0\.0\.1:5000 says MANIFEST"):
        image_facts("localhost:5000/carepath-chat-api:v9", WHERE, transport=transport)


@pytest.mark.parametrize("status", [401, 403])
def test_image_that_may_not_be_read_is_denied(status: int) -> None:
    """Credentials that do not suffice are told apart from an image that is not there."""
    with pytest.raises(Denied, match="not permitted: pull repository carepath-chat-api: unauthorized"):
        image_facts(IMAGE, WHERE, transport=refusing(status, text="unauthorized"))


def test_image_whose_digest_does_not_fit_is_malformed() -> None:
    """A registry that serves another content than it states is not believed."""
    lying = refusing(200, content=MANIFEST_RAW, headers={"Docker-Content-Digest": INDEX_DIGEST})
    with pytest.raises(Malformed, match="the registry states digest"):
        image_facts(IMAGE, WHERE, transport=lying)


@pytest.mark.parametrize("content", [b"<html>", b"[]", b"{}", b'{"manifests": []}'])
def test_image_described_by_something_else_is_malformed(content: bytes) -> None:
    """An answer of another shape is neither found nor missing."""
    with pytest.raises(Malformed, match="carepath-chat-api"):
        image_facts(IMAGE, WHERE, transport=refusing(200, content=content))


def test_registry_that_fails_is_tried_again_and_then_unreachable() -> None:
    """A passing failure is waited out, a lasting one is told."""
    left = iter(
        [httpx.Response(502), httpx.Response(200, content=MANIFEST_RAW), httpx.Response(200, content=CONFIG_RAW)]
    )
    assert image_facts(IMAGE, WHERE, transport=httpx.MockTransport(lambda _: next(left))).platforms == ("linux/amd64",)
    with pytest.raises(Unreachable, match="the registry answered 502"):
        image_facts(IMAGE, WHERE, transport=refusing(502))


def test_registry_that_a_target_does_not_have_is_unreachable() -> None:
    """Without a registry nothing is known about an image."""
    with pytest.raises(Unreachable, match="the target names no registry to ask"):
        image_facts(IMAGE, Registry())


def test_read_image_turns_each_trouble_into_its_kind() -> None:
    """IMG-1 is judged on what the registry said, never on an exception."""
    transport, _ = serving(v2_0=MANIFEST_RAW)
    assert isinstance(read_image(IMAGE, WHERE, transport=transport), ImageFacts)
    refused = httpx.ConnectError("connection refused")

    def silent(_: httpx.Request) -> httpx.Response:
        raise refused

    found = {
        kind: read_image(text, WHERE, transport=transport)
        for kind, text, transport in (
            ("not_found", "localhost:5000/carepath-chat-api:v9", serving()[0]),
            ("denied", IMAGE, refusing(403)),
            ("invalid_name", "Carepath Chat", serving()[0]),
            ("unreachable", IMAGE, httpx.MockTransport(silent)),
        )
    }
    for kind, unread in found.items():
        assert isinstance(unread, ImageUnread)
        assert (unread.kind, bool(unread.message), unread.read_at is not None) == (kind, True, True)


@pytest.mark.parametrize(
    ("text", "host", "repository", "version"),
    [
        ("carepath-chat-api", "", "carepath-chat-api", "latest"),
        ("localhost/carepath/chat-api:v1", "localhost", "carepath/chat-api", "v1"),
        ("localhost:5000/chat:v2.0", "localhost:5000", "chat", "v2.0"),
        (
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/carepath-chat-api:v2.0",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com",
            "carepath-chat-api",
            "v2.0",
        ),
        (f"registry.example/a/b__c@{MANIFEST_DIGEST}", "registry.example", "a/b__c", MANIFEST_DIGEST),
        ("a/b:latest", "", "a/b", "latest"),
    ],
)
def test_reference_is_taken_apart(text: str, host: str, repository: str, version: str) -> None:
    """Host, repository and what is asked for, with Docker's default tag."""
    found = reference(text)
    assert (found.host, found.repository, found.version) == (host, repository, version)


@pytest.mark.parametrize("text", ["", "Carepath", "a b", "a:", "a@sha256:12", "a//b", "-a", "a:v1:v2", "http://a/b"])
def test_reference_that_no_registry_could_know_is_invalid(text: str) -> None:
    """The message says how a reference is written."""
    with pytest.raises(InvalidReference, match="is not a reference: HOST/REPOSITORY:TAG"):
        reference(text)
