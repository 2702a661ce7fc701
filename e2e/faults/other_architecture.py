"""Runs as an init container of the fault matrix: the model's file, copied with another architecture in its header.

What a model that is newer than its engine looks like (incident 14). The catalogue beside it gets the new checksum, as
whoever added that model would have written it. Standard library only; comes into the pod by a ConfigMap.
"""

import hashlib
import sys
from pathlib import Path

CATALOGUE = Path("/app/service_chat/models.toml")
MODELS = Path("/models")
INTO = Path("/patched")

_KEY = b"general.architecture"
#: After a key: its type (4 bytes) and the string's length (8 bytes), little-endian. Source: ggml's gguf.md.
_TYPE_BYTES, _LENGTH_BYTES = 4, 8


def with_architecture(model: bytes, name: str) -> bytes:
    """Return a GGUF file that names another architecture.

    Raises:
        ValueError: the new name has another length, which would move everything after it.
    """
    length_at = model.index(_KEY) + len(_KEY) + _TYPE_BYTES
    at = length_at + _LENGTH_BYTES
    length = int.from_bytes(model[length_at:at], "little")
    if len(name) != length:
        raise ValueError(f"architecture {name!r}: {length} characters are needed, as {model[at : at + length]!r} has")
    return model[:at] + name.encode() + model[at + length :]


def main(name: str) -> None:
    """Write model and catalogue into the volume."""
    (source,) = MODELS.glob("*.gguf")
    model = source.read_bytes()
    changed = with_architecture(model, name)
    (INTO / source.name).write_bytes(changed)
    catalogue = CATALOGUE.read_text(encoding="utf-8")
    was, now = (hashlib.sha256(each).hexdigest() for each in (model, changed))
    (INTO / CATALOGUE.name).write_text(catalogue.replace(was, now), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
