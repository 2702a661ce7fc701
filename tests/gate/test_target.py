"""Targets: the tracked ones load, and what is wrong in one is said at once, by key, value and what would be right."""

from pathlib import Path

import pytest

from gate.criteria import criteria
from gate.target import Identity, Target, TargetError, load_target
from tests.minimal_target import minimal_target

ROOT = Path(__file__).parents[2]
TRACKED = sorted(each.stem for each in (ROOT / "targets").glob("*.toml"))


def loaded(tmp_path: Path, *changes: tuple[str, str], more: str = "") -> Target:
    """Return the minimal target with replacements and further sections."""
    text = minimal_target("minimal")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "minimal.toml"
    path.write_text(text + more, encoding="utf-8")
    return load_target(str(path), tmp_path)


def test_targets_are_tracked() -> None:
    """The embedded cluster and the checklist's environment at least."""
    assert {"local", "demo"} <= set(TRACKED)


@pytest.mark.parametrize("name", TRACKED)
def test_tracked_target_loads_by_its_name(name: str) -> None:
    """A file's name is the target's, and its manifests exist."""
    target = load_target(name, ROOT)
    assert target.name == name
    assert (ROOT / target.desired.manifests).is_file()


def test_demo_does_not_allow_drills() -> None:
    """Nobody drills on the environment that clinicians use."""
    assert not load_target("demo", ROOT).allow_mutation


def test_target_keys_unknown_or_wrong_come_in_one_message(tmp_path: Path) -> None:
    """Every problem by its dotted key with its value, not one per run."""
    with pytest.raises(TargetError) as caught:
        loaded(
            tmp_path,
            ('name = "minimal"', 'name = "minimal"\nallow_mutations = true'),
            ('["MRN-001", "MRN-002"]', '["MRN-001"]\nlatency_samples = 0'),
            ("[desired]\n", "[desired]\nplans = 'plan.json'\n"),
        )
    assert str(caught.value) == (
        f"target {tmp_path / 'minimal.toml'}: 4 problem(s)\n"
        "  desired.plans: Extra inputs are not permitted (got 'plan.json')\n"
        "  acceptance.test_mrns: Tuple should have at least 2 items after validation, not 1 (got ['MRN-001'])\n"
        "  acceptance.latency_samples: Input should be greater than or equal to 1 (got 0)\n"
        "  allow_mutations: Extra inputs are not permitted (got True)"
    )


@pytest.mark.parametrize(
    ("change", "more", "message"),
    [
        (
            ('identity = { server = "https://10.90.0.2:6443" }', 'context = "prod"'),
            "",
            'cluster: Value error, identity is needed with reader = "kubernetes": another cluster must be refused',
        ),
        (
            ('{ server = "https://10.90.0.2:6443" }', "{}"),
            "",
            (
                "cluster.identity: Value error, name one of server, kube_system_uid, eks_arn: a context's name alone "
                "proves nothing"
            ),
        ),
        (
            ("[model]", "[model]"),
            '[registry]\nreader = "http"\n',
            'registry: Value error, url is needed with reader = "http"',
        ),
        (
            ("[model]", "[model]"),
            '[registry]\nreader = "ecr"\n',
            'registry: Value error, region is needed with reader = "ecr"',
        ),
    ],
    ids=["cluster without identity", "empty identity", "registry without url", "ECR without region"],
)
def test_target_incomplete_is_refused(tmp_path: Path, change: tuple[str, str], more: str, message: str) -> None:
    """What belongs together is asked for together."""
    with pytest.raises(TargetError) as caught:
        loaded(tmp_path, change, more=more)
    assert str(caught.value).splitlines()[1] == f"  {message}"


@pytest.mark.parametrize("key", sorted(Identity.model_fields))
def test_identity_by_any_one_proof_suffices(tmp_path: Path, key: str) -> None:
    """Address, UID and ARN each name one cluster."""
    target = loaded(tmp_path, ('server = "https://10.90.0.2:6443"', f'{key} = "x"'))
    assert target.cluster.identity == Identity(**{key: "x"})


def test_target_without_cluster_needs_no_identity(tmp_path: Path) -> None:
    """A preflight in CI has no cluster to prove."""
    target = loaded(tmp_path, ('identity = { server = "https://10.90.0.2:6443" }', 'reader = "none"'))
    assert not target.has("cluster")


def test_target_unreadable_is_named(tmp_path: Path) -> None:
    """A file that is no text is the target's trouble, not a traceback."""
    (tmp_path / "torn.toml").write_bytes(b"name = \xff")
    with pytest.raises(TargetError, match=r"torn\.toml: not readable as TOML"):
        load_target(str(tmp_path / "torn.toml"), tmp_path)


def test_target_offline_reaches_nothing() -> None:
    """Cluster, registry and plan leave; what files say stays."""
    target = load_target("local", ROOT)
    offline = target.offline()
    needs = ("cluster", "registry", "plan", "image")
    assert [target.has(need) for need in needs] == [True, True, True, True]
    assert [offline.has(need) for need in needs] == [False, False, False, True]
    assert offline.desired.manifests == target.desired.manifests
    assert offline.cluster.namespace == target.cluster.namespace


def test_target_knows_every_need_of_the_table() -> None:
    """A need that no target could lack would be a criterion that applies where it cannot be judged."""
    needs = {need for row in criteria().values() for need in row.needs}
    assert needs
    assert all(load_target("local", ROOT).has(need) for need in needs)
    with pytest.raises(KeyError, match="plans"):
        load_target("local", ROOT).has("plans")


def test_target_shows_only_settings_that_differ(tmp_path: Path) -> None:
    """The header names what is not the default, and neither what must be given nor what describes."""
    same = loaded(tmp_path, ("[desired]\n", '[desired]\nallowed_changes = ["Deployment/chat-api"]\n'))
    assert same.differing() == {"cluster.identity.server": "https://10.90.0.2:6443"}
    other = loaded(
        tmp_path,
        ("allow_mutation = false", 'description = "a test"\nallow_mutation = true'),
        ('"MRN-002"]', '"MRN-002"]\nlatency_samples = 40'),
    )
    assert other.differing() == {
        "allow_mutation": "True",
        "cluster.identity.server": "https://10.90.0.2:6443",
        "acceptance.latency_samples": "40",
    }
