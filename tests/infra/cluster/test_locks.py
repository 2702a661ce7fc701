"""One `up` or `down` at a time."""

import threading
from pathlib import Path

import pytest

from infra.cluster.locks import LockError, exclusive


def test_second_holder_is_refused_and_told_who_holds(tmp_path: Path) -> None:
    """Two at once refuse clearly."""
    with (
        exclusive(tmp_path / "x" / "dev"),
        pytest.raises(LockError, match=r"dev: another `up` or `down` is under way \(pid \d+\)"),
        exclusive(tmp_path / "x" / "dev"),
    ):
        pytest.fail("two held the lock")


def test_locks_of_two_names_do_not_meet(tmp_path: Path) -> None:
    """Instances side by side come up at the same time."""
    with exclusive(tmp_path / "x" / "one"), exclusive(tmp_path / "x" / "two"):
        assert len(list((tmp_path / "x").iterdir())) == 2


def test_released_lock_leaves_neither_file_nor_folder(tmp_path: Path) -> None:
    """After `down` nothing is left; a folder with another instance in it stays."""
    with exclusive(tmp_path / "x" / "one"):
        pass
    assert not (tmp_path / "x").exists()
    (tmp_path / "x" / "two").mkdir(parents=True)
    with exclusive(tmp_path / "x" / "one"):
        pass
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["two"]


def test_file_left_by_a_killed_process_is_no_lock(tmp_path: Path) -> None:
    """The kernel releases the lock with its process; what remains is only a file."""
    (tmp_path / ".dev.lock").write_text("99999", encoding="utf-8")
    with exclusive(tmp_path / "dev"):
        assert (tmp_path / ".dev.lock").exists()


def test_waiting_holders_take_turns(tmp_path: Path) -> None:
    """A lock whose file the last holder removed is never shared by two that waited for it."""
    inside: list[str] = []
    overlaps: list[str] = []

    def work(name: str) -> None:
        for _ in range(20):
            with exclusive(tmp_path / "x" / "dev", wait=True):
                overlaps.extend(inside)
                inside.append(name)
                inside.remove(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlaps == []
