"""Amazon's registry, asked through AWS: its HTTP API wants a token that AWS credentials buy.

Needs ecr:DescribeImages, ecr:BatchGetImage and ecr:GetDownloadUrlForLayer on the repository, and nothing else.
"""

import json
from datetime import UTC, datetime
from typing import Any

import boto3
import httpx
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from gate.readers.errors import Denied, Malformed, NotFound, ReadError, Unreachable, excerpt
from gate.readers.fields import Raw
from gate.readers.images import MEDIA_TYPES, Reference, described
from gate.records import ImageFacts

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 10.0

_NOT_FOUND = frozenset({"RepositoryNotFoundException", "ImageNotFoundException", "LayersNotFoundException"})
_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "UnrecognizedClientException",
    }
)


def ecr_client(region: str) -> Any:  # noqa: ANN401  # boto3 makes its clients' classes at run time
    """Return a client of the ECR API, with time-outs and few retries."""
    settings = Config(
        connect_timeout=CONNECT_TIMEOUT_S, read_timeout=READ_TIMEOUT_S, retries={"mode": "standard", "max_attempts": 3}
    )
    return boto3.client("ecr", region_name=region, config=settings)


def ecr_facts(
    wanted: Reference,
    *,
    region: str,
    client: Any = None,  # noqa: ANN401  # same
    transport: httpx.BaseTransport | None = None,
) -> ImageFacts:
    """Return what ECR says about an image.

    Args:
        wanted: the reference; its host's first part is the account.
        region: where the registry is.
        client: for tests; boto3's by default.
        transport: for tests; the network by default.

    Raises:
        NotFound: no such repository, tag or digest.
        Denied: the credentials do not allow it, or have expired.
        Unreachable: no credentials, no connection, or an error on AWS's side.
    """
    try:
        repository = _Repository(client or ecr_client(region), wanted, transport)
        digest, manifest = repository.manifest(wanted.version)
        return described(
            wanted.text,
            digest,
            manifest,
            manifest_of=lambda member: repository.manifest(member)[1],
            config_of=repository.config,
            read_at=datetime.now(UTC),
        )
    except ClientError as error:
        raise _translated(error, wanted) from error
    except BotoCoreError as error:
        raise Unreachable(f"image {wanted.text}: ECR in {region}: {excerpt(str(error))}") from error


class _Repository:
    """One repository of ECR."""

    def __init__(self, client: Any, wanted: Reference, transport: httpx.BaseTransport | None) -> None:  # noqa: ANN401
        self._client = client
        self._wanted = wanted
        self._transport = transport
        account, _, _ = wanted.host.partition(".dkr.ecr")
        self._named = {"repositoryName": wanted.repository} | ({"registryId": account} if account.isdecimal() else {})

    def manifest(self, version: str) -> tuple[str, Raw]:
        """Return digest and content of a manifest or index."""
        key = "imageDigest" if version.startswith("sha256:") else "imageTag"
        answer = self._client.batch_get_image(
            **self._named, imageIds=[{key: version}], acceptedMediaTypes=list(MEDIA_TYPES)
        )
        for failure in answer.get("failures", []):
            raise NotFound(
                f"image {self._wanted.text}: ECR says {failure.get('failureCode')}: "
                f"{excerpt(failure.get('failureReason', ''))}"
            )
        images = answer.get("images", [])
        if not images:
            raise NotFound(f"image {self._wanted.text}: ECR has no image {version}")
        return str(images[0]["imageId"]["imageDigest"]), _parsed(images[0]["imageManifest"], self._wanted)

    def config(self, digest: str) -> Raw:
        """Return an image's configuration, from the signed address that ECR gives; the address is never shown."""
        address = self._client.get_download_url_for_layer(**self._named, layerDigest=digest)["downloadUrl"]
        try:
            with httpx.Client(transport=self._transport, timeout=READ_TIMEOUT_S) as http:
                answer = http.get(address).raise_for_status()
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            raise Unreachable(
                f"image {self._wanted.text}: its configuration could not be downloaded: HTTP {status}",
                status_code=status,
            ) from None  # the cause would carry the signed address
        except httpx.RequestError as error:
            raise Unreachable(
                f"image {self._wanted.text}: its configuration could not be downloaded: {excerpt(str(error))}"
            ) from None  # same
        return _parsed(answer.text, self._wanted)


def _parsed(text: str, wanted: Reference) -> Raw:
    try:
        parsed = json.loads(text)
    except json.JSONDecodeError as error:
        raise Malformed(f"image {wanted.text}: ECR's answer is not JSON") from error
    if not isinstance(parsed, dict):
        raise Malformed(f"image {wanted.text}: ECR's answer is not a JSON object")
    return parsed


def _translated(error: ClientError, wanted: Reference) -> ReadError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    detail = excerpt(str(error.response.get("Error", {}).get("Message", "")))
    if code in _NOT_FOUND:
        return NotFound(f"image {wanted.text}: ECR says {code}: {detail}", status_code=status)
    if code in _DENIED:
        return Denied(f"ecr:{error.operation_name}", f"repository {wanted.repository}", "", detail, status_code=status)
    return Unreachable(f"image {wanted.text}: ECR answered {code}: {detail}", status_code=status)
