"""How long, or how often, a failure is waited out before the newest revision counts as doomed.

Waiting stops when no waiting can mend a rollout, and never before. Each number stands here with its source, and the
tests of the rule that uses it hold both sides of it. File names below are of kubernetes/kubernetes 1.34.
"""

#: The scheduler looks at a pod again when the cluster changes; a cluster autoscaler has announced itself by then: it
#: scans every 10 s (cluster-autoscaler FAQ, --scan-interval), Karpenter batches for at most 10 s (BATCH_MAX_DURATION).
UNSCHEDULABLE_S = 15.0

#: A node that an autoscaler has asked for is given up after this time (cluster-autoscaler FAQ,
#: --max-node-provision-time).
NODE_PROVISION_S = 900.0

#: A gate is lifted by whoever set it (a queueing controller, say). No source gives a time: a queue may take hours, and
#: a rollout that a queue holds for a minute is not going on.
GATED_S = 60.0

#: The ReplicaSet controller tries again after 5 ms, doubling each time (client-go DefaultTypedControllerRateLimiter):
#: within 10 s it has been refused a dozen times, and a ServiceAccount or quota applied in the same breath has arrived.
ADMISSION_S = 10.0

#: The kubelet tries a pod again 10 s after an error (pkg/kubelet/kubelet.go, backOffPeriod): one retry, and half a
#: period more, so that a Secret or ConfigMap applied after the Deployment has been seen.
CONFIG_SYNC_S = 15.0

#: Failed pulls that are neither "not found" nor "denied": the third comes 30 s after the first (pkg/kubelet/kubelet.go,
#: imageBackOffPeriod 10 s, doubled each time), long enough for a registry that restarts.
PULL_ATTEMPTS = 3

#: Where the events of the pulls are gone (they expire after 1 h, kube-apiserver --event-ttl) or unreadable: image
#: back-off has reached its ceiling (pkg/kubelet/kubelet.go, MaxImageBackOff 300 s).
PULL_S = 300.0

#: Ends of a container that count as a loop. Restarts wait 10 s, then 20 s (pkg/kubelet/kubelet.go, back-off): the third
#: end comes at least 30 s after the first, so a dependency that restarts has come back.
CRASHES = 3

#: An exit code that means bad settings: nothing but a changed setting changes it, so the second end is proof.
SETTINGS_EXITS = 2

#: Loading the same weights under the same limit takes the same memory: the second kill by it is proof. The first may
#: have met a page cache or a neighbour process of that moment.
OOM_KILLS = 2

#: A second load finds the weights in the node's page cache and may be faster than the first; a third will not be
#: faster than the second.
STARTUP_KILLS = 2

#: A liveness kill may be one long request; three within a rollout are a pattern (same back-off as CRASHES).
LIVENESS_KILLS = 3

#: Failures in a row of a ready pod's liveness probe that are no noise. One may be a long request or a garbage
#: collection; the kubelet itself waits for failureThreshold of them (default 3).
LIVENESS_FAILURES = 2

#: The kubelet writes the event of a failed probe at once; it reaches the API server within a second (observed, 2 busy
#: cores). Also the leeway of the kubelet's own timer.
PROBE_EVENT_S = 2.0

#: How long fresh pods are watched at most so that their liveness probe is asked once: three of the default periods of
#: 10 s. A longer period is a choice that no deploy should wait for.
LIVENESS_ASKED_S = 30.0

#: The replacement of an evicted pod has the same image, limits and volumes; evicted as well, it proves the cause.
EVICTIONS = 2

#: Ends of pods that belong together, and to what goes on now: Kubernetes keeps the objects of failed pods for good
#: (up to 12,500, kube-controller-manager --terminated-pod-gc-threshold), and one of last week explains nothing.
#: The default of progressDeadlineSeconds.
EVICTION_SPAN_S = 600.0

#: A claim is provisioned in seconds once its provisioner runs; the controller looks at pending claims every 15 s
#: (kube-controller-manager --pvclaimbinder-sync-period): a class or driver applied late has been seen.
CLAIM_S = 15.0

#: A provisioner that answers with an error tries again from 1 s, doubling up to 5 min (external-provisioner
#: --retry-interval-start, --retry-interval-max): in 2 minutes it has failed about seven times.
PROVISIONING_S = 120.0

#: The kubelet gives up waiting for volumes after 2 min 3 s and starts again
#: (pkg/kubelet/volumemanager/volume_manager.go, podAttachAndMountTimeout).
MOUNT_S = 123.0

#: A pod being deleted is gone after its grace period; the kubelet then has to unmount and to report (observed: under
#: 5 s). Six times that is not normal any more.
TERMINATION_MARGIN_S = 30.0

#: A server that answers 404 is up and does not serve that path; loading a model answers otherwise (503, or nothing).
#: A port's name that is not declared is the same mistake.
#: Twice the usual probe period of 10 s, for a server that adds routes while it starts.
PATH_MISSING_S = 20.0

#: A container that came back less than this ago is not called stable when nobody watched it for a window: the longest
#: of the usual liveness periods.
RESTART_SETTLE_S = 10.0

#: Back-off between failed attempts to create a container or its sandbox: three kubelet retries of 10 s each.
CREATE_S = 30.0
