"""A stand-in for the model hub: `python -m infra.model_hub --model NAME --folder FOLDER`.

Two servers, as the real hub has them: one knows repositories, revisions and tokens and sends everybody on, by a signed
URL, to the other, a storage that knows neither and must never see a token. Headers and error codes are those that
huggingface_hub reads. It keeps a list of what was asked, by which a test proves how often a file was transferred, and
has a knob for each way in which the real one fails. Only GET and HEAD of `/OWNER/NAME/resolve/REVISION/FILE` exist.
"""

import argparse
import hashlib
import re
import threading
import time
import tomllib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from infra.paths import PROJECT

_PIECE_BYTES = 64 * 1024
_PAGE = re.compile(r"^/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>[^/?]+)$")
_RANGE = re.compile(r"^bytes=(\d+)-$")
# What a real storage's URL carries in place of a token; who has it has the file, so it may be in no log.
SIGNATURE = "signature-of-the-stand-in"


@dataclass(frozen=True)
class Asked:
    """One request: to "hub" or "storage", from which byte on, with or without a token, and how many bytes it got."""

    server: str
    method: str
    path: str
    first_byte: int
    token: bool
    client: str
    sent_bytes: int


@dataclass
class ModelHub:
    """What is served, and how it misbehaves.

    Attributes:
        repository: OWNER/NAME.
        revision: the one commit it has.
        files: by their names in the repository.
        token: without it everything is 401; None is a public repository.
        gated: 403 for everybody: the account has not been let in.
        busy: 503 for so many requests.
        cuts: after how many bytes each of the next transfers is cut off.
        stalls: transfers after this many bytes send nothing more; None for none.
        corrupt: the storage sends other bytes than the hub promised.
        rate_bytes_s: of one transfer; None is as fast as it goes.
        asked: every request that has been answered.
    """

    repository: str
    revision: str
    files: dict[str, Path]
    token: str | None = None
    gated: bool = False
    busy: int = 0
    cuts: deque[int] = field(default_factory=deque)
    stalls: int | None = None
    corrupt: bool = False
    rate_bytes_s: float | None = None
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    storage_url: str = ""
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def transfers(self) -> list[Asked]:
        """Return the requests for content."""
        return [each for each in self.asked if each.server == "storage" and each.method == "GET"]

    def sha256(self, name: str) -> str:
        """Return what the hub says of a file."""
        with self.files[name].open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @contextmanager
    def serving(self, host: str = "127.0.0.1", port: int = 0) -> Iterator["ModelHub"]:
        """Answer at `url` until the block ends; storage listens on a free port beside it."""
        with _server(self, "storage", host, 0) as storage, _server(self, "hub", host, port) as hub:
            self.storage_url, self.url = (f"http://{host}:{each.server_address[1]}" for each in (storage, hub))
            try:
                yield self
            finally:
                self.stopped.set()


class _Handler(BaseHTTPRequestHandler):
    hub: ClassVar[ModelHub]
    server_name: ClassVar[str]

    def do_HEAD(self) -> None:
        """Answer with headers."""
        self._answer()

    def do_GET(self) -> None:
        """Answer, with content if this is the storage."""
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the base class's name
        """Say nothing: `asked` has it."""

    def _answer(self) -> None:
        match = _RANGE.match(self.headers.get("Range", ""))
        first_byte = int(match[1]) if match else 0
        sent = 0
        try:
            if self.server_name == "hub":
                self._direct()
            else:
                sent = self._transfer(first_byte)
        except ConnectionError:  # whoever asked has gone
            self.close_connection = True
        self.hub.asked.append(
            Asked(
                server=self.server_name,
                method=self.command,
                path=self.path.split("?")[0],
                first_byte=first_byte,
                token="Authorization" in self.headers,
                client=str(self.client_address[0]),
                sent_bytes=sent,
            )
        )

    def _direct(self) -> None:
        """Say where the file is, as the hub does: the answer to HEAD carries size, hash and commit."""
        hub, page = self.hub, _PAGE.match(self.path)
        if hub.busy > 0:
            hub.busy -= 1
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
        elif hub.token is not None and self.headers.get("Authorization") != f"Bearer {hub.token}":
            self._refuse(HTTPStatus.UNAUTHORIZED)
        elif hub.gated:
            self._refuse(HTTPStatus.FORBIDDEN, "GatedRepo")
        elif page is None or page["repository"] != hub.repository:
            self._refuse(HTTPStatus.NOT_FOUND, "RepoNotFound")
        elif page["revision"] != hub.revision:
            self._refuse(HTTPStatus.NOT_FOUND, "RevisionNotFound")
        elif page["file"] not in hub.files:
            self._refuse(HTTPStatus.NOT_FOUND, "EntryNotFound")
        else:
            digest = hub.sha256(page["file"])
            self.send_response(HTTPStatus.FOUND)
            self.send_header("Location", f"{hub.storage_url}/{page['file']}?{SIGNATURE}")
            self.send_header("X-Repo-Commit", hub.revision)
            self.send_header("X-Linked-Size", str(hub.files[page["file"]].stat().st_size))
            self.send_header("X-Linked-Etag", f'"{digest}"')
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _refuse(self, status: HTTPStatus, code: str = "") -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _transfer(self, first_byte: int) -> int:
        """Send a file from a byte on, as far as the knobs let it; return how many bytes were sent."""
        hub = self.hub
        name, _, signature = self.path.removeprefix("/").partition("?")
        if name not in hub.files or signature != SIGNATURE:
            self._refuse(HTTPStatus.FORBIDDEN)
            return 0
        size = hub.files[name].stat().st_size
        self.send_response(HTTPStatus.PARTIAL_CONTENT if first_byte else HTTPStatus.OK)
        self.send_header("Content-Length", str(size - first_byte))
        if first_byte:
            self.send_header("Content-Range", f"bytes {first_byte}-{size - 1}/{size}")
        self.end_headers()
        if self.command == "HEAD":
            return 0
        cut = hub.cuts.popleft() if hub.cuts else None
        sent = 0
        with hub.files[name].open("rb") as file:
            file.seek(first_byte)
            while piece := file.read(_PIECE_BYTES):
                end = min(value for value in (cut, hub.stalls, size) if value is not None)
                piece = piece[: max(end - sent, 0)]  # the part that is still let through
                self.wfile.write(bytes(len(piece)) if hub.corrupt else piece)
                sent += len(piece)
                if sent >= end and first_byte + sent < size:
                    if cut is None:
                        hub.stopped.wait()
                    self.close_connection = True
                    return sent
                if hub.rate_bytes_s is not None:
                    time.sleep(len(piece) / hub.rate_bytes_s)
        return sent


@contextmanager
def _server(hub: ModelHub, name: str, host: str, port: int) -> Iterator[ThreadingHTTPServer]:
    handler = type("Handler", (_Handler,), {"hub": hub, "server_name": name})
    with ThreadingHTTPServer((host, port), handler) as server:
        server.daemon_threads = True  # one that stalls shall not keep the block from ending
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def hub_of(model: str, folder: Path) -> ModelHub:
    """Return a hub that has the file of one model of the service's catalogue, which lies in `folder`.

    Raises:
        LookupError: there is no such model, or it has no source on a hub.
        FileNotFoundError: the file is not in `folder`.
    """
    models = tomllib.loads((PROJECT / "service_chat/models.toml").read_text(encoding="utf-8"))["models"]
    if model not in models:
        raise LookupError(f"models.toml has no {model}; it has {', '.join(models)}")
    sources = [each for each in models[model]["sources"] if each["kind"] == "huggingface"]
    if not sources:
        raise LookupError(f"{model} has no source of the kind huggingface in models.toml")
    file = folder / models[model]["file"]
    if not file.exists():
        raise FileNotFoundError(
            f"{file}: fetch it first: python -m service_chat.download --model {model} --into {folder}"
        )
    return ModelHub(sources[0]["repository"], sources[0]["revision"], {file.name: file})


def main() -> None:
    """Serve until interrupted, a line for each request."""
    parser = argparse.ArgumentParser(prog="python -m infra.model_hub", description="Serve a model as the hub does.")
    parser.add_argument("--model", required=True, help="a name from service_chat/models.toml")
    parser.add_argument("--folder", required=True, type=Path, help="where its file lies")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback)")
    parser.add_argument("--port", default=8003, type=int, help="port to listen on (default: %(default)s)")
    arguments = parser.parse_args()
    with hub_of(arguments.model, arguments.folder).serving(arguments.host, arguments.port) as hub:
        print(f"HF_ENDPOINT={hub.url}", flush=True)  # noqa: T201 # a command prints
        threading.Event().wait()


if __name__ == "__main__":
    main()
