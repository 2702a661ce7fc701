"""`python -m infra.tf init | plan | show | apply | render | test | lint | check-aws`: a plan is applied as reviewed."""

import difflib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
import yaml

from gate.plan.parse import Action, PlanError
from infra.binaries import BuildError
from infra.commands import CommandError, run
from infra.ecr import EcrError, Repository, resolved
from infra.images.registry import ImageReference, Registry, RegistryError
from infra.npm import NpmError
from infra.tf import aws
from infra.tf import render as rendering
from infra.tf.blocks import BlocksError
from infra.tf.modules import ModuleTestError, folders_with_rules, modules_with_tests, run_rules, run_tests
from infra.tf.program import ProgramError, lint, renderer, terraform
from infra.tf.review import Document, changes, review
from infra.tf.typings import TypingsError
from infra.tf.workspace import (
    KUBECONFIG_VARIABLE,
    TERRAFORM,
    Workspace,
    WorkspaceError,
    environment_folder,
    image_variables,
    plans_folder,
    state_file,
)

app = typer.Typer(help=__doc__, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
Environment = Annotated[str, typer.Option("--env", help="A folder of infra/terraform/envs.")]
Plans = Annotated[
    Path | None, typer.Option("--plans", help="Keep the plan in this folder, beside the environment's own (drills do).")
]
_ERRORS = (
    WorkspaceError,
    ProgramError,
    RegistryError,
    PlanError,
    ModuleTestError,
    CommandError,
    BuildError,
    EcrError,
    NpmError,
    BlocksError,
    TypingsError,
)
_FIELD_MANAGER = "kubectl"  # the provider's for server-side apply (1.19.0, resource_kubectl_manifest.go)


@app.command()
def init(env: Environment = "local") -> None:
    """Install providers and modules."""
    with _reported():
        workspace = _workspace(env)
        workspace.init()
        program = workspace.program
        print(f"{env}: initialised with {program.product} {program.version} ({program.path})")


@app.command()
def plan(
    *,
    env: Environment = "local",
    chat_image: Annotated[str | None, typer.Option(help="Image of the chat API.")] = None,
    patient_image: Annotated[str | None, typer.Option(help="Image of the patient API.")] = None,
    llm_mode: Annotated[str | None, typer.Option(help="mock, or a model of service_chat/models.toml.")] = None,
    var: Annotated[list[str] | None, typer.Option(help="Any other variable, as KEY=VALUE.")] = None,
    as_applied: Annotated[
        bool, typer.Option("--as-applied", help="Start from the variables applied last, not from terraform.tfvars.")
    ] = False,
    plans: Plans = None,
) -> None:
    """Save a plan with every image tag replaced by its digest, and print what it would change."""
    with _reported():
        given = _variables(chat_api_image=chat_image, patient_api_image=patient_image, llm_mode=llm_mode, others=var)
        kubeconfig = _kubeconfig()
        workspace = _workspace(env)
        if as_applied:
            given = workspace.applied_variables() | given
        workspace = _aside(workspace, plans)
        workspace.init()
        given = {KUBECONFIG_VARIABLE: str(kubeconfig), **given}
        images = workspace.values(image_variables(workspace.folder), given)
        given |= {name: _pinned(image) for name, image in images.items() if image is not None}
        found = changes(workspace.plan(given), _live)
        print(f"{env} on {_server(kubeconfig)}: {review(found)}")
        if any(change.action is not Action.NOTHING for change in found):
            print(f"apply it: python -m infra.tf apply --env {env}{f' --plans {plans}' if plans else ''}")


@app.command()
def show(env: Environment = "local", plans: Plans = None) -> None:
    """Print the review of the saved plan again."""
    with _reported():
        print(f"{env}: {review(changes(_aside(_workspace(env), plans).saved_plan(), _live))}")


@app.command()
def apply(env: Environment = "local", plans: Plans = None) -> None:
    """Apply the saved plan and no other; it is refused if the configuration has changed since."""
    with _reported():
        text = _aside(_workspace(env), plans).apply()
        done = [line for line in text.splitlines() if line.startswith("Apply complete")]
        print(f"{env}: {done[0] if done else text}")


@app.command()
def render(
    *,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if a file is not current.")] = False,
) -> None:
    """Write the manifests of every environment to infra/terraform/rendered."""
    with _reported():
        program = renderer()
        stale = False
        for env in rendering.environments():
            text, file = rendering.rendered(program, env), rendering.RENDERED / f"{env}.yaml"
            old = file.read_text(encoding="utf-8") if file.exists() else ""
            if check and old != text:
                stale = True
                diff = difflib.unified_diff(old.splitlines(), text.splitlines(), str(file), "rendered now", lineterm="")
                print("\n".join(diff))
            elif not check:
                file.write_text(text, encoding="utf-8")
            print(f"{file.name}: {'current' if old == text else 'not current' if check else 'written'}")
        if stale:
            raise WorkspaceError("rendered manifests are not current; run: python -m infra.tf render")


@app.command("test")
def module_tests(
    *,
    download: Annotated[
        bool, typer.Option("--download", help="Also modules whose provider has to be downloaded.")
    ] = False,
) -> None:
    """Run the modules' own tests; no cluster and no account is asked."""
    with _reported():
        program = terraform()
        for module in modules_with_tests(downloading=download):
            print(f"{module}: {run_tests(program, module)} passed")
        for folder in folders_with_rules():
            print(f"{folder}: {run_rules(program, folder)} rules passed")


@app.command("lint")
def lint_configuration() -> None:
    """Hold every environment and module against tflint's rules of the language."""
    with _reported():
        lint(TERRAFORM)
        print("tflint: no rule of the language is broken")


@app.command("check-aws")
def check_aws() -> None:
    """Hold every aws_* block and reference against the provider's published typings; no account is asked."""
    with _reported():
        found = aws.check()
        if found.problems:
            raise WorkspaceError("\n  ".join(["the AWS provider would refuse:", *map(str, found.problems)]))
        if not found.blocks:
            raise WorkspaceError("no block of AWS was found: nothing was judged")
        print(
            f"AWS provider {', '.join(sorted(found.versions))}: {found.blocks} blocks, {found.arguments} arguments and "
            f"{found.references} references agree with its typings. Nothing was planned."
        )


def _workspace(env: str) -> Workspace:
    folder, kubeconfig = environment_folder(env), _kubeconfig()
    plans, program = plans_folder(folder, kubeconfig), terraform()
    if plans is not None:
        # What init leaves says which state is planned; a shared one would lead an apply to another cluster's.
        program = replace(program, data_dir=plans / ".terraform")
    return Workspace(folder, program, state_file(folder, kubeconfig), plans)


def _aside(workspace: Workspace, plans: Path | None) -> Workspace:
    return workspace if plans is None else replace(workspace, plans=plans.absolute())


def _variables(others: list[str] | None, **named: str | None) -> dict[str, str]:
    given = {key: value for key, value in named.items() if value is not None}
    for text in others or []:
        key, equals, value = text.partition("=")
        if not equals:
            raise WorkspaceError(f'--var "{text}" is not KEY=VALUE')
        given[key] = value
    return given


def _kubeconfig() -> Path:
    # The provider reads one file; kubectl would merge all of KUBECONFIG, and a merge is no name of a cluster.
    text = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    if not text:
        raise WorkspaceError('KUBECONFIG is not set; for the embedded cluster: eval "$(python -m infra.cluster env)"')
    path = Path(text).absolute()
    if not path.is_file():
        raise WorkspaceError(f"KUBECONFIG names {path}, and there is no such file; is the cluster up?")
    return path


def _server(kubeconfig: Path) -> str:
    config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    clusters = {entry["name"]: entry["cluster"]["server"] for entry in config.get("clusters", [])}
    contexts = {entry["name"]: entry["context"]["cluster"] for entry in config.get("contexts", [])}
    return str(clusters.get(contexts.get(config.get("current-context", ""), ""), "a cluster that its kubeconfig hides"))


def _pinned(image: str) -> str:
    # One that has its digest already needs no registry, and there may be none that could be asked.
    if ImageReference.parse(image).digest:
        return image
    return resolved(image) if Repository.named_by(image) else Registry.from_environment().resolved(image)


def _live(document: Document) -> tuple[Document, Document] | None:
    text = yaml.safe_dump(document)
    try:
        now = run(["kubectl", "get", "-f", "-", "-o", "json"], stdin=text)
        then = run(
            [
                "kubectl",
                "apply",
                "--server-side",
                "--force-conflicts",
                f"--field-manager={_FIELD_MANAGER}",
                "--dry-run=server",
                "-f",
                "-",
                "-o",
                "json",
            ],
            stdin=text,
        )
    except CommandError as error:
        print(f"what drifted cannot be shown: {error}", file=sys.stderr)
        return None
    (live,) = json.loads(now)["items"]  # what kubectl reads from a file it prints as a List, even one object
    return _without_bookkeeping(live), _without_bookkeeping(json.loads(then))


def _without_bookkeeping(live: Document) -> Document:
    """Drop what the API server and the controllers write by themselves."""
    metadata = {k: live["metadata"][k] for k in ("name", "namespace", "labels", "annotations") if k in live["metadata"]}
    return {**{k: v for k, v in live.items() if k != "status"}, "metadata": metadata}


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except _ERRORS as error:
        print(f"infra.tf: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    app()
