"""The images on a real engine and a real registry: a second call changes nothing, and nothing of the build is left."""

import json
import subprocess
import sys

import pytest

from infra.commands import run
from infra.images.build import IMAGES
from infra.images.engine import engine
from infra.images.registry import Registry
from infra.paths import PROJECT

# A first call on a bare machine bootstraps Debian and downloads the wheels: 117 s on 2 quiet cores.
pytestmark = pytest.mark.timeout(900)


def images() -> tuple[dict[str, str], str]:
    """Run the command; return the references it prints, and what it says it does."""
    done = subprocess.run(
        [sys.executable, "-m", "infra.images"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.fixture(scope="module")
def references() -> dict[str, str]:
    """Return each image's reference by digest, built now if need be."""
    return images()[0]


def test_images_are_in_the_registry_under_their_digests(references: dict[str, str]) -> None:
    """Every image is there, and the tag leads to the digest that was printed."""
    registry = Registry.from_environment()
    assert references == {spec.name: registry.resolved(f"{registry.name}/{spec.name}") for spec in IMAGES}


def test_images_a_second_time_are_neither_built_nor_pushed(references: dict[str, str]) -> None:
    """A warm call has no step to tell of, and prints the same."""
    assert images() == (references, "")


@pytest.mark.parametrize("name", [spec.name for spec in IMAGES])
def test_image_holds_nothing_of_its_build(references: dict[str, str], name: str) -> None:
    """The wheels and the setting that sends pip to them stay in the build's own image, and there is no compiler."""
    kept = "for path in /wheelhouse /etc/pip.conf /usr/bin/gcc /root/.cache/pip; do [ ! -e $path ] || echo $path; done"
    client = engine().client
    assert run([client, "run", "--rm", "--network=none", "--entrypoint=sh", references[name], "-c", kept]) == ""
