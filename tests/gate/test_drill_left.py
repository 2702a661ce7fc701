"""What a drill that was killed leaves: nobody drills on it, and one command restores it."""

import copy
from pathlib import Path

import pytest

from gate.journal import read_journal
from gate.readers.errors import DrillRefused
from tests.gate.drill_api import FakeApi, died, expire, running, started
from tests.readers import fakes

UNRESTORED = (
    r"^deployment/chat-api in namespace carepath-demo: a drill of .* UTC died and left it changed; "
    r"restore revision 2 first: python -m gate restore "
)


def test_drill_after_one_that_died_here_is_refused_until_restored(tmp_path: Path) -> None:
    """Drilling on the half-way state would make it the state that is put back; the file says so, without a Lease."""
    api, journal = FakeApi(), tmp_path / "journal.json"
    died(api, journal)
    api.lease = None
    with pytest.raises(DrillRefused, match=UNRESTORED + str(journal)):
        started(api, journal).__enter__()
    running(api).undo(2)
    with started(api, journal):
        assert api.lease is not None
    assert not journal.exists()


def test_drill_after_one_that_died_elsewhere_is_refused_by_its_lease(tmp_path: Path) -> None:
    """Another machine has no file; the expired Lease has the journal, and stays as it is."""
    api = FakeApi()
    died(api, tmp_path / "there.json")
    expire(api)
    left = copy.deepcopy(api.lease)
    with pytest.raises(DrillRefused, match=UNRESTORED + "-n carepath-demo"):
        started(api, tmp_path / "here.json").__enter__()
    assert api.lease == left
    running(api).undo(2)
    with started(api, tmp_path / "here.json"):
        assert api.lease != left


def test_drill_is_not_held_up_by_the_journal_of_a_cluster_that_is_gone(tmp_path: Path) -> None:
    """An embedded cluster comes back at the same address with another kube-system."""
    api, journal = FakeApi(), tmp_path / "journal.json"
    died(api, journal)
    api.lease = None
    journal.write_text(journal.read_text().replace(fakes.UID, "another"))
    with started(api, journal):
        assert read_journal(journal).kube_system_uid == fakes.UID
