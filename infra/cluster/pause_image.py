"""The pods' sandbox image, made from our static `pause` and pushed to the registry, where containerd finds it.

It lies in the registry rather than being imported, so that a node that lost it simply pulls it again.
"""

import gzip
import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path

import httpx

from infra.cluster.configs import PAUSE_IMAGE

_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_TIMEOUT_S = 10.0


class PauseImageError(Exception):
    """The registry did not take the image."""


def push(program: Path, registry_url: str) -> None:
    """Build the image around `program` and push it.

    Raises:
        PauseImageError: the registry cannot be reached or refused a part.
    """
    layer, config, manifest = image(program.read_bytes(), architecture())
    repository, tag = PAUSE_IMAGE.partition("/")[2].split(":")
    base = f"{registry_url}/v2/{repository}"
    try:
        with httpx.Client(trust_env=False, timeout=_TIMEOUT_S) as client:
            for blob in (layer, config):
                session = client.post(f"{base}/blobs/uploads/").raise_for_status()
                # Docker-registry answers with an absolute address made from the Host header, or a relative one.
                location = session.url.join(session.headers["Location"])
                client.put(location.copy_add_param("digest", digest(blob)), content=blob).raise_for_status()
            headers = {"Content-Type": _MANIFEST_TYPE}
            client.put(f"{base}/manifests/{tag}", content=manifest, headers=headers).raise_for_status()
    except httpx.HTTPError as error:
        raise PauseImageError(f"{PAUSE_IMAGE} cannot be pushed to {registry_url}: {error}") from error


def image(program: bytes, machine: str) -> tuple[bytes, bytes, bytes]:
    """Return layer, configuration and manifest; the same program always gives the same digests."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        entry = tarfile.TarInfo("pause")
        entry.size, entry.mode = len(program), 0o755
        archive.addfile(entry, io.BytesIO(program))
    layer = gzip.compress(tar.getvalue(), mtime=0)
    config = _json(
        {
            "architecture": machine,
            "os": "linux",
            # 65535 as upstream's pause image: the sandbox needs no right at all.
            "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
            "rootfs": {"type": "layers", "diff_ids": [digest(tar.getvalue())]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST_TYPE,
            "config": {"mediaType": _CONFIG_TYPE, "digest": digest(config), "size": len(config)},
            "layers": [{"mediaType": _LAYER_TYPE, "digest": digest(layer), "size": len(layer)}],
        }
    )
    return layer, config, manifest


def architecture() -> str:
    """Return this machine's architecture as OCI names it."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def digest(content: bytes) -> str:
    """Return the content's OCI digest."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _json(document: dict[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
