"""The sandbox image: an OCI image by the book, and the same digest each time."""

import gzip
import hashlib
import io
import json
import tarfile

from infra.cluster import pause_image


def test_image_runs_the_program_without_any_right() -> None:
    """One executable file, started as nobody."""
    layer, config, _ = pause_image.image(b"program", "amd64")
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer))) as archive:
        (member,) = archive.getmembers()
        file = archive.extractfile(member)
        assert file is not None
        assert (member.name, member.mode, file.read()) == ("pause", 0o755, b"program")
    assert json.loads(config)["config"] == {"Entrypoint": ["/pause"], "User": "65535:65535"}


def test_manifest_names_both_parts_by_digest_and_size() -> None:
    """What containerd checks after the download."""
    layer, config, manifest = pause_image.image(b"program", "amd64")
    document = json.loads(manifest)
    for part, content in ((document["layers"][0], layer), (document["config"], config)):
        assert part["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert part["size"] == len(content)
    (unpacked,) = json.loads(config)["rootfs"]["diff_ids"]
    assert unpacked == f"sha256:{hashlib.sha256(gzip.decompress(layer)).hexdigest()}"


def test_same_program_gives_the_same_image() -> None:
    """No time stamp gets in, so a second push changes nothing."""
    assert pause_image.image(b"program", "amd64") == pause_image.image(b"program", "amd64")
