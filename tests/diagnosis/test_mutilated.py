"""Recorded objects with fields missing, of another type or unknown: what a newer, older or sick API server may serve.

An API server leaves out what is not set, and a proxy or an aggregated API may serve anything: each recording is read
and judged with some of its fields replaced, and a healthy one without each of the fields that a pass rests on.
"""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.diagnosis.rollout import rollout_verdict
from gate.diagnosis.survey import survey
from gate.verdict import Status
from tests.diagnosis.test_recorded import RECORDED, snapshot_of

Place: TypeAlias = tuple[str | int, ...]

HEALTHY = json.loads(Path(__file__).with_name("recorded").joinpath("healthy.json").read_text(encoding="utf-8"))
#: In place of a field's value; a type that the API does not promise, an unknown word, nothing.
ODD: tuple[Any, ...] = (None, "", "Unheard-of", -1, 0, True, [], {}, [None], {"a": {"b": 1}}, 1e300)


def places(value: object, at: Place = ()) -> Iterator[Place]:
    """Yield the place of every field, however deep."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*at, key)
        yield from places(inner, (*at, key))


def holder(recorded: Any, place: Place) -> Any:  # noqa: ANN401  # JSON
    """Return what holds the field."""
    for key in place[:-1]:
        recorded = recorded[key]
    return recorded


def without(recorded: Mapping[str, Any], *path: Place) -> Mapping[str, Any]:
    """Return the recording without these fields."""
    copy = deepcopy(dict(recorded))
    for place in path:
        del holder(copy, place)[place[-1]]
    return copy


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
@settings(max_examples=15)
@given(data=st.data())
def test_any_field_replaced_is_judged_without_an_exception(path: Path, data: st.DataObject) -> None:
    """Whatever stands in a field, there is a verdict, and it has its proof."""
    recorded = json.loads(path.read_text(encoding="utf-8"))
    fields = [place for place in places(recorded["objects"]) if len(place) > 2]
    for _ in range(3):
        place = ("objects", *data.draw(st.sampled_from(fields)))
        try:
            holder(recorded, place)[place[-1]] = deepcopy(data.draw(st.sampled_from(ODD)))
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took its holder away
    for verdict in survey(snapshot_of(recorded)).values():
        assert verdict.evidence


def of_kind(kind: str, *field: str | int) -> list[Place]:
    """Return the place of a field in each object of that kind that has it and belongs to the running revision."""
    return [
        ("objects", index, *field)
        for index, each in enumerate(HEALTHY["objects"])
        if each["kind"] == kind and tuple(field) in set(places(each)) and each.get("spec", {}).get("replicas") != 0
    ]


#: What a pass rests on. Without any one of these nothing is known, or nothing is there.
NEEDED: Mapping[str, tuple[str, tuple[str | int, ...]]] = {
    "deployment's status": ("Deployment", ("status",)),
    "deployment's observed generation": ("Deployment", ("status", "observedGeneration")),
    "deployment's updated replicas": ("Deployment", ("status", "updatedReplicas")),
    "deployment's available replicas": ("Deployment", ("status", "availableReplicas")),
    "deployment's name": ("Deployment", ("metadata", "name")),
    "replica sets' owner": ("ReplicaSet", ("metadata", "ownerReferences")),
    "replica sets' uid": ("ReplicaSet", ("metadata", "uid")),
    "pods' owner": ("Pod", ("metadata", "ownerReferences")),
    "pods' status": ("Pod", ("status",)),
    "pods' conditions": ("Pod", ("status", "conditions")),
}


def test_recording_as_it_is_passes() -> None:
    """What follows is due to what is taken away."""
    assert rollout_verdict(snapshot_of(HEALTHY), deployment=HEALTHY["deployment"]).status is Status.PASS


@pytest.mark.parametrize("what", sorted(NEEDED))
def test_healthy_rollout_without_what_proves_it_does_not_pass(what: str) -> None:
    """A field that is not there is not a good one."""
    kind, field = NEEDED[what]
    places_of = of_kind(kind, *field)
    assert places_of, f"the recording has no {kind} {field}"
    verdict = rollout_verdict(snapshot_of(without(HEALTHY, *places_of)), deployment=HEALTHY["deployment"])
    assert verdict.status in {Status.FAIL, Status.INCONCLUSIVE}


def test_healthy_rollout_with_fields_of_a_newer_server_passes() -> None:
    """What the gate has never heard of changes nothing."""
    recorded = deepcopy(HEALTHY)
    for each in recorded["objects"]:
        for part in ("metadata", "spec", "status"):
            if part in each:
                each[part]["resourceHealth2030"] = {"state": "Quantum", "since": [1, 2]}
    assert rollout_verdict(snapshot_of(recorded), deployment=HEALTHY["deployment"]).status is Status.PASS
