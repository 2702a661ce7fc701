"""Loading: what is checked before, what is logged, what a failure says."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from infra.model_hub import ModelHub
from service_chat.catalogue import HuggingFaceSource, ModelSpec, SourceKind, catalogue
from service_chat.errors import ModelNotLoadedError
from service_chat.services.model_manager import ModelLoadError, ModelManager, State, folder_sha256
from service_chat.settings import Settings
from tests.service_chat.fakes import FakeEngine, engine_failure
from tests.service_chat.service import MODEL, WEIGHTS


def _settings(folder: Path, **chosen: object) -> Settings:
    return Settings.model_validate({"llm_mode": MODEL, "model_cache_dir": folder, **chosen})


def _manager(folder: Path, **chosen: object) -> ModelManager:
    return ModelManager(_settings(folder, **chosen), lambda _path, _settings: FakeEngine())


def test_load_right_file_is_loaded_and_logged(model_folder: Path, spec: ModelSpec) -> None:
    """Two lines tell of a load: that it begins, and what it took in seconds and memory."""
    manager = _manager(model_folder)
    with capture_logs() as lines:
        manager.load()
    assert [line["event"] for line in lines] == [
        "Loading SmolLM2 model for the first time...",
        "Model loaded successfully",
    ]
    assert lines[0]["model"] == MODEL
    assert lines[0]["file"] == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert lines[1]["load_seconds"] >= 0
    assert lines[1]["memory_anonymous_mib"] > 0
    assert manager.state is State.LOADED
    assert manager.loaded is not None
    assert manager.loaded.sha256 == spec.sha256


def test_load_twice_loads_once(model_folder: Path) -> None:
    """A second call finds the model in memory."""
    made: list[FakeEngine] = []

    def factory(_path: Path, _settings: Settings) -> FakeEngine:
        made.append(FakeEngine())
        return made[-1]

    manager = ModelManager(_settings(model_folder), factory)
    manager.load()
    manager.load()
    assert len(made) == 1
    assert manager.engine() is made[0]


def test_load_file_missing_says_how_to_get_it(tmp_path: Path) -> None:
    """A pod without its model names folder and file, and the three ways to put it there."""
    manager = _manager(tmp_path / "empty")
    with pytest.raises(ModelLoadError) as caught:
        manager.load()
    assert str(caught.value) == (
        f"{tmp_path}/empty/SmolLM2-135M-Instruct.Q4_1.gguf does not exist (MODEL_CACHE_DIR={tmp_path}/empty): build "
        "the image with DOWNLOAD_MODEL=true, mount a volume that holds the file, or set DOWNLOAD_MODEL=true to fetch it"
    )
    assert manager.state is State.FAILED
    with pytest.raises(ModelNotLoadedError, match="does not exist"):
        manager.engine()


def test_load_download_fails_is_a_failed_load_that_says_why(tmp_path: Path) -> None:
    """A pod whose hub cannot be reached ends with the key to look at, after /ready has said that it was fetching."""
    folder = tmp_path / "not-a-folder"
    folder.write_bytes(b"")
    manager = _manager(folder, download_model=True)
    with pytest.raises(ModelLoadError, match=r"^MODEL_CACHE_DIR="):
        manager.load()
    assert manager.state is State.FAILED


def test_load_other_file_is_refused_with_both_digests(model_folder: Path, spec: ModelSpec) -> None:
    """A half-copied or exchanged file is never loaded."""
    (model_folder / spec.file).write_bytes(b"half")
    with pytest.raises(ModelLoadError, match=rf"expected {spec.sha256} \(4 of 98362432 bytes\)"):
        _manager(model_folder).load()


def test_load_engine_fails_keeps_the_cause(model_folder: Path) -> None:
    """What the engine says is what the load says."""

    def factory(_path: Path, _settings: Settings) -> FakeEngine:
        raise engine_failure()

    manager = ModelManager(_settings(model_folder), factory)
    with pytest.raises(ModelLoadError, match="the fake engine failed"):
        manager.load()
    assert manager.reason == "the fake engine failed"


def test_load_library_missing_is_a_failed_load(model_folder: Path) -> None:
    """A library that the image lacks (libgomp.so.1 was one) fails the load and names itself."""

    def factory(_path: Path, _settings: Settings) -> FakeEngine:
        raise ImportError("libgomp.so.1: cannot open shared object file")

    manager = ModelManager(_settings(model_folder), factory)
    with pytest.raises(ModelLoadError, match=r"libgomp\.so\.1"):
        manager.load()
    assert manager.state is State.FAILED


def test_load_transformers_without_its_libraries_says_which_image_has_them(model_folder: Path) -> None:
    """The image of the default engine lacks torch; the message names the build argument and the other way out."""
    manager = ModelManager(_settings(model_folder, llm_engine="transformers"))
    with pytest.raises(ModelLoadError) as caught:
        manager.load()
    assert str(caught.value) == (
        "LLM_ENGINE=transformers needs the libraries of requirements-transformers.txt, and No module named 'torch': "
        "build the image with --build-arg REQUIREMENTS=requirements-transformers.txt, or set LLM_ENGINE=llama.cpp"
    )
    assert manager.state is State.FAILED


@pytest.mark.parametrize(
    ("engine", "config", "expected"),
    [
        ("transformers", "config.json", MODEL),
        ("transformers", "notes.txt", "SmolLM2-135M-Instruct.Q4_1.gguf"),
        ("llama.cpp", "config.json", "SmolLM2-135M-Instruct.Q4_1.gguf"),
    ],
)
def test_load_folder_of_the_models_name_is_read_by_transformers_alone(
    model_folder: Path, engine: str, config: str, expected: str
) -> None:
    """A Hugging Face folder is one that has a config.json; without it, and for llama.cpp, it is the GGUF file."""
    (model_folder / MODEL).mkdir()
    (model_folder / MODEL / config).write_text("{}", encoding="utf-8")
    manager = _manager(model_folder, llm_engine=engine)
    manager.load()
    assert manager.loaded is not None
    assert manager.loaded.file == expected


def test_folder_digest_is_of_names_and_contents(tmp_path: Path) -> None:
    """Pods with the same digest have the same files; what the hub's tools note in hidden ones does not count."""
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    first = folder_sha256(tmp_path)
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache/download.metadata").write_text("when", encoding="utf-8")
    assert folder_sha256(tmp_path) == first
    (tmp_path / "model.safetensors").rename(tmp_path / "other.safetensors")
    assert folder_sha256(tmp_path) != first


def test_load_file_missing_is_downloaded_where_that_is_asked_for(
    tmp_path: Path, model_folder: Path, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Option B: the file comes from the hub that HF_ENDPOINT names, and the log tells of it."""
    monkeypatch.setitem(catalogue(), MODEL, spec.model_copy(update={"weights_bytes": len(WEIGHTS)}))
    source = spec.source_of(SourceKind.HUGGINGFACE)
    assert isinstance(source, HuggingFaceSource)
    with ModelHub(
        source.repository, source.revision, {spec.file: model_folder / spec.file}, token="hf_fake"
    ).serving() as h:
        manager = _manager(
            tmp_path / "volume", download_model=True, model_source="huggingface", hf_endpoint=h.url, hf_token="hf_fake"
        )
        with capture_logs() as lines:
            manager.load()
    assert [line["event"] for line in lines] == [
        "Loading SmolLM2 model for the first time...",
        "Downloading model",
        "Model downloaded",
        "Model loaded successfully",
    ]
    assert manager.state is State.LOADED
    assert (tmp_path / "volume" / spec.file).read_bytes() == WEIGHTS


def test_load_mock_needs_no_file(tmp_path: Path) -> None:
    """The mock is there at once and says nothing of loading."""
    manager = ModelManager(Settings.model_validate({"llm_mode": "mock", "model_cache_dir": tmp_path}))
    with capture_logs() as lines:
        manager.load()
    assert lines == []
    assert manager.engine().name == "mock"


def test_close_gives_the_engine_back(model_folder: Path) -> None:
    """After close there is no model."""
    manager = _manager(model_folder)
    manager.load()
    engine = manager.engine()
    manager.close()
    assert isinstance(engine, FakeEngine)
    assert engine.closed
    with pytest.raises(ModelNotLoadedError):
        manager.engine()
