"""What only figures show: every pod is ready and answers, and users meet errors, slowness, a limit, or a bad answer."""

import json
from collections.abc import Sequence

from e2e.faults.app import PATIENTS, App
from e2e.faults.case import FEW_SAMPLES, WITHIN_S, Act, Case, Change, nothing
from e2e.faults.cases.configuration import env
from e2e.faults.cases.containers import python
from e2e.faults.conditions import available, ready
from e2e.faults.hands import Hands
from e2e.faults.running import START_TIMEOUT_S
from gate.causes import Cause
from gate.verdict import Status
from gate.waiting import FIGURES_S

KNOWN, UNKNOWN, MALFORMED = "MRN-001", "MRN-999", "no number"

#: What a user's program does inside a pod: the requests reach that pod and no other. Prints each status.
ASK = """
import json, sys, urllib.error, urllib.request

def post(path, body):
    data = json.dumps(body).encode()
    request = urllib.request.Request("http://127.0.0.1:8002" + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, {}
"""


def questions(*mrns: str) -> str:
    """Return a program that asks about each patient."""
    return f"{ASK}\nfor mrn in {json.dumps(mrns)}: print(post('/triage', {{'patient_mrn': mrn, 'query': 'Why?'}})[0])"


def report(rating: str) -> str:
    """Return a program that asks, and rates the answer."""
    ask = "answer = post('/triage', {'patient_mrn': 'MRN-001', 'query': 'Why?'})[1]"
    return f"{ASK}\n{ask}\nprint(post('/feedback', {{'trace_id': answer['trace_id'], 'rating': '{rating}'}})[0])"


def users(program: str) -> Act:
    """Let users of one pod do this once the app serves."""

    def act(hands: Hands) -> None:
        hands.wait_for(available, timeout_s=START_TIMEOUT_S)
        hands.kubectl("exec", "deployment/chat-api", "--", "python", "-c", program, timeout_s=120)

    return act


def users_during_an_outage(mrns: Sequence[str]) -> Act:
    """Let users of one pod ask while the patient API is away, and bring it back before anyone looks."""

    def act(hands: Hands) -> None:
        hands.wait_for(available, timeout_s=START_TIMEOUT_S)
        hands.kubectl("scale", f"deployment/{PATIENTS}", "--replicas=0")
        hands.kubectl("wait", "pod", "--selector", f"app={PATIENTS}", "--for=delete", "--timeout=60s", timeout_s=90)
        users_ask = ("exec", "deployment/chat-api", "--", "python", "-c", questions(*mrns))
        hands.kubectl(*users_ask, timeout_s=120)
        hands.kubectl("scale", f"deployment/{PATIENTS}", "--replicas=1")
        hands.kubectl("rollout", "status", f"deployment/{PATIENTS}", "--timeout=60s", timeout_s=90)

    return act


def replicas(count: int) -> Change:
    """Run so many pods, whatever the load."""

    def change(app: App) -> None:
        app.hpa["spec"] |= {"minReplicas": count, "maxReplicas": count}

    return change


def slow_patients(seconds: float) -> Change:
    """Let the patient API take so long for each summary, and the chat API wait for it."""
    program = (
        "import asyncio, uvicorn\n"
        "from patient_api.app import create_app\n"
        "app = create_app()\n"
        "async def slow(scope, receive, send):\n"
        "    if scope.get('path', '').endswith('/summary'):\n"
        f"        await asyncio.sleep({seconds})\n"
        "    await app(scope, receive, send)\n"
        "uvicorn.run(slow, host='0.0.0.0', port=8001, access_log=False)\n"
    )

    def change(app: App) -> None:
        container = app.document("Deployment", PATIENTS)["spec"]["template"]["spec"]["containers"][0]
        container["command"] = ["python", "-c", program]
        env(DB_API_TIMEOUT_S="20", REQUEST_DEADLINE_S="40", DRAIN_S="40")(app)

    return change


def threads(count: int, limit_m: int) -> Change:
    """Compute with so many threads under this CPU limit; the request is as large, so that neighbours leave it."""

    def change(app: App) -> None:
        resources = app.container["resources"]
        resources["requests"]["cpu"] = resources["limits"]["cpu"] = f"{limit_m}m"
        env(LLM_THREADS=str(count), MAX_TOKENS="32")(app)

    return change


def holding(mib: int) -> Change:
    """Hold so much more memory than the service needs, in its own process."""
    return python(f"import runpy; kept = b'x' * ({mib} << 20); runpy.run_module('service_chat', run_name='__main__')")


CASES = (
    Case(
        name="users-met-errors",
        fault=replicas(2),
        act=users_during_an_outage([KNOWN] * 10),
        near_miss=replicas(2),
        near_act=users(questions(*[KNOWN] * 24, UNKNOWN, UNKNOWN, MALFORMED, MALFORMED)),
        terminal_when=ready(2),
        waited_s=FIGURES_S,
        within_s=FIGURES_S + WITHIN_S,
        criterion="ERR-1",
        cause=Cause.DEPENDENCY_UNREACHABLE,
        quick=True,
    ),
    Case(
        name="error-rate-of-few-questions",
        fault=nothing,
        near_miss=nothing,
        near_samples=20,
        terminal_when=ready(),
        criterion="ERR-1",
        cause=Cause.GATE_TOO_FEW_SAMPLES,
        status=Status.INCONCLUSIVE,
    ),
    Case(
        name="user-reports-a-bad-answer",
        fault=nothing,
        act=users(report("down")),
        near_miss=nothing,
        near_act=users(report("up")),
        terminal_when=ready(),
        within_s=60,
        criterion="USR-1",
        cause=Cause.USER_NEGATIVE_REPORT,
    ),
    Case(
        name="threads-beyond-the-cpu-limit",
        incidents=(10,),
        fault=threads(4, limit_m=300),
        samples=8,
        near_miss=threads(1, limit_m=1000),
        terminal_when=ready(),
        waited_s=FIGURES_S,
        within_s=FIGURES_S + 4 * WITHIN_S,
        criterion="RES-1",
        cause=Cause.CPU_THROTTLED,
        model=True,
        alone=True,
    ),
    Case(
        name="memory-near-its-limit",
        fault=holding(760),
        near_miss=holding(500),
        terminal_when=ready(),
        waited_s=FIGURES_S,
        within_s=FIGURES_S + 4 * WITHIN_S,
        criterion="RES-1",
        cause=Cause.MEMORY_NEAR_LIMIT,
        model=True,
    ),
    Case(
        name="answers-over-ten-seconds",
        fault=slow_patients(11),
        near_miss=slow_patients(0.3),
        near_samples=20,
        terminal_when=ready(),
        # A cold question and FEW_SAMPLES warm ones, each of which takes its 11 s.
        waited_s=(1 + FEW_SAMPLES) * 11,
        within_s=150,
        criterion="LAT-1",
        cause=Cause.LATENCY_OVER_TARGET,
    ),
    Case(
        name="latency-of-few-answers",
        fault=nothing,
        samples=19,
        near_miss=nothing,
        near_samples=20,
        terminal_when=ready(),
        within_s=60,
        criterion="LAT-1",
        cause=Cause.GATE_TOO_FEW_SAMPLES,
        status=Status.INCONCLUSIVE,
    ),
)
