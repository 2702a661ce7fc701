"""An image's facts, asked of its registry before a cluster pulls it: digest, platforms, size.

Speaks the OCI distribution API over HTTP; Amazon's registry is asked through AWS (``ecr``), with AWS credentials.
"""

import hashlib
import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Literal

import httpx
import stamina

from gate import target
from gate.readers.errors import Denied, Malformed, NotFound, ReadError, Unreachable, excerpt
from gate.readers.fields import Raw
from gate.readers.images import MEDIA_TYPES, InvalidReference, Reference, described, reference
from gate.records import ImageFacts, ImageUnread

#: A manifest is a few kilobytes, answered from the registry's disk.
TIMEOUT_S = 10.0

ATTEMPTS = 3


def image_facts(text: str, where: target.Registry, *, transport: httpx.BaseTransport | None = None) -> ImageFacts:
    """Return what the registry says about an image.

    Args:
        text: the reference as a manifest names it; its host part is for the cluster, the target says whom to ask.
        where: the target's registry.
        transport: for tests; the network by default.

    Raises:
        InvalidReference: no registry could know such a name.
        Malformed: an answer without its shape.
        NotFound: no such repository, tag or digest.
        Denied: the registry wants other credentials.
        Unreachable: no usable answer, or the target has no registry.
    """
    wanted = reference(text)
    if where.reader == "ecr":
        from gate.readers.ecr import ecr_facts  # noqa: PLC0415  # boto3 costs 0.3 s, paid only where AWS is asked

        return ecr_facts(wanted, region=where.region or "", transport=transport)
    if where.reader == "none" or where.url is None:
        raise Unreachable(f"image {text}: the target names no registry to ask")
    with httpx.Client(transport=transport, base_url=where.url, timeout=TIMEOUT_S) as http:
        return _http_facts(_Repository(http, wanted))


def read_image(
    text: str, where: target.Registry, *, transport: httpx.BaseTransport | None = None
) -> ImageFacts | ImageUnread:
    """Return what the registry says about an image, or why it says nothing; nothing that a registry does raises."""
    try:
        return image_facts(text, where, transport=transport)
    except ReadError as error:
        return ImageUnread(
            reference=text,
            kind=_kind(error),
            message=str(error),
            status_code=error.status_code,
            read_at=datetime.now(UTC),
        )


def _kind(error: ReadError) -> Literal["not_found", "denied", "invalid_name", "unreachable"]:
    if isinstance(error, InvalidReference):
        return "invalid_name"
    if isinstance(error, NotFound):
        return "not_found"
    return "denied" if isinstance(error, Denied) else "unreachable"


class _Repository:
    """One repository of a registry's HTTP API."""

    def __init__(self, http: httpx.Client, wanted: Reference) -> None:
        self._http = http
        self.wanted = wanted
        self._call = stamina.RetryingCaller(attempts=ATTEMPTS, wait_max=1.0).on(Unreachable)

    def manifest(self, version: str) -> tuple[str, Raw]:
        """Return digest and content of a manifest or index."""
        answer = self._call(self._get, f"manifests/{version}", ", ".join(MEDIA_TYPES))
        computed = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
        stated = answer.headers.get("docker-content-digest", computed)
        if stated != computed:
            raise Malformed(f"image {self.wanted.text}: the registry states digest {stated}, its answer has {computed}")
        return computed, self._json(answer)

    def config(self, digest: str) -> Raw:
        """Return an image's configuration."""
        return self._json(self._call(self._get, f"blobs/{digest}", "*/*"))

    def _get(self, path: str, accept: str) -> httpx.Response:
        try:
            answer = self._http.get(
                f"/v2/{self.wanted.repository}/{path}", headers={"accept": accept}, follow_redirects=True
            )
        except httpx.RequestError as error:
            raise Unreachable(f"registry {self._http.base_url}: {excerpt(str(error))}") from error
        if answer.is_success:
            return answer
        status, detail = answer.status_code, excerpt(answer.content)
        what = f"image {self.wanted.text}"
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise Denied("pull", f"repository {self.wanted.repository}", "", detail, status_code=status)
        if status == HTTPStatus.NOT_FOUND:
            raise NotFound(f"{what}: the registry at {self._http.base_url} says {detail}", status_code=status)
        raise Unreachable(f"{what}: the registry answered {status}: {detail}", status_code=status)

    def _json(self, answer: httpx.Response) -> Raw:
        try:
            parsed = answer.json()
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise Malformed(f"image {self.wanted.text}: the registry's answer is not JSON") from error
        if not isinstance(parsed, dict):
            raise Malformed(f"image {self.wanted.text}: the registry's answer is not a JSON object")
        return parsed


def _http_facts(repository: _Repository) -> ImageFacts:
    digest, manifest = repository.manifest(repository.wanted.version)
    return described(
        repository.wanted.text,
        digest,
        manifest,
        manifest_of=lambda member: repository.manifest(member)[1],
        config_of=repository.config,
        read_at=datetime.now(UTC),
    )
