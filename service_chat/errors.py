"""Every way a request can end other than with an answer, each with its own status and its own counter label.

The API layer turns these into `{"detail": ...}`; foreign exceptions (httpx, llama.cpp) are translated into them
where they arise and go no further. No message here holds patient data or the text of a question.
"""

from http import HTTPStatus

CLIENT_CLOSED_REQUEST = 499
"""Not a registered status; nginx's, which load balancers and dashboards know. Nobody receives it."""


class ServiceError(Exception):
    """A request that ends without an answer.

    Attributes:
        status: the HTTP status the caller sees.
        reason: the label under which carepath_chat_refused_total counts it.
        retry_after_s: seconds for the Retry-After header, or None where trying again does not help.
    """

    status: int = HTTPStatus.INTERNAL_SERVER_ERROR
    reason = "internal"
    retry_after_s: int | None = None

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class PatientNotFoundError(ServiceError):
    """The patient API knows no such MRN."""

    status = HTTPStatus.NOT_FOUND
    reason = "patient_not_found"


class PatientApiError(ServiceError):
    """The patient API cannot be reached, is late, or answers something other than a summary."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    reason = "patient_api"
    retry_after_s = 5


class ModeRefusedError(ServiceError):
    """The request names another llm_mode and this deployment does not allow that."""

    status = HTTPStatus.FORBIDDEN
    reason = "mode_override"


class ModelNotLoadedError(ServiceError):
    """The model that should answer is not in memory (yet)."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    reason = "model_not_loaded"
    retry_after_s = 5


class QueueFullError(ServiceError):
    """As many requests wait as may wait: told at once, so that the caller can go elsewhere."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    reason = "queue_full"
    retry_after_s = 2


class WaitedTooLongError(ServiceError):
    """The deadline passed before the model was free; nothing was computed."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    reason = "deadline_waiting"
    retry_after_s = 2


class ShuttingDownError(ServiceError):
    """The pod is being stopped and takes no new work."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    reason = "shutting_down"
    retry_after_s = 1


class DeadlineExceededError(ServiceError):
    """The deadline passed while the model worked and there is not one word to return."""

    status = HTTPStatus.GATEWAY_TIMEOUT
    reason = "deadline_generating"


class EmptyAnswerError(ServiceError):
    """The model ended with nothing but thoughts, or with nothing at all."""

    status = HTTPStatus.BAD_GATEWAY
    reason = "empty_answer"


class CallerGoneError(ServiceError):
    """The caller hung up before there was an answer."""

    status = CLIENT_CLOSED_REQUEST
    reason = "caller_gone"


class PromptTooLongError(ServiceError):
    """The question and the patient's summary do not fit the context together with the answer."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    reason = "prompt_too_long"


class EngineError(ServiceError):
    """The inference engine failed."""

    reason = "engine"
