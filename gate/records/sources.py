"""What preflight reads beside the cluster: the model, the service's settings, the image."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """A model of ``service_chat/models.toml``; ``weights_bytes`` is the size of the file that the service loads.

    ``max_tokens`` and ``thinking_budget_tokens`` hold where the environment does not choose; None: the entry is silent.
    """

    name: str
    parameters: int
    kv_bytes_per_token: int
    quantization: str
    weights_bytes: int
    context_tokens: int
    thinking: bool = False
    max_tokens: int | None = None
    thinking_budget_tokens: int | None = None
    file: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One environment variable that the service reads, from ``service_chat/settings.schema.json``.

    ``type`` is the JSON schema's word (``string``, ``integer``, ``number``, ``boolean``); the exclusive bounds stand
    apart because a float's neighbour has no name. ``format`` is the schema's (``uri``, ``password``), empty if none.
    """

    key: str
    type: Literal["string", "integer", "number", "boolean"]
    enum: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: float | None = None
    exclusive_maximum: float | None = None
    format: str = ""
    default: str | None = None

    def out_of_bounds(self, number: float) -> str:
        """Return which bound a number breaks as a clause, empty if none."""
        if math.isnan(number):
            return "is not a number"
        if self.minimum is not None and number < self.minimum:
            return f"is below the least value {self.minimum:g}"
        if self.maximum is not None and number > self.maximum:
            return f"is above the greatest value {self.maximum:g}"
        if self.exclusive_minimum is not None and number <= self.exclusive_minimum:
            return f"is not above {self.exclusive_minimum:g}"
        if self.exclusive_maximum is not None and number >= self.exclusive_maximum:
            return f"is not below {self.exclusive_maximum:g}"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsSchema:
    """Every environment variable that the service reads; ``required`` ones have no default."""

    source: str
    settings: tuple[Setting, ...]
    required: tuple[str, ...] = ()

    def setting(self, key: str) -> Setting | None:
        """Return the setting of that environment variable."""
        return next((each for each in self.settings if each.key == key), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """An image as the registry describes it.

    ``digest`` is what the reference resolved to, ``platforms`` are ``OS/ARCH`` or ``OS/ARCH/VARIANT``;
    ``compressed_bytes`` sums the layers of the first platform, None if the registry does not say.
    """

    reference: str
    digest: str
    platforms: tuple[str, ...]
    compressed_bytes: int | None = None
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageUnread:
    """Why an image could not be described.

    ``not_found`` and ``denied`` are the registry's own answers, ``invalid_name`` needs none, ``unreachable`` is the
    gate's trouble.
    """

    reference: str
    kind: Literal["not_found", "denied", "invalid_name", "unreachable"]
    message: str
    status_code: int | None = None
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Seconds that something takes: what is to be expected, and what the worst of the known figures adds up to."""

    likely_s: float
    most_s: float

    def __add__(self, other: "Span") -> "Span":
        """Return both, one after the other."""
        return Span(likely_s=self.likely_s + other.likely_s, most_s=self.most_s + other.most_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTime:
    """What a container does until it is ready, as predicted.

    ``process`` lasts until it listens, ``download`` fetches the weights if the image may not bring them (/health
    answers meanwhile), ``load`` reads, checks and rearranges them (nothing answers). ``basis`` says on which figures
    this rests.
    """

    process: Span
    download: Span
    load: Span
    basis: str

    @property
    def ready(self) -> Span:
        """Return what passes between the start of the container and the loaded model."""
        return self.process + self.download + self.load
