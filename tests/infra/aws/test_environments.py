"""What the AWS environments and modules promise, as far as their text shows it; terraform itself judges the rest."""

import re

import pytest

from infra.paths import PROJECT
from infra.tf.modules import modules_with_tests, providers

TERRAFORM = PROJECT / "infra/terraform"
AWS_MODULES = ("ecr", "eks", "network")
BANNER = re.compile(r"^#{80}\n# (.+)\n#{80}$", re.MULTILINE)


def variables(environment: str) -> set[str]:
    """Return the names of an environment's variables."""
    text = (TERRAFORM / "envs" / environment / "variables.tf").read_text(encoding="utf-8")
    return set(re.findall(r'^variable "(\w+)"', text, re.MULTILINE))


@pytest.mark.parametrize("module", AWS_MODULES)
def test_variables_stand_under_the_same_banners_in_the_same_order(module: str) -> None:
    """Whoever knows where one module keeps its inputs finds them in the next."""
    text = (TERRAFORM / "modules" / module / "variables.tf").read_text(encoding="utf-8")
    assert BANNER.findall(text) == ["Where", "What runs", "How much, and how many"]


@pytest.mark.parametrize("module", AWS_MODULES)
def test_module_lists_every_input_and_output_in_its_readme(module: str) -> None:
    """A table that lacks a row is worse than none."""
    folder = TERRAFORM / "modules" / module
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for file, kind in (("variables.tf", "variable"), ("outputs.tf", "output")):
        names = re.findall(rf'^{kind} "(\w+)"', (folder / file).read_text(encoding="utf-8"), re.MULTILINE)
        assert names
        assert [name for name in names if f"`{name}`" not in readme] == []


def test_modules_whose_provider_is_downloaded_are_tested_on_request() -> None:
    """Without the AWS provider the other modules' tests still run."""
    named = {str(module) for module in modules_with_tests(downloading=True)}
    assert named - {str(module) for module in modules_with_tests()} == set(AWS_MODULES)
    assert providers(TERRAFORM / "modules/eks") == {"hashicorp/aws"}


def test_example_values_name_every_variable_of_the_environment() -> None:
    """The example explains each variable once, and none that is gone."""
    text = (TERRAFORM / "envs/demo/terraform.tfvars.example").read_text(encoding="utf-8")
    assert re.findall(r"^(?:# )?(\w+) += ", text, re.MULTILINE) != []
    assert set(re.findall(r"^(?:# )?(\w+) += ", text, re.MULTILINE)) == variables("demo")


def test_remote_state_is_encrypted_and_locked() -> None:
    """A state holds every value in the clear, and two applies at once would lose one's changes."""
    files = sorted((TERRAFORM / "envs").glob("*/backend.hcl.example"))
    assert [file.parent.name for file in files] == ["demo", "gpu"]
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert set(re.findall(r"^(\w+) += true", text, re.MULTILINE)) == {"encrypt", "use_lockfile"}, file


def test_outputs_of_the_checklist_are_there() -> None:
    """The checklist reads the repository's address by this name."""
    text = (TERRAFORM / "envs/demo/outputs-aws.tf").read_text(encoding="utf-8")
    assert 'output "chat_api_repo_url"' in text
