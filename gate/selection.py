"""Which tiers a pytest command line asks for: by ``-m`` (not negated) or by a tier's path."""

import ast
from collections.abc import Iterable
from pathlib import Path

from gate.criteria import TIERS, Tier

#: The folder that holds each tier's tests.
FOLDERS: dict[Tier, str] = {
    "preflight": "preflight",
    "container": "container",
    "acceptance": "acceptance",
    "rollback": "drills",
    "load": "drills",
    "soak": "soak",
}


def named_in(expression: str) -> frozenset[Tier]:
    """Return the tiers that a mark expression selects by name.

    A tier counts when its name stands in the expression and an item that carries only this mark would be selected, so
    ``not acceptance`` names no tier. An expression that is not readable names none: pytest itself reports it.
    """
    try:
        tree = ast.parse(expression.strip() or "False", mode="eval").body
    except SyntaxError:
        return frozenset()
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return frozenset(tier for tier in TIERS if tier in names and _holds(tree, tier))


def _holds(node: ast.expr, mark: str) -> bool:
    match node:
        case ast.Name(id=name):
            return name == mark
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _holds(operand, mark)
        case ast.BoolOp(op=ast.And(), values=values):
            return all(_holds(value, mark) for value in values)
        case ast.BoolOp(values=values):
            return any(_holds(value, mark) for value in values)
        case _:
            return False


def folders_in(arguments: Iterable[str], root: Path) -> frozenset[str]:
    """Return the tier folders that the command line's paths lead into."""
    tops = set()
    for argument in arguments:
        path = Path(argument.partition("::")[0]).absolute()
        if path.is_relative_to(root) and path != root:
            tops.add(path.relative_to(root).parts[0])
    return frozenset(tops & set(FOLDERS.values()))
