"""The library behind the deploy gate's pytest tiers.

The tiers say what must hold; this package says how it is found out. Data flows one way, and imports point
down: ``plugin, __main__ > report, drilling > waiting > readers > diagnosis, sizing, plan > records > criteria, target >
verdict``.
"""

from gate.causes import Cause
from gate.verdict import Evidence, Finding, Status, Verdict

__all__ = ["Cause", "Evidence", "Finding", "Status", "Verdict"]
