"""How the service will answer one question: tokens, threads, deadline, queue, as the Deployment's environment says.

Enters: the container, the service's settings schema, the model's entry, the target. Leaves: a Run. Where the
environment is silent the schema's default holds, or the model's entry; a value that comes from a Secret or a ConfigMap
is not read, and then the Run names it instead of guessing. Whether a value is right is CFG-1's question.
"""

from dataclasses import dataclass
from typing import cast, get_args

from gate.records import ContainerSpec, ModelFacts, SettingsSchema
from gate.records.effective import effective
from gate.sizing.memory import Engine
from gate.target import Model

#: Tokens of an ordinary question's prompt: 146 of instructions, template and the longest seeded record (measured
#: 2026-11-22 with SmolLM2's tokenizer, service_chat/settings.py) and 14 for the question.
PROMPT_TOKENS = 160

#: Without these nothing can be said; a thread count that is not set is the service's to choose.
_NEEDED = (
    "MAX_TOKENS",
    "THINKING_BUDGET_TOKENS",
    "LLM_PARALLEL",
    "REQUEST_DEADLINE_S",
    "THINKING_TIME_SHARE",
    "MAX_QUEUE",
)
_READ = (*_NEEDED, "LLM_ENGINE", "LLM_THREADS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How one question is answered.

    Attributes:
        engine: what computes.
        threads_set: LLM_THREADS, None where the service chooses.
        limit_m: the container's CPU limit in millicores, None for none.
        parallel: questions computed at the same time.
        prompt_tokens: tokens that are read before the first is written.
        thinking_tokens: the most that a thinking model may think; 0 for one that does not.
        answer_tokens: the most that an answer may have, thoughts not counted.
        deadline_s: seconds after which the service ends a question, its wait included.
        thinking_share: share of the time left that thoughts may take.
        max_queue: questions that may wait.
    """

    engine: Engine
    threads_set: int | None
    limit_m: int | None
    parallel: int
    prompt_tokens: int = PROMPT_TOKENS
    thinking_tokens: int
    answer_tokens: int
    deadline_s: float
    thinking_share: float
    max_queue: int

    @property
    def generated_tokens(self) -> int:
        """Return thoughts and answer together, at most."""
        return self.thinking_tokens + self.answer_tokens

    @property
    def tokens(self) -> str:
        """Return the tokens as a clause."""
        thinking = f"{self.thinking_tokens} thinking + " if self.thinking_tokens else ""
        return f"{self.prompt_tokens} prompt + {thinking}{self.answer_tokens} answer tokens"

    def threads(self, vcpus: int) -> int:
        """Return how many threads compute on a node: LLM_THREADS, else the CPU limit rounded down, else all CPUs.

        The rule is that of ``service_chat/resources.py`` (``usable_threads``), which the gate may not import.
        """
        if self.threads_set is not None:
            return self.threads_set
        return vcpus if self.limit_m is None else max(1, min(vcpus, self.limit_m // 1000))

    def granted(self, threads: int) -> float:
        """Return the share of the CPU time that the limit leaves to so many busy threads, at most 1."""
        return 1.0 if self.limit_m is None else min(1.0, self.limit_m / (1000 * threads))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsaid:
    """Settings without which nothing is predicted, and where each comes from."""

    settings: tuple[tuple[str, str], ...]

    @property
    def shown(self) -> str:
        """Return each with its source, as a reason names them."""
        return ", ".join(f"{key} ({source})" for key, source in self.settings)


def run_of(model: ModelFacts, container: ContainerSpec, schema: SettingsSchema, use: Model) -> Run | Unsaid:
    """Return how the container will answer.

    Args:
        model: whose entry holds where neither environment nor schema chooses.
        container: what runs the service.
        schema: every setting of the service, with its default.
        use: the target's engine and parallel requests, where the environment does not say.
    """
    found = {key: effective(container, schema, key) for key in _READ}
    numbers = {key: each.number for key, each in found.items()} | {
        # A value that does not parse is CFG-1's to name, and counts as not given.
        key: otherwise if found[key].number is None else found[key].number
        for key, otherwise in (
            ("MAX_TOKENS", model.max_tokens),
            ("THINKING_BUDGET_TOKENS", model.thinking_budget_tokens if model.thinking else 0),
            ("LLM_PARALLEL", use.parallel),
        )
    }
    missing = {key for key in _NEEDED if numbers[key] is None}
    unsaid = {key: each.shown for key, each in found.items() if each.elsewhere or key in missing}
    if unsaid:
        return Unsaid(settings=tuple(unsaid.items()))
    engine, threads = found["LLM_ENGINE"].value, numbers["LLM_THREADS"]
    return Run(
        engine=cast("Engine", engine) if engine in get_args(Engine) else use.engine,
        threads_set=None if threads is None else int(threads),
        # The kubelet sets no quota for a limit of 0 (pkg/kubelet/cm, MilliCPUToQuota).
        limit_m=container.limits.cpu_m or None,
        parallel=max(1, int(numbers["LLM_PARALLEL"] or 1)),
        thinking_tokens=int(numbers["THINKING_BUDGET_TOKENS"] or 0) if model.thinking else 0,
        answer_tokens=int(numbers["MAX_TOKENS"] or 0),
        deadline_s=numbers["REQUEST_DEADLINE_S"] or 0.0,
        thinking_share=numbers["THINKING_TIME_SHARE"] or 0.0,
        max_queue=int(numbers["MAX_QUEUE"] or 0),
    )
