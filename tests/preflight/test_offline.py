"""The tier itself, run as CI runs it: a fresh interpreter, no cluster, no network, no credentials."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: Runs the tier and says which of the heavy clients it has imported.
RUN = """
import sys, pytest
# Joined by "=": pytest takes a path of its own line for a test's, and looks there for its configuration.
code = pytest.main(["-m", "preflight", f"--target={sys.argv[1]}", "--offline", f"--report={sys.argv[2]}", "-q"])
print("imported:", [each for each in ("kubernetes", "httpx", "boto3") if each in sys.modules])
sys.exit(code)
"""


#: Speeds that no t3.xlarge has, so that only its room is left to judge.
FAST = """
[model.speed]
threads = 2
prefill_tok_s = 1000
decode_tok_s = 200
measured = "nowhere: a test's figures"
"""


def preflight(target: str, report: Path) -> tuple[int, dict[str, Any], str]:
    """Return exit code, report.json and output of an offline preflight."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, target, str(report)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (report / "report.json").is_file(), f"no report was written: {done.stdout}{done.stderr}"
    return done.returncode, json.loads((report / "report.json").read_text(encoding="utf-8")), done.stdout


def test_preflight_of_the_checklists_demo_fails_t3_medium_with_numbers(tmp_path: Path) -> None:
    """Needed, there, missing, the types compared and the cheapest that fits, without reaching anything."""
    code, report, output = preflight("demo", tmp_path)

    assert code == 1
    verdicts = {each["criterion"]: each for each in report["verdicts"]}
    assert set(verdicts) == {"NODE-1", "FIT-1", "FIT-2", "FIT-3", "STO-1", "CFG-1", "PRB-1", "NET-1", "LAT-0", "HPA-0"}
    assert verdicts["FIT-1"]["cause"] == "node.too_small"
    assert verdicts["FIT-1"]["reason"].endswith("and a t3.medium node has 3231 MiB for it: 5985 MiB are missing.")
    shown = {each["object"]: each["value"] for each in verdicts["FIT-1"]["evidence"]}
    assert shown["InstanceType/t3.large"].startswith("needed 9216 MiB, there 7017 MiB, missing 2199 MiB")
    assert shown["InstanceType/t3.xlarge"].startswith("needed 9216 MiB, there 14731 MiB, missing 0 MiB")
    assert shown["instance_facts.csv"].startswith("r6a.large, USD 0.1134/h")
    assert verdicts["FIT-2"]["cause"] == "scheduling.insufficient_memory"
    assert verdicts["FIT-3"]["reason"] == (
        "2 images (before and after the update) and 2 pods take at most 11533 MiB of the 54261 MiB of ephemeral "
        "storage that a t3.medium node with 60 GiB has."
    )
    assert verdicts["PRB-1"]["reason"] == (
        "The model is loaded 22 to 81 s after the container's start, its startup probe allows 300 s; an answer takes "
        "9.0 s at most, liveness bears 55 s of silence."
    )
    assert verdicts["NET-1"]["reason"] == (
        "Service/chat-api-service port 80 leads to port 8002, where chat-api listens, DB_API_BASE_URL to port 8001 of "
        "Service/db-api-service (as the target says); an answer takes 9.0 s at most, the load balancer waits 60 s, "
        "callers 60 s."
    )
    assert verdicts["LAT-0"]["cause"] == "latency.over_target"
    assert verdicts["LAT-0"]["reason"].startswith("Qwen3-4B-Thinking-2507 takes 185.2 to 299.1 s for 160 prompt + 128")
    assert (verdicts["HPA-0"]["status"], verdicts["HPA-0"]["cause"]) == ("warn", "hpa.at_maximum")
    assert "imported: []" in output


@pytest.mark.parametrize(("instance_type", "count", "code"), [("t3.xlarge", 3, 0), ("t3.xlarge", 2, 1)])
def test_preflight_of_a_target_with_room_passes(tmp_path: Path, instance_type: str, count: int, code: int) -> None:
    """Three t3.xlarge hold two replicas and the surge, two do not; that they are fast enough, the target says."""
    text = (ROOT / "targets" / "demo.toml").read_text(encoding="utf-8")
    changed = text.replace('instance_type = "t3.medium"', f'instance_type = "{instance_type}"')
    target = tmp_path / "roomy.toml"
    target.write_text(changed.replace("count = 2", f"count = {count}") + FAST, encoding="utf-8")

    found, report, _ = preflight(str(target), tmp_path / "report")

    assert found == code
    assert report["counts"]["fail"] == code


def test_preflight_of_the_first_rollouts_manifests_names_each_mistake(tmp_path: Path) -> None:
    """Incidents 6, 8, 9, 13 and 24, each put back into the rendered manifests, are told before the deploy."""
    text = (ROOT / "infra/terraform/rendered/demo.yaml").read_text(encoding="utf-8")
    for right, wrong in {
        "path: /ready": "path: /health",
        "failureThreshold: 60": "failureThreshold: 2",
        'value: "http://db-api-service:8001"': 'value: "http://db-api-service"',
        "targetPort: http": "targetPort: 8000",
        'connection-idle-timeout: "60"': 'connection-idle-timeout: "8"',
    }.items():
        assert right in text
        text = text.replace(right, wrong)
    manifests = tmp_path / "first.yaml"
    manifests.write_text(text, encoding="utf-8")
    demo = (ROOT / "targets" / "demo.toml").read_text(encoding="utf-8")
    target = tmp_path / "first.toml"
    target.write_text(demo.replace("infra/terraform/rendered/demo.yaml", str(manifests)), encoding="utf-8")

    code, report, _ = preflight(str(target), tmp_path / "report")

    verdicts = {each["criterion"]: each for each in report["verdicts"]}
    assert code == 1
    assert verdicts["PRB-1"]["cause"] == "probe.ready_without_model"
    assert [each.partition(" s and")[0] for each in verdicts["PRB-1"]["symptoms"]] == [
        "The startup probe allows 10",
        "The liveness probe allows 55",
    ]
    assert verdicts["NET-1"]["cause"] == "endpoints.target_port"
    asked, cut = verdicts["NET-1"]["symptoms"]
    assert asked.startswith("DB_API_BASE_URL asks port 80 of Service/db-api-service, which has port 8001")
    assert cut.startswith("The load balancer of Service/chat-api-service closes a connection that is silent for 8 s")
