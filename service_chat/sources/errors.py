"""What can go wrong while a model is fetched, in the words of the person who has to put it right."""

import errno
from pathlib import Path

# A full file system, a quota, and a limit on the size of files: nothing but room helps against any of them.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_WRITABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_GB = 1e9


class DownloadError(Exception):
    """The file cannot be had, or is not the one the catalogue names; no message holds a token or a signed URL."""


def folder_error(folder: Path, error: OSError, wanted_bytes: int) -> DownloadError:
    """Return what a failed write below `folder` means for a file of `wanted_bytes`."""
    name = f"MODEL_CACHE_DIR={folder}"
    if error.errno in _NO_ROOM:
        return DownloadError(
            f"{name} is full ({error.strerror}): the model's file has {wanted_bytes / _GB:.2f} GB; give the volume "
            "that much and a tenth more (Terraform: model_cache.size_gib), or remove files of other models"
        )
    if error.errno in _NOT_WRITABLE:
        return DownloadError(
            f"{name} cannot be written to ({error.strerror}): mount a volume there that the service's user may write "
            "to (Terraform: model_cache), or build the image with DOWNLOAD_MODEL=true"
        )
    return DownloadError(f"{name}: {error.strerror or error}")
