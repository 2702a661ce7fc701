"""Finds or builds what a plan needs: terraform or tofu, the provider, and a CLI configuration that joins them.

Nothing of the user's own Terraform set-up is read or changed: the CLI configuration lies in the cache and is named by
an environment variable of the one command. Which of `infra/terraform` is planned is `workspace`'s business.
"""

import os
import platform
import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from infra.binaries import TOOLS, Tool, binary
from infra.commands import CommandError, run
from infra.paths import cache_dir

PROVIDER_SOURCE = "gavinbunney/kubectl"
PROVIDER = Tool(
    "terraform-provider-kubectl", TOOLS / "provider-kubectl", "github.com/gavinbunney/terraform-provider-kubectl"
)
TOFU = Tool(
    "tofu",
    TOOLS / "tofu",
    "github.com/opentofu/opentofu/cmd/tofu",
    # Without it the program calls itself a pre-release, which no required_version accepts.
    ldflags="-s -w -X github.com/opentofu/opentofu/version.dev=no",
)
TFLINT = Tool("tflint", TOOLS / "tflint", "github.com/terraform-linters/tflint")
# Validation conditions that refer to other variables: both programs have them since 1.9.
MINIMUM_VERSION = (1, 9)
_VERSION_LINE = re.compile(r"^(Terraform|OpenTofu) v(\d+\.\d+\.\S+)", re.MULTILINE)
# Go's names of the platforms in a mirror's folders; the cluster and its binaries are made for these two.
_GO_ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}


class ProgramError(Exception):
    """Terraform or its provider cannot be used; the message says what was found and what would do."""


@dataclass(frozen=True)
class Terraform:
    """A terraform or tofu that is new enough, and the CLI configuration it is to be run with.

    `product` is what the program calls itself, whatever its file is called: Terraform or OpenTofu.
    `provider_address` is the full name it gives our provider, empty where it runs without providers. `data_dir` is
    where init leaves what later commands need (which state, which providers), None for `.terraform` in the folder.
    """

    path: Path
    product: str
    version: str
    config_file: Path
    provider_address: str = ""
    data_dir: Path | None = None

    def command(self, folder: Path, *arguments: str) -> list[str]:
        """Return an argument list that runs in `folder`; a person can paste it, wherever they are."""
        return [
            "env",
            f"TF_CLI_CONFIG_FILE={self.config_file}",
            # No call home for a newer version, and no prompt that would wait for ever.
            "CHECKPOINT_DISABLE=1",
            "TF_INPUT=0",
            "TF_IN_AUTOMATION=1",
            *([f"TF_DATA_DIR={self.data_dir}"] if self.data_dir else []),
            str(self.path),
            f"-chdir={folder}",
            *arguments,
        ]

    def run(self, folder: Path, *arguments: str, timeout_s: float = 120, stdin: str | None = None) -> str:
        """Run one command and return what it printed.

        Raises:
            CommandError: with the pasteable command and its output; also when `timeout_s` passed.
        """
        return run(self.command(folder, *arguments), timeout_s=timeout_s, stdin=stdin)


def terraform(search_path: str | None = None) -> Terraform:
    """Return terraform or tofu from `search_path` (default PATH), or OpenTofu built from source, configured.

    Raises:
        ProgramError: the machine's architecture is unknown, or the program does not say how it names the provider.
        BuildError: OpenTofu or the provider had to be built, and could not.
        CommandError: the program that was found does not run.
    """
    bare = renderer(search_path)
    mirror, address = _provider_mirror(bare)
    config_file = mirror / f"{address.split('/')[0]}.tfrc"
    text = cli_configuration(mirror, address)
    if not config_file.exists() or config_file.read_text(encoding="utf-8") != text:
        write_whole(config_file, text)
    return replace(bare, config_file=config_file, provider_address=address)


def renderer(search_path: str | None = None) -> Terraform:
    """Return the same program with an empty configuration, for folders that need no provider."""
    return _found(search_path) or _identified(binary(TOFU))


def lint(folder: Path) -> None:
    """Hold every Terraform folder below one against the rules of its .tflint.hcl.

    Raises:
        BuildError: tflint had to be built, and could not.
        CommandError: a rule is broken; with the pasteable command, and where.
    """
    # By its full path: tflint looks for a configuration in each folder that it enters.
    rules = folder / ".tflint.hcl"
    run([binary(TFLINT), f"--chdir={folder}", f"--config={rules}", "--recursive", "--format=compact"])


def provider_version() -> str:
    """Return the provider's version as tools/provider-kubectl/go.mod locks it, without the leading v."""
    package, text = PROVIDER.package, (PROVIDER.module / "go.mod").read_text(encoding="utf-8")
    match = re.search(rf"^\s*(?:require )?{re.escape(package)} v(\S+)", text, re.MULTILINE)
    if match is None:
        raise ProgramError(f"{PROVIDER.module / 'go.mod'} does not require {package}")
    return match[1]


def cli_configuration(mirror: Path, address: str) -> str:
    """Return a CLI configuration in which `address` comes from `mirror`, and every other provider as usual."""
    return (
        "disable_checkpoint = true\n"
        "provider_installation {\n"
        f'  filesystem_mirror {{\n    path    = "{mirror}"\n    include = ["{address}"]\n  }}\n'
        f'  direct {{\n    exclude = ["{address}"]\n  }}\n'
        "}\n"
    )


def _found(search_path: str | None) -> Terraform | None:
    for name in ("terraform", "tofu"):
        path = shutil.which(name, path=search_path)
        if path is None:
            continue
        program = _identified(Path(path))
        if tuple(int(part) for part in program.version.split(".")[:2]) >= MINIMUM_VERSION:
            return program
    return None


def _identified(path: Path) -> Terraform:
    # Without an empty configuration, one of the user's that is broken would put a warning first.
    text = run(["env", f"TF_CLI_CONFIG_FILE={os.devnull}", "CHECKPOINT_DISABLE=1", path, "version"])
    match = _VERSION_LINE.search(text)
    if match is None:
        raise ProgramError(f"{path} version printed no version of Terraform or OpenTofu but: {text[:200]}")
    return Terraform(path, match[1], match[2], Path(os.devnull))


def _provider_mirror(program: Terraform) -> tuple[Path, str]:
    """Return the mirror folder with the provider in it, and the full address that `program` gives the provider.

    The address begins with the program's default registry, which terraform and tofu have each their own of; a mirror
    has a folder of that name.
    """
    machine = platform.machine()
    if machine not in _GO_ARCHITECTURE:
        raise ProgramError(f"this machine is {machine}; the provider is built for {', '.join(_GO_ARCHITECTURE)}")
    version = provider_version()
    built = binary(PROVIDER)
    mirror = cache_dir() / "terraform" / built.parent.name
    address = _full_address(program, version)
    target = mirror / address / version / f"linux_{_GO_ARCHITECTURE[machine]}" / f"{PROVIDER.name}_v{version}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # a link whose target went with an older cache
        target.symlink_to(built)
    return mirror, address


def _full_address(program: Terraform, version: str) -> str:
    with tempfile.TemporaryDirectory(prefix="carepath-tf-") as folder:
        (Path(folder) / "versions.tf").write_text(
            "terraform {\n  required_providers {\n"
            f'    kubectl = {{\n      source  = "{PROVIDER_SOURCE}"\n      version = "{version}"\n    }}\n'
            "  }\n}\n",
            encoding="utf-8",
        )
        try:
            text = program.run(Path(folder), "providers")
        except CommandError as error:
            raise ProgramError(f"{program.path} does not say where {PROVIDER_SOURCE} comes from: {error}") from error
    match = re.search(rf"provider\[(\S+/{re.escape(PROVIDER_SOURCE)})\]", text)
    if match is None:
        raise ProgramError(f"{program.path} providers does not name {PROVIDER_SOURCE} in: {text[:200]}")
    return match[1]


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader finds the old one or the new one, never a part."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    partial.rename(path)
