"""How a person handles a step of the checklist: what they do first, how long they watch, and what they look for.

Pure: a handling is data, and small functions over a step's output. Steps without an entry are typed as they stand and
must end in 0.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from e2e.checklist.document import Step
from e2e.checklist.stand_ins import MODEL

#: A build with the model, or a rolling update of two pods, on two busy cores.
LONG_S = 600.0
#: metrics-server scrapes every 15 s and wants two scrapes of a new pod; an autoscaler reads it as often.
METRICS_S = 90.0
REQUESTS = 10

Check = Callable[[str], str]
"""Output of a step -> what is wrong with it, empty if nothing is."""


@dataclass(frozen=True)
class Handling:
    """What is special about one step.

    Attributes:
        section: how the heading begins that it stands under.
        pattern: found in its text; with the section it names exactly one step.
        before: what the checklist says in prose before it, as shell lines.
        after: what shows that it worked, as shell lines.
        edits: the file that its assignments go into.
        foreground: it does not end by itself and is watched from a second terminal.
        until_s: it is repeated for so long until it passes.
        limit_s: it may take so long.
        check: what its output must show.
    """

    section: str
    pattern: str
    before: str = ""
    after: str = ""
    edits: str = ""
    foreground: bool = False
    until_s: float = 0.0
    limit_s: float = 120.0
    check: Check = lambda _: ""

    def names(self, step: Step) -> bool:
        """Return whether this is how `step` is handled."""
        return step.section.startswith(self.section) and bool(re.search(self.pattern, step.text, re.MULTILINE))


class HandlingError(Exception):
    """The table and the document do not fit each other."""


def handled(step: Step, table: Sequence[Handling]) -> Handling:
    """Return how a step is handled.

    Raises:
        HandlingError: two entries claim it.
    """
    found = [each for each in table if each.names(step)]
    if len(found) > 1:
        raise HandlingError(f"line {step.line}: {[each.pattern for each in found]} all claim {step.text!r}")
    return found[0] if found else Handling(step.section, "")


def astray(table: Sequence[Handling], document: Sequence[Step]) -> list[str]:
    """Return the patterns that no step of the document, or more than one, answers to."""
    return [each.pattern for each in table if sum(map(each.names, document)) != 1]


def edited(text: str, block: str) -> str:
    """Return a file's text with the assignments of an HCL block in the place of its own.

    Raises:
        HandlingError: the file assigns none of these names: the checklist's edit has no place in it.
    """
    for name, value in re.findall(r"^\s*(\w+)\s*=\s*(.+?)\s*(?:#.*)?$", block, re.MULTILINE):
        assigned = re.compile(rf"^(\s*{name}\s*=\s*).*$", re.MULTILINE)
        count = len(assigned.findall(text))
        if count != 1:
            raise HandlingError(f"{name} is assigned {count} times, expected once")
        text = assigned.sub(lambda found, value=value: f"{found[1]}{value}", text)  # type: ignore[misc]
    return text


def healthy(output: str) -> str:
    """`/health` answered for itself, and not a proxy for it."""
    return "" if '"status"' in output else f"no health answer: {output[:200]!r}"


def watching(output: str) -> str:
    """`kubectl get pods -w` shows the pods there are."""
    return "" if "chat-api-" in output else f"no pod: {output!r}"


def all_running(output: str) -> str:
    """`kubectl get pods`: there are pods, and each runs with all its containers ready."""
    rows = [line.split() for line in output.partition("NAME ")[2].splitlines()[1:]]
    bad = [" ".join(row[:3]) for row in rows if row[2] != "Running" or len(set(row[1].split("/"))) != 1]
    return "no pod" if not rows else "; ".join(bad)


def loaded_without_errors(output: str) -> str:
    """`kubectl logs`: the model was loaded, and no line is an error."""
    errors = [line for line in output.splitlines() if re.search(r'"level": ?"(error|critical)"|Traceback', line)]
    missing = [] if "Model loaded successfully" in output else ["no line says: Model loaded successfully"]
    return "; ".join(missing + errors[:3])


def answers_as(mode: str) -> Check:
    """`/triage` answered in this mode, with something to read."""

    def check(output: str) -> str:
        named = re.search(r'"llm_mode": ?"([^"]*)"', output)
        said = re.search(r'"response": ?"([^"]+)"', output)
        if named is None or said is None:
            return f"no answer: {output[:200]!r}"
        return "" if named[1] == mode else f"{named[1]} answered, not {mode}"

    return check


def measured(output: str) -> str:
    """`kubectl top`: every pod has CPU and memory."""
    rows = [line.split() for line in output.splitlines()[1:]]
    return "" if rows and all(len(row) == 3 for row in rows) else f"no figures: {output!r}"  # name, CPU, memory


def autoscaled(output: str) -> str:
    """`kubectl get hpa`: it reads the CPU."""
    return f"it reads no metrics: {output!r}" if "<unknown>" in output or "%" not in output else ""


def all_answered(output: str) -> str:
    """The loop of ten clients: ten answers of the model, none refused."""
    answers = len(re.findall(rf'"llm_mode": ?"{re.escape(MODEL)}"', output))
    return "" if answers == REQUESTS else f"{answers} of {REQUESTS} answered: {output[-400:]!r}"


def plans(*pieces: str) -> Check:
    """`make tf-plan` names each of these."""

    def check(output: str) -> str:
        return "; ".join(f"the plan does not name {piece!r}: {output}" for piece in pieces if piece not in output)

    return check


def digest_pushed(output: str) -> str:
    """`docker push` ended in a digest for each tag."""
    digests = re.findall(r"digest: (sha256:[0-9a-f]{64})", output)
    return "" if len(digests) == 2 and len(set(digests)) == 1 else f"two tags of one image: {digests}"  # v2.0, latest


#: `kubectl rollout status` in words: the old version serves alone.
_SETTLED = "kubectl rollout status deployment/chat-api -n carepath-demo --timeout=300s"
_FORWARD_AGAIN = f"kubectl rollout undo deployment/chat-api -n carepath-demo; {_SETTLED}"
# A pod that ends still answers until the load balancer has dropped it, within the drain delay of 5 s.
_ASK = (
    'sleep 5; curl -sS -X POST http://localhost/triage -H "Content-Type: application/json" '
    """-d '{"patient_mrn": "MRN-001", "query": "What is my current diagnosis?"}'"""
)
_ENVIRONMENT = "infra/terraform/envs/local"
#: The edit that the checklist describes: terraform.tfvars back to the old image, and its mode.
_OLD_IMAGE = (
    """sed -i -e '/^chat_api_image/s/:[^:]*"$/:v1.0"/' -e '/^llm_mode/s/"[^"]*"/"mock"/' """
    f"{_ENVIRONMENT}/terraform.tfvars; make tf-plan"
)
_BUILD, _PUSH, _UPDATE, _DEPLOY = "Build", "Push", "Infrastructure Update", "Deployment Phase"
_VALIDATE, _ROLL_BACK = "Post-Deployment Validation", "Rollback"

HANDLING = (
    Handling(_BUILD, r"DOWNLOAD_MODEL=true", limit_s=LONG_S),
    # Option B gets the same tag; option A, the chosen one, is what is pushed.
    Handling(
        _BUILD,
        r"^docker build -t",
        before="docker tag carepath-chat-api:v2.0 carepath-chat-api:option-a",
        after="docker tag carepath-chat-api:v2.0 carepath-chat-api:option-b; "
        "docker tag carepath-chat-api:option-a carepath-chat-api:v2.0",
        limit_s=LONG_S,
    ),
    Handling(_BUILD, r"^docker run", foreground=True),
    Handling(_BUILD, r"^curl", until_s=60.0, check=healthy),
    Handling(_PUSH, r"^docker push", limit_s=LONG_S, check=digest_pushed),
    Handling(_UPDATE, r"^chat_api_image", edits=f"{_ENVIRONMENT}/terraform.tfvars"),
    Handling(_UPDATE, r"node_instance_types", edits="infra/terraform/envs/demo/main.tf"),
    Handling(
        _DEPLOY, r"^make tf-plan", check=plans("Deployment/chat-api", "image", f"LLM_MODE].value: mock -> {MODEL}")
    ),
    Handling(_DEPLOY, r"^make tf-apply", after=_SETTLED, limit_s=LONG_S),
    # The other way to deploy needs something to deploy: v1.0 is put back first.
    Handling(
        _DEPLOY,
        r"^make deploy-chat",
        before="make tf-plan CHAT_IMAGE=localhost:5000/carepath-chat-api:v1.0 LLM_MODE=mock; "
        f"make tf-apply; {_SETTLED}; make tf-plan",
        limit_s=LONG_S,
    ),
    Handling(_DEPLOY, r"^kubectl get pods", foreground=True, until_s=20.0, check=watching),
    Handling(_DEPLOY, r"^kubectl rollout status", limit_s=LONG_S),
    Handling(_VALIDATE, r"^kubectl get pods", check=all_running),
    Handling(_VALIDATE, r"^kubectl logs", check=loaded_without_errors),
    Handling(_VALIDATE, r"/health", check=healthy),
    Handling(_VALIDATE, r"What is my current diagnosis", check=answers_as(MODEL)),
    Handling(_VALIDATE, r"^kubectl top", until_s=METRICS_S, check=measured),
    Handling(_VALIDATE, r"^kubectl get hpa", until_s=METRICS_S, check=autoscaled),
    Handling(_VALIDATE, r"^for i in", check=all_answered),
    Handling(
        _ROLL_BACK, r"^kubectl rollout undo", after=f"{_SETTLED}; {_ASK}", limit_s=LONG_S, check=answers_as("mock")
    ),
    Handling(
        _ROLL_BACK,
        r"^make tf-apply",
        before=f"{_FORWARD_AGAIN}; {_OLD_IMAGE}",
        after=f"{_SETTLED}; {_ASK}",
        limit_s=LONG_S,
        check=answers_as("mock"),
    ),
    Handling(_ROLL_BACK, r"^kubectl rollout status", until_s=60.0, check=all_running),
    Handling(
        _ROLL_BACK,
        r"^kubectl set env",
        before=_FORWARD_AGAIN,
        after=f"{_SETTLED}; {_ASK}",
        limit_s=LONG_S,
        check=answers_as("mock"),
    ),
)
