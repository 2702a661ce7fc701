"""Users' reports on answers: which were counted already.

Enters: the trace id of an answer and a rating. Kept: the last few thousand pairs, so that a double click or a repeated
request counts once; nothing of a patient, and no words. A trace id cannot be held against the answers that were given:
any replica may have given it, and the report comes to whichever the load balancer picks.
"""

from collections import OrderedDict
from enum import StrEnum

#: The two forms in which a trace id is issued or taken over: W3C Trace Context's, and a UUID.
TRACE_ID = r"^(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$"

#: Under 1 MB; a report is repeated within seconds, and a replica of this service gives a few answers a second at most.
REMEMBERED = 4096


class Rating(StrEnum):
    """What a user thinks of an answer."""

    UP = "up"
    DOWN = "down"


class Reports:
    """Tells a new report from a repeated one.

    Args:
        remembered: how many are remembered; the oldest are forgotten first.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._seen: OrderedDict[tuple[str, Rating], None] = OrderedDict()

    def __len__(self) -> int:
        """Return how many reports are remembered."""
        return len(self._seen)

    def is_new(self, trace_id: str, rating: Rating) -> bool:
        """Remember a report and return whether it was not known; another rating of the same answer is another one."""
        report = (trace_id.replace("-", ""), rating)
        if report in self._seen:
            self._seen.move_to_end(report)
            return False
        self._seen[report] = None
        if len(self._seen) > self._remembered:
            self._seen.popitem(last=False)
        return True
