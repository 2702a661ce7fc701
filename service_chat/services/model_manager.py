"""The loaded model: found, checked, loaded once, closed at the end.

Enters: settings and the catalogue. Leaves: an engine, or the reason why there is none. `load` blocks for seconds to
minutes and runs on a worker thread. A download and the file's checksum leave the event loop free: /health answers, and
/ready says how far it is. llama.cpp's own load does not (see engines/llama_cpp.py). A Deployment's startup probe has to
cover all three, and liveness begins after that.
"""

import hashlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import structlog

from service_chat import download, resources
from service_chat.catalogue import ModelSpec
from service_chat.engines.mock import MockEngine
from service_chat.engines.protocol import Engine
from service_chat.errors import EngineError, ModelNotLoadedError
from service_chat.settings import Settings
from service_chat.sources.errors import DownloadError

_log = structlog.get_logger("service_chat.model_manager")
_MIB = 1024 * 1024
_LOADING = "the model is being loaded"

EngineFactory = Callable[[Path, Settings], Engine]


class State(StrEnum):
    """Where the model is in its life; /ready shows it."""

    LOADING = "loading"
    LOADED = "loaded"
    FAILED = "failed"


class ModelLoadError(Exception):
    """The model cannot be loaded; the message is for the person who has to fix it."""


@dataclass(frozen=True)
class Loaded:
    """A model in memory."""

    engine: Engine
    load_seconds: float
    file: str | None
    sha256: str | None


def configured_engine(model: Path, settings: Settings) -> Engine:
    """Load a model with LLM_ENGINE, as the settings say; a library is imported only by who needs its size.

    Raises:
        EngineError: the engine cannot load the model, or its libraries are not installed here.
        ImportError: a library of llama.cpp's is missing in the image.
    """
    threads = settings.llm_threads or resources.usable_threads()
    if settings.llm_engine == "transformers":
        # tqdm's own switch, read when it is imported: progress bars are log lines without time and level.
        os.environ.setdefault("TQDM_DISABLE", "1")
        try:
            from service_chat.engines.transformers import TransformersEngine  # noqa: PLC0415 # gigabytes, and 5 s
        except ImportError as error:
            raise EngineError(
                f"LLM_ENGINE=transformers needs the libraries of requirements-transformers.txt, and {error}: build the "
                "image with --build-arg REQUIREMENTS=requirements-transformers.txt, or set LLM_ENGINE=llama.cpp"
            ) from error
        return TransformersEngine(
            model, context_tokens=settings.llm_context_tokens, parallel=settings.llm_parallel, threads=threads
        )
    from service_chat.engines.llama_cpp import LlamaCppEngine  # noqa: PLC0415 # 100 MB of library the mock never needs

    return LlamaCppEngine(
        model,
        context_tokens=settings.llm_context_tokens,
        parallel=settings.llm_parallel,
        threads=threads,
        mmap=settings.llm_mmap,
    )


def weights_path(settings: Settings, spec: ModelSpec) -> Path:
    """Return where the configured engine looks for the model.

    A Hugging Face folder has the model's name; only transformers reads one. Where there is none it reads the GGUF file,
    as llama.cpp does.
    """
    folder = settings.model_cache_dir / settings.llm_mode
    if settings.llm_engine == "transformers" and (folder / "config.json").is_file():
        return folder
    return settings.model_cache_dir / spec.file


def folder_sha256(folder: Path) -> str:
    """Return a digest over a folder's files, names and contents: pods that show the same one run the same weights.

    Hidden files are left out: the hub's tools keep their notes in them.

    Raises:
        OSError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = file.relative_to(folder)
        if not any(part.startswith(".") for part in name.parts):
            with file.open("rb") as content:
                digest.update(f"{hashlib.file_digest(content, 'sha256').hexdigest()}  {name}\n".encode())
    return digest.hexdigest()


class ModelManager:
    """Owns the one loaded model of this process."""

    def __init__(self, settings: Settings, factory: EngineFactory = configured_engine) -> None:
        self._settings = settings
        self._factory = factory
        self._lock = threading.Lock()
        self._loaded: Loaded | None = None
        self.state = State.LOADING
        self.reason = _LOADING

    @property
    def loaded(self) -> Loaded | None:
        """The model, once it is in memory."""
        return self._loaded

    def engine(self) -> Engine:
        """Return the loaded engine.

        Raises:
            ModelNotLoadedError: it is still loading, or loading failed.
        """
        if self._loaded is None:
            raise ModelNotLoadedError(f"model {self._settings.llm_mode} is not loaded: {self.reason}")
        return self._loaded.engine

    def load(self) -> None:
        """Load the configured model; once, whoever calls it again waits and finds it loaded.

        Raises:
            ModelLoadError: with the cause, which `reason` holds from then on too.
        """
        with self._lock:
            if self._loaded is not None:
                return
            started_s = time.perf_counter()
            spec = self._settings.spec
            try:
                self._loaded = self._load_mock() if spec is None else self._load_model(spec, started_s)
            except ModelLoadError as error:
                self.state, self.reason = State.FAILED, str(error)
                raise
            self.state, self.reason = State.LOADED, ""

    def close(self) -> None:
        """Give the model's memory back."""
        with self._lock:
            if self._loaded is not None:
                self._loaded.engine.close()
                self._loaded = None
                self.state, self.reason = State.LOADING, "the model was closed"

    def _load_mock(self) -> Loaded:
        return Loaded(MockEngine(), load_seconds=0.0, file=None, sha256=None)

    def _load_model(self, spec: ModelSpec, started_s: float) -> Loaded:
        name = self._settings.llm_mode
        path = weights_path(self._settings, spec)
        _log.info(f"Loading {spec.family} model for the first time...", model=name, file=path.name)
        try:
            digest = spec.sha256
            if self._settings.download_model and not path.exists():
                download.fetch(
                    spec, path.parent, _access(self._settings), self._settings.model_source, report=self._being_fetched
                )
                self.reason = _LOADING
            elif path.is_dir():
                digest = folder_sha256(path)
            elif path.exists():
                download.verified(path, spec)  # reading it all also warms the page cache for the load
            else:
                raise ModelLoadError(
                    f"{path} does not exist (MODEL_CACHE_DIR={path.parent}): build the image with "
                    "DOWNLOAD_MODEL=true, mount a volume that holds the file, or set DOWNLOAD_MODEL=true to fetch it"
                )
            engine = self._factory(path, self._settings)
        except (DownloadError, EngineError, ImportError, OSError) as error:
            raise ModelLoadError(str(error)) from error
        load_seconds = round(time.perf_counter() - started_s, 3)
        memory = resources.memory()
        _log.info(
            "Model loaded successfully",
            model=name,
            engine=engine.name,
            load_seconds=load_seconds,
            memory_anonymous_mib=memory.anonymous_bytes // _MIB,
            memory_file_mib=memory.file_bytes // _MIB,
        )
        return Loaded(engine, load_seconds, path.name, digest)

    def _being_fetched(self, how: str) -> None:
        """Let /ready say how far a download is."""
        self.reason = f"its file is {how}"


def _access(settings: Settings) -> download.Access:
    token = settings.hf_token or settings.huggingface_token
    return download.Access(
        endpoint=str(settings.hf_endpoint).rstrip("/") if settings.hf_endpoint else None,
        token=token.get_secret_value() if token else None,
    )
