import json
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from gate.readers.ecr import ecr_client, ecr_facts
from gate.readers.errors import Denied, NotFound, Unreachable
from gate.readers.images import MEDIA_TYPES, reference

REGION = "us-east-1"
HOST = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
WANTED = reference(f"{HOST}/carepath-chat-api:v2.0")
DIGEST = "sha256:" + "a" * 64
MANIFEST = {"config": {"digest": "sha256:" + "c" * 64}, "layers": [{"size": 7}, {"size": 5}]}
SIGNED = "https://layers.example/config?X-Amz-Signature=hunter2"
BATCH = {
    "repositoryName": "carepath-chat-api",
    "registryId": "123456789012",
    "imageIds": [{"imageTag": "v2.0"}],
    "acceptedMediaTypes": list(MEDIA_TYPES),
}


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make sure that no real credentials are found."""
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(key, "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.fixture
def client() -> Any:  # noqa: ANN401  # boto3 makes its clients' classes at run time
    """Return a real client; what it would send is stubbed."""
    return ecr_client(REGION)


@pytest.fixture
def stub(client: Any) -> Iterator[Stubber]:  # noqa: ANN401  # same
    """Stand in for ECR; every expected call must have been made."""
    with Stubber(client) as stubbed:
        yield stubbed
        stubbed.assert_no_pending_responses()


def found(manifest: object) -> dict[str, Any]:
    """Return ECR's answer with one image."""
    return {"images": [{"imageId": {"imageDigest": DIGEST}, "imageManifest": json.dumps(manifest)}]}


def test_image_of_ecr_is_described_by_its_configuration(client: Any, stub: Stubber) -> None:  # noqa: ANN401
    """The platform stands in the configuration, behind an address that ECR signs."""
    stub.add_response("batch_get_image", found(MANIFEST), BATCH)
    stub.add_response("get_download_url_for_layer", {"downloadUrl": SIGNED})
    config = httpx.MockTransport(lambda _: httpx.Response(200, json={"os": "linux", "architecture": "arm64"}))
    facts = ecr_facts(WANTED, region=REGION, client=client, transport=config)
    assert (facts.digest, facts.platforms, facts.compressed_bytes) == (DIGEST, ("linux/arm64",), 12)


def test_image_of_ecr_whose_configuration_cannot_be_had_hides_the_signed_address(
    client: Any,  # noqa: ANN401
    stub: Stubber,
) -> None:
    """The address is as good as a password for its time."""
    stub.add_response("batch_get_image", found(MANIFEST), BATCH)
    stub.add_response("get_download_url_for_layer", {"downloadUrl": SIGNED})
    refused = httpx.MockTransport(lambda _: httpx.Response(403))
    with pytest.raises(Unreachable, match="HTTP 403") as caught:
        ecr_facts(WANTED, region=REGION, client=client, transport=refused)
    assert "hunter2" not in str(caught.getrepr(style="long", showlocals=False))
    assert caught.value.__cause__ is None


def test_image_that_ecr_does_not_have_is_not_found(client: Any, stub: Stubber) -> None:  # noqa: ANN401
    """A tag that is missing comes as a failure inside a successful answer."""
    failure = {"failureCode": "ImageNotFound", "failureReason": "Requested image not found"}
    stub.add_response("batch_get_image", {"images": [], "failures": [failure]}, BATCH)
    with pytest.raises(NotFound, match="ECR says ImageNotFound: Requested image not found"):
        ecr_facts(WANTED, region=REGION, client=client)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("RepositoryNotFoundException", NotFound),
        ("AccessDeniedException", Denied),
        ("ExpiredTokenException", Denied),
        ("UnrecognizedClientException", Denied),
        ("ServerException", Unreachable),
    ],
)
def test_refusal_of_ecr_is_of_one_kind(client: Any, stub: Stubber, code: str, kind: type[Exception]) -> None:  # noqa: ANN401
    """Missing, forbidden and broken are three things."""
    stub.add_client_error("batch_get_image", code, "no", 400)
    with pytest.raises(kind) as caught:
        ecr_facts(WANTED, region=REGION, client=client)
    assert type(caught.value) is kind


def test_ecr_without_credentials_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody to ask as: the gate's trouble, not the image's."""
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(key)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    boto3.DEFAULT_SESSION = None
    with pytest.raises(Unreachable, match="Unable to locate credentials"):
        ecr_facts(WANTED, region=REGION)


def push(client: Any, manifest: dict[str, Any], kind: str, **named: str) -> str:  # noqa: ANN401  # same
    """Push a manifest to the stand-in and return its digest."""
    pushed = client.put_image(
        repositoryName="carepath-chat-api",
        imageManifest=json.dumps({"schemaVersion": 2, "mediaType": kind, **manifest}),
        imageManifestMediaType=kind,
        **named,
    )
    return str(pushed["image"]["imageId"]["imageDigest"])


def test_ecr_as_moto_plays_it_describes_what_was_pushed() -> None:
    """Against a stand-in for the whole API an index is followed to its image, and what is missing is told apart."""
    index_kind, image_kind = MEDIA_TYPES[0], MEDIA_TYPES[2]
    layers = [{"digest": "sha256:" + "b" * 64, "size": 7}]
    with mock_aws():
        client = ecr_client(REGION)
        client.create_repository(repositoryName="carepath-chat-api")
        member = push(client, {**MANIFEST, "layers": layers}, image_kind, imageTag="amd64")
        platform = {"os": "linux", "architecture": "amd64"}
        digest = push(client, {"manifests": [{"digest": member, "platform": platform}]}, index_kind, imageTag="v2.0")
        facts = ecr_facts(WANTED, region=REGION, client=client)
        assert (facts.digest, facts.platforms, facts.compressed_bytes) == (digest, ("linux/amd64",), 7)
        with pytest.raises(NotFound, match="RepositoryNotFoundException"):
            ecr_facts(reference(f"{HOST}/other:v1"), region=REGION, client=client)
        with pytest.raises(NotFound, match="ImageNotFound"):
            ecr_facts(reference(f"{HOST}/carepath-chat-api:v9"), region=REGION, client=client)
