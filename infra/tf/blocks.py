"""Terraform files as records: which blocks there are, what they set, where, and what they refer to.

python-hcl2 reads the syntax; nothing is evaluated, so an argument's value is known only where it is a literal. A
`dynamic` block comes out as the block that it makes. The types of python-hcl2 stop here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hcl2
from hcl2.rules.base import AttributeRule, BlockRule, BodyRule
from lark.exceptions import LarkError

# A reference to an attribute of a resource or data source of AWS: type, name, then attributes and indices.
_REFERENCE = re.compile(r"(?<![\w.])(data\.)?(aws_\w+)\.\w+((?:\.\w+|\[(?:[^\[\]]|\[[^\[\]]*\])*\])*)")
_INDEX = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]")


class BlocksError(Exception):
    """A file is no HCL; the message has the file and what the parser said."""


@dataclass(frozen=True)
class Argument:
    """`name = expression` of a block; `literal` is its value where the expression is one."""

    name: str
    line: int
    literal: Any


@dataclass(frozen=True)
class Block:
    """A block with its labels: of `resource "aws_vpc" "this"` they are the type and the name."""

    kind: str
    labels: tuple[str, ...]
    line: int
    arguments: tuple[Argument, ...]
    blocks: tuple["Block", ...]
    dynamic: bool = False


@dataclass(frozen=True)
class Reference:
    """What an expression takes from a resource: `aws_vpc.this.id` has the path ("id",)."""

    data: bool
    type: str
    path: tuple[str, ...]
    line: int


def blocks_of(file: Path) -> tuple[Block, ...]:
    """Return a file's blocks.

    Raises:
        BlocksError: it is no HCL.
    """
    try:
        return _blocks(hcl2.parses(file.read_text(encoding="utf-8")).body)
    except LarkError as error:
        raise BlocksError(f"{file}: no HCL: {str(error).splitlines()[0]}") from error


def references_of(text: str) -> Iterator[Reference]:
    """Yield what a file's expressions take from AWS resources and data sources, comments left out."""
    for number, line in enumerate(text.splitlines(), start=1):
        code = re.sub(r'^\s*#.*| # [^"]*$', "", line)
        for match in _REFERENCE.finditer(code):
            steps = [step for step in _INDEX.sub("", match[3]).split(".") if step]
            yield Reference(match[1] is not None, match[2], tuple(steps), number)


def _blocks(body: BodyRule) -> tuple[Block, ...]:
    return tuple(_block(child) for child in body.children if isinstance(child, BlockRule))


def _block(rule: BlockRule) -> Block:
    kind, *labels = (str(label.serialize()).strip('"') for label in rule.labels)
    body, dynamic = rule.body, kind == "dynamic"
    if dynamic:
        kind, labels = labels[0], []
        body = next(each.body for each in body.children if isinstance(each, BlockRule))
    arguments = tuple(
        Argument(str(child.identifier.serialize()), child._meta.line, _literal(child.expression.serialize()))  # noqa: SLF001 # the line is nowhere else
        for child in body.children
        if isinstance(child, AttributeRule)
    )
    return Block(kind, tuple(labels), rule._meta.line, arguments, _blocks(body), dynamic)  # noqa: SLF001 # as above


def _literal(value: object) -> object:
    """Return a literal's value; None for what only an evaluation would know."""
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, list):
        return [_literal(each) for each in value]
    if isinstance(value, str) and value.startswith('"') and value.endswith('"') and "${" not in value:
        return value[1:-1]
    return None
