"""Snapshot in, Verdict out: pure functions that name what is wrong with a rollout and with the answers of the service.

No clock, no network, no Kubernetes client: ages are counted from ``Snapshot.read_at``. What only the cluster or the
service can say is read by ``gate.readers`` beforehand; what costs waiting is the business of ``gate.waiting``.
"""
