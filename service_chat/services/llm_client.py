"""Questions to answers: prompt, generation, thoughts taken out.

Enters: a patient's summary, a question, an engine. Leaves: an `Answer`, never an empty one. Everything here blocks and
runs on a worker thread; waiting for a turn is admission.py's, loading is model_manager.py's.
"""

from dataclasses import dataclass

from service_chat import prompts, thinking
from service_chat.catalogue import PromptStyle
from service_chat.engines.mock import MockEngine
from service_chat.engines.protocol import Engine, Finish, Limit, Sampling
from service_chat.errors import DeadlineExceededError, EmptyAnswerError
from service_chat.services.patients import PatientSummary
from service_chat.settings import Settings

_MOCK_MAX_TOKENS = 64
_GREEDY = Sampling(temperature=0, top_p=1, top_k=0, min_p=0)


@dataclass(frozen=True)
class Plan:
    """How a model is asked: the settings where they choose, the model's catalogue entry where they do not."""

    sampling: Sampling
    prompt_style: PromptStyle
    max_tokens: int
    thinks: bool
    thinking_budget_tokens: int
    thinking_time_share: float

    @classmethod
    def of(cls, settings: Settings) -> "Plan":
        """Return the plan of the configured model.

        Raises:
            ValueError: the settings choose the mock, which is not planned.
        """
        spec = settings.spec
        if spec is None:
            raise ValueError(f"LLM_MODE={settings.llm_mode} is not a model")
        chosen, default = settings, spec.defaults
        return cls(
            sampling=Sampling(
                temperature=default.temperature if chosen.temperature is None else chosen.temperature,
                top_p=default.top_p if chosen.top_p is None else chosen.top_p,
                top_k=default.top_k if chosen.top_k is None else chosen.top_k,
                min_p=default.min_p,
            ),
            prompt_style=spec.prompt_style,
            max_tokens=settings.effective_max_tokens,
            thinks=spec.thinking,
            thinking_budget_tokens=settings.effective_thinking_budget_tokens,
            thinking_time_share=settings.thinking_time_share,
        )


@dataclass(frozen=True)
class Answer:
    """What the patient reads, and how it came about."""

    text: str
    finish: Finish
    prompt_tokens: int
    completion_tokens: int
    thinking_tokens: int


def generate_response_mock(patient: PatientSummary, query: str, limit: Limit) -> Answer:
    """Answer without a model: the same text whatever is asked."""
    engine = MockEngine()
    prompt = engine.render(prompts.messages(patient, query, PromptStyle.BRIEF))
    said = engine.generate(prompt, sampling=_GREEDY, max_tokens=_MOCK_MAX_TOKENS, stop=(), limit=limit)
    return _answer(said.text, said.finish, said.prompt_tokens, said.completion_tokens, 0)


def generate_response_qwen(engine: Engine, plan: Plan, patient: PatientSummary, query: str, limit: Limit) -> Answer:
    """Answer with a model of the catalogue; one that thinks does so within its budget.

    Raises:
        EmptyAnswerError: the model ended without an answer.
        DeadlineExceededError: the limit passed before the first word of the answer.
        PromptTooLongError: the question does not fit the context.
        EngineError: the engine failed.
    """
    prompt = engine.render(prompts.messages(patient, query, plan.prompt_style))
    if not plan.thinks:
        said = engine.generate(prompt, sampling=plan.sampling, max_tokens=plan.max_tokens, stop=(), limit=limit)
        text = thinking.without_thoughts(said.text)
        return _answer(text, said.finish, said.prompt_tokens, said.completion_tokens, 0)
    thoughtful = thinking.answer(
        engine,
        prompt,
        sampling=plan.sampling,
        max_tokens=plan.max_tokens,
        budget_tokens=plan.thinking_budget_tokens,
        time_share=plan.thinking_time_share,
        limit=limit,
    )
    said = thoughtful.generation
    return _answer(said.text, said.finish, said.prompt_tokens, said.completion_tokens, thoughtful.thinking_tokens)


def _answer(text: str, finish: Finish, prompt_tokens: int, completion_tokens: int, thinking_tokens: int) -> Answer:
    text = text.strip()
    if text:
        return Answer(text, finish, prompt_tokens, completion_tokens, thinking_tokens)
    spent = f"{prompt_tokens} prompt, {thinking_tokens} thinking and {completion_tokens} answer tokens"
    if finish is Finish.DEADLINE:
        raise DeadlineExceededError(f"REQUEST_DEADLINE_S passed before the first word of the answer ({spent})")
    raise EmptyAnswerError(f"the model's answer is empty ({spent})")
