"""The patient API, asked over HTTP.

Enters: an MRN. Leaves: a `PatientSummary`. httpx's exceptions stop here; no URL with an MRN, no body and no field of a
patient is ever logged or put into a message.
"""

import asyncio
from datetime import date
from http import HTTPStatus

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from service_chat.errors import PatientApiError, PatientNotFoundError

# A node takes up to a second (kube-proxy's iptables.minSyncPeriod, 1 s by default) to route a Service to its new pods,
# and refuses connections until then. A connection that was never made has asked nothing, so it is safe to try again:
# after 0, 0.5 and 1 s (httpcore's back-off), still within the time-out.
_CONNECT_RETRIES = 3


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
        timeout_s: for the whole answer, connecting included.
        transport: another way to send requests; None is the network.
    """

    def __init__(self, base_url: str, timeout_s: float, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._base_url = base_url
        self._timeout_s = timeout_s
        # trust_env off: a proxy named in the pod's environment must not see patient data.
        network = transport or httpx.AsyncHTTPTransport(retries=_CONNECT_RETRIES, trust_env=False)
        self._http = httpx.AsyncClient(base_url=base_url, timeout=timeout_s, transport=network, trust_env=False)

    async def summary(self, mrn: str, trace_id: str) -> PatientSummary:
        """Return one patient's summary.

        Raises:
            PatientNotFoundError: there is no such patient.
            PatientApiError: no answer, a late one, or one that is not a summary.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._http.get(f"/patients/{mrn}/summary", headers={"X-Trace-Id": trace_id})
        except (TimeoutError, httpx.TimeoutException) as error:
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
