"""Is every rule of the diagnosis proven? Takes each one away in turn and looks whether a hermetic test goes red.

A rule is a place in ``gate/diagnosis`` where a cause is given: an entry of a table, or a statement that returns or
yields a finding. It is deleted; where nothing would be left to return, its cause is renamed instead. Each mutant lives
in a process of its own, in memory only: no file of the project is changed. The tests that import the mutated module, or
are named after it, run first, all others after them, and the first red one ends it. Writes benchmarks/results/rules.md;
a rule that no test misses makes exit status 1.
"""

import argparse
import ast
import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import CodeType, ModuleType
from typing import TypeAlias

import pytest

ROOT = Path(__file__).resolve().parent.parent
DIAGNOSIS = ROOT / "gate/diagnosis"
RESULT = ROOT / "benchmarks/results/rules.md"
#: What judges on records alone; service, infrastructure and readers have nothing to say about a rule.
SUITES = (
    "tests/diagnosis",
    "tests/diagnosis_answers",
    "tests/container",
    "tests/preflight",
    "tests/drills",
    "tests/soak",
    "tests/gate",
)
#: Every hermetic test of them, on a busy machine, with room.
TRY_TIMEOUT_S = 600
#: The cause that a renamed rule gives: no rule of the diagnosis gives it.
STRANGER = "GATE_CRASHED"

Chain: TypeAlias = tuple[ast.AST, ...]


@dataclass(frozen=True)
class Rule:
    """One place where a cause is given; ``number`` counts the places of its module."""

    module: str
    number: int
    line: int
    where: str
    cause: str


@dataclass(frozen=True)
class Outcome:
    """What became of a rule's mutant; ``red`` is the first test that missed the rule, empty if none did."""

    rule: Rule
    how: str
    red: str


def rules() -> list[Rule]:
    """Return every rule of the diagnosis, in the order of the files."""
    return [
        Rule(path.stem, number, chain[-1].lineno, _where(chain), chain[-1].attr)
        for path in sorted(DIAGNOSIS.glob("*.py"))
        for number, chain in enumerate(_places(ast.parse(path.read_text(encoding="utf-8"))))
        if isinstance(chain[-1], ast.Attribute)
    ]


def _places(tree: ast.AST) -> list[Chain]:
    """Return the chain of nodes that leads to each place where a cause is given, not compared or listed."""
    found: list[Chain] = []

    def walk(node: ast.AST, chain: Chain) -> None:
        here = (*chain, node)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Cause":
            found.append(here)
        for field, value in ast.iter_fields(node):
            # What is only asked about is no rule: comparisons, sets of causes, keys of texts.
            if isinstance(node, ast.Compare | ast.Set) or (isinstance(node, ast.Dict) and field == "keys"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and field not in {"annotation", "returns"}:
                    walk(child, here)

    walk(tree, ())
    return found


def _where(chain: Chain) -> str:
    for node in chain:
        if isinstance(node, ast.FunctionDef):
            return node.name
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            return node.target.id
    return "module"


def mutated(source: str, number: int) -> tuple[ast.Module, str]:
    """Return the module without its rule of that number, and how that was done: "deleted" or "renamed"."""
    tree = ast.parse(source)
    chain = _places(tree)[number]
    if _delete_entry(chain) or _delete_statement(chain):
        return ast.fix_missing_locations(tree), "deleted"
    last = chain[-1]
    if isinstance(last, ast.Attribute):
        last.attr = STRANGER
    return tree, "renamed"


def _delete_entry(chain: Chain) -> bool:
    """Delete the innermost table entry around the cause: a call or tuple of a tuple or list, a value of a mapping."""
    for parent, child in reversed(list(itertools.pairwise(chain))):
        if isinstance(parent, ast.stmt):
            if not isinstance(parent, ast.AnnAssign):
                return False
            continue
        if isinstance(parent, ast.IfExp):
            return False
        if (
            isinstance(parent, ast.Tuple | ast.List)
            and isinstance(child, ast.Call | ast.Tuple)
            and len(parent.elts) > 1
        ):
            parent.elts.remove(child)
            return True
        if isinstance(parent, ast.Dict) and isinstance(child, ast.expr):
            at = parent.values.index(child)
            del parent.keys[at], parent.values[at]
            return True
    return False


def _delete_statement(chain: Chain) -> bool:
    """Delete the statement that gives the cause, if something else is left to return."""
    if any(isinstance(node, ast.IfExp) for node in chain):
        return False  # it gives two causes: the other one stays
    at = max(index for index, node in enumerate(chain) if isinstance(node, ast.stmt))
    statement, parent = chain[at], chain[at - 1]
    function = next((node for node in chain if isinstance(node, ast.FunctionDef)), None)
    if function is None or not isinstance(statement, ast.Return | ast.Expr):
        return False
    left: list[ast.stmt] = [ast.Pass()]
    if isinstance(statement, ast.Return) and parent is function:
        neutral = _neutral(function)
        if neutral is None:
            return False
        left = [ast.Return(neutral)]
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Yield):
        # A function without any yield would not be a generator any more.
        left = [ast.If(ast.Constant(value=False), [ast.Expr(ast.Yield(None))], [])]
    for block in ("body", "orelse"):
        statements = getattr(parent, block, [])
        if statement in statements:
            index = statements.index(statement)
            statements[index : index + 1] = left
            return True
    return False


def _neutral(function: ast.FunctionDef) -> ast.expr | None:
    """Return what the function returns when it has found nothing, None if it always finds something."""
    returns = ast.unparse(function.returns) if function.returns else ""
    if returns.endswith("| None"):
        return ast.Constant(value=None)
    if returns.startswith("tuple["):
        return ast.Tuple([], ast.Load())
    return ast.List([], ast.Load()) if returns.startswith("list[") else None


class _Mutant(importlib.machinery.SourceFileLoader):
    """Loads one module from a changed tree."""

    def __init__(self, name: str, path: str, tree: ast.Module) -> None:
        super().__init__(name, path)
        self._tree = tree

    def get_code(self, fullname: str) -> CodeType:
        """Return the changed code, past all caches."""
        return compile(self._tree, self.get_filename(fullname), "exec")


class _Finder(importlib.abc.MetaPathFinder):
    """Finds that one module before anybody else does."""

    def __init__(self, loader: _Mutant) -> None:
        self._loader = loader

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the changed module's spec."""
        del path, target
        if fullname != self._loader.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._loader.path, loader=self._loader)


class _FirstRed:
    """A pytest plugin that remembers the first test that failed."""

    def __init__(self) -> None:
        self.name = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take it down."""
        if report.failed and not self.name:
            self.name = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that cannot even be imported is missed, too."""
        if report.failed and not self.name:
            self.name = report.nodeid


def attempt(rule: Rule) -> Outcome:
    """Return whether a test misses the rule.

    Raises:
        RuntimeError: the process that tries it broke down.
    """
    command = [sys.executable, "-m", "benchmarks.rules", "--try", rule.module, str(rule.number)]
    tried = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TRY_TIMEOUT_S, check=False)
    if tried.returncode:
        raise RuntimeError(f"{rule}: {tried.stderr[-2000:]}")
    found = json.loads(tried.stdout.splitlines()[-1])
    return Outcome(rule, found["how"], found["red"])


def _try(module: str, number: int) -> dict[str, str]:
    """Import the mutant in place of its module and run the tests, in this process."""
    path = DIAGNOSIS / f"{module}.py"
    tree, how = mutated(path.read_text(encoding="utf-8"), number)
    sys.meta_path.insert(0, _Finder(_Mutant(f"gate.diagnosis.{module}", str(path), tree)))
    near, far = _suites(module)
    red = _first_red(near) if near else ""
    return {"how": how, "red": red or _first_red(far)}


def _suites(module: str) -> tuple[list[str], list[str]]:
    """Return the tests that import a module or are named after it, and all others."""
    named = f"test_{module.partition('_')[0]}"
    every = [path for suite in SUITES for path in sorted((ROOT / suite).glob("test_*.py"))]
    near = [
        each
        for each in every
        if each.stem.startswith(named) or f"gate.diagnosis.{module} " in each.read_text(encoding="utf-8")
    ]
    return [str(each) for each in near], [str(each) for each in every if each not in near]


def _first_red(paths: Sequence[str]) -> str:
    plugin = _FirstRed()
    quiet = io.StringIO()
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        status = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *paths], plugins=[plugin])
    if status in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED}:
        return plugin.name
    # Nothing could even begin: what the tests stand on imports the mutant.
    return f"pytest ended with {pytest.ExitCode(status).name}: {quiet.getvalue().strip().splitlines()[-1:]}"


_PREAMBLE = """\
# Every rule of the diagnosis, taken away

Written by `make rules`: each place in `gate/diagnosis` that gives a cause is deleted in turn (or renamed, where nothing
would be left to return), and the hermetic tests run until one goes red."""


def _lines(outcomes: Sequence[Outcome], took_s: float) -> Iterator[str]:
    missed = sum(bool(each.red) for each in outcomes)
    today = f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores"
    yield _PREAMBLE
    yield f"\n{today}: {missed} of {len(outcomes)} are missed by a test, found in {took_s / 60:.0f} minutes.\n"
    yield "| rule | cause | taken away | first red test |"
    yield "|---|---|---|---|"
    for each in sorted(outcomes, key=lambda outcome: bool(outcome.red)):
        rule = each.rule
        name = each.red.removeprefix("tests/") or "**none**"
        yield f"| {rule.module}.{rule.where} | {rule.cause} | {each.how} | {name.replace('|', '/')} |"


def main() -> None:
    """Try every rule, print those that nothing misses, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("modules", nargs="*", help="of gate/diagnosis; none: all, and the table is written")
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--try", nargs=2, metavar=("MODULE", "NUMBER"), dest="tried", help="one rule, in this process")
    options = parser.parse_args()
    if options.tried:
        print(json.dumps(_try(options.tried[0], int(options.tried[1]))))
        return
    chosen = [rule for rule in rules() if not options.modules or rule.module in options.modules]
    if not chosen:
        parser.error(f"no rules in {', '.join(options.modules)}")
    began = time.perf_counter()
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(options.at_once) as pool:
        for outcome in pool.map(attempt, chosen):
            outcomes.append(outcome)
            rule = outcome.rule
            if not outcome.red:
                print(
                    f"nothing misses {rule.module}.py:{rule.line} {rule.where}: {rule.cause} ({outcome.how})",
                    flush=True,
                )
    took_s = time.perf_counter() - began
    kept = [each for each in outcomes if not each.red]
    print(f"{len(outcomes)} rules taken away, {len(kept)} not missed, {took_s:.0f} s")
    if not options.modules:
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text("\n".join((*_lines(outcomes, took_s), "")), encoding="utf-8")
    sys.exit(1 if kept else 0)


if __name__ == "__main__":
    main()
