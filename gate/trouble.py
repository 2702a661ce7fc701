"""What an exception of the gate says about a criterion: nothing, so INCONCLUSIVE, with whose trouble it is.

Knows no pytest: its own exceptions (a skip, a time limit) are the plugin's business.
"""

from gate.causes import Cause
from gate.readers.errors import CommandFailed, Denied, DrillRefused, Malformed, NotFound, ReadError, WrongCluster
from gate.verdict import Evidence, Verdict, inconclusive

#: Characters of a foreign exception's text that evidence and reason show.
EVIDENCE_CHARS, REASON_CHARS = 500, 200

_UNREACHABLE = (Cause.GATE_UNREACHABLE, "Make the place that the message names reachable, then run the tier again.")
_BAD_INPUT = (
    Cause.GATE_BAD_INPUT,
    "Write what the message names (a plan: `make tf-plan`; manifests: `make render`), or correct the target.",
)
_READ_TROUBLE: dict[type[ReadError], tuple[Cause, str]] = {
    Denied: (
        Cause.GATE_FORBIDDEN,
        "Grant the right that the message names to the identity that runs the gate, then run the tier again.",
    ),
    WrongCluster: (
        Cause.GATE_WRONG_CLUSTER,
        "Choose the context of the cluster that the target's [cluster] identity names, or correct the identity.",
    ),
    CommandFailed: (
        Cause.GATE_BAD_INPUT,
        "Run the command that the message names by itself, mend what it says, then run the tier again.",
    ),
    NotFound: _BAD_INPUT,
    Malformed: _BAD_INPUT,
    DrillRefused: (
        Cause.GATE_DRILL_REFUSED,
        "Wait for the drill that the message names, or, if it died, run the restore command of the message.",
    ),
}


def raised_evidence(error: BaseException, where: Evidence) -> Evidence:
    """Return the exception as evidence of the place that ``where`` names."""
    return Evidence(where.object, "raised", f"{type(error).__name__}: {str(error)[:EVIDENCE_CHARS] or 'no message'}")


def trouble(criterion: str, error: BaseException, raised: Evidence) -> Verdict:
    """Return the verdict of a criterion whose judging raised."""
    if isinstance(error, ReadError):
        cause, remedy = _READ_TROUBLE.get(type(error), _UNREACHABLE)
        return inconclusive(criterion, cause, f"{error}", (raised,), remedy)
    return inconclusive(
        criterion,
        Cause.GATE_CRASHED,
        f"The gate itself failed: {type(error).__name__}: {str(error)[:REASON_CHARS] or 'no message'}",
        (raised,),
        "Run the same command with --tb=short and report the traceback.",
    )
