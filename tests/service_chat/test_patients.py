"""The client of the patient API over real sockets on loopback."""

import asyncio
import json
import socket
from http import HTTPStatus

import pytest

from service_chat.errors import PatientApiError
from service_chat.services.patients import PatientApi, PatientSummary
from tests.service_chat.fakes import PATIENT


def _free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request with the patient."""
    await reader.readuntil(b"\r\n\r\n")
    body = json.dumps(PATIENT).encode()
    head = f"HTTP/1.1 {HTTPStatus.OK} OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    writer.close()


async def _ask(port: int, timeout_s: float) -> PatientSummary:
    patients = PatientApi(f"http://127.0.0.1:{port}", timeout_s)
    try:
        return await patients.summary(str(PATIENT["mrn"]), "trace")
    finally:
        await patients.close()


def test_patient_api_that_refuses_at_first_is_asked_again() -> None:
    """A Service whose new pods the node does not route to yet refuses connections for a moment."""

    async def run() -> PatientSummary:
        port = _free_port()
        asked = asyncio.create_task(_ask(port, timeout_s=5.0))
        await asyncio.sleep(0.2)
        async with await asyncio.start_server(_answer, "127.0.0.1", port):
            return await asked

    assert asyncio.run(run()).mrn == PATIENT["mrn"]


def test_patient_api_that_keeps_refusing_is_named_with_its_address() -> None:
    """Trying again ends, and the error is the connection's own."""
    port = _free_port()
    said = rf"at http://127.0.0.1:{port} \(DB_API_BASE_URL\) cannot be reached: ConnectError"
    with pytest.raises(PatientApiError, match=said):
        asyncio.run(_ask(port, timeout_s=5.0))


def test_patient_api_that_refuses_past_the_time_out_ends_with_it() -> None:
    """The time-out holds for all tries together."""
    with pytest.raises(PatientApiError, match=r"gave no answer within DB_API_TIMEOUT_S=0\.1 s"):
        asyncio.run(_ask(_free_port(), timeout_s=0.1))
