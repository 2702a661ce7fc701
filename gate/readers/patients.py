"""The test patients' own records, read from the patient API that the app itself asks.

What enters: where the running Deployment says that API is, and the target's synthetic patients; nobody else is ever
asked about. What leaves: records that LOG-2 and QLT-1 compare with and never show. Reached with the right that the gate
has anyway, a port-forward to a pod of the app's namespace; an API that lives elsewhere is out of reach, and said to be.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import httpx

from gate.readers import fields
from gate.readers.errors import Denied, Malformed, NotFound, ReadError, Unreachable
from gate.records import PatientRecord, Pod, Service, Snapshot

#: The variable that tells chat-api where the patient API is (service_chat/settings.py).
ADDRESS = "DB_API_BASE_URL"

#: The service gives it 5 s by default (DB_API_TIMEOUT_S); a port-forward's opening comes on top.
TIMEOUT_S = 10.0

_HTTP_PORT = 80
_OK = 200


@dataclass(frozen=True, slots=True)
class PatientApi:
    """A pod of the patient API, and where in it the API listens."""

    service: str
    pod: str
    port: int
    path: str = ""


def patient_api(snapshot: Snapshot, *, deployment: str, container: str) -> PatientApi:
    """Return where the running app's patient API is.

    Raises:
        NotFound: the Deployment does not say, or what it says is no Service of its namespace.
        Unreachable: no pod stands ready behind that Service.
        Denied: the Services may not be read.
    """
    spec = snapshot.container(deployment, container)
    address = spec.value_of(ADDRESS) if spec else None
    if not address:
        raise NotFound(f"Deployment/{deployment} states no {ADDRESS} to read the test patients' records from")
    unread = snapshot.unread("services")
    if unread is not None and unread.kind == "forbidden":
        raise Denied("list", "services", snapshot.namespace, unread.message)
    if unread is not None:
        raise Unreachable(f"the Services of namespace {snapshot.namespace} could not be read: {unread.message}")
    url = urlsplit(address)
    name, _, rest = (url.hostname or "").partition(".")
    service = snapshot.service(name)
    if service is None or not service.selector or (rest and rest.partition(".")[0] != snapshot.namespace):
        raise NotFound(f"{ADDRESS} of Deployment/{deployment} names no Service of namespace {snapshot.namespace}")
    pod = next((each for each in snapshot.pods if each.ready and _selected(each, service)), None)
    if pod is None:
        raise Unreachable(f"no pod is ready behind Service/{service.name}, the patient API")
    return PatientApi(service.name, pod.name, _target_port(service, url.port or _HTTP_PORT, pod), url.path.rstrip("/"))


def _selected(pod: Pod, service: Service) -> bool:
    return all(pod.labels.get(key) == value for key, value in service.selector.items())


def _target_port(service: Service, port: int, pod: Pod) -> int:
    declared = next((each.target_port for each in service.ports if each.port == port), None)
    if declared is None:
        raise NotFound(f"Service/{service.name} has no port {port}, which {ADDRESS} asks for")
    if declared.isdigit():
        return int(declared)
    named = (each for spec in pod.spec.containers for each in spec.ports if each.name == declared)
    found = next(named, None)
    if found is None:
        raise NotFound(f"Pod/{pod.name} declares no port {declared}, to which Service/{service.name} sends port {port}")
    return found.port


def patient_records(
    snapshot: Snapshot,
    mrns: Sequence[str],
    *,
    deployment: str,
    container: str,
    transport: Callable[[str, int], httpx.BaseTransport],
) -> tuple[PatientRecord, ...]:
    """Return the records of the target's test patients.

    Args:
        snapshot: of the app's namespace.
        mrns: the target's synthetic patients.
        deployment: whose container says where the patient API is.
        container: which one.
        transport: opens a way to a port of a pod.

    Raises:
        NotFound: the API is not in the app's namespace.
        ReadError: it is, and could not be read; no message holds a patient's number or a value of a record.
    """
    api = patient_api(snapshot, deployment=deployment, container=container)
    with httpx.Client(transport=transport(api.pod, api.port), base_url=f"http://{api.service}") as client:
        return tuple(_record(client, api, mrn) for mrn in mrns)


def _record(client: httpx.Client, api: PatientApi, mrn: str) -> PatientRecord:
    try:
        answer = client.get(f"{api.path}/patients/{quote(mrn, safe='')}/summary", timeout=TIMEOUT_S)
    except httpx.HTTPError as error:
        if isinstance(error.__cause__, ReadError):
            raise error.__cause__ from error  # the API server's own refusal, with the right that is missing
        raise Unreachable(f"Pod/{api.pod}, the patient API: {type(error).__name__}") from error
    if answer.status_code != _OK:
        raise Unreachable(
            f"Pod/{api.pod}, the patient API, answered HTTP {answer.status_code} for a test patient of the target",
            status_code=answer.status_code,
        )
    try:
        said = answer.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        said = None  # not chained: the message would quote the body
    name, diagnosis = fields.text(said, "name"), fields.text(said, "diagnosis")
    if not (name and diagnosis):
        raise Malformed(f"Pod/{api.pod}, the patient API, answered something other than a summary")
    return PatientRecord(mrn=mrn, name=name, diagnosis=diagnosis, medications=fields.texts(said, "medications"))
