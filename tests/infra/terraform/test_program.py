"""Which terraform is used, and the configuration it is run with."""

from dataclasses import replace
from pathlib import Path

import pytest

from infra.commands import CommandError
from infra.tf import program as subject
from infra.tf.program import ProgramError, cli_configuration, lint, provider_version, renderer
from tests.infra.terraform.stand_in import terraform_script


@pytest.mark.parametrize(
    ("programs", "expected"),
    [
        ({"terraform": "Terraform v1.11.4", "tofu": "OpenTofu v1.12.6"}, ("terraform", "Terraform", "1.11.4")),
        ({"terraform": "Terraform v1.8.5", "tofu": "OpenTofu v1.9.0"}, ("tofu", "OpenTofu", "1.9.0")),
        ({"terraform": "Terraform v1.9.0-rc1"}, ("terraform", "Terraform", "1.9.0-rc1")),
        ({"terraform": "OpenTofu v1.12.6"}, ("terraform", "OpenTofu", "1.12.6")),
        ({"terraform": "Terraform v1.8.5"}, ("built", "OpenTofu", "1.12.6")),
        ({}, ("built", "OpenTofu", "1.12.6")),
    ],
)
def test_program_is_the_first_that_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, programs: dict[str, str], expected: tuple[str, str, str]
) -> None:
    """Terraform before tofu, too old ones passed over, and OpenTofu built if nothing on PATH will do."""
    for name, version in programs.items():
        terraform_script(tmp_path / name, name, version)
    built = terraform_script(tmp_path / "built", "built", "OpenTofu v1.12.6")
    monkeypatch.setattr(subject, "binary", {subject.TOFU: built}.__getitem__)
    found = renderer(f"{tmp_path}/terraform:{tmp_path}/tofu")
    assert (found.path.name, found.product, found.version) == expected


def test_program_that_prints_no_version_is_refused(tmp_path: Path) -> None:
    """Something else that is called terraform is named, with what it printed."""
    terraform_script(tmp_path, version="hello")
    with pytest.raises(ProgramError, match=r"version printed no version of Terraform or OpenTofu but: hello"):
        renderer(str(tmp_path))


def linter(folder: Path, status: int) -> Path:
    """Write a tflint that says how it was called and ends in that status."""
    script = folder / "tflint"
    script.write_text(f'#!/bin/sh\necho "called $*" >&2\nexit {status}\n', encoding="utf-8")
    script.chmod(0o755)
    return script


def test_rule_of_the_language_that_is_broken_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every folder below is entered with the rules of the one given, and tflint's status 2 stops the run."""
    monkeypatch.setattr(subject, "binary", {subject.TFLINT: linter(tmp_path, 2)}.__getitem__)
    called = rf"called --chdir={tmp_path} --config={tmp_path}/\.tflint\.hcl --recursive --format=compact"
    with pytest.raises(CommandError, match=called):
        lint(tmp_path)
    monkeypatch.setattr(subject, "binary", {subject.TFLINT: linter(tmp_path, 0)}.__getitem__)
    lint(tmp_path)


def test_command_can_be_pasted(tmp_path: Path) -> None:
    """Everything the run depends on is in the argument list: configuration, folder, no prompt and no call home."""
    terraform_script(tmp_path)
    command = renderer(str(tmp_path)).command(Path("/a tree/envs/local"), "plan", "-out=plan.out")
    assert command == [
        "env",
        "TF_CLI_CONFIG_FILE=/dev/null",
        "CHECKPOINT_DISABLE=1",
        "TF_INPUT=0",
        "TF_IN_AUTOMATION=1",
        str(tmp_path / "terraform"),
        "-chdir=/a tree/envs/local",
        "plan",
        "-out=plan.out",
    ]


def test_command_with_a_data_folder_names_it(tmp_path: Path) -> None:
    """Two clusters of one environment are initialised beside each other."""
    terraform_script(tmp_path)
    command = replace(renderer(str(tmp_path)), data_dir=Path("/data/second")).command(Path("/envs/local"), "plan")
    assert "TF_DATA_DIR=/data/second" in command[: command.index("-chdir=/envs/local")]


def test_cli_configuration_sends_one_provider_to_the_mirror() -> None:
    """Our build is found in the mirror and nowhere else; every other provider comes from where it always does."""
    assert cli_configuration(Path("/cache/mirror"), "registry.example/gavinbunney/kubectl") == (
        "disable_checkpoint = true\n"
        "provider_installation {\n"
        "  filesystem_mirror {\n"
        '    path    = "/cache/mirror"\n'
        '    include = ["registry.example/gavinbunney/kubectl"]\n'
        "  }\n"
        "  direct {\n"
        '    exclude = ["registry.example/gavinbunney/kubectl"]\n'
        "  }\n"
        "}\n"
    )


def test_provider_version_is_read_from_its_lock() -> None:
    """The version is written once, where the build takes it from."""
    assert provider_version() == "1.19.0"
