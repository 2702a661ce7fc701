"""The library behind the deploy gate's pytest tiers.

The tiers say what must hold; this package says how it is found out. Data flows one way, and imports point down, from
``plugin`` and ``__main__`` over the readers and what judges to ``records`` and ``verdict`` (see ``.importlinter``).
"""

from gate.causes import Cause
from gate.verdict import Evidence, Finding, Status, Verdict

__all__ = ["Cause", "Evidence", "Finding", "Status", "Verdict"]
