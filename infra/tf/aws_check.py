"""Holds the aws_* blocks of Terraform files against the provider's schema, where the provider itself cannot be had.

Judged: that type, arguments, blocks and read attributes exist, that required ones are there, that a block is written as
a block and once where it may stand once, and that literals are of the right kind. Not judged: what values mean, which
arguments exclude each other, and anything that only AWS knows: this is no plan.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra.tf.blocks import Argument, Block, Reference, blocks_of, references_of
from infra.tf.typings import Field, Schema, folded

# https://developer.hashicorp.com/terraform/language/meta-arguments, and the blocks that every resource may have.
_META_ARGUMENTS = frozenset({"count", "for_each", "provider", "depends_on"})
_META_BLOCKS = frozenset({"lifecycle", "provisioner", "connection"})
_PREFIX = "aws_"


@dataclass(frozen=True)
class Problem:
    """One thing that the provider would refuse, and where it is written."""

    file: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


@dataclass
class Checked:
    """What was held against the schema, and what did not agree with it."""

    versions: set[str] = field(default_factory=set)
    blocks: int = 0
    arguments: int = 0
    references: int = 0
    problems: list[Problem] = field(default_factory=list)


# From `data.aws_region`, `aws_vpc` or `provider.aws` to its schema; None if there is no such type.
Schemas = Callable[[str], Schema | None]


def checked(files: Iterable[Path], schemas: Schemas, known: Sequence[str], root: Path) -> Checked:
    """Return what is wrong in the files, which are named relative to `root`.

    Args:
        files: *.tf, of which all is held against the schema, and *.tftest.hcl, of which the attributes that are read.
        schemas: looks a type up.
        known: every type, for the nearest name to an unknown one.
        root: folder that all files are below.

    Raises:
        BlocksError: a file is no HCL.
    """
    found = Checked()
    for file in files:
        name = file.relative_to(root)
        for block in blocks_of(file) if file.suffix == ".tf" else ():
            found.problems += (Problem(name, line, text) for line, text in _declared(block, schemas, known, found))
        for reference in references_of(file.read_text(encoding="utf-8")):
            found.problems += (Problem(name, line, text) for line, text in _read(reference, schemas, known, found))
    return found


def type_of(block: Block) -> str | None:
    """Return the key under which a block's schema is looked up; None for what is none of AWS's."""
    label = block.labels[0] if block.labels else ""
    if block.kind == "provider" and label == "aws":
        return "provider.aws"
    if not label.startswith(_PREFIX) or block.kind not in {"resource", "data"}:
        return None
    return label if block.kind == "resource" else f"data.{label}"


def _declared(block: Block, schemas: Schemas, known: Sequence[str], found: Checked) -> Iterator[tuple[int, str]]:
    kind = type_of(block)
    if kind is None:
        return
    schema = schemas(kind)
    if schema is None:
        yield block.line, f"the provider has no {kind}{_nearest(kind, known)}"
        return
    found.versions.add(schema.version)
    yield from _inside(block, kind, schema.fields, schema, found)


def _inside(
    block: Block, where: str, fields: Mapping[str, Field], schema: Schema, found: Checked
) -> Iterator[tuple[int, str]]:
    """Yield what is wrong in one block and the blocks in it; `where` is its path, as messages name it."""
    found.blocks += 1
    outermost = "." not in where.removeprefix("data.").removeprefix("provider.")
    for argument in block.arguments:
        if outermost and argument.name in _META_ARGUMENTS:
            continue
        found.arguments += 1
        yield from ((argument.line, text) for text in _argument(argument, where, fields))
    seen: dict[str, Block] = {}
    for inner in block.blocks:
        if outermost and inner.kind in _META_BLOCKS:
            continue
        declared = fields.get(inner.kind)
        if declared is None:
            yield inner.line, f"{where} has no block {inner.kind}{_nearest(inner.kind, fields)}"
        elif declared.struct is None:
            yield inner.line, f"{where}.{inner.kind} is an argument and no block: write {inner.kind} = ..."
        else:
            if inner.kind in seen and not declared.many:
                yield inner.line, f"{where}.{inner.kind} may stand once; it stands in line {seen[inner.kind].line} too"
            yield from _inside(inner, f"{where}.{inner.kind}", schema.structs[declared.struct], schema, found)
        seen.setdefault(inner.kind, inner)
    present = seen.keys() | {argument.name for argument in block.arguments}
    for name, declared in fields.items():
        if declared.required and name not in present:
            yield block.line, f"{where} needs the {'block' if declared.block else 'argument'} {name}"


def _argument(argument: Argument, where: str, fields: Mapping[str, Field]) -> Iterator[str]:
    declared = fields.get(argument.name)
    if declared is None:
        yield f"{where} has no argument {argument.name}{_nearest(argument.name, fields)}"
    elif declared.block:
        yield f"{where}.{argument.name} is a block: write {argument.name} {{ ... }} without ="
    elif (wrong := _wrong_literal(argument.literal, declared)) is not None:
        yield f"{where}.{argument.name} {wrong}"


def _wrong_literal(value: object, declared: Field) -> str | None:
    """Say what is wrong with a literal; Terraform itself turns numbers and booleans into strings, and back."""
    if value is None or declared.struct is not None:
        return None
    if declared.many != isinstance(value, list):
        return f"is {value!r} and wants {'a list' if declared.many else 'a single value'}"
    if declared.type == "number" and isinstance(value, str) and not value.lstrip("-").isdecimal():
        return f"is {value!r} and wants a number"
    if declared.type == "boolean" and value not in {True, False, "true", "false"}:
        return f"is {value!r} and wants true or false"
    return f"is {value!r} and wants a map" if declared.type == "map" else None


def _read(reference: Reference, schemas: Schemas, known: Sequence[str], found: Checked) -> Iterator[tuple[int, str]]:
    kind = f"data.{reference.type}" if reference.data else reference.type
    schema = schemas(kind)
    if schema is None:
        yield reference.line, f"the provider has no {kind}{_nearest(kind, known)}"
        return
    found.references += 1
    of, where = schema.root_class, kind
    for step in reference.path:
        attributes = schema.readable.get(of)
        if attributes is None:  # a plain value, a map or a list of plain values: what follows is Terraform's own
            return
        inside = {folded(name): kind for name, kind in attributes.items()}.get(folded(step))
        if inside is None:
            yield reference.line, f"{where} has no attribute {step}{_nearest(step, attributes)}"
            return
        of, where = inside, f"{where}.{step}"


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; the nearest is {near[0]}" if near else ""
