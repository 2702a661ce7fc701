"""What the service says about itself as data: its model catalogue and the schema of its settings.

The gate reads the service's files and never imports its code: what is judged is what is committed beside it.
"""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast, get_args

from gate.readers import fields
from gate.readers.errors import Malformed, NotFound
from gate.readers.fields import Raw
from gate.records import ModelFacts, Setting, SettingsSchema

MODELS = Path("service_chat/models.toml")
SETTINGS = Path("service_chat/settings.schema.json")

_Type = Literal["string", "integer", "number", "boolean"]


def model_facts(name: str, path: Path = MODELS) -> ModelFacts:
    """Return the catalogue's entry of a model; sizes in bytes.

    Raises:
        NotFound: no such file, or no such model; the known ones are named.
        Malformed: the file is not TOML, or a figure that sizing needs is missing.
    """
    try:
        catalogue = fields.child(tomllib.loads(_text(path)), "models")
    except tomllib.TOMLDecodeError as error:
        raise Malformed(f"{path}: not TOML: {error}") from error
    if name not in catalogue:
        raise NotFound(f"{path}: no model {name!r}; it has: {', '.join(sorted(catalogue)) or 'none'}")
    entry = fields.child(catalogue, name)
    needed = ("parameters", "kv_bytes_per_token", "weights_bytes", "context_tokens")
    missing = [key for key in needed if (fields.integer(entry, key) or 0) <= 0]
    if missing:
        raise Malformed(f"{path}: model {name}: {', '.join(missing)}: a whole number above 0 is needed")
    return ModelFacts(
        name=name,
        parameters=fields.count(entry, "parameters"),
        kv_bytes_per_token=fields.count(entry, "kv_bytes_per_token"),
        quantization=fields.text(entry, "quantization"),
        weights_bytes=fields.count(entry, "weights_bytes"),
        context_tokens=fields.count(entry, "context_tokens"),
        thinking=fields.flag(entry, "thinking") or False,
        max_tokens=fields.integer(entry, "defaults", "max_tokens"),
        thinking_budget_tokens=fields.integer(entry, "defaults", "thinking_budget_tokens"),
        file=fields.text(entry, "file"),
        sha256=fields.text(entry, "sha256"),
    )


def settings_schema(path: Path = SETTINGS) -> SettingsSchema:
    """Return every environment variable that the service reads.

    Raises:
        NotFound: no such file.
        Malformed: it is not a JSON schema of an object with properties.
    """
    try:
        schema = json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise Malformed(f"{path}: not JSON: {error.msg} in line {error.lineno}") from error
    properties = fields.child(schema, "properties")
    if not properties:
        raise Malformed(f"{path}: not a schema of settings: properties is missing or empty")
    return SettingsSchema(
        source=str(path),
        settings=tuple(_setting(key, fields.child(properties, key)) for key in properties),
        required=fields.texts(schema, "required"),
    )


def _setting(key: str, raw: Raw) -> Setting:
    kind = fields.text(raw, "type", default="string")
    default = raw.get("default")
    return Setting(
        key=key,
        type=cast("_Type", kind) if kind in get_args(_Type) else "string",
        enum=fields.texts(raw, "enum"),
        minimum=_number(raw, "minimum"),
        maximum=_number(raw, "maximum"),
        exclusive_minimum=_number(raw, "exclusiveMinimum"),
        exclusive_maximum=_number(raw, "exclusiveMaximum"),
        format=fields.text(raw, "format"),
        default=None if default is None or isinstance(default, Mapping | list) else _spelt(default),
    )


def _spelt(value: object) -> str:
    """Return a default as an environment variable would carry it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(raw: Raw, key: str) -> float | None:
    value = raw.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFound(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise Malformed(f"{path}: not readable: {error}") from error
