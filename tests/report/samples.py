"""A run as `make verify` makes them, with all four statuses and every series that the report draws.

The figures are those of one upgrade from mock to model on a two-core machine, rounded; time counts from ``START``.
"""

from datetime import UTC, datetime, timedelta

from gate.causes import Cause
from gate.criteria import Tier, criteria
from gate.report.run import Header, Judgement, Run
from gate.verdict import Evidence, Status, Verdict, passed

START = datetime(2026, 11, 22, 15, 50, 0, tzinfo=UTC)
IMAGE = "localhost:5000/carepath-chat-api@sha256:" + "4f1d0c9ab37e5526" * 4
OLD_PODS = ("chat-api-6c9f7d5b8-h2kqx", "chat-api-6c9f7d5b8-zw84n")
NEW_PODS = ("chat-api-7d4b9c6f5-4jx8t", "chat-api-7d4b9c6f5-m9qvr")


def at(seconds: float) -> datetime:
    """Return the time ``seconds`` after the start of the run."""
    return START + timedelta(seconds=seconds)


def header(**changes: object) -> Header:
    """Return the header of a run on the embedded cluster."""
    values: dict[str, object] = {
        "target": "local",
        "tiers": ("preflight", "container", "acceptance", "rollback", "load"),
        "server": "https://10.90.0.2:6443",
        "context": "carepath",
        "server_version": "v1.34.4",
        "kube_system_uid": "0f3c9a52-6c1e-4f0a-9d57-3f1a6c2b8e11",
        "namespace": "carepath-demo",
        "image": IMAGE,
        "settings": {"allow_mutation": "True", "acceptance.latency_samples": "24"},
        "left_out": {"TFP-1": "the target has no plan"},
        "started_at": START,
        "finished_at": at(214.6),
        "version": "0.1.0",
        "revision": "6cbd2159113f",
    }
    return Header(**(values | changes))  # type: ignore[arg-type]  # a test names the fields that it changes


def judgement(verdict: Verdict, start_s: float = 0.0, duration_s: float = 0.2) -> Judgement:
    """Return the verdict in its place in the table."""
    criterion = criteria()[verdict.criterion]
    return Judgement(
        verdict=verdict,
        tier=criterion.tier,
        title=criterion.statement,
        started_at=at(start_s),
        duration_s=duration_s,
        node_id=f"{criterion.tier}/test_{criterion.tier}.py::test_{criterion.id.lower().replace('-', '_')}",
    )


def good(criterion: str, reason: str, *proof: tuple[str, str, str]) -> Verdict:
    """Return a PASS."""
    evidence = proof or ((f"criterion/{criterion}", "observed", "as stated"),)
    return passed(criterion, reason, [Evidence(*each, at(60)) for each in evidence])


def bad(criterion: str, cause: Cause, reason: str, remedy: str, **more: object) -> Verdict:
    """Return a FAIL, or the ``status`` given, with its ``evidence`` and ``symptoms`` if given."""
    status = more.get("status", Status.FAIL)
    evidence = more.get("evidence", (Evidence("Pod/chat-api", "status.phase", "Pending", at(61)),))
    symptoms = more.get("symptoms", ())
    return Verdict(criterion, status, reason, evidence, cause, remedy, symptoms)  # type: ignore[arg-type]


def run(*verdicts: Verdict, exit_code: int, interrupted: bool = False, tiers: tuple[Tier, ...] | None = None) -> Run:
    """Return a run of these verdicts."""
    judgements = tuple(
        judgement(verdict, start_s=index * 9.7, duration_s=0.1 + index * 1.3 % 11)
        for index, verdict in enumerate(verdicts)
    )
    ran = tiers if tiers is not None else tuple(dict.fromkeys(each.tier for each in judgements))
    return Run(header=header(tiers=ran), judgements=judgements, exit_code=exit_code, interrupted=interrupted)


def latencies(count: int = 24, *, pods: tuple[str, ...] = NEW_PODS) -> list[dict[str, object]]:
    """Return a cold answer per pod and ``count`` warm ones, 1.4 to 3.6 s."""
    cold = [
        {"pod": pod, "seconds": 4.1 + number * 0.6, "cold": True, "status": "ok"} for number, pod in enumerate(pods)
    ]
    warm = [
        {"pod": pods[number % len(pods)], "seconds": 1.4 + (number * 37 % 23) * 0.1, "cold": False, "status": "ok"}
        for number in range(count)
    ]
    return [*cold, *warm]


def requests(seconds: float = 62.0, *, failed: tuple[int, ...] = ()) -> list[dict[str, object]]:
    """Return the traffic beside an upgrade: mock answers at first, slower ones of the model towards the end."""
    found: list[dict[str, object]] = []
    clock, number = -4.0, 0
    while clock < seconds:
        share = min(1.0, max(0.0, (clock - 8) / 26))
        ok = number not in failed
        error = None if ok else "ConnectError: connection refused"
        took = 0.02 if number * 7 % 10 >= share * 10 else 1.2 + number % 9 * 0.15
        found.append({"at": at(100 + clock), "seconds": took, "ok": ok, "error": error})
        clock += 0.11 + share * 0.32 + (number * 13 % 7) * 0.01
        number += 1
    return found


def rollout() -> dict[str, object]:
    """Return the details of ROL-1: two old pods replaced one by one."""
    return {
        "marks": [{"at": at(100), "label": "upgrade applied"}, {"at": at(144), "label": "settled, stable for 10 s"}],
        "pods": [
            {
                "pod": OLD_PODS[0],
                "revision": 1,
                "created": at(-600),
                "ready": at(-594),
                "terminating": at(114),
                "gone": at(121),
            },
            {
                "pod": OLD_PODS[1],
                "revision": 1,
                "created": at(-600),
                "ready": at(-593),
                "terminating": at(132),
                "gone": at(138),
            },
            {"pod": NEW_PODS[0], "revision": 2, "created": at(100.6), "ready": at(113.4), "gone": None},
            {"pod": NEW_PODS[1], "revision": 2, "created": at(113.9), "ready": at(131.2), "gone": None},
        ],
        "requests": requests(failed=(191, 192)),
        "timeline": [
            {"at": at(100), "text": "`chat-api` asked for revision 2"},
            {"at": at(113.4), "text": f"{NEW_PODS[0]} is ready: 1 of 2 updated"},
            {"at": at(131.2), "text": f"{NEW_PODS[1]} is ready: 2 of 2 updated"},
            {"at": at(144), "text": "nothing changed for 10 s: settled"},
        ],
    }


def upgrade() -> Run:
    """Return the whole run: 20 criteria, of which two failed, one is inconclusive and two warn."""
    verdicts = (
        good("NODE-1", "m5.large: 1930m CPU, 7.1 GiB memory, 17.9 GiB ephemeral storage and 29 pods are allocatable."),
        good(
            "FIT-1",
            "Weights 0.09 GiB, KV cache 0.05 GiB and runtime 0.21 GiB need 0.35 GiB of the limit of 1.00 GiB.",
            ("ConfigMap/models.toml", "SmolLM2-135M-Instruct.file_bytes", "92 MB"),
            ("Deployment/chat-api", "resources.limits.memory", "1Gi"),
        ).with_details(
            parts=[
                {"part": "weights", "GiB": 0.09},
                {"part": "KV cache", "GiB": 0.05},
                {"part": "runtime", "GiB": 0.21},
            ]
        ),
        good("FIT-2", "2 pods and 1 surge pod need 1500m CPU and 3.0 GiB; node carepath has 1630m and 5.8 GiB free."),
        bad(
            "IMG-1",
            Cause.IMAGE_MUTABLE_TAG,
            "localhost:5000/carepath-chat-api:v2.0 is a tag that can be overwritten; today it is sha256:4f1d0c9a.",
            "Deploy by digest: set `image` to localhost:5000/carepath-chat-api@sha256:4f1d0c9a in Terraform.",
            status=Status.WARN,
            evidence=(Evidence("Deployment/chat-api", "image", "localhost:5000/carepath-chat-api:v2.0", at(2)),),
        ),
        good("CFG-1", "All 9 environment keys are known to the service and parse."),
        good("MET-0", "metrics.k8s.io/v1beta1 serves: 4 pods were read, the newest 9 s old."),
        good("CON-1", "The container runs as uid 10001 on a read-only root file system; only /tmp is writable."),
        good("CON-2", "/health answered 0.3 s and /ready 2.8 s after the start, when the model was loaded."),
        good("CON-3", "All 7 answer fields are there; 404, 422, 403 and 503 come with a detail each."),
        good("CON-4", "The request under way was answered, and the process ended 1.9 s after SIGTERM (30 s allowed)."),
        good("CON-7", "The container became ready without a network, with the model baked in and mounted."),
        good("POD-1", "2 of 2 pods of revision 2 were ready for 10 s; none restarted, none of revision 1 is left."),
        good("POD-2", "Both pods run sha256:4f1d0c9ab37e, the digest that was intended."),
        good("HPA-1", "The HPA reads 41 % CPU against a target of 60 %, and 2 of 2 to 4 replicas run."),
        good("HLT-1", "/health is 200 on both pods and through the Service, the slowest in 0.011 s."),
        bad(
            "LLM-1",
            Cause.MODEL_MOCK,
            "Pod chat-api-7d4b9c6f5-m9qvr answers as mock: its /version says llm_mode=mock, and its 3 answers are the "
            "mock's template.",
            "kubectl set env deployment/chat-api LLM_MODE=SmolLM2-135M-Instruct -n carepath-demo",
            evidence=(
                Evidence("Pod/chat-api-7d4b9c6f5-m9qvr", "GET /version llm_mode", "mock", at(150)),
                Evidence("Pod/chat-api-7d4b9c6f5-4jx8t", "GET /version llm_mode", "SmolLM2-135M-Instruct", at(150)),
                Evidence("Deployment/chat-api", "env.DEFAULT_LLM_MODE", "SmolLM2-135M-Instruct", at(149)),
            ),
            symptoms=(
                "The key `DEFAULT_LLM_MODE` is set; the service reads `LLM_MODE`.",
                "POST /triage on that pod took 0.004 s, a model of this size needs more than 0.5 s.",
            ),
        ),
        good(
            "LAT-1",
            "p95 of 24 warm answers is 3.5 s, under the 10 s allowed; the first, cold answers took 4.1 and 4.7 s.",
        ).with_details(latencies=latencies(), p95_confidence=0.71),
        good("LOG-1", "No error in 412 log lines of 2 pods; /version confirms that each loaded its model."),
        bad(
            "RES-1",
            Cause.GATE_NOT_MEASURED,
            "Throttling of 2 pods is not known: the metrics API had no sample younger than 60 s.",
            "kubectl get --raw /apis/metrics.k8s.io/v1beta1/namespaces/carepath-demo/pods",
            status=Status.INCONCLUSIVE,
            evidence=(Evidence("PodMetrics/chat-api", "timestamp", "15:50:31, 118 s old", at(149)),),
        ),
        bad(
            "ROL-1",
            Cause.ROLLOUT_REQUESTS_FAILED,
            "2 of 244 requests failed while revision 2 replaced revision 1: connection refused, both within 0.4 s of "
            "the end of pod chat-api-6c9f7d5b8-zw84n.",
            "Give the container a preStop pause longer than the endpoints need to change: `sleep 5` in "
            "`lifecycle.preStop`, with `terminationGracePeriodSeconds` above it.",
            evidence=(
                Evidence("Service/chat-api-service", "POST /triage", "ConnectError: connection refused", at(137.9)),
                Evidence("Pod/chat-api-6c9f7d5b8-zw84n", "deletionTimestamp", "15:52:17", at(137.5)),
            ),
        ).with_details(**rollout()),
        good("RBK-1", "Revision 1 was back and answered on 2 pods 31 s after the undo; no request failed meanwhile."),
        bad(
            "LOD-1",
            Cause.LATENCY_OVER_TARGET,
            "30 requests of 10 clients were answered, 4 of them after more than 8 s of the 10 s allowed.",
            "Raise the HPA's minimum before the hours in which ten clinicians ask at once.",
            status=Status.WARN,
            evidence=(Evidence("Service/chat-api-service", "slowest of 30 answers", "9.3 s", at(205)),),
        ).with_details(
            latencies=[{"pod": "service", "seconds": 2.0 + number % 10 * 0.81, "status": "ok"} for number in range(30)]
        ),
    )
    return run(*verdicts, exit_code=1)
