import json
from pathlib import Path

import pytest

from gate.readers.errors import Malformed, NotFound
from gate.readers.models import MODELS, SETTINGS, model_facts, settings_schema
from gate.records import Setting

ROOT = Path(__file__).resolve().parent.parent.parent


def test_model_facts_of_the_production_model_are_the_catalogues() -> None:
    """The figures are those that the service loads by: 4.02 billion parameters, 144 KiB of cache for each token."""
    facts = model_facts("Qwen3-4B-Thinking-2507", ROOT / MODELS)
    assert (facts.parameters, facts.quantization, facts.thinking) == (4_022_468_096, "Q4_K_M", True)
    assert facts.kv_bytes_per_token == 2 * 36 * 8 * 128 * 2
    assert (facts.max_tokens, facts.thinking_budget_tokens) == (256, 128)
    assert facts.weights_bytes > 2_400_000_000


def test_model_facts_of_an_unknown_model_name_the_known_ones() -> None:
    """A misspelt model is answered with what there is."""
    with pytest.raises(NotFound, match=r"no model 'Qwen3'; it has: Qwen3-4B-Thinking-2507, SmolLM2-135M-Instruct"):
        model_facts("Qwen3", ROOT / MODELS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[models", "not TOML"),
        ("[models.tiny]\nparameters = 1\nweights_bytes = 0\n", "kv_bytes_per_token, weights_bytes, context_tokens"),
    ],
)
def test_model_facts_without_a_figure_are_malformed(tmp_path: Path, text: str, message: str) -> None:
    """Sizing never works with a figure that is missing or 0."""
    path = tmp_path / "models.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Malformed, match=message):
        model_facts("tiny", path)


def test_settings_schema_of_the_service_has_every_kind_of_setting(tmp_path: Path) -> None:
    """Types, enumerations, bounds and defaults are read as an environment variable would spell them."""
    path = tmp_path / "settings.schema.json"
    properties = {
        "LLM_MODE": {"type": "string", "enum": ["mock", "SmolLM2-135M-Instruct"], "default": "mock"},
        "PORT": {"type": "integer", "minimum": 1, "maximum": 65535, "default": 8002},
        "REQUEST_DEADLINE_S": {"type": "number", "exclusiveMinimum": 0, "default": 9.0},
        "LLM_MMAP": {"type": "boolean", "default": False},
        "DB_API_BASE_URL": {"type": "string", "format": "uri"},
        "MAX_TOKENS": {"type": "integer", "minimum": 1, "default": None},
    }
    path.write_text(json.dumps({"properties": properties, "required": ["DB_API_BASE_URL"]}), encoding="utf-8")
    schema = settings_schema(path)
    assert schema.settings == (
        Setting(key="LLM_MODE", type="string", enum=("mock", "SmolLM2-135M-Instruct"), default="mock"),
        Setting(key="PORT", type="integer", minimum=1, maximum=65535, default="8002"),
        Setting(key="REQUEST_DEADLINE_S", type="number", exclusive_minimum=0, default="9.0"),
        Setting(key="LLM_MMAP", type="boolean", default="false"),
        Setting(key="DB_API_BASE_URL", type="string", format="uri"),
        Setting(key="MAX_TOKENS", type="integer", minimum=1),
    )
    assert (schema.required, schema.source) == (("DB_API_BASE_URL",), str(path))


def test_settings_schema_that_is_committed_knows_the_models() -> None:
    """What LLM_MODE may be is the mock and every model of the catalogue."""
    mode = settings_schema(ROOT / SETTINGS).setting("LLM_MODE")
    assert mode is not None
    assert {"mock", "Qwen3-4B-Thinking-2507", "SmolLM2-135M-Instruct"} <= set(mode.enum)


@pytest.mark.parametrize(("text", "message"), [("{", "not JSON"), ("[]", "not a schema"), ("{}", "not a schema")])
def test_settings_schema_of_another_shape_is_malformed(tmp_path: Path, text: str, message: str) -> None:
    """A schema without settings would call every key unknown."""
    path = tmp_path / "settings.schema.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Malformed, match=message):
        settings_schema(path)


def test_files_that_are_missing_are_not_found(tmp_path: Path) -> None:
    """The path is told."""
    with pytest.raises(NotFound, match="no such file"):
        model_facts("x", tmp_path / "models.toml")
    with pytest.raises(NotFound, match="no such file"):
        settings_schema(tmp_path / "settings.schema.json")
