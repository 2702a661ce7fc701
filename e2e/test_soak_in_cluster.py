"""The soak's CronJob on the real API server: read-only rights, samples that survive the pod, a report to read.

Five minutes of soak, so it runs with `-m matrix` only. The mock serves; the gate's image is built for it.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator

import pytest
import yaml

from e2e.faults.app import CHAT, Document, baseline
from e2e.faults.conditions import available
from e2e.faults.hands import Hands, HarnessError, free
from e2e.faults.judging import World, target_text
from e2e.faults.running import START_TIMEOUT_S
from infra.commands import CommandError, run
from infra.paths import PROJECT

NAMESPACE = "e2e-soak"
PORT = 17980
JOB = "soak-now"
#: Where the volume lies on the embedded node, which has no provisioner.
FOLDER = "/var/lib/e2e-soak"
LASTS, EVERY = "390s", "10s"
PLANNED = 40
#: A pod is deleted, another starts Python: less than a minute, on a machine that does other things too.
LOST = 6
#: The time of the soak, two starts of a pod, and the report, on a busy machine.
JOB_TIMEOUT_S = 600.0
BUILD_TIMEOUT_S = 900

pytestmark = [pytest.mark.matrix, pytest.mark.timeout(2400), pytest.mark.xdist_group("soak")]


def volume() -> list[Document]:
    """Return the PersistentVolume, and the pod that makes its folder one that the gate's user may write to."""
    mount = {"name": "folder", "mountPath": "/folder"}
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": NAMESPACE},
            "spec": {
                "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": NAMESPACE,
                "persistentVolumeReclaimPolicy": "Retain",
                "hostPath": {"path": FOLDER, "type": "DirectoryOrCreate"},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": NAMESPACE, "namespace": "default"},
            "spec": {
                "restartPolicy": "Never",
                "containers": [
                    {
                        "name": "owner",
                        "image": "",
                        "command": ["sh", "-c", "rm -rf /folder/* && chown 10001:10001 /folder"],
                        "securityContext": {"runAsUser": 0},
                        "volumeMounts": [mount],
                    }
                ],
                "volumes": [{"name": "folder", "hostPath": {"path": FOLDER, "type": "DirectoryOrCreate"}}],
            },
        },
    ]


def rights() -> list[Document]:
    """Return the account and the roles that infra/rbac ships, for this namespace; cluster-wide names are its own."""
    found: list[Document] = []
    for file in ("reader.yaml", "cluster-reader.yaml"):
        text = (PROJECT / "infra/rbac" / file).read_text(encoding="utf-8")
        text = text.replace("carepath-demo", NAMESPACE).replace("carepath-gate-cluster-reader", NAMESPACE)
        found += yaml.safe_load_all(text)
    return found


def eventually(look: Callable[[], bool], what: str, *, timeout_s: float) -> None:
    """Return once it holds."""
    deadline = time.monotonic() + timeout_s
    while not look():
        if time.monotonic() > deadline:
            raise HarnessError(f"{what}: not within {timeout_s:g} s")
        time.sleep(2)


@pytest.fixture
def cronjob(world: World) -> Iterator[Hands]:
    """The app in a namespace of its own with the soak's CronJob beside it; all of it is removed."""
    hands = world.hands(NAMESPACE)
    hands.delete(wait=True)
    cleared = ("--ignore-not-found", "--wait=true")
    wide = [f"clusterrole/{NAMESPACE}", f"clusterrolebinding/{NAMESPACE}", f"persistentvolume/{NAMESPACE}"]
    hands.kubectl("delete", *wide, *cleared)
    app = baseline(NAMESPACE, PORT, world.images, free(world.api), model=False)
    app.remove("HorizontalPodAutoscaler", CHAT)
    environment = world.environment
    image = run([sys.executable, "-m", "infra.soak", "image"], env=environment, timeout_s=BUILD_TIMEOUT_S)
    try:
        hands.apply([*app.documents, *rights()])
        pv, owner = volume()
        owner["spec"]["containers"][0]["image"] = app.container["image"]
        hands.kubectl("delete", "pod", NAMESPACE, "--namespace", "default", *cleared)
        run(["/usr/bin/env", "kubectl", "apply", "-f", "-"], env=environment, stdin=json.dumps(pv), timeout_s=60)
        run(["/usr/bin/env", "kubectl", "apply", "-f", "-"], env=environment, stdin=json.dumps(owner), timeout_s=60)
        hands.wait_for(available, timeout_s=START_TIMEOUT_S)
        hands.apply(_manifests(world, image.strip()))
        yield hands
    finally:
        hands.delete(wait=True)
        hands.kubectl("delete", *wide, *cleared)
        hands.kubectl("delete", "pod", NAMESPACE, "--namespace", "default", *cleared)


def _manifests(world: World, image: str, *options: str) -> list[Document]:
    target = PROJECT / "reports" / "e2e-soak.toml"
    target.parent.mkdir(exist_ok=True)
    target.write_text(target_text(NAMESPACE, world.server, PROJECT / "none.yaml"), encoding="utf-8")
    command = [sys.executable, "-m", "infra.soak", "manifests", "--image", image, "--target", str(target)]
    text = run([*command, "--for", LASTS, "--every", EVERY, *options], env=world.environment, timeout_s=60)
    documents: list[Document] = list(yaml.safe_load_all(text))
    for each in documents:
        if each["kind"] == "PersistentVolumeClaim":
            each["spec"]["storageClassName"] = NAMESPACE
    return documents


def _pods(hands: Hands) -> list[Document]:
    found: list[Document] = json.loads(
        hands.kubectl("get", "pods", "--selector", f"job-name={JOB}", "--output", "json")
    )["items"]
    return found


def _finished(hands: Hands) -> str:
    """Return the condition in which the Job ended, empty while it runs."""
    status = json.loads(hands.kubectl("get", "job", JOB, "--output", "json"))["status"]
    ended = [each["type"] for each in status.get("conditions", ()) if each["status"] == "True"]
    return next((each for each in ended if each in {"Complete", "Failed"}), "")


def test_cronjob_soaks_with_read_only_rights_and_survives_its_pod(cronjob: Hands) -> None:
    """The pod is deleted half-way; its successor goes on with the volume, judges, and leaves log and report."""
    hands = cronjob
    hands.kubectl("create", "job", JOB, "--from=cronjob/carepath-soak")
    eventually(lambda: any(each["status"]["phase"] == "Running" for each in _pods(hands)), "a pod", timeout_s=120)
    (first,) = (each["metadata"]["name"] for each in _pods(hands))
    time.sleep(100)
    hands.kubectl("delete", "pod", first, "--grace-period=1")
    eventually(lambda: bool(_finished(hands)), "the end of the Job", timeout_s=JOB_TIMEOUT_S)
    verdict, log = _report(hands), _log(hands)
    # Minutes prove little: what counts here is that both pods saw, asked and judged.
    assert (_finished(hands) == "Complete") == (verdict["status"] in {"pass", "warn"}), log
    assert verdict["reason"].split(":")[0] in " ".join(log.split()), log
    figures = {each["figure"]: each["value"] for each in verdict["details"]["figures"]}
    assert {"anonymous memory", "seconds per answer"} <= set(figures), verdict
    taken, planned = map(int, figures["samples taken, planned"].split(", "))
    assert planned == PLANNED
    assert taken > PLANNED - LOST
    assert len({each["metadata"]["name"] for each in _pods(hands)} | {first}) == 2


def _log(hands: Hands) -> str:
    try:
        return hands.kubectl("logs", f"job/{JOB}", "--tail=60")
    except CommandError as error:
        return str(error)


def _report(hands: Hands) -> Document:
    """Return the verdict of the report on the volume, as the pod that serves it sees it."""
    image = _pods(hands)[0]["spec"]["containers"][0]["image"]
    text = run(
        [
            *(sys.executable, "-m", "infra.soak", "manifests", "--reading"),
            *("--image", image, "--target", str(PROJECT / "reports" / "e2e-soak.toml")),
        ],
        timeout_s=60,
    )
    hands.apply(list(yaml.safe_load_all(text)))
    hands.kubectl("wait", "--for=condition=Ready", "pod/carepath-soak-reading", "--timeout=90s", timeout_s=100)
    fetch = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/report.json').read().decode())"
    eventually(lambda: _serves(hands), "the report", timeout_s=60)
    report = json.loads(hands.kubectl("exec", "carepath-soak-reading", "--", "python", "-c", fetch))
    (verdict,) = report["verdicts"]
    return dict(verdict)


def _serves(hands: Hands) -> bool:
    fetch = "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/index.html')"
    try:
        hands.kubectl("exec", "carepath-soak-reading", "--", "python", "-c", fetch)
    except CommandError:
        return False
    return True
