"""Packages of npm's registry: checked by digest, read without unpacking; npm itself is replaced by a copy."""

import base64
import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from infra import npm
from infra.npm import NpmError, Package

FILES = {"package/package.json": b"{}", "package/lib/lake/index.d.ts": b"lake", "package/lib/pond/index.d.ts": b"pond"}


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """An archive as the registry has it."""
    file = tmp_path / "published.tgz"
    with tarfile.open(file, "w:gz") as tar:
        for name, content in FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file


@pytest.fixture
def package(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """A package whose `npm pack` copies that archive, into a cache of this test."""
    monkeypatch.setenv("CAREPATH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(npm, "_program", Path)
    digest = base64.b64encode(hashlib.sha512(published.read_bytes()).digest()).decode()
    made = Package("@water/bodies", "1.2.3", f"sha512-{digest}")

    def pack(args: list[str], *, timeout_s: float, cwd: Path) -> str:
        assert [str(args[0]), *args[1:3], args[-1]] == ["npm", "pack", "--silent", "@water/bodies@1.2.3"]
        assert timeout_s > 0
        (cwd / made.file_name).write_bytes(published.read_bytes())
        return ""

    monkeypatch.setattr(npm, "run", pack)
    return made


def test_archive_is_fetched_once(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second caller finds it in the cache and asks nobody."""
    first = npm.archive(package)
    monkeypatch.delattr(npm, "run")
    assert npm.archive(package) == first
    assert first.name == "water-bodies-1.2.3.tgz"


def test_archive_with_another_digest_is_refused_and_not_kept(package: Package, tmp_path: Path) -> None:
    """A package that was published again, or changed on its way, never gets into the cache."""
    with pytest.raises(NpmError, match=r"@water/bodies 1\.2\.3 is not the package .*, expected sha512-other"):
        npm.archive(replace(package, integrity="sha512-other"))
    assert list((tmp_path / "cache/npm").iterdir()) == []


def test_members_are_those_that_are_wanted(published: Path) -> None:
    """Paths begin below the archive's one folder."""
    assert npm.members(published, "lib/lake/index.d.ts".__eq__) == {"lib/lake/index.d.ts": b"lake"}
    assert npm.names(published) == ("package.json", "lib/lake/index.d.ts", "lib/pond/index.d.ts")


def test_archive_that_is_cut_short_is_named(published: Path) -> None:
    """Half a file is an error of its own and no empty answer."""
    published.write_bytes(published.read_bytes()[:60])
    with pytest.raises(NpmError, match=r"published\.tgz cannot be read"):
        npm.names(published)
