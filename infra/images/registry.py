"""Asks an OCI registry which digest a tag has.

An image reference as it stands in a manifest comes in, the digest it resolves to goes out. Only reading, only over the
distribution API, without credentials: the registries of this project are the embedded one and what stands in for it.
"""

import os
import re
from dataclasses import dataclass

import httpx

NAME_KEY = "CAREPATH_REGISTRY"  # as it stands in image names
URL_KEY = "CAREPATH_REGISTRY_URL"  # as this machine reaches it

# An index before a manifest: for an image of several platforms the tag's digest is the index's. Docker's own types are
# what its engine pushes, and a registry answers 404 for a type that was not asked for.
MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
REQUEST_TIMEOUT_S = 10.0
# Tags named in a message: enough to see a typing error, short enough to read.
TAGS_SHOWN = 10

_REFERENCE = re.compile(
    r"(?P<registry>[a-z0-9.-]+(?::[0-9]+)?)/(?P<repository>[a-z0-9._/-]+)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class RegistryError(Exception):
    """A reference cannot be resolved; the message names it, what was asked where, and what the registry said."""


@dataclass(frozen=True)
class ImageReference:
    """An image name taken apart. Without tag and digest a runtime would mean the tag "latest"."""

    registry: str
    repository: str
    tag: str | None
    digest: str | None

    @classmethod
    def parse(cls, text: str) -> "ImageReference":
        """Take `REGISTRY/REPOSITORY[:TAG][@DIGEST]` apart.

        Raises:
            RegistryError: `text` is no such reference; a name without a registry is none, because which registry it
                means depends on who reads it.
        """
        match = _REFERENCE.fullmatch(text)
        if match is None:
            raise RegistryError(f'image "{text}" is not REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@sha256:DIGEST')
        return cls(**match.groupdict())

    def pinned(self, digest: str) -> str:
        """Return the reference by digest alone; a tag beside it would only suggest that it matters."""
        return f"{self.registry}/{self.repository}@{digest}"


@dataclass(frozen=True)
class Registry:
    """A registry: the name it has in image references, and the base URL under which this machine reaches it."""

    name: str
    url: str

    @classmethod
    def from_environment(cls) -> "Registry":
        """Return the registry of CAREPATH_REGISTRY and CAREPATH_REGISTRY_URL.

        Raises:
            RegistryError: one of them is not set.
        """
        missing = [key for key in (NAME_KEY, URL_KEY) if not os.environ.get(key)]
        if missing:
            raise RegistryError(
                f"{' and '.join(missing)}, which name the registry of the images, are not set; "
                'run: eval "$(python -m infra.cluster env)"'
            )
        return cls(os.environ[NAME_KEY], os.environ[URL_KEY].rstrip("/"))

    def check_open(self, transport: httpx.BaseTransport | None = None) -> None:
        """Check that the registry answers, and without a login.

        Raises:
            RegistryError: it does not.
        """
        with httpx.Client(base_url=self.url, transport=transport, timeout=REQUEST_TIMEOUT_S) as client:
            try:
                answer = client.get("/v2/")
            except httpx.HTTPError as error:
                raise RegistryError(f"the registry at {self.url} did not answer: {error}") from error
        if answer.status_code != httpx.codes.OK:
            raise RegistryError(f"the registry at {self.url} answered {answer.status_code} to GET /v2/, not 200")

    def resolved(self, image: str, transport: httpx.BaseTransport | None = None) -> str:
        """Return `image` by digest; one that has a digest already is returned without asking.

        Raises:
            RegistryError: the image is of another registry, the tag does not exist, or the registry did not answer.
        """
        reference = ImageReference.parse(image)
        if reference.digest is not None:
            return reference.pinned(reference.digest)
        if reference.registry != self.name:
            raise RegistryError(
                f"{image}: only tags of {self.name} ({self.url}) are resolved here; "
                f"name an image of {reference.registry} by its digest"
            )
        tag = reference.tag or "latest"
        with httpx.Client(base_url=self.url, transport=transport, timeout=REQUEST_TIMEOUT_S) as client:
            try:
                answer = client.head(
                    f"/v2/{reference.repository}/manifests/{tag}", headers={"Accept": ", ".join(MANIFEST_TYPES)}
                )
                if answer.status_code == httpx.codes.NOT_FOUND:
                    raise RegistryError(f"{image}: not in the registry at {self.url}; {_tags_there(client, reference)}")
            except httpx.HTTPError as error:
                raise RegistryError(f"{image}: the registry at {self.url} did not answer: {error}") from error
        digest = answer.headers.get("Docker-Content-Digest", "")
        if answer.status_code != httpx.codes.OK or not _DIGEST.fullmatch(digest):
            raise RegistryError(
                f"{image}: HEAD {answer.request.url} gave {answer.status_code}"
                f' and Docker-Content-Digest "{digest}"; needed are 200 and a sha256 digest'
            )
        return reference.pinned(digest)


def _tags_there(client: httpx.Client, reference: ImageReference) -> str:
    answer = client.get(f"/v2/{reference.repository}/tags/list")
    tags = sorted(answer.json().get("tags") or []) if answer.status_code == httpx.codes.OK else []
    if not tags:
        return f"it has no repository {reference.repository} with tags. Push one: python -m infra.images"
    return f"{reference.repository} has {', '.join(tags[:TAGS_SHOWN])}{' ...' if len(tags) > TAGS_SHOWN else ''}"
