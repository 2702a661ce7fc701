"""The JSON that crosses the HTTP surface."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from service_chat.reports import TRACE_ID, Rating

# A question longer than this does not fit the default context beside the patient's summary.
MAX_QUERY_CHARACTERS = 2000


class TriageRequest(BaseModel):
    """A patient's question."""

    # Extra keys are refused, so that a misspelt llm_mode is an error and not a silent default.
    model_config = ConfigDict(extra="forbid")

    patient_mrn: Annotated[str, StringConstraints(pattern=r"^MRN-[0-9]{3,10}$")] = Field(examples=["MRN-001"])
    # A pattern and not a strip: /openapi.json then says it too, and the question comes back as it was asked.
    query: Annotated[str, StringConstraints(pattern=r"\S", max_length=MAX_QUERY_CHARACTERS)] = Field(
        description="At least one character that is not white space.", examples=["What is my current diagnosis?"]
    )
    llm_mode: str | None = Field(default=None, description="Refused unless ALLOW_MODE_OVERRIDE is set.")


class TriageResponse(BaseModel):
    """The answer, with what is needed to find its traces."""

    trace_id: str
    patient_mrn: str
    query: str
    llm_mode: str
    response: str
    inference_time_ms: float = Field(description="Time the model worked, in milliseconds; waiting is not in it.")
    conversation_id: str


class Feedback(BaseModel):
    """What a user thinks of an answer. There is no field for words: they could name a patient."""

    model_config = ConfigDict(extra="forbid")

    trace_id: Annotated[str, StringConstraints(pattern=TRACE_ID)] = Field(
        description="Of the answer, as /triage gave it.", examples=["4bf92f3577b34da6a3ce929d0e0e4736"]
    )
    rating: Rating


class FeedbackResponse(BaseModel):
    """What was taken down."""

    trace_id: str
    rating: Rating
    counted: bool = Field(description="False: this replica had counted the same report before.")


class ErrorResponse(BaseModel):
    """Why there is no answer."""

    detail: str


class Health(BaseModel):
    """The process is alive."""

    status: str


class Readiness(BaseModel):
    """Whether requests are wanted, and why not."""

    status: str
    reason: str | None = None


class Version(BaseModel):
    """What runs here: the identity the deploy gate compares with what was meant to run."""

    service: str
    version: str
    llm_mode: str
    model: str | None
    model_file: str | None
    model_sha256: str | None
    engine: str
    engine_version: str | None
    image: str | None
    loaded: bool
    load_seconds: float | None
    max_tokens: int | None
    request_deadline_s: float
