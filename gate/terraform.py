"""The Terraform of this project as a drill uses it: plans and applies of its own, beside what a person has reviewed.

Runs `python -m infra.tf` in a process of its own, with a folder for its plans; the environment's saved plan and the
plan applied last are never replaced. The state is the environment's own, and is brought back by another apply.
"""

import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from gate.plan.parse import Plan, PlanError, parse_plan
from gate.readers.errors import CommandFailed, Malformed, excerpt
from gate.readers.manifests import read_plan

#: Settings whose values a plan's review may show.
SHOWN_SETTINGS = ("LLM_MODE",)
#: Above what `infra.tf` gives terraform itself for a plan and an apply of an app (300 s), with init before it.
TIMEOUT_S = 480.0


@dataclass(frozen=True, slots=True)
class Terraform:
    """One environment of infra/terraform/envs; ``plans`` is the folder for the plans made here."""

    environment: str
    root: Path
    plans: Path

    def plan(self, *options: str) -> Plan:
        """Plan with the variables applied last, and those that the options change.

        Args:
            options: of `python -m infra.tf plan`, such as ``--llm-mode mock``.

        Raises:
            CommandFailed: terraform refused, or the command could not be run.
            Malformed: what it left is no plan.
        """
        self._run("plan", "--as-applied", *options)
        path = self.plans / "plan.json"
        try:
            return parse_plan(read_plan(path), known_keys=SHOWN_SETTINGS)
        except PlanError as error:
            raise Malformed(f"{path}: {error}") from error

    def apply(self) -> None:
        """Apply the plan made last.

        Raises:
            CommandFailed: terraform refused or failed.
        """
        self._run("apply")

    def apply_again(self) -> Plan:
        """Bring the state back to the variables applied last, where a plan finds anything to change, and return it.

        Raises:
            CommandFailed: terraform refused or failed.
            Malformed: what it left is no plan.
        """
        plan = self.plan()
        if plan.effective:
            self.apply()
        return plan

    def _run(self, command: str, *options: str) -> None:
        words = ["infra.tf", command, "--env", self.environment, "--plans", str(self.plans), *options]
        shown = shlex.join(["python", "-m", *words])
        try:
            done = subprocess.run(
                [sys.executable, "-m", *words],
                cwd=self.root,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CommandFailed(f"{shown}: {error}") from error
        if done.returncode:
            raise CommandFailed(f"{shown}: exit status {done.returncode}: {excerpt(done.stderr or done.stdout)}")
