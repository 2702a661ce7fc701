"""Hugging Face transformers on PyTorch in this process: the checklist's own engine.

It computes in bfloat16 and nothing else: weights read as float32 take twice the memory, which has got pods killed while
they loaded. What was loaded is looked at afterwards, because a model's configuration may keep parts in float32, and
weights that a file lacks are filled with random numbers after no more than a warning.

Enters: a Hugging Face folder (config.json, tokenizer.json, *.safetensors; no pickles, no code of the folder's own) or a
GGUF file, which is unpacked into bfloat16. Nothing of torch or transformers leaves this module. Both let go of Python's
lock while they compute. Prompts that begin alike are computed once, as llama.cpp does: the second pass of a thinking
model begins with the first.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from jinja2 import TemplateError
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DynamicCache,
    GenerationConfig,
    GgufConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    StoppingCriteriaList,
)

from service_chat.engines.protocol import Finish, Generation, Limit, Message, Sampling, within_context
from service_chat.errors import EngineError

_DTYPE = torch.bfloat16
_ERROR_TEXT_LENGTH = 300
# As many as fit a log line; the count beside them says how many there are.
_NAMED = 3
# What from_pretrained was seen to raise for folders that are empty, cut short, of an unknown architecture, or no model.
_LOADING_ERRORS = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, ImportError, SafetensorError)
# A character may be cut between two tokens; this is how the tokenizer shows its first half.
_HALF_CHARACTER = "\ufffd"


class _LimitPassedError(Exception):
    """Ends the computation of a prompt; never leaves this module."""


@dataclass
class _Slot:
    """Keys and values of one request, kept for the next one that begins alike."""

    cache: DynamicCache
    tokens: list[int] = field(default_factory=list)

    def shared(self, tokens: Sequence[int]) -> int:
        """Return how many tokens from the beginning are the same; the last one is always computed."""
        most = min(len(self.tokens), len(tokens) - 1)
        return next((at for at in range(most) if self.tokens[at] != tokens[at]), most)


@dataclass
class _Watch:
    """Looks at each token as it comes, on behalf of one generation; transformers calls it as a stopping criterion."""

    tokenizer: PreTrainedTokenizerBase
    prompt_tokens: int
    stop: Sequence[str]
    limit: Limit
    said: list[int] = field(default_factory=list)
    text: str | None = None
    """What stands before the stop text, once that came."""
    late: bool = False

    def __call__(self, input_ids: torch.Tensor, _scores: object, **_more: object) -> torch.Tensor:
        self.said = input_ids[0, self.prompt_tokens :].tolist()
        if self.stop:
            text = decoded(self.tokenizer, self.said)
            at = min((found for mark in self.stop if (found := text.find(mark)) >= 0), default=-1)
            if at >= 0:
                self.text = text[:at]
        self.late = self.text is None and self.limit.passed()
        return torch.tensor([self.text is not None or self.late], device=input_ids.device)


def decoded(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int]) -> str:
    """Return the text of tokens without the marks of turns; `</think>` is text to Qwen's tokenizer, and kept."""
    return str(tokenizer.decode(tokens, skip_special_tokens=True))


def wrong_matrices(model: PreTrainedModel) -> list[str]:
    """Return the weight matrices that are not bfloat16, each with its type and shape.

    Vectors (norms, biases) may be of any type: they are a ten-thousandth of the memory.
    """
    return [
        f"{name} is {str(weights.dtype).removeprefix('torch.')} ({' x '.join(str(size) for size in weights.shape)})"
        for name, weights in model.named_parameters()
        if weights.ndim > 1 and weights.dtype is not _DTYPE
    ]


class TransformersEngine:
    """Satisfies `Engine` with a Hugging Face folder or a GGUF file.

    Args:
        model: the folder, or the file.
        context_tokens: context of one request.
        parallel: requests computed at the same time; each keeps the keys and values of its own.
        threads: threads that compute, shared by all requests.

    Raises:
        EngineError: it cannot be loaded, or what was loaded is not whole or not bfloat16.
    """

    name = "transformers"

    def __init__(self, model: Path, *, context_tokens: int, parallel: int, threads: int) -> None:
        transformers.utils.logging.set_verbosity_error()  # its lines have no time, level or trace id
        transformers.utils.logging.disable_progress_bar()
        # Each calling thread has a pool of its own: together they have what the CPU quota allows.
        torch.set_num_threads(max(1, threads // parallel))
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.version = f"transformers {transformers.__version__}, torch {torch.__version__}, bfloat16, {device}"
        self._context_tokens = context_tokens
        self._tokenizer, self._model = _loaded(model, device)
        self._ends = _ends_of(self._model, self._tokenizer)
        # The folder's own sampling is not wanted: the service's catalogue and settings say how.
        self._model.generation_config = GenerationConfig(eos_token_id=self._ends, pad_token_id=self._ends[0])
        # Encoding sets truncation and padding anew, which two threads may not do at once ("Already borrowed").
        self._encoding = threading.Lock()
        self._limits = threading.local()
        for layer in _layers(self._model):
            layer.register_forward_pre_hook(self._check_limit)
        self._free = [_Slot(self._empty_cache()) for _ in range(parallel)]
        self._slots = threading.Condition()

    def render(self, messages: Sequence[Message]) -> str:
        """Apply the chat template that the folder or the GGUF file carries."""
        turns = [{"role": message.role, "content": message.content} for message in messages]
        try:
            return str(self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
        except (ValueError, TemplateError) as error:  # there is none, or it refuses these messages
            raise EngineError(f"the model's chat template cannot be applied: {type(error).__name__}") from error

    def generate(
        self, prompt: str, *, sampling: Sampling, max_tokens: int, stop: Sequence[str], limit: Limit
    ) -> Generation:
        """Generate token by token; the limit is looked at after each token, and in the prompt before each layer."""
        # No special tokens: the template has put them where they belong.
        with self._encoding:
            tokens: list[int] = self._tokenizer(prompt, add_special_tokens=False)["input_ids"]
        within_context(len(tokens), max_tokens, self._context_tokens)
        if limit.passed():
            return Generation("", Finish.DEADLINE, len(tokens), 0)
        watch = _Watch(self._tokenizer, len(tokens), stop, limit)
        try:
            with self._slot(tokens) as slot, self._bounded_prompt(watch):
                self._compute(tokens, slot, watch, sampling, max_tokens)
        except _LimitPassedError:
            return Generation("", Finish.DEADLINE, len(tokens), 0)
        except (RuntimeError, ValueError, IndexError) as error:
            # Their texts name shapes and types, never the prompt.
            raise EngineError(f"transformers failed: {str(error)[:_ERROR_TEXT_LENGTH]}") from error
        return self._generation(watch)

    def close(self) -> None:
        """Give the weights and the kept keys and values back."""
        self._free.clear()
        del self._model

    def _compute(self, tokens: list[int], slot: _Slot, watch: _Watch, sampling: Sampling, max_tokens: int) -> None:
        chosen: dict[str, Any] = {"do_sample": False}
        if sampling.temperature > 0:
            chosen = {
                "do_sample": True,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "top_k": sampling.top_k,
                "min_p": sampling.min_p,
            }
        ids = torch.tensor([tokens], device=self._model.device)
        with torch.inference_mode():
            self._model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                past_key_values=slot.cache,
                stopping_criteria=StoppingCriteriaList([watch]),
                generation_config=GenerationConfig(
                    max_new_tokens=max_tokens, eos_token_id=self._ends, pad_token_id=self._ends[0], **chosen
                ),
            )
        # The last token was chosen and not read yet: the cache lacks it.
        slot.tokens = [*tokens, *watch.said][: slot.cache.get_seq_length()]

    def _generation(self, watch: _Watch) -> Generation:
        if watch.text is not None:
            text, finish = watch.text, Finish.STOP
        elif watch.said and watch.said[-1] in self._ends:
            text, finish = decoded(self._tokenizer, watch.said), Finish.STOP
        else:
            text = decoded(self._tokenizer, watch.said).rstrip(_HALF_CHARACTER)
            finish = Finish.DEADLINE if watch.late else Finish.LENGTH
        return Generation(text, finish, watch.prompt_tokens, len(watch.said))

    def _empty_cache(self) -> DynamicCache:
        return DynamicCache(config=self._model.config)

    @contextmanager
    def _slot(self, tokens: list[int]) -> Iterator[_Slot]:
        """Lend the free slot that shares most with the prompt, cut back to what it shares.

        A slot is remembered only after a computation that ended by itself: one that was broken off has filled some
        layers and not others.
        """
        with self._slots:
            while not self._free:
                self._slots.wait()
            slot = max(self._free, key=lambda each: each.shared(tokens))
            self._free.remove(slot)
        kept = _Slot(self._empty_cache())
        try:
            shared = slot.shared(tokens)
            try:
                # Negative: this many are removed. A layer with a sliding window cannot go back and says so.
                slot.cache.crop(shared - slot.cache.get_seq_length())
            except (ValueError, NotImplementedError):
                slot.cache = self._empty_cache()
            yield slot
            kept = slot
        finally:
            with self._slots:
                self._free.append(kept)
                self._slots.notify()

    @contextmanager
    def _bounded_prompt(self, watch: _Watch) -> Iterator[None]:
        """Have `_check_limit` look at this generation's limit, on this thread."""
        self._limits.watch = watch
        try:
            yield
        finally:
            self._limits.watch = None

    def _check_limit(self, *_call: object) -> None:
        """End the prompt's computation at its limit; once there are tokens, the watch ends it with what there is."""
        watch: _Watch | None = getattr(self._limits, "watch", None)
        if watch is not None and not watch.said and watch.limit.passed():
            raise _LimitPassedError


def _loaded(model: Path, device: str) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """Return tokenizer and model, whole and in bfloat16."""
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    chosen: dict[str, Any] = {"dtype": _DTYPE, "device_map": {"": device}, "output_loading_info": True}
    if model.is_dir():
        folder, chosen = model, {**chosen, "use_safetensors": True}
    else:
        # Unpacked: kernels for packed weights come from a hub, and this process fetches nothing.
        folder, local = model.parent, {**local, "gguf_file": model.name}
        chosen |= {"quantization_config": GgufConfig(dequantize=True)}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **local)
        loaded, told = AutoModelForCausalLM.from_pretrained(folder, **local, **chosen)
    except _LOADING_ERRORS as error:
        # The first line has the cause (such as "model type `x` is not recognized"); advice on installing follows.
        cause = (str(error).strip() or type(error).__name__).splitlines()[0][:_ERROR_TEXT_LENGTH]
        raise EngineError(f"transformers cannot load {model.name}: {cause}") from error
    missing = sorted([*told["missing_keys"], *(str(each) for each in told["mismatched_keys"])])
    if missing:
        raise EngineError(
            f"{model.name} lacks {_listed(missing)}: transformers would answer with random numbers in their place"
        )
    wrong = wrong_matrices(loaded)
    if wrong:
        raise EngineError(f"{model.name} was not loaded in bfloat16: {_listed(wrong)}")
    return tokenizer, loaded.eval()


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _ends_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the tokens that end an answer: those of generation_config.json, else of config.json, else the tokenizer's.

    Raises:
        EngineError: there is none, and no answer would ever end.
    """
    for source in (model.generation_config, model.config.get_text_config(), tokenizer):
        ends = getattr(source, "eos_token_id", None)
        if ends is not None:
            return [ends] if isinstance(ends, int) else list(ends)
    raise EngineError("neither the model nor its tokenizer names a token that ends an answer (eos_token_id)")


def _layers(model: PreTrainedModel) -> list[torch.nn.Module]:
    """Return the layers that a token passes one after the other."""
    count = model.config.get_text_config().num_hidden_layers
    lists = (module for module in model.modules() if isinstance(module, torch.nn.ModuleList))
    return list(next((each for each in lists if len(each) == count), ()))
