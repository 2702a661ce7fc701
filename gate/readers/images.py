"""Image references and manifests (OCI image and distribution specifications, Docker schema 2). Pure.

How a manifest is fetched is the business of ``registry`` (HTTP) and ``ecr`` (AWS); what it says is read here, once.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gate.readers import fields
from gate.readers.errors import Malformed
from gate.readers.fields import Raw
from gate.records import ImageFacts

#: What a registry is told it may answer with; without these it converts to schema 1, or refuses.
MEDIA_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)

#: What build attestations stand under in an index (BuildKit, "attestation storage"): nothing that could be run.
_NO_PLATFORM = "unknown/unknown"

_REFERENCE = re.compile(
    r"""(?x)
    (?: (?P<host> localhost (?: :\d+ )? | [\w-]+ (?: \.[\w-]+ )* : \d+ | [\w-]+ (?: \.[\w-]+ )+ ) / )?
    (?P<repository> [a-z0-9]+ (?: (?: \. | _{1,2} | -+ | / ) [a-z0-9]+ )* )
    (?: : (?P<tag> \w [\w.-]{0,127} ) )?
    (?: @ (?P<digest> sha256: [0-9a-f]{64} ) )?
    """
)


class InvalidReference(Malformed):
    """A text that is no image reference."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An image reference, taken apart; ``version`` is the digest where it has one, else the tag."""

    text: str
    host: str
    repository: str
    tag: str
    digest: str

    @property
    def version(self) -> str:
        """Return what the registry is asked for."""
        return self.digest or self.tag


def reference(text: str) -> Reference:
    """Return the parts of an image reference.

    Raises:
        InvalidReference: no registry could know such a name (upper case, blanks, an empty tag).
    """
    found = _REFERENCE.fullmatch(text)
    if not found:
        raise InvalidReference(
            f"image {text!r} is not a reference: HOST/REPOSITORY:TAG or HOST/REPOSITORY@sha256:..., in lower case"
        )
    digest = found["digest"] or ""
    tag = found["tag"] or ("" if digest else "latest")
    return Reference(text, found["host"] or "", found["repository"], tag, digest)


def described(
    text: str,
    digest: str,
    manifest: Raw,
    *,
    manifest_of: Callable[[str], Raw],
    config_of: Callable[[str], Raw],
    read_at: datetime,
) -> ImageFacts:
    """Return what a manifest or an index says; platforms of an index, or of the one image's configuration.

    Args:
        text: the reference as it was asked for.
        digest: what it resolved to.
        manifest: the document with that digest.
        manifest_of: fetches a manifest of the index by digest.
        config_of: fetches an image's configuration by digest.
        read_at: when it was read.

    Raises:
        ReadError: what the two functions raise.
    """
    members = {
        fields.text(each, "digest"): platform
        for each in fields.children(manifest, "manifests")
        if (platform := _platform(fields.child(each, "platform"))) != _NO_PLATFORM
    }
    if members:
        first = manifest_of(next(iter(members)))
        return ImageFacts(
            reference=text,
            digest=digest,
            platforms=tuple(dict.fromkeys(members.values())),
            compressed_bytes=_compressed_bytes(first),
            read_at=read_at,
        )
    config = fields.text(manifest, "config", "digest")
    if not config:
        raise Malformed(f"image {text}: neither an index with platforms nor a manifest with a configuration")
    return ImageFacts(
        reference=text,
        digest=digest,
        platforms=(_platform(config_of(config)),),
        compressed_bytes=_compressed_bytes(manifest),
        read_at=read_at,
    )


def _platform(raw: Raw) -> str:
    system, architecture = (
        fields.text(raw, "os", default="unknown"),
        fields.text(raw, "architecture", default="unknown"),
    )
    variant = fields.text(raw, "variant")
    return f"{system}/{architecture}/{variant}" if variant else f"{system}/{architecture}"


def _compressed_bytes(manifest: Raw) -> int | None:
    sizes = [
        size for layer in fields.children(manifest, "layers") if (size := fields.integer(layer, "size")) is not None
    ]
    return sum(sizes) if sizes else None
