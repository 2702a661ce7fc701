"""The gate judges a Deployment's environment by rules that the service applies at its start: both must say the same."""

from pathlib import Path

import pytest

from gate.diagnosis.config import near_key
from gate.readers.models import settings_schema
from service_chat.catalogue import known_modes
from service_chat.environment import near_misses
from service_chat.settings import known_keys

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = settings_schema(ROOT / "service_chat" / "settings.schema.json")
KEYS = tuple(each.key for each in SCHEMA.settings)


def test_config_schema_has_every_setting_and_mode() -> None:
    """The committed file is what the service reads."""
    mode = SCHEMA.setting("LLM_MODE")

    assert set(KEYS) == set(known_keys())
    assert mode is not None
    assert mode.enum == known_modes()


@pytest.mark.parametrize(
    "key",
    [
        "DEFAULT_LLM_MODE",
        "LLM_MODE_NAME",
        "LLMMODE",
        "LLM_FOO",
        "DB_API_URL",
        "MAX_TOKEN",
        "MAX_NEW_TOKENS",
        "REQUEST_DEADLINE",
        "MODEL_CACHE",
        "MODEL_DIR",
        "DRAIN",
        "POST",
        "LOG_FORMAT",
        "HTTP_PORT",
        "HUGGINGFACE_TOKEN_FILE",
        "HF_ENDPOINTS",
        "MODE",
        "TOP_KK",
        "TEMPERATUR",
        "WORKERS",
    ],
)
def test_config_near_key_is_the_one_that_stops_the_service(key: str) -> None:
    """A key that the gate calls a misspelling is one that the service refuses, and for the same setting."""
    refused = near_misses({key: "1"}, known_keys())

    assert near_key(key, KEYS) == (refused[0].suggestion if refused else None)
