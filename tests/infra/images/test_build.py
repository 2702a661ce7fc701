"""What is built, pushed or left alone, with an engine and a registry that are stand-ins."""

import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from infra.images import base, build, wheelhouse
from infra.images.build import ImageNameError, ImageSpec, ensure, inputs_of, selected
from infra.images.engine import Engine, EngineError, LocalImage, engine
from infra.images.registry import Registry, RegistryError

DIGEST = f"sha256:{'5a' * 32}"
OTHER = f"sha256:{'c3' * 32}"
REFERENCE = "localhost:5000/app:v1"
PINNED = f"localhost:5000/app@{DIGEST}"


@dataclass
class Machine:
    """The engine's images, the registry's tag, and what was done to either."""

    images: dict[str, LocalImage] = field(default_factory=dict)
    tag: str | None = None
    pushed_digest: str = DIGEST
    done: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RecordingEngine(Engine):
    """An engine that notes what it is told and keeps what it was given."""

    machine: Machine

    def image(self, reference: str) -> LocalImage | None:
        """Return what was built, imported or pushed under this name."""
        return self.machine.images.get(reference)

    def build(
        self, context: Path, dockerfile: Path, tags: Iterable[str], arguments: Mapping[str, str], inputs: str
    ) -> None:
        """Note the last tag and the arguments."""
        assert context.is_dir()
        assert dockerfile.name.endswith("Dockerfile")
        names = list(tags)
        self.machine.done.append(" ".join(["build", names[-1], *(f"{k}={v}" for k, v in arguments.items())]))
        self.machine.images |= {name: LocalImage(inputs, ()) for name in names}

    def import_tar(self, tar: Path, tag: str, changes: Iterable[str], inputs: str) -> None:
        """Note the tag."""
        assert tar.suffix == ".tar"
        assert list(changes)
        self.machine.done.append(f"import {tag}")
        self.machine.images[tag] = LocalImage(inputs, ())

    def push(self, reference: str) -> None:
        """Note the reference; the registry then has the digest, and the engine what it believes it pushed."""
        self.machine.done.append(f"push {reference}")
        self.machine.tag = DIGEST
        digests = (f"localhost:5000/app@{self.machine.pushed_digest}",)
        self.machine.images[reference] = LocalImage(self.machine.images[reference].inputs, digests)


@dataclass(frozen=True)
class RecordedRegistry(Registry):
    """A registry with one tag."""

    machine: Machine

    def resolved(self, image: str, transport: httpx.BaseTransport | None = None) -> str:
        """Return the tag's digest, if it has been pushed."""
        assert transport is None
        if self.machine.tag is None:
            raise RegistryError(f"{image}: not in the registry")
        return f"localhost:5000/app@{self.machine.tag}"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    """Return an empty machine; what takes a network (debootstrap, wheels) is noted or there."""
    state = Machine()
    monkeypatch.setenv("CAREPATH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(base, "_make_tar", lambda tar: state.done.append(f"debootstrap {tar.suffix}"))
    monkeypatch.setattr(wheelhouse, "ensure", lambda: tmp_path)
    return state


def ensured(machine: Machine, spec: ImageSpec) -> dict[str, str]:
    """Bring the machine to where it has the image."""
    engine_ = RecordingEngine(Path("/usr/bin/docker"), machine)
    return ensure([spec], engine_, RecordedRegistry("localhost:5000", "http://10.90.0.1:5000", machine))


@pytest.fixture
def spec(tmp_path: Path) -> ImageSpec:
    """Return an image with a context of one file."""
    context = tmp_path / "app"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\n", encoding="utf-8")
    return ImageSpec("app", "v1", context, (("MODEL", "m"),))


def test_ensure_on_an_empty_machine_makes_everything_in_order(machine: Machine, spec: ImageSpec) -> None:
    """Base, base with wheels, image, push; what comes back is the registry's digest."""
    assert ensured(machine, spec) == {"app:v1": PINNED}
    assert machine.done == [
        "debootstrap .tar",
        f"import {base.RUNTIME_TAG}",
        f"build {base.BUILD_TAG} BASE_IMAGE={base.RUNTIME_TAG}",
        f"build {REFERENCE} BUILD_IMAGE={base.BUILD_TAG} BASE_IMAGE={base.RUNTIME_TAG} MODEL=m",
        f"push {REFERENCE}",
    ]


def test_ensure_a_second_time_does_nothing(machine: Machine, spec: ImageSpec) -> None:
    """A warm call asks and changes nothing."""
    ensured(machine, spec)
    machine.done.clear()
    assert ensured(machine, spec) == {"app:v1": PINNED}
    assert machine.done == []


def test_ensure_after_a_change_of_the_context_builds_the_image_alone(machine: Machine, spec: ImageSpec) -> None:
    """The bases stay: nothing they are made from has changed."""
    ensured(machine, spec)
    machine.done.clear()
    (spec.context / "app.py").touch()
    ensured(machine, spec)
    assert [step.split()[0] for step in machine.done] == ["build", "push"]


@pytest.mark.parametrize("tag", [None, OTHER])
def test_ensure_with_another_registry_content_pushes_without_building(
    machine: Machine, spec: ImageSpec, tag: str | None
) -> None:
    """A fresh registry, or a tag that someone moved, gets the image that is there."""
    ensured(machine, spec)
    machine.done.clear()
    machine.tag = tag
    assert ensured(machine, spec) == {"app:v1": PINNED}
    assert machine.done == [f"push {REFERENCE}"]


def test_ensure_with_a_push_that_went_elsewhere_is_refused(machine: Machine, spec: ImageSpec) -> None:
    """If the registry that is asked has another image than the one pushed, the two names mean two registries."""
    machine.pushed_digest = OTHER
    with pytest.raises(RegistryError, match="does localhost:5000 mean another registry where the engine runs"):
        ensured(machine, spec)


def test_inputs_of_an_image_follow_its_arguments(spec: ImageSpec) -> None:
    """The same folder with another model baked in is another image."""
    other = ImageSpec(spec.repository, spec.tag, spec.context, (("MODEL", "n"),))
    assert inputs_of(other) != inputs_of(spec)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], [spec.name for spec in build.IMAGES]),
        (
            ["carepath-chat-api"],
            ["carepath-chat-api:v1.0", "carepath-chat-api:v2.0", "carepath-chat-api:v2.0-option-b"],
        ),
        (["carepath-chat-api:v2.0"], ["carepath-chat-api:v2.0"]),
    ],
)
def test_selected_images_are_named_with_or_without_tag(names: list[str], expected: list[str]) -> None:
    """No name means all of them."""
    assert [spec.name for spec in selected(names)] == expected


def test_selected_image_that_does_not_exist_is_refused() -> None:
    """The message lists the names there are."""
    with pytest.raises(ImageNameError) as caught:
        selected(["carepath-chat", "carepath-chat-api"])
    assert str(caught.value) == (
        "no image is called carepath-chat; there are "
        "carepath-patient-api:v1.0, carepath-chat-api:v1.0, carepath-chat-api:v2.0, carepath-chat-api:v2.0-option-b"
    )


def docker_script(folder: Path, version: str, *, buildx: bool, engine_up: bool = True) -> Path:
    """Write a docker client of that version, with or without its plugin, whose engine answers or does not."""
    folder.mkdir()
    path = folder / "docker"
    path.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        f'--version) echo "Docker version {version}, build 0" ;;\n'
        f"buildx) exit {0 if buildx else 1} ;;\n"
        f"version) {'echo 20.10.24' if engine_up else 'echo Cannot connect >&2; exit 1'} ;;\n"
        "esac\n",
        encoding="utf-8",
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize(
    ("first", "expected"),
    [(("28.2.2", False), "second"), (("28.2.2", True), "first"), (("20.10.24+dfsg1", False), "first")],
)
def test_engine_is_reached_through_the_first_client_that_can_build(
    tmp_path: Path, first: tuple[str, bool], expected: str
) -> None:
    """A new client without buildx is passed over; an old one needs no plugin."""
    docker_script(tmp_path / "first", first[0], buildx=first[1])
    docker_script(tmp_path / "second", "20.10.24", buildx=False)
    assert engine(f"{tmp_path}/first:{tmp_path}/second").client == tmp_path / expected / "docker"


def test_engine_without_a_fitting_client_names_those_tried(tmp_path: Path) -> None:
    """The message has path and version of each."""
    client = docker_script(tmp_path / "new", "28.2.2", buildx=False)
    with pytest.raises(EngineError) as caught:
        engine(f"{tmp_path}/new:{tmp_path}/none")
    assert str(caught.value) == (
        f"no docker client can build with BuildKit; tried: {client} (Docker version 28.2.2, build 0, "
        "without its buildx plugin). Install Debian's docker.io (`make setup` does)"
    )


def test_engine_that_does_not_answer_is_named_with_what_starts_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address tried, the command that helps, and the client's own words."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/none.sock")
    docker_script(tmp_path / "old", "20.10.24", buildx=False, engine_up=False)
    with pytest.raises(EngineError, match=r"answers at unix:///run/none\.sock.*python -m infra\.cluster up") as caught:
        engine(f"{tmp_path}/old")
    assert "| Cannot connect" in str(caught.value)
