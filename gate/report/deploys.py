"""The record of a deploy: what was applied where, by which plan, with which verdicts, on which nodes, at what price.

One file per deploy, ``deploys/TARGET/TIME.json``, described by ``deploy.schema.json``. The changelog's section is made
from these files. Verdicts in full stay in the run's report, which a record names.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from gate.report.run import ReportError
from gate.sizing.cost import MonthlyCost
from gate.verdict import Status

FOLDER = "deploys"
SCHEMA = Path(__file__).with_name("deploy.schema.json")
#: What stands around the deploys in CHANGELOG.md.
START, END = "<!-- deploys: written by `make changelog` -->", "<!-- /deploys -->"
_ENTRY = re.compile(r"^- (?P<key>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC [a-z][a-z0-9-]*):")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Planned(_Part):
    """What the saved plan meant to do with one object."""

    name: str = Field(description="Kind/name, or Terraform's address")
    action: str = Field(description="create, update, replace or delete")
    fields: tuple[str, ...] = Field(description="path: before -> after; values that may be secret are hidden")


class Judged(_Part):
    """One verdict, without its evidence."""

    criterion: str
    status: Status
    cause: str | None = Field(description="of notes/causes.md; null exactly when the status is pass")
    reason: str


class Deploy(_Part):
    """A deploy that was judged."""

    format: Literal[1] = 1
    at: AwareDatetime = Field(description="when it began, UTC")
    seconds: float = Field(ge=0, description="until the rollout was stable, doomed or out of time")
    target: str
    server: str | None = Field(description="URL of the API server")
    kube_system_uid: str | None = Field(description="of the cluster; null: it may not be read")
    namespace: str
    deployment: str
    revision: int | None = Field(description="of the Deployment after the deploy")
    image: str | None = Field(description="reference that the pods are to run")
    digest: str | None = Field(description="of the image: pinned in the reference; null: by tag only")
    image_before: str | None = Field(description="what ran before; null: a first deploy")
    environment: Mapping[str, str] = Field(description="of the container; values that may be secret are hidden")
    command: str = Field(description="what made the change")
    plan: tuple[Planned, ...] | None = Field(description="the saved plan's changes; null: there was none")
    verdicts: tuple[Judged, ...]
    status: Status = Field(description="the worst of the verdicts")
    nodes: Mapping[str, int] = Field(description="node type to count; a type the node does not tell is `unknown`")
    usd_per_month: float | None = Field(description="of the nodes at on-demand prices; null: no type's price is known")
    unpriced: tuple[str, ...] = Field(description="node types that are not in the price table")
    report: str = Field(description="folder of the full report")
    gate_version: str | None
    gate_revision: str | None = Field(description="git commit; + after it: the checkout had changes")

    @property
    def entry(self) -> str:
        """Return the line of the changelog."""
        mode = f", LLM_MODE {self.environment['LLM_MODE']}" if "LLM_MODE" in self.environment else ""
        nodes = ", ".join(f"{count} x {name}" for name, count in self.nodes.items()) or "nodes not read"
        cost = MonthlyCost(usd=self.usd_per_month, unpriced=self.unpriced)
        return (
            f"- {self.at:%Y-%m-%d %H:%M:%S} UTC {self.target}: {_short(self.image)}{mode}; {self.status} "
            f"({', '.join(f'{each.criterion} {each.status}' for each in self.verdicts)}); {nodes}; {cost}."
        )


def _short(image: str | None) -> str:
    """Return an image without its registry, its digest cut to what tells it apart."""
    name, _, digest = (image or "no image").rpartition("/")[2].partition("@")
    return f"{name}@{digest[:19]}" if digest else name


def write_deploy(deploy: Deploy, folder: Path) -> Path:
    """Write the record into its target's part of the folder, whole or not at all, and return where.

    Raises:
        ReportError: naming the file that cannot be written.
    """
    path = folder / deploy.target / f"{deploy.at:%Y%m%d-%H%M%S}.json"
    text = json.dumps(deploy.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    _write(path, text)
    return path


def read_deploys(folder: Path, targets: Sequence[str] = ()) -> tuple[Deploy, ...]:
    """Return the records of these targets, or of all, newest first.

    Raises:
        ReportError: naming the file that is no record, and each key that is wrong.
    """
    chosen = targets or sorted(each.name for each in folder.glob("*") if each.is_dir())
    files = [file for name in chosen for file in sorted((folder / name).glob("*.json"))]
    return tuple(sorted((_read(file) for file in files), key=lambda each: each.at, reverse=True))


def _read(path: Path) -> Deploy:
    try:
        return Deploy.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'text'}: {each['msg']}" for each in error.errors())
        raise ReportError(f"{path}: not the record of a deploy: {problems}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"{path}: not readable: {error}") from error


def with_entries(changelog: str, deploys: Iterable[Deploy], name: str) -> str:
    """Return a changelog with a line for each deploy between its markers, newest first.

    Lines of deploys whose record is elsewhere stay, and one that is there already is written anew.

    Raises:
        ReportError: there are no markers.
    """
    head, marked, rest = changelog.partition(START)
    body, ended, tail = rest.partition(END)
    if not (marked and ended):
        raise ReportError(f"{name}: has no {START} ... {END} to write the deploys between")
    lines = {match["key"]: line for line in body.splitlines() if (match := _ENTRY.match(line))}
    for deploy in deploys:
        match = _ENTRY.match(deploy.entry)
        lines |= {match["key"]: deploy.entry} if match else {}
    entries = "\n".join(lines[key] for key in sorted(lines, reverse=True))
    return f"{head}{START}\n\n{entries}\n\n{END}{tail}" if entries else f"{head}{START}\n{END}{tail}"


def mark_deploys(changelog: Path, deploys: Iterable[Deploy]) -> int:
    """Write the deploys into a changelog, and return how many lines its section has.

    Raises:
        ReportError: it cannot be read or written, or has no markers.
    """
    try:
        text = changelog.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"{changelog}: not readable: {error}") from error
    marked = with_entries(text, deploys, str(changelog))
    if marked != text:
        _write(changelog, marked)
    return sum(bool(_ENTRY.match(line)) for line in marked.partition(START)[2].partition(END)[0].splitlines())


def schema_text() -> str:
    """Return the JSON schema of a record, as ``deploy.schema.json`` holds it."""
    return json.dumps(Deploy.model_json_schema(mode="serialization"), indent=2) + "\n"


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror or error}") from error
