"""Runs the modules' own tests (`*.tftest.hcl`): every validation rule refused once, and what the inputs become.

They run on a copy: init leaves a data folder and a lock file beside a module, and a module's folder is source. Where a
provider cannot be had, the rules run all the same: variables and their validations need none.
"""

import re
import shutil
import tempfile
from pathlib import Path

from infra.commands import CommandError
from infra.tf.program import PROVIDER_SOURCE, Terraform
from infra.tf.workspace import TERRAFORM

RULES = "tests/rules.tftest.hcl"
_MOCKED = re.compile(r'^mock_provider "\w+" (?:\{\}|\{\n.*?^\})\n', re.MULTILINE | re.DOTALL)
_SOURCE = re.compile(r'^\s*source\s*=\s*"([^"]+)"', re.MULTILINE)
_PASSED = re.compile(r"(\d+) passed, 0 failed")
# 33 plans take 1.5 s on 2 cores; the rest is a provider's start.
_DEADLINE_S = 120


class ModuleTestError(Exception):
    """A module's tests failed, or there were none; the message has what terraform printed."""


def modules_with_tests(*, downloading: bool = False) -> tuple[Path, ...]:
    """Return the modules that have tests, below `infra/terraform/modules`.

    Args:
        downloading: also those whose provider is not built here: init downloads it (the AWS provider has 700 MB).
    """
    folders = {file.parent.parent for file in (TERRAFORM / "modules").rglob("tests/*.tftest.hcl")}
    chosen = (folder for folder in folders if downloading or providers(folder) <= {PROVIDER_SOURCE})
    return tuple(sorted(folder.relative_to(TERRAFORM / "modules") for folder in chosen))


def folders_with_rules() -> tuple[Path, ...]:
    """Return the modules and environments that state their rules, below `infra/terraform`."""
    return tuple(sorted(file.parent.parent.relative_to(TERRAFORM) for file in TERRAFORM.glob(f"*/**/{RULES}")))


def run_rules(program: Terraform, folder: Path) -> int:
    """Return how many runs of a folder's rules passed, held against its variables alone.

    Raises:
        ModuleTestError: one failed, or none ran.
    """
    with tempfile.TemporaryDirectory(prefix="carepath-rules-") as temporary:
        copy = Path(temporary)
        (copy / RULES).parent.mkdir()
        shutil.copy(TERRAFORM / folder / "variables.tf", copy)
        rules = (TERRAFORM / folder / RULES).read_text(encoding="utf-8")
        (copy / RULES).write_text(_MOCKED.sub("", rules), encoding="utf-8")
        return _passed(program, copy, folder)


def providers(module: Path) -> set[str]:
    """Return the sources of the providers that a module's versions.tf requires."""
    return set(_SOURCE.findall((module / "versions.tf").read_text(encoding="utf-8")))


def run_tests(program: Terraform, module: Path) -> int:
    """Return how many runs of a module's tests passed; `module` is relative to `infra/terraform/modules`.

    Raises:
        ModuleTestError: one failed, or none ran.
    """
    with tempfile.TemporaryDirectory(prefix="carepath-module-") as temporary:
        copy = Path(temporary) / "modules"
        shutil.copytree(TERRAFORM / "modules", copy, ignore=shutil.ignore_patterns(".terraform*"))
        return _passed(program, copy / module, module)


def _passed(program: Terraform, copy: Path, module: Path) -> int:
    program.run(copy, "init", "-no-color")
    try:
        text = program.run(copy, "test", "-no-color", timeout_s=_DEADLINE_S)
    except CommandError as error:
        raise ModuleTestError(f"{module}: {error}") from error
    match = _PASSED.search(text)
    if match is None or int(match[1]) == 0:
        raise ModuleTestError(f"{module}: no run passed; terraform printed: {text[-500:]}")
    return int(match[1])
