"""The Terraform modules under a real terraform (or OpenTofu): their rules, and the manifests they render."""

import re
import shutil
from pathlib import Path

import pytest

from infra.tf.modules import RULES, ModuleTestError, folders_with_rules, modules_with_tests, run_rules, run_tests
from infra.tf.program import Terraform, terraform
from infra.tf.render import RENDERED, environments, rendered
from infra.tf.workspace import TERRAFORM

# OpenTofu and the provider may have to be built first: 3.8 and 2 min on 2 busy cores.
pytestmark = pytest.mark.timeout(1500)


@pytest.fixture(scope="module")
def program() -> Terraform:
    """Return what this machine has, or OpenTofu built now."""
    return terraform()


@pytest.mark.parametrize("module", modules_with_tests(), ids=str)
def test_module_refuses_what_its_rules_name(program: Terraform, module: Path) -> None:
    """Every run of a module's tests passes, and none is left out."""
    files = (TERRAFORM / "modules" / module / "tests").glob("*.tftest.hcl")
    written = sum(len(re.findall(r'^run "', file.read_text(encoding="utf-8"), re.MULTILINE)) for file in files)
    assert written > 0
    assert run_tests(program, module) == written


@pytest.mark.parametrize("folder", folders_with_rules(), ids=str)
def test_rules_hold_where_the_provider_cannot_be_had(program: Terraform, folder: Path) -> None:
    """The AWS modules' and the environments' validations are judged by a real terraform, without the AWS provider."""
    written = re.findall(r'^run "', (TERRAFORM / folder / RULES).read_text(encoding="utf-8"), re.MULTILINE)
    assert written
    assert run_rules(program, folder) == len(written)


def test_rule_that_lets_everything_pass_is_noticed(
    program: Terraform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rules can fail without the provider too."""
    copy = tmp_path / "modules/ecr"
    shutil.copytree(TERRAFORM / "modules/ecr", copy)
    text = (copy / "variables.tf").read_text(encoding="utf-8")
    assert "var.kept_images >= 6" in text
    (copy / "variables.tf").write_text(text.replace("var.kept_images >= 6", "var.kept_images >= 5"), encoding="utf-8")
    monkeypatch.setattr("infra.tf.modules.TERRAFORM", tmp_path)
    with pytest.raises(ModuleTestError, match="fewer_images_than_revisions_are_refused"):
        run_rules(program, Path("modules/ecr"))


def test_module_with_a_broken_rule_fails_its_tests(
    program: Terraform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests can fail: a rule that lets everything pass is noticed, by the name of the run that caught it."""
    copy = tmp_path / "modules/app/manifests"
    (copy / "tests").mkdir(parents=True)
    source = TERRAFORM / "modules/app/manifests"
    for file in [*source.glob("*.tf"), *source.glob("*.tftpl"), *source.glob("tests/*.tftest.hcl")]:
        text = file.read_text(encoding="utf-8")
        broken = text.replace("var.rollout.revision_history_limit >= 1", "var.rollout.revision_history_limit >= 0")
        (copy / file.relative_to(source)).write_text(broken, encoding="utf-8")
    monkeypatch.setattr("infra.tf.modules.TERRAFORM", tmp_path)
    with pytest.raises(ModuleTestError, match="history_without_a_revision_to_return_to_is_refused"):
        run_tests(program, Path("app/manifests"))


@pytest.mark.parametrize("environment", environments())
def test_rendered_manifests_are_current(program: Terraform, environment: str) -> None:
    """The committed text, which the gate reads before a deploy, is what the templates make today."""
    committed = (RENDERED / f"{environment}.yaml").read_text(encoding="utf-8")
    assert rendered(program, environment) == committed
