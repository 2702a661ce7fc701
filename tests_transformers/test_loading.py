"""What transformers loads and refuses: bfloat16 or nothing, whole or not at all, and no code of a folder's own."""

import json
import shutil
from datetime import date
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Qwen3ForCausalLM

from service_chat.engines.protocol import Limit
from service_chat.engines.transformers import TransformersEngine, wrong_matrices
from service_chat.errors import EngineError
from service_chat.services.llm_client import Plan, generate_response_qwen
from service_chat.services.model_manager import ModelLoadError, ModelManager
from service_chat.services.patients import PatientSummary
from service_chat.settings import Settings
from tests.service_chat.service import MODEL as SMOLLM2

WEIGHTS = "model.safetensors"


def load(model: Path) -> TransformersEngine:
    """Load a model with the least of everything."""
    return TransformersEngine(model, context_tokens=256, parallel=1, threads=1)


@pytest.fixture
def folder(qwen3_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny Qwen3 that a test may spoil."""
    return Path(shutil.copytree(qwen3_folder, tmp_path / "tiny-qwen3"))


def test_every_matrix_of_a_loaded_model_is_bfloat16(smollm2: TransformersEngine, qwen3: TransformersEngine) -> None:
    """From the GGUF file's 4 bits and from a folder's own type alike."""
    assert wrong_matrices(smollm2._model) == []
    assert wrong_matrices(qwen3._model) == []


def test_folder_that_holds_float32_is_loaded_in_bfloat16(folder: Path) -> None:
    """The near miss: what the file holds does not matter, what is in memory does."""
    weights = load_file(folder / WEIGHTS)
    save_file({name: each.float() for name, each in weights.items()}, folder / WEIGHTS, metadata={"format": "pt"})
    made = load(folder)
    assert wrong_matrices(made._model) == []
    made.close()


def test_matrix_kept_in_float32_is_refused_by_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An architecture may keep parts in float32 whatever is asked: they take twice their memory, and are named."""
    monkeypatch.setattr(Qwen3ForCausalLM, "_keep_in_fp32_modules_strict", ["q_proj"])
    with pytest.raises(EngineError) as caught:
        load(folder)
    assert str(caught.value) == (
        "tiny-qwen3 was not loaded in bfloat16: model.layers.0.self_attn.q_proj.weight is float32 (64 x 64), "
        "model.layers.1.self_attn.q_proj.weight is float32 (64 x 64)"
    )


def test_weights_that_are_missing_are_refused_by_name(folder: Path) -> None:
    """The library fills them with random numbers and goes on; such a model would answer patients."""
    weights = load_file(folder / WEIGHTS)
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(EngineError, match=r"tiny-qwen3 lacks model\.layers\.1\.mlp\.up_proj\.weight: .* random"):
        load(folder)


def test_architecture_that_is_not_known_is_named(folder: Path) -> None:
    """Version 4.48 did this with qwen3; the log line names the architecture."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= {"model_type": "qwen9", "architectures": ["Qwen9ForCausalLM"]}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(EngineError, match=r"transformers cannot load tiny-qwen3: .*qwen9"):
        load(folder)


def test_weights_as_a_pickle_are_refused(folder: Path) -> None:
    """A pickle runs code when it is read."""
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()
    with pytest.raises(EngineError, match="transformers cannot load tiny-qwen3"):
        load(folder)


def test_weights_that_are_cut_short_are_refused(folder: Path) -> None:
    """Half a file is no model."""
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])
    with pytest.raises(EngineError, match="transformers cannot load tiny-qwen3"):
        load(folder)


def test_folder_without_a_model_and_file_that_is_none_are_refused(tmp_path: Path) -> None:
    """Both ways to be wrong end in the service's own error."""
    (tmp_path / "broken.gguf").write_bytes(b"this is no GGUF file")
    (tmp_path / "empty").mkdir()
    for name in ("broken.gguf", "empty"):
        with pytest.raises(EngineError, match=rf"transformers cannot load {name}"):
            load(tmp_path / name)


def test_service_answers_with_transformers_from_the_gguf_file(gguf_file: Path) -> None:
    """The way of a request, from settings to answer; threads are the setting's."""
    chosen = {"llm_mode": SMOLLM2, "llm_engine": "transformers", "llm_threads": 1, "model_cache_dir": gguf_file.parent}
    settings = Settings.model_validate(chosen)
    manager = ModelManager(settings)
    manager.load()
    assert manager.loaded is not None
    assert (manager.loaded.engine.name, manager.loaded.file) == ("transformers", gguf_file.name)
    assert torch.get_num_threads() == 1
    patient = PatientSummary(
        mrn="MRN-001",
        name="Ada Sample",
        age=41,
        sex="female",
        diagnosis="type 2 diabetes",
        medications=["metformin 500 mg"],
        allergies=["latex"],
        last_visit=date(2026, 3, 9),
    )
    answer = generate_response_qwen(
        manager.engine(), Plan.of(settings), patient, "What is my current diagnosis?", Limit(10**9)
    )
    assert "diabetes" in answer.text.lower()
    manager.close()


def test_service_prefers_a_folder_of_the_models_name(folder: Path) -> None:
    """Beside a GGUF file or without one; pods that show the same digest run the same files."""
    folder.rename(folder.parent / SMOLLM2)
    chosen = {"llm_mode": SMOLLM2, "llm_engine": "transformers", "model_cache_dir": folder.parent}
    manager = ModelManager(Settings.model_validate(chosen))
    manager.load()
    assert manager.loaded is not None
    assert manager.loaded.file == SMOLLM2
    assert manager.loaded.sha256 is not None
    manager.close()


def test_service_without_the_model_says_where_it_looked(tmp_path: Path) -> None:
    """The file's place is named, and the folder's."""
    chosen = {"llm_mode": SMOLLM2, "llm_engine": "transformers", "model_cache_dir": tmp_path}
    with pytest.raises(ModelLoadError, match=rf"{tmp_path}/SmolLM2-135M-Instruct\.Q4_1\.gguf does not exist"):
        ModelManager(Settings.model_validate(chosen)).load()
