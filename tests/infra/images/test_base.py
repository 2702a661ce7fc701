"""Where a base image comes from, and what is said on a machine that cannot make one."""

from pathlib import Path

import pytest

from infra.images import base
from infra.images.base import BaseError, build_key, debian_mirror, runtime_key


def apt_get(folder: Path, output: str, status: int = 0) -> None:
    """Write an apt-get that lists these index targets."""
    path = folder / "apt-get"
    path.write_text(f"#!/bin/sh\nprintf '{output}'\nexit {status}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is all of PATH, without a mirror chosen by the environment."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(base.MIRROR_KEY, raising=False)
    return tmp_path


def test_mirror_is_the_first_that_apt_is_set_up_with(bin_folder: Path) -> None:
    """The machine's own choice of a mirror is the one that is fast and allowed there."""
    apt_get(bin_folder, "http://mirror.example/debian/\\nhttp://second.example/debian/\\n")
    assert debian_mirror() == "http://mirror.example/debian/"


def test_mirror_of_the_environment_wins(bin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is no Debian can still name a mirror."""
    monkeypatch.setenv("CAREPATH_DEBIAN_MIRROR", "http://chosen.example/debian")
    apt_get(bin_folder, "http://mirror.example/debian/\\n")
    assert debian_mirror() == "http://chosen.example/debian"


def test_mirror_without_a_source_of_the_release_says_how_to_name_one(bin_folder: Path) -> None:
    """Another Debian release, or Ubuntu, has apt and not these packages."""
    apt_get(bin_folder, "")
    with pytest.raises(BaseError) as caught:
        debian_mirror()
    assert str(caught.value) == (
        "apt has no source for Debian bookworm main; "
        "set CAREPATH_DEBIAN_MIRROR to the URL of a Debian mirror that has bookworm"
    )


def test_mirror_with_an_apt_that_fails_says_how_to_name_one(bin_folder: Path) -> None:
    """Where apt cannot say, the advice is the same, with apt's own words below it."""
    apt_get(bin_folder, "E: The list of sources could not be read.\\n", status=100)
    expected = r"(?s)apt cannot be asked for its Debian mirror; set CAREPATH_DEBIAN_MIRROR.*\| E: The list of sources"
    with pytest.raises(BaseError, match=expected):
        debian_mirror()


def test_build_key_follows_the_wheels() -> None:
    """Other wheels are another build base, on the same runtime base."""
    assert build_key("a") != build_key("b")
    assert runtime_key() not in {build_key("a"), build_key("b")}
