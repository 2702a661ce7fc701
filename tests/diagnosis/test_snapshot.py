"""What a Snapshot answers from its indexes is what a look at everything would answer; and what a container is told."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.records import EnvVar, Owner, Snapshot
from tests.diagnosis import factories as make

NAMES = ("a", "b", "c", "")
KINDS = ("Pod", "ReplicaSet", "Node")
LABELS: Mapping[str, str] = {"app": "chat-api", "tier": "web"}
SELECTORS = st.sampled_from(
    [{}, {"app": "chat-api"}, {"tier": "web"}, LABELS, {"app": "other"}, {"app": "chat-api", "tier": "none"}]
)
OWNERS = st.sampled_from([None, make.owner("one"), make.owner("two"), Owner(kind="ReplicaSet", name="x", uid="")])

SNAPSHOTS = st.builds(
    make.healthy_snapshot,
    pods=st.lists(st.builds(make.pod, st.sampled_from(NAMES), owner=OWNERS, labels=SELECTORS), max_size=6).map(tuple),
    replica_sets=st.lists(st.builds(make.replica_set, st.sampled_from(NAMES), owner=OWNERS), max_size=4).map(tuple),
    events=st.lists(
        st.builds(
            make.event,
            st.just("Failed"),
            st.text(max_size=3),
            st.sampled_from(NAMES),
            kind=st.sampled_from(KINDS),
            age_s=st.integers(0, 9),
            last_at=st.one_of(st.none(), st.integers(0, 9).map(make.ago)),
        ),
        max_size=8,
    ).map(tuple),
    nodes=st.lists(st.sampled_from(NAMES[:3]), unique=True).map(lambda names: tuple(make.node(name) for name in names)),
)


@settings(max_examples=60)
@given(SNAPSHOTS, st.sampled_from(KINDS), st.sampled_from(NAMES))
def test_events_of_an_object_are_all_of_them_oldest_first(snapshot: Snapshot, kind: str, name: str) -> None:
    """An event without a time counts as just seen."""
    mine = [event for event in snapshot.events if (event.kind, event.name) == (kind, name)]
    assert snapshot.events_of(kind, name) == tuple(sorted(mine, key=lambda event: event.last_at or snapshot.read_at))


@settings(max_examples=60)
@given(SNAPSHOTS, st.sampled_from(["uid-one", "uid-two", "uid-three", ""]))
def test_objects_of_an_owner_are_those_with_its_uid(snapshot: Snapshot, uid: str) -> None:
    """The order is that of the read, and an owner without a UID owns nothing."""
    pods = tuple(pod for pod in snapshot.pods if uid and pod.owner and pod.owner.uid == uid)
    sets = tuple(each for each in snapshot.replica_sets if uid and each.owner and each.owner.uid == uid)
    assert (snapshot.pods_owned_by(uid), snapshot.replica_sets_owned_by(uid)) == (pods, sets)


@settings(max_examples=60)
@given(SNAPSHOTS, SELECTORS)
def test_pods_of_a_selector_carry_all_of_its_labels(snapshot: Snapshot, selector: Mapping[str, str]) -> None:
    """As the API server selects: every label must match, and no label selects every pod."""
    assert snapshot.pods_selected_by(selector) == tuple(
        pod for pod in snapshot.pods if selector.items() <= pod.labels.items()
    )


@pytest.mark.parametrize("name", [None, "", "gone"])
def test_node_that_is_not_there_is_none(name: str | None) -> None:
    """A pod that waits for the scheduler has no node, and a node may have left."""
    snapshot = make.healthy_snapshot()
    assert snapshot.node(make.NODE) == make.node()
    assert snapshot.node(name) is None


def test_indexes_of_a_changed_snapshot_are_its_own() -> None:
    """A copy with other pods does not answer from the index of the one that it was made from."""
    snapshot = make.healthy_snapshot()
    assert snapshot.pods_owned_by(make.owner().uid)
    assert make.rollout_snapshot().pods_owned_by(make.owner().uid) == ()


def test_variable_that_stands_twice_means_the_last() -> None:
    """As the kubelet does it; a reference to a Secret says nothing that could be read."""
    twice = (EnvVar(name="LLM_MODE", value="mock"), EnvVar(name="LLM_MODE", value="SmolLM2-135M-Instruct"))
    secret = EnvVar(name="HF_TOKEN", source="secretKeyRef hub/token")
    container = make.container_spec(env=(*twice, secret))
    assert container.value_of("LLM_MODE") == "SmolLM2-135M-Instruct"
    assert container.value_of("HF_TOKEN") is None
    assert container.value_of("MAX_TOKENS") is None
