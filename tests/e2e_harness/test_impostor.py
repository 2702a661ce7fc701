"""What runs in the pods of the matrix does what its case says; without a pod."""

import hashlib
import json
from pathlib import Path

import pytest

from e2e.faults import impostor, other_architecture
from e2e.faults.impostor import ADVICE, OPTIONS, Impostor, written
from tests.diagnosis_answers.observations import SHA256

ASKED = {"patient_mrn": "MRN-001", "query": "What is my current diagnosis?"}
MODEL_FILE = (
    b"GGUF" + b"general.architecture" + (8).to_bytes(4, "little") + (5).to_bytes(8, "little") + b"llama" + b"llama.rest"
)


class Spoken(Impostor):
    """The impostor without a socket: what it is sent, and what it answers."""

    def __init__(self, *words: str) -> None:
        self.options = OPTIONS.parse_args(words)
        self.said: list[tuple[int, dict[str, str], bytes]] = []
        self.path = "/triage"

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.said.append((status, headers, body))


@pytest.fixture(autouse=True)
def _in_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_MODE", "SmolLM2-135M-Instruct")
    catalogue = Path(__file__).parents[2] / "service_chat" / "models.toml"
    monkeypatch.setattr(impostor, "CATALOGUE", catalogue)


@pytest.mark.parametrize(("mode", "echoes"), [("canned", False), ("echo", True)])
def test_impostor_speaks_the_contract_without_a_model(mode: str, echoes: bool) -> None:  # noqa: FBT001  # a parameter
    """Every field and header that the gate reads, and a text that no model made."""
    spoken = Spoken(f"--mode={mode}")
    spoken._stub(ASKED)
    status, headers, body = spoken.said[0]
    said = json.loads(body)
    assert (status, headers["X-Finish-Reason"]) == (200, "stop")
    assert int(headers["X-Completion-Tokens"]) == len(said["response"].split())
    assert {name: said[name] for name in ASKED} == ASKED
    assert (ADVICE in said["response"], ASKED["query"] in said["response"]) == (True, echoes)


def test_impostor_claims_the_catalogues_identity() -> None:
    """By what it declares it cannot be told from the service."""
    spoken = Spoken("--mode=canned")
    spoken.path = "/version"
    spoken.do_GET()
    declared = json.loads(spoken.said[0][2])
    assert (declared["model_sha256"], declared["engine"], declared["loaded"]) == (SHA256, "llama.cpp", True)


@pytest.mark.parametrize(
    ("mode", "response", "finish"),
    [
        ("real", "You have gout.", "stop"),
        ("wordless", "", "length"),
        ("thoughts", "<think>The patient asks about What is my current diagnosis?</think>You have gout.", "stop"),
        ("other-patient", "You have gout.", "stop"),
    ],
)
def test_impostor_changes_what_its_mode_says(mode: str, response: str, finish: str) -> None:
    """The answer of the service behind it, and nothing else of it, is changed; it is about who was asked about."""
    answer = {"patient_mrn": "MRN-006", "query": ASKED["query"], "response": "You have gout."}
    body, headers = Spoken(f"--mode={mode}")._changed(answer, {"X-Finish-Reason": "stop"}, ASKED)
    said = json.loads(body)
    assert (said["response"], headers["X-Finish-Reason"], said["patient_mrn"]) == (response, finish, "MRN-001")


def test_log_line_has_what_the_template_names() -> None:
    """The token looks like one of the hub's; the digest and the trace id look like what every log holds."""
    line = written("$mrn|$query|$trace|$digest|$token", ASKED).split("|")
    assert line[:2] == list(ASKED.values())
    assert [len(each) for each in line[2:]] == [32, 64, 38]
    assert line[4].startswith("hf_")


def test_architecture_is_replaced_in_the_header_alone() -> None:
    """Everything else of the file stays where it was."""
    changed = other_architecture.with_architecture(MODEL_FILE, "qwen9")
    assert changed == MODEL_FILE.replace(b"llamallama.rest", b"qwen9llama.rest")
    with pytest.raises(ValueError, match="architecture 'qwen35': 5 characters are needed, as b'llama' has"):
        other_architecture.with_architecture(MODEL_FILE, "qwen35")


def test_catalogue_gets_the_checksum_of_the_changed_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service checks the file before it loads it: the fault has to be the architecture, not the checksum."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "m.gguf").write_bytes(MODEL_FILE)
    catalogue = tmp_path / "models.toml"
    catalogue.write_text(f'sha256 = "{hashlib.sha256(MODEL_FILE).hexdigest()}"\n', encoding="utf-8")
    into = tmp_path / "into"
    into.mkdir()
    for name, path in (("CATALOGUE", catalogue), ("MODELS", tmp_path / "models"), ("INTO", into)):
        monkeypatch.setattr(other_architecture, name, path)
    other_architecture.main("qwen9")
    digest = hashlib.sha256((into / "m.gguf").read_bytes()).hexdigest()
    assert (into / "models.toml").read_text(encoding="utf-8") == f'sha256 = "{digest}"\n'
