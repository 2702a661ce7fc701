"""The whole path: `make verify` on the embedded cluster, then an undo that the next plan must notice.

These tests build on each other's cluster: the path leaves v2 deployed, the undo test goes to v1 and back to v2.
"""

import json
import os
import subprocess
import sys
import time
from typing import Any

import httpx
import jsonschema
import pytest

from e2e.faults.judging import World
from gate.criteria import criteria
from infra.paths import PROJECT

#: From a cold image cache; warm it takes under five minutes.
VERIFY_LIMIT_S = 1500
#: The pods' grace period: no pod of the old version answers after that.
DROPPED_S = 30
NAMESPACE = "carepath-demo"
QUESTION = {"patient_mrn": "MRN-001", "query": "What is my current diagnosis?"}

pytestmark = pytest.mark.timeout(VERIFY_LIMIT_S + 60)


def command(*words: str, limit_s: float = 120) -> subprocess.CompletedProcess[str]:
    """Run one of the project's commands with its output kept."""
    return subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=limit_s, check=False)


@pytest.fixture(scope="module")
def verified(world: World) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """`make verify`'s program, run once, and its report."""
    os.environ.update(world.environment)
    done = command(sys.executable, "-m", "infra.verify", limit_s=VERIFY_LIMIT_S)
    report = json.loads((PROJECT / "reports" / "latest" / "report.json").read_text(encoding="utf-8"))
    return done, report


def test_path_ends_green_with_every_criterion_judged(
    verified: tuple[subprocess.CompletedProcess[str], dict[str, Any]],
) -> None:
    """The upgrade from the mock to the model passes every row of the table, in one report."""
    done, report = verified
    bad = [
        f"{each['criterion']} {each['status']}: {each['reason']}"
        for each in report["verdicts"]
        if each["status"] in {"fail", "inconclusive"}
    ]
    assert (done.returncode, bad) == (0, []), f"{done.stdout[-4000:]}\n{done.stderr[-2000:]}"
    # A soak takes a day and is none of the path's.
    assert {each["criterion"] for each in report["verdicts"]} == {
        each.id for each in criteria().values() if each.tier != "soak"
    }
    judged = [each["criterion"] for each in report["verdicts"]]
    assert judged.count("ROL-1") == 2, "the real upgrade and the drill after it are both judged"
    assert report["exit_code"] == 0


def test_report_keeps_its_schema(verified: tuple[subprocess.CompletedProcess[str], dict[str, Any]]) -> None:
    """What CI reads is what the schema promises."""
    schema = json.loads((PROJECT / "gate" / "report" / "report.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(verified[1], schema)


@pytest.mark.usefixtures("verified")
def test_undo_answers_as_v1_and_next_plan_names_the_drift() -> None:
    """`rollout undo` brings the mock back, users see it, and the next plan says what it would redeploy."""
    target = "deployment/chat-api"
    assert llm_mode() != "mock"
    undo = command("kubectl", "rollout", "undo", target, "-n", NAMESPACE)
    assert undo.returncode == 0, undo.stderr
    status = command("kubectl", "rollout", "status", target, "-n", NAMESPACE, "--timeout=120s", limit_s=150)
    assert status.returncode == 0, status.stdout + status.stderr
    settle("mock")

    image, mode = applied()
    plan = command(
        sys.executable, "-m", "infra.tf", "plan", "--env", "local", "--chat-image", image, "--llm-mode", mode
    )
    assert plan.returncode == 0, plan.stderr
    assert "Deployment/chat-api" in plan.stdout
    assert f"env[LLM_MODE].value: mock -> {mode}" in plan.stdout
    apply = [sys.executable, "-m", "infra.tf", "apply", "--env", "local"]
    back = command(sys.executable, "-m", "gate", "rollout", "--target", "local", "--", *apply, limit_s=300)
    assert back.returncode == 0, back.stdout + back.stderr
    settle(mode)


def settle(mode: str) -> None:
    """Wait until this mode answers: a pod that ends still does, until the load balancer has dropped it."""
    deadline = time.monotonic() + DROPPED_S
    while (found := llm_mode()) != mode:
        assert time.monotonic() < deadline, f"{found} still answers {DROPPED_S} s after the rollout, not {mode}"
        time.sleep(0.5)


def llm_mode() -> str:
    """Ask the way users go which mode answers."""
    answer = httpx.post("http://localhost/triage", json=QUESTION, timeout=30, trust_env=False)
    answer.raise_for_status()
    return str(answer.json()["llm_mode"])


def applied() -> tuple[str, str]:
    """Return image and mode of the plan that was applied last."""
    plan = json.loads((PROJECT / "infra/terraform/envs/local/applied.json").read_text(encoding="utf-8"))
    values = {name: each.get("value") for name, each in plan["variables"].items()}
    return str(values["chat_api_image"]), str(values["llm_mode"])
