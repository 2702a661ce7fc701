"""POST /feedback: a user's report on an answer, counted and logged by the answer's trace id."""

import structlog
from fastapi import APIRouter

from service_chat.api.operations import RuntimeOf
from service_chat.api.schemas import ErrorResponse, Feedback, FeedbackResponse

router = APIRouter()
_log = structlog.get_logger("service_chat.feedback")


@router.post("/feedback", responses={422: {"model": ErrorResponse}})
async def feedback(body: Feedback, at: RuntimeOf) -> FeedbackResponse:
    """Count a report; the same one again changes nothing."""
    counted = at.reports.is_new(body.trace_id, body.rating)
    if counted:
        at.metrics.feedback.labels(body.rating).inc()
        # The answer's own line has this as its trace_id, in the log of the replica that gave it.
        _log.info("user report", rating=body.rating, rated_trace_id=body.trace_id)
    return FeedbackResponse(trace_id=body.trace_id, rating=body.rating, counted=counted)
