"""The outside world -> records: the cluster, manifests and plans, the service's own answers, the registry.

The only place that may import a Kubernetes, HTTP or AWS client. What leaves is a record of ``gate.records`` or a
ReadError; raw dictionaries and foreign exceptions stay here.
"""
