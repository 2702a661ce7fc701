"""House rules of the Terraform files that neither terraform nor its formatter checks."""

import re
from pathlib import Path

import pytest

from infra.paths import PROJECT
from infra.tf.program import PROVIDER_SOURCE, provider_version
from infra.tf.workspace import image_variables

TERRAFORM = PROJECT / "infra/terraform"
MODULES = sorted(file.parent.relative_to(TERRAFORM) for file in (TERRAFORM / "modules").rglob("main.tf"))
ROOTS = sorted(file.parent.relative_to(TERRAFORM) for file in (TERRAFORM / "envs").glob("*/main.tf"))
BLOCK = re.compile(r'^(variable|output) "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)


def blocks(folder: Path) -> list[tuple[str, str, str]]:
    """Return (kind, name, body) of each variable and output below a module or environment."""
    return [
        (match[1], match[2], match[3])
        for file in (TERRAFORM / folder).glob("*.tf")
        for match in BLOCK.finditer(file.read_text(encoding="utf-8"))
    ]


# Every rule of a module stands under its variable's name.
VALIDATED = {name for module in MODULES for kind, name, body in blocks(module) if "validation {" in body}


def test_modules_and_environments_are_found() -> None:
    """The rules below are held against something."""
    assert {str(folder) for folder in MODULES} >= {"modules/app", "modules/app/manifests"}
    assert {str(folder) for folder in ROOTS} >= {"envs/demo", "envs/local"}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_module_has_the_same_files_as_every_other(module: Path) -> None:
    """Whoever knows one module finds their way in the next."""
    present = {file.name for file in (TERRAFORM / module).iterdir()}
    assert present >= {"main.tf", "variables.tf", "outputs.tf", "versions.tf", "README.md"}


@pytest.mark.parametrize("folder", [*MODULES, *ROOTS], ids=str)
def test_variable_is_typed_and_described(folder: Path) -> None:
    """Every variable has a type and a description, every output a description, and each stands in its own file."""
    found = blocks(folder)
    assert {kind for kind, _, _ in found} == {"variable", "output"}
    for kind, name, body in found:
        assert re.search(r"^  description = \"..", body, re.MULTILINE), f"{kind} {name}"
        assert kind == "output" or re.search(r"^  type +=", body, re.MULTILINE), f"{kind} {name}"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_variable_of_a_module_is_validated(module: Path) -> None:
    """A value that Kubernetes would refuse is refused while planning, with a message that names it."""
    for kind, name, body in blocks(module):
        assert kind == "output" or "validation {" in body, name


@pytest.mark.parametrize("module", [*MODULES, *ROOTS], ids=str)
def test_validation_rule_has_a_run_that_fails_it(module: Path) -> None:
    """There are at least as many negative runs for a variable as it has rules."""
    tests = "".join(file.read_text(encoding="utf-8") for file in (TERRAFORM / module / "tests").glob("*.tftest.hcl"))
    for kind, name, body in blocks(module):
        if kind == "variable":
            assert len(re.findall(rf"expect_failures = \[var\.{name}\]", tests)) >= body.count("validation {"), name


def test_variable_of_an_environment_is_validated_there_or_by_the_module_it_goes_to() -> None:
    """Whatever a tfvars file may hold is looked at before anything is planned."""
    judged = 0
    for root in ROOTS:
        text = "".join(file.read_text(encoding="utf-8") for file in (TERRAFORM / root).glob("*.tf"))
        passed_on = {name: argument for argument, name in re.findall(r"^  (\w+) += var\.(\w+)$", text, re.MULTILINE)}
        for kind, name, body in blocks(root):
            if kind == "variable" and "validation {" not in body:
                argument = passed_on.get(name)
                assert argument in VALIDATED, f"{root}: {name} is passed on as {argument}"
                judged += 1
    assert judged > 0


def test_provider_version_is_the_one_that_is_built() -> None:
    """go.mod locks what is built; each required_providers block asks for exactly that."""
    asked = [
        match[1]
        for file in TERRAFORM.rglob("versions.tf")
        for match in re.finditer(
            rf'source  = "{re.escape(PROVIDER_SOURCE)}"\n +version = "([^"]+)"', file.read_text(encoding="utf-8")
        )
    ]
    assert len(asked) == 3  # modules/app and two environments
    assert set(asked) == {provider_version()}


def test_image_variables_of_local_are_both_images() -> None:
    """The convention by which tags are found and pinned finds every image of the environment."""
    assert image_variables(TERRAFORM / "envs/local") == ["chat_api_image", "patient_api_image"]
