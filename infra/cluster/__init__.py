"""A real Kubernetes on one Linux machine, in namespaces of its own, Ready in seconds and gone without a trace.

`python -m infra.cluster up | down | status | env | logs COMPONENT | exec COMMAND`. The order of things is in
`launcher`, one topic per module beside it. Nothing outside this folder needs to know how the cluster is made: others
use the variables that `env` prints.
"""
