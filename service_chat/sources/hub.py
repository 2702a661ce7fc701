"""A model's file from a model hub, through huggingface_hub: pinned, resumed, and never with the token in a message.

The library's own hf_hub_download is not used: its partial file has a random name and is removed when it fails, so a pod
that is restarted would begin at zero, and one that is killed would leave its part on the volume for ever
(huggingface_hub 2.4.0, file_download.py, _download_to_tmp_and_move). Its parts are: URL, metadata, and http_get, which
takes up a partial file where it ends, and asks again five times before it gives up on a link that brings nothing.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import urlsplit

from httpx2 import HTTPError, TimeoutException
from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import (
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import HfFileMetadata, http_get
from huggingface_hub.utils.tqdm import disable_progress_bars

from service_chat.catalogue import HuggingFaceSource
from service_chat.sources.errors import DownloadError

ENDPOINT = "https://huggingface.co"
_TOKEN_KEYS = "HF_TOKEN, or the build secret huggingface_token"  # noqa: S105 # names, not a token

Progress = Callable[[int], None]
"""Told how many bytes of the file are there, after each piece."""


@dataclass(frozen=True)
class HubFile:
    """One file of one revision, and what it has to be.

    Attributes:
        source: repository and revision.
        name: its name in the repository.
        size_bytes: its size.
        sha256: of its content; the hub names it for large files before anything is transferred.
    """

    source: HuggingFaceSource
    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Hub:
    """A model hub.

    Attributes:
        endpoint: its base URL (HF_ENDPOINT).
        token: for repositories that ask for one; not part of the representation.
    """

    endpoint: str = ENDPOINT
    token: str | None = field(default=None, repr=False)

    def fetch(self, wanted: HubFile, target: Path, progress: Progress) -> None:
        """Complete the file at `target`, which may hold its beginning.

        Raises:
            DownloadError: the hub refused it, has another file, cannot be reached, or the transfer broke off.
            OSError: `target` cannot be written.
        """
        # With it on, the library asks the public hub, whatever the endpoint, for something to add to its user agent.
        constants.HF_HUB_DISABLE_TELEMETRY = True
        # Its own warnings name the storage's signed URL, which is a key to the file.
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
        disable_progress_bars()
        url = hf_hub_url(wanted.source.repository, wanted.name, revision=wanted.source.revision, endpoint=self.endpoint)
        metadata = self._metadata(url, wanted)
        # Only the hub itself may see the token: the storage it sends us to is another's.
        at_home = urlsplit(metadata.location)[:2] == urlsplit(url)[:2]
        headers = {"authorization": f"Bearer {self.token}"} if self.token and at_home else {}
        target.touch()
        with target.open("r+b") as file:
            there = file.seek(0, 2)
            if there > wanted.size_bytes:
                there = file.seek(0)
                file.truncate()
            counted = _Counted(file, progress)
            try:
                http_get(
                    metadata.location,
                    cast("BinaryIO", counted),
                    resume_size=there,
                    headers=headers,
                    expected_size=wanted.size_bytes,
                )
            except HfHubHTTPError as error:
                raise self._refused(url, wanted, error) from error
            except HTTPError as error:
                raise self._broken(url, wanted, counted.bytes_there, error) from error
            except OSError as error:
                if error.errno is None:  # the library's own: the hub ended the transfer early and said that was all
                    raise self._broken(url, wanted, counted.bytes_there, error) from error
                raise

    def _metadata(self, url: str, wanted: HubFile) -> HfFileMetadata:
        try:
            found = get_hf_file_metadata(url, token=self.token or False, endpoint=self.endpoint, retry_on_errors=True)
        except HfHubHTTPError as error:
            raise self._refused(url, wanted, error) from error
        except (HTTPError, OfflineModeIsEnabled) as error:
            raise DownloadError(
                f"{url}: HF_ENDPOINT={self.endpoint} cannot be reached ({type(error).__name__}): allow the way there, "
                "or name a mirror that can be reached"
            ) from error
        except FileMetadataError as error:
            raise DownloadError(f"{url}: HF_ENDPOINT={self.endpoint} is no model hub: {error}") from error
        if found.size is not None and found.size != wanted.size_bytes:
            raise DownloadError(
                f"{url} has {found.size} bytes, models.toml says {wanted.size_bytes}: correct the entry, or the hub "
                f"behind HF_ENDPOINT={self.endpoint}"
            )
        # Large files carry their SHA-256 as the ETag; small ones the hash of a git blob, which is shorter.
        if found.etag is not None and len(found.etag) == len(wanted.sha256) and found.etag != wanted.sha256:
            raise DownloadError(
                f"{url} is not the file that models.toml names: the hub has SHA-256 {found.etag}, expected "
                f"{wanted.sha256}; nothing was fetched"
            )
        return found

    def _refused(self, url: str, wanted: HubFile, error: HfHubHTTPError) -> DownloadError:
        """Return what an HTTP status means; the library's text is left out, it may quote a signed URL."""
        status = error.response.status_code
        answered = f"{url} answered HTTP {status}"
        token = "the token given was refused" if self.token else "no token was given"
        if isinstance(error, RemoteEntryNotFoundError):
            why = f"the repository has no {wanted.name} at this revision: correct `file` in models.toml"
        elif isinstance(error, RevisionNotFoundError):
            why = "the repository has no such revision: correct `revision` in models.toml"
        elif isinstance(error, GatedRepoError) or status == HTTPStatus.FORBIDDEN:
            why = f"access is granted by the repository's owner to an account; {token} ({_TOKEN_KEYS})"
        elif status == HTTPStatus.UNAUTHORIZED:
            # The hub says 401 for a repository that does not exist, too: it does not tell strangers which there are.
            why = f"the repository is private, gated or does not exist; {token} ({_TOKEN_KEYS})"
        elif status == HTTPStatus.NOT_FOUND:
            why = "there is no such repository: correct `repository` in models.toml, or HF_ENDPOINT"
        else:
            why = "the hub has trouble of its own; what was fetched is kept and taken up by the next start"
        return DownloadError(f"{answered}: {why}")

    def _broken(self, url: str, wanted: HubFile, there: int, error: Exception) -> DownloadError:
        kind = "stalled" if isinstance(error, TimeoutException) else "broke off"
        return DownloadError(
            f"{url}: the transfer {kind} after {there} of {wanted.size_bytes} bytes and could not be taken up "
            f"({type(error).__name__}); what was fetched is kept and taken up by the next start"
        )


class _Counted:
    """A file that tells how much of it is there; has the four methods that http_get uses."""

    def __init__(self, file: BinaryIO, progress: Progress) -> None:
        self._file = file
        self._progress = progress

    @property
    def bytes_there(self) -> int:
        with suppress(OSError):  # a full disk refuses what is still buffered
            return self._file.tell()
        return 0

    def write(self, piece: bytes) -> int:
        written = self._file.write(piece)
        self._file.flush()  # what is told to be there survives a kill
        self._progress(self._file.tell())
        return written

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int) -> int:
        return self._file.seek(offset)

    def truncate(self) -> int:
        return self._file.truncate()
