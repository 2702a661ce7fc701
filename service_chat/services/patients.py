"""The patient API, asked over HTTP.

Enters: an MRN. Leaves: a `PatientSummary`. httpx's exceptions stop here; no URL with an MRN, no body and no field of a
patient is ever logged or put into a message.
"""

from datetime import date
from http import HTTPStatus

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from service_chat.errors import PatientApiError, PatientNotFoundError


class PatientSummary(BaseModel):
    """What the patient API knows of a patient; fields it may add later are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    mrn: str
    name: str
    age: int
    sex: str
    diagnosis: str
    medications: list[str]
    allergies: list[str]
    last_visit: date


class PatientApi:
    """A client of the patient API.

    Args:
        base_url: where it listens.
        timeout_s: for connecting and for the whole answer, each.
        transport: another way to send requests; None is the network.
    """

    def __init__(self, base_url: str, timeout_s: float, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._base_url = base_url
        self._timeout_s = timeout_s
        # trust_env off: a proxy named in the pod's environment must not see patient data.
        self._http = httpx.AsyncClient(base_url=base_url, timeout=timeout_s, transport=transport, trust_env=False)

    async def summary(self, mrn: str, trace_id: str) -> PatientSummary:
        """Return one patient's summary.

        Raises:
            PatientNotFoundError: there is no such patient.
            PatientApiError: no answer, a late one, or one that is not a summary.
        """
        try:
            response = await self._http.get(f"/patients/{mrn}/summary", headers={"X-Trace-Id": trace_id})
        except httpx.TimeoutException as error:
            raise PatientApiError(
                f"the patient API at {self._base_url} gave no answer within DB_API_TIMEOUT_S={self._timeout_s:g} s"
            ) from error
        except httpx.HTTPError as error:
            raise PatientApiError(
                f"the patient API at {self._base_url} (DB_API_BASE_URL) cannot be reached: "
                f"{type(error).__name__}: {error}"
            ) from error
        if response.status_code == HTTPStatus.NOT_FOUND:
            raise PatientNotFoundError(f"patient {mrn} is not known")
        if response.status_code != HTTPStatus.OK:
            raise PatientApiError(f"the patient API at {self._base_url} answered HTTP {response.status_code}")
        try:
            return PatientSummary.model_validate_json(response.content)
        except ValidationError:
            # Not chained: pydantic's message shows the values.
            raise PatientApiError(
                f"the patient API at {self._base_url} (DB_API_BASE_URL) answered something other than a summary"
            ) from None

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
