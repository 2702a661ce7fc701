"""llama.cpp in this process, through xllamacpp.

xllamacpp wraps llama.cpp's own server: requests are dictionaries in the shape of its HTTP API, tokens come back through
a callback that ends the generation by returning True. Templates and tokens can be had only over the HTTP port that
the wrapper always opens on loopback; a random key keeps others in the pod's network namespace off it.
Nothing of xllamacpp leaves this module.

The wrapper holds Python's lock while it loads a model, and gives it up while it generates. Measured 2026-11-22 on one
busy Zen 4 core: no other thread ran for the 0.3 to 0.7 s that SmolLM2 takes to load and the 18 s that a file of
Qwen3-4B's shape takes; during generations the longest wait was 5 ms for the one, 0.2 s for the other.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import xllamacpp

from service_chat.engines.protocol import Finish, Generation, Limit, Message, Sampling, within_context
from service_chat.errors import EngineError

# Prompt tokens computed between two looks at the deadline. Measured 2026-11-22, one thread, SmolLM2, 521 tokens:
# batches of 512 prefill at 130 token/s, 64 at 130, 32 at 113; a 4B model at 17 token/s overshoots by 4 s at most.
_BATCH_TOKENS = 64

_LOOPBACK_TIMEOUT_S = 10.0
_ERROR_TEXT_LENGTH = 300


@dataclass
class _Stream:
    """Collects what the callback hands over; lives for one generation."""

    limit: Limit
    pieces: list[str] = field(default_factory=list)
    finish: Finish | None = None
    completion_tokens: int = 0
    error: str | None = None

    def take(self, chunk: dict[str, Any]) -> bool:
        """Take one chunk; True ends the generation. Must not raise: the caller is C++."""
        if "error" in chunk:
            self.error = str(chunk["error"].get("message", chunk["error"]))[:_ERROR_TEXT_LENGTH]
            return True
        self.completion_tokens = chunk.get("timings", {}).get("predicted_n", self.completion_tokens)
        for choice in chunk.get("choices", ()):
            self.pieces.append(choice.get("text") or "")
            if choice.get("finish_reason"):
                self.finish = Finish.LENGTH if choice["finish_reason"] == "length" else Finish.STOP
        if self.finish is None and self.limit.passed():
            self.finish = Finish.DEADLINE
            return True
        return False


class LlamaCppEngine:
    """Satisfies `Engine` with a GGUF file.

    Args:
        model_file: the GGUF file.
        context_tokens: context of one request.
        parallel: requests decoded at the same time; each has a context of its own.
        threads: threads that compute, shared by all requests.
        mmap: map the file instead of reading it into anonymous memory.

    Raises:
        EngineError: llama.cpp cannot load the file; its own lines on stderr say more.
    """

    name = "llama.cpp"

    def __init__(self, model_file: Path, *, context_tokens: int, parallel: int, threads: int, mmap: bool) -> None:
        self.version = f"xllamacpp {xllamacpp.__version__}"
        self._context_tokens = context_tokens
        key = secrets.token_urlsafe(32)
        params = xllamacpp.CommonParams()
        params.model.path = str(model_file)
        modes = xllamacpp.llama_load_mode
        params.load_mode = modes.LLAMA_LOAD_MODE_MMAP if mmap else modes.LLAMA_LOAD_MODE_NONE
        params.n_parallel = parallel
        params.n_ctx = context_tokens * parallel
        params.n_batch = params.n_ubatch = _BATCH_TOKENS
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        # Idle threads sleep at once: the default spins, which a CPU quota counts as work.
        params.cpuparams.poll = params.cpuparams_batch.poll = 0
        # The default loads the model once more to fit it into a GPU's memory: half of the load time, for nothing here.
        params.fit_params = False
        # The default keeps old prompts in up to 8 GiB of memory, which a pod's limit does not have.
        params.cache_ram_mib = 0
        params.n_threads_http = parallel + 1
        params.api_keys = [key]
        params.ui = params.endpoint_slots = params.endpoint_props = False
        params.offline = True
        params.verbosity = 1  # errors only: the rest would be lines without time, level and trace id
        try:
            self._server = xllamacpp.Server(params)
        except RuntimeError as error:
            raise EngineError(f"llama.cpp cannot load {model_file.name}: {error}") from error
        # trust_env off: a proxy from the environment has no business with loopback.
        self._http = httpx.Client(
            base_url=self._server.listening_address,
            headers={"Authorization": f"Bearer {key}"},
            timeout=_LOOPBACK_TIMEOUT_S,
            trust_env=False,
        )

    def render(self, messages: Sequence[Message]) -> str:
        """Apply the chat template that the GGUF file carries."""
        turns = [{"role": message.role, "content": message.content} for message in messages]
        return str(self._ask("/apply-template", {"messages": turns})["prompt"])

    def generate(
        self, prompt: str, *, sampling: Sampling, max_tokens: int, stop: Sequence[str], limit: Limit
    ) -> Generation:
        """Generate token by token; the limit is looked at after each token and each prefill batch."""
        # Tokenized here and not by the completion, which would put a second BOS before the template's.
        tokens = self._ask("/tokenize", {"content": prompt, "add_special": False, "parse_special": True})["tokens"]
        within_context(len(tokens), max_tokens, self._context_tokens)
        if limit.passed():
            return Generation("", Finish.DEADLINE, len(tokens), 0)
        stream = _Stream(limit)
        request = {
            "prompt": tokens,
            "max_tokens": max_tokens,
            "stop": list(stop),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "min_p": sampling.min_p,
            "stream": True,
            "cache_prompt": True,  # the system prompt, and the first pass of a thinking model, are not computed twice
            "return_progress": True,  # a chunk for each prefill batch, so that the limit can end it
            "timings_per_token": True,  # carries the token count
        }
        try:
            refused = self._server.handle_completions(request, stream.take)
        except RuntimeError as error:
            raise EngineError(f"llama.cpp failed: {str(error)[:_ERROR_TEXT_LENGTH]}") from error
        if isinstance(refused, dict):
            stream.take(refused)
        if stream.error is not None:
            raise EngineError(f"llama.cpp refused the request: {stream.error}")
        if stream.finish is None:
            raise EngineError("llama.cpp ended the stream without a finish reason")
        return Generation("".join(stream.pieces), stream.finish, len(tokens), stream.completion_tokens)

    def close(self) -> None:
        """Close the loopback client and let llama.cpp's threads end."""
        self._http.close()
        del self._server

    def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            response = self._http.post(path, json=body)
            response.raise_for_status()
            answer: dict[str, Any] = response.json()
        except (httpx.HTTPError, ValueError) as error:
            # The body may hold the patient's text: only the kind of error is told.
            raise EngineError(f"llama.cpp's {path} failed: {type(error).__name__}") from error
        return answer
