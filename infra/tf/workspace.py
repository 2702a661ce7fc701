"""One environment of `infra/terraform/envs`: init, the saved plan with its JSON, and applying that plan and no other.

A plan is only worth a review if what is applied is what was reviewed. So a plan is written with a stamp (hashes of the
plan file and of the configuration it was made from), and applied only while both still match. Which cluster it goes to
is in the plan too: the kubeconfig is one of its variables.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from infra.paths import DEFAULT_NAME, PROJECT, run_dir
from infra.tf.program import PROVIDER_SOURCE, Terraform, write_whole

TERRAFORM = PROJECT / "infra/terraform"
ENVIRONMENTS = TERRAFORM / "envs"
# What a plan is made from, besides the variables given on the command line.
_CONFIGURATION = ("*.tf", "*.tftpl", "*.tfvars")
# As it stands in a state file, quoted within a JSON string.
_STATE_PROVIDER = re.compile(rf'provider\[\\"[^"\\]+/{re.escape(PROVIDER_SOURCE)}\\"\]')
# Each object is one quick call to the API server; the provider's discovery alone may take up to 60 s, its own limit.
PLAN_DEADLINE_S = 180
APPLY_DEADLINE_S = 300
# A cluster on AWS: its provider waits 30 min for a control plane and 60 for a node group, and a kill before that would
# leave the state locked and half of the truth in it.
REMOTE_APPLY_DEADLINE_S = 7200
# Another plan or apply of the same state may be about to end; without it the first to come wins at once.
LOCK_TIMEOUT = "-lock-timeout=30s"
# The variable that says which cluster; it is never taken over from an earlier plan.
KUBECONFIG_VARIABLE = "kubeconfig_path"
# Bucket and table of a remote state are an account's; where there is an example, the environment has such a state.
BACKEND_FILE = "backend.hcl"


class WorkspaceError(Exception):
    """An environment, a variable or a saved plan is not as it has to be; the message says what to do."""


@dataclass(frozen=True)
class Stamp:
    """What a saved plan was made from, and which file it is; the hashes in hex."""

    configuration_sha256: str
    plan_sha256: str
    variables: dict[str, str]


@dataclass(frozen=True)
class Workspace:
    """The folder of one environment, the program that works in it, and where the state of its cluster lies.

    `plans` is where saved and applied plans lie, None for the environment's folder.
    """

    folder: Path
    program: Terraform
    state_file: Path
    plans: Path | None = None

    @property
    def plan_file(self) -> Path:
        """Return where the saved plan lies."""
        return self._plans / "plan.out"

    @property
    def _plans(self) -> Path:
        return self.plans or self.folder

    @property
    def plan_json(self) -> Path:
        """Return where the saved plan lies as JSON, for the review and for the gate."""
        return self._plans / "plan.json"

    @property
    def applied_json(self) -> Path:
        """Return where the plan that was applied last lies as JSON: what the gate finds is compared with it."""
        return self._plans / "applied.json"

    @property
    def stamp_file(self) -> Path:
        """Return where the stamp of the saved plan lies."""
        return self._plans / "plan.stamp.json"

    @property
    def _plan_argument(self) -> str:
        """Return the saved plan as an argument: terraform runs in the environment's folder."""
        return self.plan_file.name if self.plans is None else str(self.plan_file)

    def init(self) -> str:
        """Install providers and modules; safe to repeat.

        Raises:
            CommandError: terraform refused.
            WorkspaceError: the state is kept remotely, and nothing says where.
        """
        # The hash in the lock is that of a provider built on this machine, maybe by an earlier compiler, or of the
        # published one, and then init fails, with -upgrade too (terraform 1.11.4). go.sum locks what is built here.
        lock = self.folder / ".terraform.lock.hcl"
        if lock.exists():
            others = without_own_provider(lock.read_text(encoding="utf-8"))
            if locked_providers(others):
                lock.write_text(others, encoding="utf-8")
            else:
                lock.unlink()
        self._adopt_state()
        return self.program.run(
            self.folder, "init", "-no-color", "-reconfigure", f"-backend-config={self._backend_config()}"
        )

    @property
    def remote(self) -> bool:
        """Return whether the state lies in a bucket, and with it the network and the cluster, not only objects."""
        return (self.folder / f"{BACKEND_FILE}.example").exists()

    def _backend_config(self) -> str:
        if not self.remote:
            return f"path={self.state_file}"
        if not (self.folder / BACKEND_FILE).exists():
            raise WorkspaceError(
                f"{self.folder.name} keeps its state in a bucket, and {BACKEND_FILE} does not say in which; "
                f"copy {BACKEND_FILE}.example in {self.folder} and fill it in"
            )
        return BACKEND_FILE

    def _adopt_state(self) -> None:
        """Let a state that the other product wrote (terraform's or tofu's) name the provider as this one does."""
        if not self.state_file.exists():
            return
        # Not by `state replace-provider`: it wants an initialised folder, and init wants the other product's provider.
        text = self.state_file.read_text(encoding="utf-8")
        adopted = _STATE_PROVIDER.sub(rf'provider[\\"{self.program.provider_address}\\"]', text)
        if adopted != text:
            write_whole(self.state_file, adopted)

    def values(self, names: list[str], given: dict[str, str]) -> dict[str, str | None]:
        """Return the values that the variables `names` would have: from `given`, else terraform.tfvars, else default.

        Values that a rule refuses are returned all the same: the plan refuses them, with the rule's own words.

        Raises:
            CommandError: terraform could not be run in this folder.
            WorkspaceError: it printed no values, for example because a variable has none.
        """
        if not names:
            return {}
        wanted = ", ".join(f"{name} = var.{name}" for name in names)
        text = self.program.run(self.folder, "console", *variable_arguments(given), stdin=f"jsonencode({{{wanted}}})\n")
        # The console prints problems first, to either stream, and ends in 0; the values are its last line.
        answer = text.strip().splitlines()[-1:] or [""]
        try:
            found: dict[str, str | None] = json.loads(json.loads(answer[0]))
        except (ValueError, TypeError) as error:
            raise WorkspaceError(
                f"{self.folder.name}: terraform gives no values for {', '.join(names)}: {text}"
            ) from error
        return found

    def plan(self, given: dict[str, str]) -> dict[str, Any]:
        """Save a plan made with the variables `given`, and return it as parsed JSON.

        Raises:
            CommandError: terraform refused the configuration, or could not read the cluster.
        """
        self.forget_plan()
        self._plans.mkdir(parents=True, exist_ok=True)
        self.program.run(
            self.folder,
            "plan",
            "-no-color",
            LOCK_TIMEOUT,
            f"-out={self._plan_argument}",
            *variable_arguments(given),
            timeout_s=PLAN_DEADLINE_S,
        )
        text = self.program.run(self.folder, "show", "-json", self._plan_argument)
        plan: dict[str, Any] = json.loads(text)
        self.plan_json.write_text(text, encoding="utf-8")
        stamp = Stamp(configuration_sha256(self.folder), _sha256(self.plan_file), given)
        self.stamp_file.write_text(json.dumps(asdict(stamp)), encoding="utf-8")
        return plan

    def saved_plan(self) -> dict[str, Any]:
        """Return the saved plan's JSON, if it may be applied.

        Raises:
            WorkspaceError: there is none, it is not the one reviewed, or the configuration has changed since.
        """
        self._checked_stamp()
        plan: dict[str, Any] = json.loads(self.plan_json.read_text(encoding="utf-8"))
        return plan

    def _checked_stamp(self) -> Stamp:
        name = self.folder.name
        again = f"make one: python -m infra.tf plan --env {name}"
        for file in (self.plan_file, self.plan_json, self.stamp_file):
            if not file.exists():
                missing = file.relative_to(PROJECT) if file.is_relative_to(PROJECT) else file
                raise WorkspaceError(f"{name} has no saved plan ({missing} is missing); {again}")
        stamp = Stamp(**json.loads(self.stamp_file.read_text(encoding="utf-8")))
        if stamp.plan_sha256 != _sha256(self.plan_file):
            raise WorkspaceError(f"{self.plan_file} is not the plan that was reviewed; {again}")
        if stamp.configuration_sha256 != configuration_sha256(self.folder):
            raise WorkspaceError(f"{name}: the configuration has changed since the plan was saved; {again}")
        return stamp

    def apply(self) -> str:
        """Apply the saved plan and keep its JSON as `applied_json`; if that fails the plan stays for a second look.

        Raises:
            WorkspaceError: there is no plan that may be applied.
            CommandError: terraform failed part-way or refused a plan that is stale.
        """
        stamp = self._checked_stamp()
        # The plan carries its variables. OpenTofu (1.12.6) still compares them with terraform.tfvars and refuses a
        # difference, so it is told again what was given; Terraform (1.11.4) refuses to be told.
        again = variable_arguments(stamp.variables) if self.program.product == "OpenTofu" else []
        deadline_s = REMOTE_APPLY_DEADLINE_S if self.remote else APPLY_DEADLINE_S
        options = ("-no-color", LOCK_TIMEOUT, *again)
        text = self.program.run(self.folder, "apply", *options, self._plan_argument, timeout_s=deadline_s)
        self.plan_json.replace(self.applied_json)
        self.forget_plan()
        return text

    def applied_variables(self) -> dict[str, str]:
        """Return the variables of the plan that was applied last, as `-var` takes them, but for the kubeconfig.

        Raises:
            WorkspaceError: nothing was applied from this checkout, or what it left cannot be read.
        """
        try:
            plan = json.loads(self.applied_json.read_text(encoding="utf-8"))
            found = {name: each.get("value") for name, each in plan["variables"].items()}
        except FileNotFoundError as error:
            raise WorkspaceError(
                f"{self.folder.name}: nothing was applied from here ({self.applied_json} is missing), so there are no "
                f"variables to plan with again; give them, or let terraform.tfvars"
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise WorkspaceError(f"{self.applied_json}: not the JSON of a plan with its variables") from error
        return {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in found.items()
            if value is not None and name != KUBECONFIG_VARIABLE
        }

    def forget_plan(self) -> None:
        """Remove the saved plan with everything beside it: a plan that was applied says nothing about the next one."""
        for file in (self.plan_file, self.plan_json, self.stamp_file):
            file.unlink(missing_ok=True)


def environment_folder(name: str) -> Path:
    """Return the folder of an environment.

    Raises:
        WorkspaceError: there is no such environment; the message names those there are.
    """
    folder = ENVIRONMENTS / name
    if not (folder / "main.tf").is_file():
        known = sorted(file.parent.name for file in ENVIRONMENTS.glob("*/main.tf"))
        raise WorkspaceError(f'--env "{name}" is not an environment; there are {", ".join(known)}')
    return folder


def state_file(folder: Path, kubeconfig: Path) -> Path:
    """Return where the state of the objects in one cluster lies.

    For an embedded cluster that is its run folder: instances beside each other have a state each, and one that is gone
    takes its state along. For any other cluster it is the environment's folder, as terraform itself would have it.
    """
    instances = run_dir().parent
    return (kubeconfig.parent if kubeconfig.is_relative_to(instances) else folder) / "terraform.tfstate"


def plans_folder(folder: Path, kubeconfig: Path) -> Path | None:
    """Return where the plans of a cluster lie when they must not meet another's, None for the environment's folder.

    Embedded clusters beside each other share an environment; each but the usual one has a folder of its own in it.
    """
    if state_file(folder, kubeconfig).parent == folder or kubeconfig.parent.name == DEFAULT_NAME:
        return None
    return folder / "clusters" / kubeconfig.parent.name


def image_variables(folder: Path) -> list[str]:
    """Return the names of the environment's variables that hold an image: by convention they end in `_image`."""
    return re.findall(r'^variable "(\w+_image)"', (folder / "variables.tf").read_text(encoding="utf-8"), re.MULTILINE)


def locked_providers(lock: str) -> set[str]:
    """Return the providers that a dependency lock file names, without the registry in front."""
    return set(re.findall(r'^provider "[^/"]+/([^"]+)"', lock, re.MULTILINE))


def without_own_provider(lock: str) -> str:
    """Return a dependency lock file without the provider that is built here; the others stay locked."""
    return re.sub(
        rf'^provider "[^/"]+/{re.escape(PROVIDER_SOURCE)}" \{{\n(?:.*\n)*?\}}\n*', "", lock, flags=re.MULTILINE
    )


def variable_arguments(given: dict[str, str]) -> list[str]:
    """Return `-var` arguments."""
    return [f"-var={key}={value}" for key, value in given.items()]


def configuration_sha256(folder: Path) -> str:
    """Return a hash over the environment's and all modules' files: names and contents, so that a moved file counts."""
    digest = hashlib.sha256()
    files = [
        file for root in (folder, TERRAFORM / "modules") for suffix in _CONFIGURATION for file in root.rglob(suffix)
    ]
    for file in sorted(file for file in files if ".terraform" not in file.parts):
        for part in (str(file.relative_to(TERRAFORM)).encode(), file.read_bytes()):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
