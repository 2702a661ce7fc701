"""Pods that find no node."""

from e2e.faults.app import CHAT, PATIENTS, App
from e2e.faults.case import Act, Case, Change, nothing
from e2e.faults.conditions import Look, pods, unschedulable
from e2e.faults.hands import Hands
from gate.causes import Cause
from gate.diagnosis.tolerances import GATED_S, UNSCHEDULABLE_S

GATE = "carepath.example/queue"
#: Left free beside a neighbour that takes the rest of the node.
LEFT_CPU_M, LEFT_MIB = 200, 1024


def beside_neighbour(app: App) -> None:
    """Let a neighbour take the rest of the node: its total would hold the app, what is free decides."""
    neighbour = app.document("Deployment", PATIENTS)["spec"]["template"]["spec"]["containers"][0]
    memory_mib = app.free.memory_bytes // 2**20 - LEFT_MIB
    neighbour["resources"] = {"requests": {"cpu": f"{app.free.cpu_m - LEFT_CPU_M}m", "memory": f"{memory_mib}Mi"}}


def asks_cpu(cpu_m: int) -> Change:
    """Ask for so much CPU."""

    def change(app: App) -> None:
        app.container["resources"] = {
            "requests": {"cpu": f"{cpu_m}m", "memory": "200Mi"},
            "limits": {"memory": "512Mi"},
        }

    return change


def asks_memory(mib: int) -> Change:
    """Ask for so much memory."""

    def change(app: App) -> None:
        app.container["resources"] = {"requests": {"cpu": "60m", "memory": f"{mib}Mi"}, "limits": {"memory": "16Gi"}}

    return change


def asks_disk(amount: str) -> Change:
    """Ask for so much ephemeral storage."""

    def change(app: App) -> None:
        app.container["resources"]["requests"]["ephemeral-storage"] = amount

    return change


def selects(**labels: str) -> Change:
    """Ask for a node with these labels; a double underscore stands for a slash, a single one for a dot."""

    def change(app: App) -> None:
        app.pod["nodeSelector"] = {key.replace("__", "/").replace("_", "."): value for key, value in labels.items()}

    return change


def tolerates(key: str) -> Change:
    """Tolerate the taint with this key."""

    def change(app: App) -> None:
        for name in (CHAT, PATIENTS):
            pod = app.document("Deployment", name)["spec"]["template"]["spec"]
            pod["tolerations"] = [{"key": key, "operator": "Exists"}]

    return change


def node(*words: str) -> Act:
    """Do something to every node, as `kubectl VERB node`."""

    def act(hands: Hands) -> None:
        nodes = hands.kubectl("get", "nodes", "--output", "name").split()
        for each in nodes:
            hands.kubectl(words[0], *(("nodes",) if words[0] == "taint" else ()), each.partition("/")[2], *words[1:])

    return act


def apart(rule: str) -> Change:
    """Two replicas that shall not share a node, by a `required` or a `preferred` rule."""

    def change(app: App) -> None:
        app.hpa["spec"]["minReplicas"] = 2
        term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": CHAT}}}
        terms = [term] if rule == "required" else [{"weight": 100, "podAffinityTerm": term}]
        app.pod["affinity"] = {"podAntiAffinity": {f"{rule}DuringSchedulingIgnoredDuringExecution": terms}}

    return change


def two_on_port(port: int | None) -> Change:
    """Two replicas that take this port of their node, or none."""

    def change(app: App) -> None:
        app.hpa["spec"]["minReplicas"] = 2
        if port is not None:
            app.enforce("privileged")
            app.container["ports"][0]["hostPort"] = port

    return change


def gated(app: App) -> None:
    """Let a gate hold the pod back from the scheduler."""
    app.pod["schedulingGates"] = [{"name": GATE}]


def gate_lifted(hands: Hands) -> None:
    """Lift the gate."""
    hands.wait_for(is_gated, timeout_s=30)
    pod = hands.kubectl("get", "pods", "--selector", f"app={CHAT}", "--output", "name").strip()
    hands.kubectl("patch", pod, "--type", "json", "--patch", '[{"op": "remove", "path": "/spec/schedulingGates"}]')


def is_gated(look: Look) -> bool:
    """A gate holds a pod back."""
    return any(
        condition.get("reason") == "SchedulingGated"
        for pod in pods(look)
        for condition in pod["status"].get("conditions", ())
    )


CASES = (
    Case(
        name="scheduling-gate",
        fault=gated,
        near_miss=gated,
        near_act=gate_lifted,
        terminal_when=is_gated,
        waited_s=GATED_S,
        within_s=GATED_S + 20,
        cause=Cause.SCHEDULING_GATED,
    ),
    Case(
        name="cpu-not-free",
        incidents=(5,),
        first=beside_neighbour,
        fault=asks_cpu(1000),
        near_miss=asks_cpu(LEFT_CPU_M - 100),
        terminal_when=unschedulable,
        waited_s=UNSCHEDULABLE_S,
        cause=Cause.SCHEDULING_INSUFFICIENT_CPU,
        alone=True,
        quick=True,
    ),
    Case(
        name="memory-not-free",
        incidents=(5,),
        first=beside_neighbour,
        fault=asks_memory(9 * 1024),
        near_miss=asks_memory(LEFT_MIB - 300),
        terminal_when=unschedulable,
        waited_s=UNSCHEDULABLE_S,
        cause=Cause.SCHEDULING_INSUFFICIENT_MEMORY,
        alone=True,
    ),
    Case(
        name="disk-not-there",
        incidents=(1,),
        fault=asks_disk("100Gi"),
        near_miss=asks_disk("100Mi"),
        terminal_when=unschedulable,
        waited_s=UNSCHEDULABLE_S,
        cause=Cause.SCHEDULING_INSUFFICIENT_EPHEMERAL_STORAGE,
    ),
    Case(
        name="node-selector",
        fault=selects(node__pool="inference"),
        near_miss=selects(kubernetes_io__os="linux"),
        terminal_when=unschedulable,
        waited_s=UNSCHEDULABLE_S,
        cause=Cause.SCHEDULING_NODE_SELECTOR,
    ),
    Case(
        name="pods-must-not-share-a-node",
        fault=apart("required"),
        near_miss=apart("preferred"),
        terminal_when=unschedulable,
        waited_s=UNSCHEDULABLE_S,
        cause=Cause.SCHEDULING_AFFINITY,
    ),
    Case(
        name="port-of-the-node-taken",
        fault=two_on_port(18999),
        near_miss=two_on_port(None),
        terminal_when=unschedulable,
        waited_s=UNSCHEDULABLE_S,
        cause=Cause.SCHEDULING_UNKNOWN,
    ),
    Case(
        name="node-tainted",
        prepare=node("taint", "dedicated=gpu:NoSchedule"),
        fault=tolerates("dedicated-to"),
        near_miss=tolerates("dedicated"),
        undo=node("taint", "dedicated-"),
        terminal_when=unschedulable,
        waited_s=UNSCHEDULABLE_S,
        cause=Cause.SCHEDULING_TAINT,
        alone=True,
    ),
    Case(
        name="node-cordoned",
        prepare=node("cordon"),
        fault=nothing,
        near_miss=tolerates("node.kubernetes.io/unschedulable"),
        undo=node("uncordon"),
        terminal_when=unschedulable,
        waited_s=UNSCHEDULABLE_S,
        cause=Cause.SCHEDULING_CORDONED,
        alone=True,
    ),
)
