"""What a run found out, written for people and for machines.

Judgements enter as frozen records (``run``), reports leave as files (``write``) and terminal lines (``terminal``).
Nothing here judges, reads a cluster or knows pytest: a report shows what the verdicts hold and nothing else.
"""
