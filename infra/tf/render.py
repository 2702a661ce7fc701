"""Renders an environment's manifests without its provider, its cluster or its state.

Each environment keeps the call of modules/app/manifests in a file of its own. That file, the variables and their values
are planned in a temporary folder, and the text is read from the plan's outputs. The committed copies below `rendered/`
are what the gate reads before a deploy, and where a change of a template shows as a diff.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

from infra.tf.program import Terraform
from infra.tf.workspace import ENVIRONMENTS, TERRAFORM, environment_folder, variable_arguments

RENDERED = TERRAFORM / "rendered"
# The half of an environment that needs no provider; its module is reached by the same relative path.
_FILES = ("manifests.tf", "outputs.tf", "variables.tf", "terraform.tfvars")


def environments() -> list[str]:
    """Return the names of the environments that have manifests."""
    return sorted(file.parent.name for file in ENVIRONMENTS.glob("*/manifests.tf"))


def rendered(program: Terraform, environment: str, given: dict[str, str] | None = None) -> str:
    """Return the environment's manifests as one YAML stream, with the variables `given` in place of its own values.

    Raises:
        WorkspaceError: there is no such environment.
        CommandError: terraform refused, for example because a value is not valid.
    """
    source = environment_folder(environment)
    # No provider is configured here, so no kubeconfig is read; its variable only has to be valid.
    values = {"kubeconfig_path": os.devnull, **(given or {})}
    with tempfile.TemporaryDirectory(prefix="carepath-render-") as temporary:
        folder = Path(temporary) / "envs" / environment
        folder.mkdir(parents=True)
        (Path(temporary) / "modules").symlink_to(TERRAFORM / "modules")
        for name in _FILES:
            shutil.copyfile(source / name, folder / name)
        program.run(folder, "init", "-no-color")
        program.run(folder, "plan", "-no-color", "-out=plan.out", *variable_arguments(values))
        plan = json.loads(program.run(folder, "show", "-json", "plan.out"))
    return str(plan["planned_values"]["outputs"]["rendered"]["value"])
