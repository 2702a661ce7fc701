"""What whoever pulls the image can read: no token, however it was given, no pip cache, and in Option B no model.

The build is the real one, in a copy of its folder so that the step with the secret does not come from the cache, and
against a stand-in of the hub that asks for the token.
"""

import secrets
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest

from e2e import option_b
from e2e.faults.app import MODEL
from e2e.faults.judging import World
from gate.diagnosis.contents import secrets_verdict
from gate.readers.layers import image_contents
from gate.verdict import Status
from infra.cluster.instance import load_record
from infra.commands import run
from infra.images.base import BUILD_TAG, RUNTIME_TAG
from infra.images.build import CHAT_API
from infra.images.engine import engine
from infra.paths import cluster_name

# The first build of a day makes the bases, too.
pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Built:
    """An image, what its build printed, and the two tokens it was given."""

    image: str
    output: str
    as_argument: str
    as_secret: str
    asked_with_token: bool


@pytest.fixture(scope="module")
def option_a(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """Option A as the checklist builds it, with the token in both ways: the old argument and the secret."""
    del world  # the images are there, and with them the bases
    record = load_record(cluster_name())
    assert record is not None
    folder = tmp_path_factory.mktemp("build")
    context = shutil.copytree(CHAT_API, folder / "service_chat", ignore=shutil.ignore_patterns("__pycache__", ".env"))
    (context / "nonce").write_text(secrets.token_hex(8))  # another context: the step that reads the secret runs
    as_argument, as_secret = (f"hf_{secrets.token_hex(17)}" for _ in range(2))
    (folder / "token").write_text(as_secret)
    image = "carepath-chat-api:secrets-test"
    with option_b.hub(record.instance) as hub:
        hub.token = as_secret
        # In the words of the checklist, and where a machine of its own differs: bases, model, hub.
        output = run(
            [
                *("/bin/sh", "-c", 'exec "$@" 2>&1', "sh"),
                *(engine().client, "build", "--progress=plain", "--network=host"),
                *("--build-arg", f"BUILD_IMAGE={BUILD_TAG}", "--build-arg", f"BASE_IMAGE={RUNTIME_TAG}"),
                *("--build-arg", f"MODEL={MODEL}", "--build-arg", "MODEL_SOURCE=huggingface"),
                *("--build-arg", f"HF_ENDPOINT={hub.url}"),
                *("--secret", f"id=huggingface_token,src={folder / 'token'}"),
                *("--build-arg", "DOWNLOAD_MODEL=true"),
                *("--build-arg", f"HUGGINGFACE_TOKEN={as_argument}"),
                *("-t", image, "-f", "Dockerfile", "."),
            ],
            cwd=context,
            env={"DOCKER_BUILDKIT": "1"},
            timeout_s=600,
        )
        asked = any(each.token for each in hub.asked if each.server == "hub")
    yield Built(image, output, as_argument, as_secret, asked)
    run([engine().client, "image", "rm", "--force", image])


@pytest.fixture(scope="module")
def saved(option_a: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image as a file: configuration, history and every layer."""
    file = tmp_path_factory.mktemp("saved") / "image.tar"
    run([engine().client, "image", "save", "--output", file, option_a.image], timeout_s=300)
    return file


def test_build_token_as_argument_warns_and_as_secret_is_used(option_a: Built) -> None:
    """The old argument is told to be of no use; the secret is what the hub sees."""
    assert "WARNING: --build-arg HUGGINGFACE_TOKEN is not used" in option_a.output
    assert option_a.as_argument not in option_a.output
    assert option_a.asked_with_token


def test_build_tokens_are_in_no_layer_and_no_history(option_a: Built, saved: Path) -> None:
    """Neither token is in a byte of what is pushed, nor in the history."""
    history = run([engine().client, "history", "--no-trunc", option_a.image])
    layers = 0
    for name, content in _saved(saved):
        layers += name.endswith(".tar")
        for token in (option_a.as_argument, option_a.as_secret):
            assert token.encode() not in content, name
    assert layers >= 4  # base, environment, model, code: the search saw them
    assert option_a.as_argument not in history
    assert option_a.as_secret not in history


def test_build_leaves_no_cache_and_one_model(saved: Path) -> None:
    """Option A has the model and its checksum; nothing of pip and of the download."""
    files = _files(saved)
    assert [path for path in files if path.startswith("models/")] == [
        "models/SHA256SUMS",
        "models/SmolLM2-135M-Instruct.Q4_1.gguf",
    ]
    assert [path for path in files if "/.cache/" in f"/{path}" or "wheelhouse" in path or path == "etc/pip.conf"] == []


def test_option_b_has_no_model(world: World, tmp_path: Path) -> None:
    """The smaller image brings none, in no layer."""
    run([engine().client, "image", "save", "--output", tmp_path / "b.tar", world.images.without_model], timeout_s=300)
    files = _files(tmp_path / "b.tar")
    assert [path for path in files if path.startswith("models/") or path.endswith(".gguf")] == []
    assert "app/service_chat/app.py" in files


def test_con_5_passes_the_image_and_finds_a_token_that_a_later_layer_deleted(world: World, tmp_path: Path) -> None:
    """CON-5 on real images: the project's own, and one that copied a token and removed it again."""
    client, image = docker.from_env(), world.images.without_model
    verdict = secrets_verdict(image_contents(client, image))
    assert (verdict.status, verdict.cause) == (Status.PASS, None), verdict.reason
    token = f"hf_{'a1B2' * 9}"
    (tmp_path / "token").write_text(token)
    (tmp_path / "Dockerfile").write_text(
        f"FROM {image}\nUSER 0\nCOPY token /root/token\nRUN rm /root/token\nUSER 10001:10001\n"
    )
    leaky = "carepath-chat-api:secrets-leaky"
    run(
        [engine().client, "build", "--network=none", "-t", leaky, tmp_path], env={"DOCKER_BUILDKIT": "1"}, timeout_s=120
    )
    try:
        verdict = secrets_verdict(image_contents(client, leaky))
    finally:
        run([engine().client, "image", "rm", "--force", leaky])
    assert verdict.status is Status.FAIL
    assert verdict.reason.startswith(f"{leaky} holds a token of the model hub in layer ")
    assert "/root/token" in verdict.reason
    assert token not in repr(verdict)


def _saved(file: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(file) as archive:
        for entry in archive:
            content = archive.extractfile(entry) if entry.isreg() else None
            if content is not None:
                yield entry.name, content.read()


def _files(file: Path) -> list[str]:
    """Return the names of all regular files in all layers, sorted."""
    found: set[str] = set()
    with tarfile.open(file) as archive:
        for entry in archive:
            layer = archive.extractfile(entry) if entry.name.endswith(".tar") else None
            if layer is not None:
                with tarfile.open(fileobj=layer) as inner:
                    found |= {each.name.removeprefix("./") for each in inner if each.isreg()}
    return sorted(found)
