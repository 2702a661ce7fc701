"""Only the plan that was reviewed is applied, and only while nothing it was made from has changed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from infra.commands import CommandError
from infra.tf import workspace as subject
from infra.tf.workspace import (
    Workspace,
    WorkspaceError,
    configuration_sha256,
    environment_folder,
    image_variables,
    locked_providers,
    plans_folder,
    state_file,
)
from tests.infra.terraform.stand_in import program

GIVEN = {"llm_mode": "mock", "chat_api_image": "r/chat:v1.0"}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Return an environment with one module, and a stand-in for terraform."""
    terraform = tmp_path / "project/infra/terraform"
    folder = terraform / "envs/local"
    folder.mkdir(parents=True)
    (terraform / "modules/app").mkdir(parents=True)
    (folder / "main.tf").write_text("# environment\n", encoding="utf-8")
    (terraform / "modules/app/pod.yaml.tftpl").write_text("kind: Pod\n", encoding="utf-8")
    monkeypatch.setattr(subject, "PROJECT", tmp_path / "project")
    monkeypatch.setattr(subject, "TERRAFORM", terraform)
    monkeypatch.setattr(subject, "ENVIRONMENTS", terraform / "envs")
    return Workspace(folder, program(tmp_path / "bin"), tmp_path / "run/terraform.tfstate")


def calls(workspace: Workspace) -> list[str]:
    """Return what the stand-in was asked, without the folder."""
    lines = (workspace.program.path.parent / "calls.log").read_text(encoding="utf-8").splitlines()
    return [line.removeprefix(f"-chdir={workspace.folder} ") for line in lines]


def test_plan_is_saved_with_its_json(workspace: Workspace) -> None:
    """A plan leaves the file, its JSON, and a stamp; the variables are given one by one."""
    assert workspace.plan(GIVEN) == {"resource_changes": []}
    assert calls(workspace) == [
        "plan -no-color -lock-timeout=30s -out=plan.out -var=llm_mode=mock -var=chat_api_image=r/chat:v1.0",
        "show -json plan.out",
    ]
    assert workspace.saved_plan() == {"resource_changes": []}


def test_apply_after_a_plan_applies_that_file_and_removes_it(workspace: Workspace) -> None:
    """The saved file is what is applied, it cannot be applied twice, and its JSON stays as what was deployed."""
    workspace.plan(GIVEN)
    assert workspace.apply().startswith("Apply complete!")
    assert calls(workspace)[-1] == "apply -no-color -lock-timeout=30s plan.out"
    assert json.loads(workspace.applied_json.read_text(encoding="utf-8")) == {"resource_changes": []}
    assert not workspace.plan_file.exists()
    assert not workspace.plan_json.exists()
    with pytest.raises(WorkspaceError, match="local has no saved plan"):
        workspace.apply()


def test_apply_by_opentofu_is_told_the_variables_again(workspace: Workspace) -> None:
    """OpenTofu refuses a saved plan whose variables differ from terraform.tfvars, unless it is given them."""
    tofu = replace(workspace, program=replace(workspace.program, product="OpenTofu"))
    tofu.plan(GIVEN)
    tofu.apply()
    assert calls(workspace)[-1] == (
        "apply -no-color -lock-timeout=30s -var=llm_mode=mock -var=chat_api_image=r/chat:v1.0 plan.out"
    )


def test_apply_without_a_plan_names_the_command_that_makes_one(workspace: Workspace) -> None:
    """The whole message is an instruction."""
    with pytest.raises(WorkspaceError) as caught:
        workspace.apply()
    assert str(caught.value) == (
        "local has no saved plan (infra/terraform/envs/local/plan.out is missing); "
        "make one: python -m infra.tf plan --env local"
    )


@pytest.mark.parametrize("changed", ["envs/local/main.tf", "envs/local/terraform.tfvars", "modules/app/pod.yaml.tftpl"])
def test_apply_after_a_change_of_the_configuration_is_refused(workspace: Workspace, changed: str) -> None:
    """A template, a value or a resource that changed since the review makes the plan worthless."""
    workspace.plan(GIVEN)
    (subject.TERRAFORM / changed).write_text("# changed\n", encoding="utf-8")
    with pytest.raises(WorkspaceError, match="the configuration has changed since the plan was saved"):
        workspace.apply()
    assert calls(workspace)[-1] == "show -json plan.out"


def test_apply_after_a_note_beside_the_configuration_is_allowed(workspace: Workspace) -> None:
    """The near miss: a file that terraform does not read changes nothing."""
    workspace.plan(GIVEN)
    (workspace.folder / "README.md").write_text("changed\n", encoding="utf-8")
    assert workspace.apply().startswith("Apply complete!")


def test_apply_of_another_plan_file_is_refused(workspace: Workspace) -> None:
    """A plan written past the review is not the one that was reviewed."""
    workspace.plan(GIVEN)
    workspace.plan_file.write_text("another", encoding="utf-8")
    with pytest.raises(WorkspaceError, match=r"plan\.out is not the plan that was reviewed"):
        workspace.apply()


def test_apply_that_fails_keeps_the_plan_and_the_output(workspace: Workspace) -> None:
    """The error has a command to paste and what terraform said; the plan is there for a second look."""
    workspace.plan(GIVEN)
    (workspace.program.path.parent / "broken").touch()
    with pytest.raises(CommandError) as caught:
        workspace.apply()
    message = str(caught.value)
    assert f"-chdir={workspace.folder} apply -no-color -lock-timeout=30s plan.out" in message
    assert "TF_CLI_CONFIG_FILE=" in message
    assert "| Error: it broke" in message
    assert workspace.plan_file.exists()


def test_plan_that_fails_leaves_no_older_one(workspace: Workspace) -> None:
    """A plan of yesterday must not be what the next apply finds."""
    workspace.plan(GIVEN)
    (workspace.program.path.parent / "plan.json").unlink()
    with pytest.raises(CommandError):
        workspace.plan(GIVEN)
    with pytest.raises(WorkspaceError):
        workspace.saved_plan()


def test_values_are_asked_of_terraform_itself(workspace: Workspace) -> None:
    """Which value wins (command line, tfvars, default) is terraform's to say; it prints JSON within a JSON string."""
    answer = json.dumps(json.dumps({"chat_api_image": "r/chat:v1.0", "patient_api_image": None}))
    (workspace.program.path.parent / "console.txt").write_text(answer, encoding="utf-8")
    found = workspace.values(["chat_api_image", "patient_api_image"], GIVEN)
    assert found == {"chat_api_image": "r/chat:v1.0", "patient_api_image": None}
    assert calls(workspace)[-1] == (
        "jsonencode({chat_api_image = var.chat_api_image, patient_api_image = var.patient_api_image})"
    )


def test_values_after_a_warning_are_still_found(workspace: Workspace) -> None:
    """The console goes on after a value that a rule refuses; what is wrong with it is the plan's to say."""
    answer = "Warning: Due to the problems above\n\n" + json.dumps(json.dumps({"chat_api_image": "r/chat:v1.0"}))
    (workspace.program.path.parent / "console.txt").write_text(answer, encoding="utf-8")
    assert workspace.values(["chat_api_image"], {"llm_mode": ""}) == {"chat_api_image": "r/chat:v1.0"}


@pytest.mark.parametrize("answer", ["", "(known after apply)", "null"])
def test_values_that_are_none_are_refused_with_what_was_printed(workspace: Workspace, answer: str) -> None:
    """Without values no tag could be pinned, so nothing goes on."""
    (workspace.program.path.parent / "console.txt").write_text(answer, encoding="utf-8")
    with pytest.raises(WorkspaceError, match="local: terraform gives no values for chat_api_image") as caught:
        workspace.values(["chat_api_image"], {})
    assert str(caught.value).endswith(answer)


@pytest.mark.parametrize(
    ("providers", "left"),
    [
        (["gavinbunney/kubectl"], None),
        (["gavinbunney/kubectl", "hashicorp/aws"], {"hashicorp/aws"}),
        (["hashicorp/aws"], {"hashicorp/aws"}),
    ],
)
def test_init_takes_only_our_own_build_out_of_the_lock(
    workspace: Workspace, providers: list[str], left: set[str] | None
) -> None:
    """The hash of a provider built here changes with the compiler; others' providers stay locked."""
    lock = workspace.folder / ".terraform.lock.hcl"
    text = "\n".join(
        f'provider "registry.example/{name}" {{\n  hashes = [\n    "h1:a",\n  ]\n}}\n' for name in providers
    )
    lock.write_text(text, encoding="utf-8")
    assert locked_providers(text) == set(providers)
    workspace.init()
    assert (locked_providers(lock.read_text(encoding="utf-8")) if lock.exists() else None) == left
    assert left is None or lock.read_text(encoding="utf-8").count("h1:a") == len(left)


def test_init_is_told_where_the_state_lies(workspace: Workspace) -> None:
    """The path is not in the configuration, and another one than last time is no question to answer."""
    workspace.init()
    assert calls(workspace) == [f"init -no-color -reconfigure -backend-config=path={workspace.state_file}"]


@pytest.mark.parametrize("host", ["tofu.example", "terraform.example"])
def test_init_takes_over_a_state_of_the_other_product(workspace: Workspace, host: str) -> None:
    """Terraform and OpenTofu name the provider differently; a state written by one can be planned by the other."""
    own = "terraform.example/gavinbunney/kubectl"
    others = 'provider["other.example/hashicorp/aws"]'
    resources = [{"provider": f'provider["{host}/gavinbunney/kubectl"]'}, {"provider": others}]
    workspace.state_file.parent.mkdir()
    workspace.state_file.write_text(json.dumps({"serial": 7, "resources": resources}, indent=2), encoding="utf-8")
    replace(workspace, program=replace(workspace.program, provider_address=own)).init()
    assert json.loads(workspace.state_file.read_text(encoding="utf-8")) == {
        "serial": 7,
        "resources": [{"provider": f'provider["{own}"]'}, {"provider": others}],
    }


def test_state_file_of_an_embedded_cluster_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lies in the instance's run folder; any other cluster's lies where terraform itself would put it."""
    monkeypatch.setenv("CAREPATH_RUN_DIR", str(tmp_path / "run"))
    folder = tmp_path / "envs/local"
    embedded, other = tmp_path / "run/carepath/kubeconfig", tmp_path / "home/.kube/config"
    assert state_file(folder, embedded) == tmp_path / "run/carepath/terraform.tfstate"
    assert state_file(folder, other) == folder / "terraform.tfstate"


def test_plans_of_clusters_beside_each_other_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual embedded cluster and any other one plan in the environment's folder, a second embedded one does not."""
    monkeypatch.setenv("CAREPATH_RUN_DIR", str(tmp_path / "run"))
    folder = tmp_path / "envs/local"
    assert plans_folder(folder, tmp_path / "run/carepath/kubeconfig") is None
    assert plans_folder(folder, tmp_path / "home/.kube/config") is None
    assert plans_folder(folder, tmp_path / "run/second/kubeconfig") == folder / "clusters/second"


def test_plan_kept_aside_leaves_the_saved_and_the_applied_one_alone(workspace: Workspace, tmp_path: Path) -> None:
    """A drill plans and applies for itself; what a person reviewed, and what was deployed, stay what they were."""
    workspace.plan(GIVEN)
    saved = workspace.plan_file.read_text(encoding="utf-8")
    aside = replace(workspace, plans=tmp_path / "drill")
    aside.plan({"llm_mode": "other"})
    aside.apply()
    assert calls(workspace)[-1] == f"apply -no-color -lock-timeout=30s {tmp_path}/drill/plan.out"
    assert aside.applied_json.is_file()
    assert not workspace.applied_json.exists()
    assert workspace.plan_file.read_text(encoding="utf-8") == saved
    assert workspace.saved_plan() == {"resource_changes": []}


def test_variables_applied_last_are_given_again_but_for_the_kubeconfig(workspace: Workspace) -> None:
    """Text as it is, anything else as JSON, which terraform reads; what had no value gets none."""
    values = {"llm_mode": "mock", "resources": {"cpu": 1}, "extra": None, "kubeconfig_path": "/elsewhere"}
    plan = {"variables": {name: {"value": value} for name, value in values.items()}}
    workspace.applied_json.write_text(json.dumps(plan), encoding="utf-8")
    assert workspace.applied_variables() == {"llm_mode": "mock", "resources": '{"cpu": 1}'}


@pytest.mark.parametrize("text", [None, "[]", "{}", "no JSON"])
def test_variables_of_nothing_applied_are_refused(workspace: Workspace, text: str | None) -> None:
    """Planning with defaults instead would redeploy something else."""
    if text is not None:
        workspace.applied_json.write_text(text, encoding="utf-8")
    with pytest.raises(WorkspaceError, match=r"applied\.json"):
        workspace.applied_variables()


def test_environment_that_does_not_exist_is_refused_with_those_there_are() -> None:
    """The message lists the folders of infra/terraform/envs."""
    with pytest.raises(WorkspaceError, match=r'--env "prod" is not an environment; there are demo, gpu, local'):
        environment_folder("prod")


def test_configuration_hash_tells_a_moved_file_from_none(workspace: Workspace) -> None:
    """Names count as contents do."""
    before = configuration_sha256(workspace.folder)
    (workspace.folder / "main.tf").rename(workspace.folder / "app.tf")
    assert configuration_sha256(workspace.folder) != before


def test_image_variables_are_found_by_their_names(tmp_path: Path) -> None:
    """A variable is an image's by its ending, not by having the word in its name."""
    (tmp_path / "variables.tf").write_text(
        'variable "chat_api_image" {\n}\nvariable "image_pull_policy" {\n}\n', encoding="utf-8"
    )
    assert image_variables(tmp_path) == ["chat_api_image"]


def test_init_of_a_remote_state_reads_where_it_is(workspace: Workspace) -> None:
    """An environment with an example of its bucket is initialised with the file made from it."""
    for name in ("backend.hcl.example", "backend.hcl"):
        (workspace.folder / name).write_text('bucket = "states"\n', encoding="utf-8")
    workspace.init()
    assert calls(workspace) == ["init -no-color -reconfigure -backend-config=backend.hcl"]


def test_init_of_a_remote_state_without_a_bucket_says_what_to_copy(workspace: Workspace) -> None:
    """Terraform would ask for the bucket's name, and nobody would answer."""
    (workspace.folder / "backend.hcl.example").write_text('bucket = "states"\n', encoding="utf-8")
    with pytest.raises(WorkspaceError, match=r"copy backend\.hcl\.example in .*/envs/local and fill it in"):
        workspace.init()
    assert not (workspace.program.path.parent / "calls.log").exists()
