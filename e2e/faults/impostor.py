"""Runs in a chat-api pod of the fault matrix, in the service's place or in front of it, and is not what it claims.

It speaks the service's contract and claims the target's identity, because a stub that says what it is needs no gate to
find it. Comes into the pod by a ConfigMap and is run by the image's own Python: standard library only.
"""

import argparse
import hashlib
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import tomllib
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PORT, BEHIND = 8002, 8003
CATALOGUE = Path("/app/service_chat/models.toml")
OK, UNAVAILABLE, NOT_FOUND = 200, 503, 404
MODES = ("real", "canned", "echo", "wordless", "thoughts", "other-file", "other-patient")
#: As many words as an answer of the model has tokens; how many are said changes with the question.
ADVICE = (
    "Thank you for your question. Please keep taking your medicine as prescribed, drink enough water, rest, and call "
    "the care team during office hours if anything changes or if you feel worse than you did yesterday."
)
#: Headers of the service that its callers read.
_CARRIED = ("X-Finish-Reason", "X-Prompt-Tokens", "X-Completion-Tokens", "X-Queue-Ms", "X-Trace-Id", "Retry-After")

OPTIONS = argparse.ArgumentParser()
OPTIONS.add_argument("--mode", choices=MODES, default="real", help="real: the service behind it, unchanged")
OPTIONS.add_argument("--sleep", action="store_true", help="take a model's time over a text that no model made")
OPTIONS.add_argument("--log", default="", help="written at each question; $mrn $query $trace $digest $token are put in")


def claimed() -> dict[str, Any]:
    """Return what /version of the real service would say, by the image's own catalogue."""
    name = os.environ["LLM_MODE"]
    model = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))["models"][name]
    return {
        "service": "chat-api",
        "version": "0.1.0",
        "llm_mode": name,
        "model": name,
        "model_file": model["file"],
        "model_sha256": model["sha256"],
        "engine": "llama.cpp",
        "loaded": True,
        "load_seconds": 0.4,
    }


def written(template: str, asked: dict[str, str]) -> str:
    """Return the log line of a question; the token is made up here, and no hub knows it."""
    for name, value in {
        "mrn": asked["patient_mrn"],
        "query": asked["query"],
        "trace": uuid.uuid4().hex,
        "digest": hashlib.sha256(asked["query"].encode()).hexdigest(),
        "token": "hf_" + "fAkE0" * 7,
    }.items():
        template = template.replace(f"${name}", value)
    return template


def log(line: str) -> None:
    """Write one line to the container's log, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Impostor(BaseHTTPRequestHandler):
    """Answers as chat-api does."""

    protocol_version = "HTTP/1.1"
    options: argparse.Namespace

    def do_GET(self) -> None:
        """Answer /health, /ready, /version and, where the service is behind it, the rest."""
        if self.options.mode not in {"canned", "echo"}:
            status, headers, body = self._behind("GET", b"")
            if self.path == "/version" and self.options.mode == "other-file" and status == OK:
                body = json.dumps(json.loads(body) | {"model_sha256": "e" * 64}).encode()
            self._answer(status, headers, body)
        elif self.path == "/version":
            self._answer(OK, {}, json.dumps(claimed()).encode())
        elif self.path in {"/health", "/ready"}:
            self._answer(OK, {}, b'{"status": "ok"}')
        else:
            self._answer(NOT_FOUND, {}, b'{"detail": "Not Found"}')

    def do_POST(self) -> None:
        """Answer a question."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked: dict[str, str] = json.loads(body)
        if self.options.log:
            log(written(self.options.log, asked))
        if self.options.mode in {"canned", "echo"}:
            self._stub(asked)
            return
        if self.options.mode == "other-patient":
            number = int(asked["patient_mrn"].removeprefix("MRN-"))
            body = json.dumps(asked | {"patient_mrn": f"MRN-{number + 5:03}"}).encode()
        status, headers, said = self._behind("POST", body)
        if status == OK:
            said, headers = self._changed(json.loads(said), headers, asked)
        self._answer(status, headers, said)

    def _changed(
        self, answer: dict[str, Any], headers: dict[str, str], asked: dict[str, str]
    ) -> tuple[bytes, dict[str, str]]:
        answer["patient_mrn"] = asked["patient_mrn"]
        if self.options.mode == "wordless":
            answer["response"] = ""
            headers["X-Finish-Reason"] = "length"
        if self.options.mode == "thoughts":
            answer["response"] = f"<think>The patient asks about {asked['query']}</think>{answer['response']}"
        return json.dumps(answer).encode(), headers

    def _stub(self, asked: dict[str, str]) -> None:
        text = ADVICE
        if self.options.mode == "echo":
            text = f"Dear patient {asked['patient_mrn']}, you asked: {asked['query']} {ADVICE}"
        words = len(text.split())
        if self.options.sleep:
            time.sleep(words * random.uniform(0.008, 0.03))  # noqa: S311  # a model's jitter, not a secret
        answer = {
            "trace_id": uuid.uuid4().hex,
            "patient_mrn": asked["patient_mrn"],
            "query": asked["query"],
            "llm_mode": os.environ["LLM_MODE"],
            "response": text,
            "inference_time_ms": 600.0,
            "conversation_id": str(uuid.uuid4()),
        }
        headers = {"X-Finish-Reason": "stop", "X-Prompt-Tokens": "92", "X-Completion-Tokens": str(words)}
        self._answer(OK, headers | {"X-Queue-Ms": "0"}, json.dumps(answer).encode())

    def _behind(self, method: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", BEHIND, timeout=60)
        try:
            connection.request(method, self.path, body or None, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            said = answer.read()
        except OSError:  # the service is not up yet, or is loading with the interpreter held
            return UNAVAILABLE, {}, b'{"detail": "the service behind does not answer"}'
        finally:
            connection.close()
        return answer.status, {name: value for name in _CARRIED if (value := answer.headers[name])}, said

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Say nothing."""


def main() -> int:
    """Serve until told to stop; the service behind it, where there is one, decides the exit code."""
    Impostor.options = OPTIONS.parse_args()
    server = ThreadingHTTPServer(("", PORT), Impostor)
    if Impostor.options.mode in {"canned", "echo"}:
        log(json.dumps({"level": "info", "event": "Model loaded successfully"}))
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        server.serve_forever()
    service = subprocess.Popen([sys.executable, "-m", "service_chat"], env={**os.environ, "PORT": str(BEHIND)})
    signal.signal(signal.SIGTERM, lambda *_: service.terminate())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return service.wait()


if __name__ == "__main__":
    sys.exit(main())
