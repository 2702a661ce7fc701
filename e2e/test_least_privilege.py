"""The roles of `infra/rbac` on the real API server: they suffice, and each rule that is taken away is missed by name.

The app runs once, mock engine, one replica, in a namespace of its own; the tiers run as CI runs them, each as a service
account with a kubeconfig of its own. Needs the cluster that `python -m infra.cluster` has up.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.faults.app import Document, baseline
from e2e.faults.hands import Hands, free
from e2e.faults.judging import World
from infra.commands import CommandError
from infra.paths import PROJECT

NAMESPACE = "e2e-least-privilege"
#: At the load balancer stand-in, beside those of the fault matrix.
PORT = 17990
#: Runs beside each other: they wait most of their time.
AT_ONCE = 3
RUN_TIMEOUT_S = 240
#: On what the embedded cluster's cluster-wide objects of these tests are found again.
LABEL = "carepath.example/least-privilege"

#: What is judged of an app whose pods cannot be found.
EVERYTHING = frozenset(
    {"POD-1", "POD-2", "HPA-1", "HLT-1", "LLM-1", "LAT-1", "QLT-1", "LOG-1", "LOG-2", "RES-1", "ERR-1", "USR-1"}
)

#: The criteria that rest on each right of the Role, and must say so without it.
RESTS_ON: Mapping[str, frozenset[str]] = {
    "list deployments": EVERYTHING,
    "list replicasets": EVERYTHING,
    "list pods": EVERYTHING,
    "list events": frozenset({"POD-1"}),
    "list persistentvolumeclaims": frozenset({"POD-1"}),
    "list resourcequotas": frozenset({"POD-1"}),
    "list services": frozenset({"HLT-1"}),
    "list endpointslices": frozenset({"HLT-1"}),
    "list horizontalpodautoscalers": frozenset({"HPA-1"}),
    "list pods.metrics.k8s.io": frozenset({"RES-1"}),
    "get pods/log": frozenset({"LOG-1", "LOG-2"}),
    "get pods/portforward": frozenset({"HLT-1", "QLT-1", "LOG-2", "RES-1", "ERR-1", "USR-1"}),
}
#: The same of the ClusterRole, in preflight. What concerns volumes is STO-1's, which passes an app without one.
RESTS_ON_CLUSTER: Mapping[str, frozenset[str]] = {
    "list nodes": frozenset({"NODE-1", "FIT-2", "FIT-3"}),
    "list pods": frozenset({"FIT-2"}),
    "list storageclasses": frozenset(),
    "list csidrivers": frozenset(),
    "list persistentvolumes": frozenset(),
    "get namespaces": frozenset({"NODE-1", "FIT-2", "FIT-3", "STO-1", "PRB-1", "NET-1", "MET-0", "RBK-0"}),
}

#: What a mock in good order passes.
GOOD = ("POD-1", "POD-2", "HPA-1", "HLT-1", "LAT-1", "LOG-1", "LOG-2", "RES-1", "ERR-1", "USR-1")

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("least-privilege")]


def shipped(file: str, kind: str) -> Document:
    """Return the one manifest of that kind in a file of `infra/rbac`."""
    text = (PROJECT / "infra" / "rbac" / file).read_text(encoding="utf-8")
    (found,) = (each for each in yaml.safe_load_all(text) if each["kind"] == kind)
    return dict(found)


def right(rule: Mapping[str, Any]) -> str:
    """Return a rule as an error names it: ``list pods.metrics.k8s.io``."""
    group = ".metrics.k8s.io" if rule["apiGroups"] == ["metrics.k8s.io"] else ""
    return f"{rule['verbs'][0]} {rule['resources'][0]}{group}"


ROLE: list[dict[str, Any]] = shipped("reader.yaml", "Role")["rules"]
CLUSTER_ROLE: list[dict[str, Any]] = shipped("cluster-reader.yaml", "ClusterRole")["rules"]
RULES = {right(rule): rule for rule in ROLE}
CLUSTER_RULES = {right(rule): rule for rule in CLUSTER_ROLE}


def account(name: str, rules: Sequence[Mapping[str, Any]], wide: Sequence[Mapping[str, Any]] = ()) -> list[Document]:
    """Return a service account with these rules in the namespace and those cluster-wide."""
    version = "rbac.authorization.k8s.io/v1"
    subjects = [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}]
    found: list[Document] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE}}
    ]
    for kind, granted in (("Role", rules), ("ClusterRole", wide)):
        metadata: dict[str, Any] = {"name": name, "namespace": NAMESPACE}
        if kind == "ClusterRole":
            metadata = {"name": f"{NAMESPACE}-{name}", "labels": {LABEL: "true"}}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": metadata["name"]}
        if granted:
            found += [
                {"apiVersion": version, "kind": kind, "metadata": metadata, "rules": list(granted)},
                {
                    "apiVersion": version,
                    "kind": f"{kind}Binding",
                    "metadata": metadata,
                    "subjects": subjects,
                    "roleRef": role,
                },
            ]
    return found


@dataclass(frozen=True)
class Told:
    """What a tier said: its exit code, report.json's verdicts by criterion, and what it printed."""

    exit_code: int
    verdicts: Mapping[str, Mapping[str, Any]]
    output: str

    @property
    def statuses(self) -> dict[str, str]:
        """Return the status of each criterion."""
        return {criterion: verdict["status"] for criterion, verdict in self.verdicts.items()}


@dataclass(frozen=True)
class Stage:
    """The app that runs, and who may look at it.

    Attributes:
        world: the cluster.
        hands: the namespace, as administrator.
        folder: for targets, reports and kubeconfigs.
        uid: of the kube-system namespace.
    """

    world: World
    hands: Hands
    folder: Path
    uid: str

    def target(self, identity: str, *, mutable: bool = False) -> Path:
        """Return a target file that names the cluster so."""
        path = self.folder / f"target-{len(identity)}-{mutable}.toml"
        path.write_text(
            f"""
name = "least-privilege"
image_repository = "localhost:5000/carepath-chat-api"
allow_mutation = {str(mutable).lower()}

[cluster]
identity = {{ {identity} }}
namespace = "{NAMESPACE}"

[desired]
manifests = "{self.folder / "manifests.yaml"}"

[model]
name = "SmolLM2-135M-Instruct"

[model.speed]
threads = 1
prefill_tok_s = 130
decode_tok_s = 45
measured = "as in targets/local.toml"

[acceptance]
test_mrns = ["MRN-001", "MRN-002", "MRN-003", "MRN-004"]
stable_window_s = 2.0
rollout_timeout_s = 90.0
""",
            encoding="utf-8",
        )
        return path

    def run(self, tier: str, who: str | None, *options: str, target: Path) -> Told:
        """Run a tier as a service account, None as administrator."""
        environment = {**os.environ, **self.world.environment}
        report = self.folder / f"report-{tier}-{who}"
        if who is not None:
            environment["KUBECONFIG"] = str(self.kubeconfig(who))
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", tier),
                *(f"--target={target}", f"--report={report}", *options),
            ],
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )
        output = done.stdout + done.stderr
        assert (report / "report.json").is_file(), output
        verdicts = json.loads((report / "report.json").read_text(encoding="utf-8"))["verdicts"]
        return Told(done.returncode, {each["criterion"]: each for each in verdicts}, output)

    def kubeconfig(self, who: str) -> Path:
        """Return a kubeconfig that holds a token of the service account and no other credential."""
        config = json.loads(self.hands.kubectl("config", "view", "--raw", "--minify", "-o", "json"))
        config["users"][0]["user"] = {"token": self.hands.kubectl("create", "token", who).strip()}
        path = self.folder / f"kubeconfig-{who}"
        path.write_text(json.dumps(config), encoding="utf-8")
        return path


@pytest.fixture(scope="module")
def stage(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The app, and the accounts: with every rule, without each of them, and the one of the drills."""
    hands = world.hands(NAMESPACE)
    hands.delete(wait=True)
    app = baseline(NAMESPACE, PORT, world.images, free(world.api), model=False)
    # The fault matrix clears away what carries its label.
    app.document("Namespace", NAMESPACE)["metadata"]["labels"].clear()
    # So many runs in a row must not make the autoscaler add pods, which have no figures for a minute.
    app.container["resources"]["requests"]["cpu"] = "150m"
    folder = tmp_path_factory.mktemp("least-privilege")
    (folder / "manifests.yaml").write_text(yaml.safe_dump_all(app.documents), encoding="utf-8")
    try:
        hands.apply([*app.documents, *accounts()])
        for name in ("patient-api", "chat-api"):
            hands.kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s", timeout_s=150)
        # A mock fails by what it says of itself, and then acceptance waits for no figures and no address.
        for what, state in (
            ("hpa/chat-api", "condition=ScalingActive"),
            ("service/chat-api-service", "jsonpath={.status.loadBalancer.ingress}"),
        ):
            hands.kubectl("wait", what, f"--for={state}", "--timeout=120s", timeout_s=150)
        uid = hands.kubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}")
        yield Stage(world, hands, folder, uid)
    finally:
        hands.kubectl("delete", "clusterroles,clusterrolebindings", "--selector", LABEL)
        hands.delete(wait=False)


def accounts() -> list[Document]:
    """Return the manifests of all accounts."""
    drill = shipped("drill.yaml", "Role")["rules"]
    found = [*account("whole", ROLE), *account("wide", ROLE, CLUSTER_ROLE), *account("drill", [*ROLE, *drill])]
    for index, rule in enumerate(ROLE):
        found += account(f"role-{index}", [each for each in ROLE if each is not rule])
    for index, rule in enumerate(CLUSTER_ROLE):
        found += account(f"wide-{index}", ROLE, [each for each in CLUSTER_ROLE if each is not rule])
    return found


@pytest.fixture(scope="module")
def by_address(stage: Stage) -> Path:
    """A target that names the cluster by its API server: nothing cluster-wide is needed for that."""
    return stage.target(f'server = "{stage.world.server}"')


@pytest.fixture(scope="module")
def by_uid(stage: Stage) -> Path:
    """A target that names the cluster by the UID of its kube-system namespace."""
    return stage.target(f'kube_system_uid = "{stage.uid}"')


@pytest.fixture(scope="module")
def accepted(stage: Stage, by_address: Path) -> Told:
    """What acceptance says to the administrator."""
    return stage.run("acceptance", None, target=by_address)


@pytest.fixture(scope="module")
def without(stage: Stage, accepted: Told, by_address: Path) -> Iterator[Mapping[str, Future[Told]]]:
    """What acceptance says without each rule of the Role, all under way."""
    assert accepted.verdicts
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            name: pool.submit(stage.run, "acceptance", f"role-{index}", target=by_address)
            for index, name in enumerate(RULES)
        }


def test_acceptance_of_the_healthy_mock_passes_what_a_mock_can(accepted: Told) -> None:
    """What follows is held against this; the mock fails LLM-1 and QLT-1, which is their business."""
    assert {criterion: accepted.statuses[criterion] for criterion in GOOD} == dict.fromkeys(GOOD, "pass"), (
        accepted.output
    )


def test_acceptance_as_the_account_of_the_role_loses_no_pass(stage: Stage, accepted: Told, by_address: Path) -> None:
    """The rules in the namespace suffice, without one right beyond it."""
    told = stage.run("acceptance", "whole", target=by_address)
    assert told.statuses == accepted.statuses, told.output


@pytest.mark.parametrize("name", sorted(RULES))
def test_acceptance_without_one_rule_names_the_right_and_passes_nothing_that_rests_on_it(
    name: str, accepted: Told, without: Mapping[str, Future[Told]]
) -> None:
    """What rests on it is inconclusive with the right's name, what does not is as before, and nothing crashes."""
    told = without[name].result()
    assert_missed(told, accepted, name, RESTS_ON[name])


def assert_missed(told: Told, before: Told, name: str, resting: frozenset[str]) -> None:
    """Compare a run without a right with the one before."""
    assert "Traceback" not in told.output
    assert set(told.verdicts) == set(before.verdicts)
    for criterion, verdict in told.verdicts.items():
        shown = f"{criterion} {verdict['status']} {verdict['cause']}: {verdict['reason']}"
        assert verdict["cause"] != "gate.crashed", shown
        assert verdict["status"] in {before.statuses[criterion], "inconclusive"}, shown
        if criterion in resting:
            assert (verdict["status"], verdict["cause"]) == ("inconclusive", "gate.forbidden"), shown
            text = json.dumps([verdict["reason"], verdict["evidence"], verdict["remedy"]])
            assert all(word in text for word in name.split()), shown
    failed = any(status == "fail" for status in told.statuses.values())
    assert told.exit_code == (1 if failed else 10 if resting else 0)


@pytest.mark.parametrize(
    "words",
    [
        ("get", "secrets"),
        ("list", "secrets"),
        ("list", "configmaps"),
        ("create", "pods"),
        ("create", "pods/exec"),
        ("delete", "pods"),
        ("patch", "deployments"),
        ("update", "deployments/scale"),
        ("create", "leases.coordination.k8s.io"),
        ("get", "pods/proxy"),
        ("create", "services/proxy"),
        ("create", "serviceaccounts/token"),
    ],
)
def test_account_of_the_reader_may_not(stage: Stage, words: tuple[str, str]) -> None:
    """The API server itself says so, of the account with everything that the reader's files grant."""
    who = f"--as=system:serviceaccount:{NAMESPACE}:wide"
    with pytest.raises(CommandError, match=r"\bno\b"):
        stage.hands.kubectl("auth", "can-i", *words, who)


@pytest.fixture(scope="module")
def preflown(stage: Stage, by_uid: Path) -> Told:
    """What preflight says to the administrator."""
    return stage.run("preflight", None, target=by_uid)


def test_preflight_as_the_account_of_both_roles_loses_no_pass(stage: Stage, preflown: Told, by_uid: Path) -> None:
    """The nodes are judged as read."""
    told = stage.run("preflight", "wide", target=by_uid)
    assert told.statuses == preflown.statuses, told.output
    assert (told.statuses["NODE-1"], told.statuses["FIT-2"], told.statuses["MET-0"]) == ("pass",) * 3, told.output


@pytest.mark.parametrize("name", sorted(CLUSTER_RULES))
def test_preflight_without_one_cluster_wide_rule_names_the_right(
    stage: Stage, preflown: Told, by_uid: Path, name: str
) -> None:
    """What rests on it is inconclusive with the right's name; storage is missed by nobody who has no claim."""
    told = stage.run("preflight", f"wide-{list(CLUSTER_RULES).index(name)}", target=by_uid)
    assert_missed(told, preflown, name, RESTS_ON_CLUSTER[name])


def test_rollback_drill_as_its_account_needs_no_right_beyond_its_roles(
    stage: Stage, without: Mapping[str, Future[Told]]
) -> None:
    """Undo, redo, Lease and putting back: the API server refuses none of it."""
    wait(without.values())  # the drill changes what they look at
    patch = {"spec": {"template": {"metadata": {"annotations": {LABEL: "second"}}}}}
    stage.hands.kubectl("patch", "deployment", "chat-api", "--patch", json.dumps(patch))
    stage.hands.kubectl("rollout", "status", "deployment/chat-api", "--timeout=120s", timeout_s=150)
    target = stage.target(f'server = "{stage.world.server}"', mutable=True)
    told = stage.run("rollback", "drill", "--allow-mutation", "--way=undo", target=target)
    assert "gate.forbidden" not in {verdict["cause"] for verdict in told.verdicts.values()}, told.output
    assert told.statuses["RBK-1"] in {"pass", "warn"}, told.output
    leases = stage.hands.kubectl("get", "leases", "-o", "name")
    assert leases == ""


def test_every_rule_is_held_against_a_criterion() -> None:
    """A rule that is added is added here too."""
    assert (set(RULES), set(CLUSTER_RULES)) == (set(RESTS_ON), set(RESTS_ON_CLUSTER))
