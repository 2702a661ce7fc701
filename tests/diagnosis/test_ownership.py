"""Which revision is the one before the Deployment's own."""

from gate.diagnosis.ownership import previous_replica_set
from tests.diagnosis import factories as make


def test_previous_replica_set_is_the_deployments_own() -> None:
    """The newest older revision by owner; one of another Deployment with the same number is not it."""
    foreign = make.replica_set("aa-patient-api-1", 1, owner=make.owner("patient-api", "Deployment"))
    snapshot = make.healthy_snapshot(replica_sets=(foreign, make.old_replica_set(), make.replica_set()))
    found = previous_replica_set(snapshot, make.deployment())
    assert found is not None
    assert found.name == make.OLD_REPLICA_SET


def test_previous_replica_set_of_first_revision_is_none() -> None:
    """A first deploy has no way back."""
    snapshot = make.healthy_snapshot(replica_sets=(make.replica_set(),))
    assert previous_replica_set(snapshot, make.deployment()) is None
