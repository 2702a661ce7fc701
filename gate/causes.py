"""The closed list of causes that a verdict may name.

Each member has its paragraph in ``notes/causes.md`` (what it means, how it is told from its neighbours, what to do); a
test keeps the two equal. A cause names what is wrong in the reader's world, never which rule found it.
"""

from enum import StrEnum


class Cause(StrEnum):
    """Root causes, grouped by where the remedy lies."""

    # The gate's own trouble: always INCONCLUSIVE, never a statement about the service.
    GATE_UNREACHABLE = "gate.unreachable"
    GATE_BAD_INPUT = "gate.bad_input"
    GATE_FORBIDDEN = "gate.forbidden"
    GATE_WRONG_CLUSTER = "gate.wrong_cluster"
    GATE_NOT_MEASURED = "gate.not_measured"
    GATE_TOO_FEW_SAMPLES = "gate.too_few_samples"
    GATE_CRASHED = "gate.crashed"
    GATE_INTERRUPTED = "gate.interrupted"
    GATE_TIMED_OUT = "gate.timed_out"
    GATE_SKIPPED = "gate.skipped"
    GATE_NO_VERDICT = "gate.no_verdict"
    GATE_DRILL_REFUSED = "gate.drill_refused"

    # Rollout
    ROLLOUT_NOT_FOUND = "rollout.not_found"
    ROLLOUT_PAUSED = "rollout.paused"
    ROLLOUT_IN_PROGRESS = "rollout.in_progress"
    ROLLOUT_DEADLINE_EXCEEDED = "rollout.deadline_exceeded"
    ROLLOUT_NOT_OBSERVED = "rollout.not_observed"
    ROLLOUT_SUPERSEDED = "rollout.superseded"
    ROLLOUT_SCALED_TO_ZERO = "rollout.scaled_to_zero"
    ROLLOUT_OLD_PODS_LEFT = "rollout.old_pods_left"
    ROLLOUT_UNSTABLE = "rollout.unstable"
    ROLLOUT_NO_PREVIOUS_REVISION = "rollout.no_previous_revision"
    ROLLOUT_REQUESTS_FAILED = "rollout.requests_failed"
    ROLLOUT_UNDO_FAILED = "rollout.undo_failed"

    # Scheduling and capacity
    SCHEDULING_INSUFFICIENT_CPU = "scheduling.insufficient_cpu"
    SCHEDULING_INSUFFICIENT_MEMORY = "scheduling.insufficient_memory"
    SCHEDULING_INSUFFICIENT_EPHEMERAL_STORAGE = "scheduling.insufficient_ephemeral_storage"
    SCHEDULING_TOO_MANY_PODS = "scheduling.too_many_pods"
    SCHEDULING_TAINT = "scheduling.taint_not_tolerated"
    SCHEDULING_CORDONED = "scheduling.node_cordoned"
    SCHEDULING_NODE_SELECTOR = "scheduling.node_selector"
    SCHEDULING_AFFINITY = "scheduling.affinity"
    SCHEDULING_VOLUME_NODE_AFFINITY = "scheduling.volume_node_affinity"
    SCHEDULING_NO_NODES = "scheduling.no_nodes"
    SCHEDULING_GATED = "scheduling.gated"
    SCHEDULING_UNKNOWN = "scheduling.unknown"
    NODE_NOT_READY = "node.not_ready"
    NODE_PRESSURE = "node.pressure"
    NODE_TYPE_UNKNOWN = "node.type_unknown"
    NODE_TOO_SMALL = "node.too_small"
    NODE_MARGIN_THIN = "node.margin_thin"
    NODE_DIFFERS_FROM_PLAN = "node.differs_from_plan"

    # Admission
    ADMISSION_QUOTA = "admission.quota_exceeded"
    ADMISSION_LIMIT_RANGE = "admission.limit_range"
    ADMISSION_POD_SECURITY = "admission.pod_security"
    ADMISSION_WEBHOOK = "admission.webhook"
    ADMISSION_SERVICE_ACCOUNT = "admission.service_account_missing"
    ADMISSION_REFUSED = "admission.refused"

    # Image
    IMAGE_NOT_FOUND = "image.not_found"
    IMAGE_DENIED = "image.denied"
    IMAGE_REGISTRY_UNREACHABLE = "image.registry_unreachable"
    IMAGE_INVALID_NAME = "image.invalid_name"
    IMAGE_NEVER_PULL = "image.never_pull"
    IMAGE_PULL_FAILED = "image.pull_failed"
    IMAGE_WRONG_PLATFORM = "image.wrong_platform"
    IMAGE_MUTABLE_TAG = "image.mutable_tag"
    IMAGE_DIGEST_MISMATCH = "image.digest_mismatch"
    IMAGE_HOLDS_SECRET = "image.holds_secret"  # noqa: S105 # the name of a cause

    # Configuration
    CONFIG_MISSING_SECRET = "config.missing_secret"  # noqa: S105  # the name of a cause, not a secret
    CONFIG_MISSING_CONFIG_MAP = "config.missing_config_map"
    CONFIG_MISSING_KEY = "config.missing_key"
    CONFIG_UNKNOWN_KEY = "config.unknown_key"
    CONFIG_BAD_VALUE = "config.bad_value"
    CONFIG_SECRET_IN_CLEAR = "config.secret_in_clear"  # noqa: S105 # the name of a cause
    CONFIG_UNKNOWN_LLM_MODE = "config.unknown_llm_mode"
    CONFIG_SECURITY_CONTEXT = "config.security_context"

    # Containers
    CONTAINER_OOM_KILLED = "container.oom_killed"
    CONTAINER_EXITED = "container.exited"
    CONTAINER_COMMAND_NOT_FOUND = "container.command_not_found"
    CONTAINER_CREATE_FAILED = "container.create_failed"
    CONTAINER_RESTARTED = "container.restarted"
    CONTAINER_INIT_FAILED = "container.init_failed"
    CONTAINER_INIT_RUNNING = "container.init_running"
    CONTAINER_SIDECAR_FAILED = "container.sidecar_failed"
    POD_EVICTED_STORAGE = "pod.evicted_storage"
    POD_EVICTED_MEMORY = "pod.evicted_memory"
    POD_EVICTED = "pod.evicted"
    POD_PREEMPTED = "pod.preempted"
    POD_READINESS_GATE = "pod.readiness_gate"
    POD_STUCK_TERMINATING = "pod.stuck_terminating"
    POD_LOST = "pod.lost"

    # Probes
    PROBE_STARTUP_EXHAUSTED = "probe.startup_exhausted"
    PROBE_LIVENESS_FAILING = "probe.liveness_failing"
    PROBE_LIVENESS_KILLED = "probe.liveness_killed"
    PROBE_READINESS_FAILING = "probe.readiness_failing"
    PROBE_READY_WITHOUT_MODEL = "probe.ready_without_model"
    PROBE_TIMEOUT_TOO_LONG = "probe.timeout_too_long"

    # Storage
    STORAGE_CLASS_NOT_FOUND = "storage.class_not_found"
    STORAGE_NO_PROVISIONER = "storage.no_provisioner"
    STORAGE_CLAIM_NOT_FOUND = "storage.claim_not_found"
    STORAGE_CLAIM_PENDING = "storage.claim_pending"
    STORAGE_ATTACH_FAILED = "storage.attach_failed"
    STORAGE_MOUNT_FAILED = "storage.mount_failed"
    STORAGE_ACCESS_MODE = "storage.access_mode"
    STORAGE_DISK_TOO_SMALL = "storage.disk_too_small"
    STORAGE_DISK_NOT_REQUESTED = "storage.disk_not_requested"
    STORAGE_MODEL_IN_LAYER = "storage.model_in_container_layer"
    STORAGE_VOLUME_TOO_SMALL = "storage.volume_too_small"

    # Network
    ENDPOINTS_SELECTOR = "endpoints.selector_matches_nothing"
    ENDPOINTS_TARGET_PORT = "endpoints.target_port"
    ENDPOINTS_NOT_READY = "endpoints.not_ready"
    SERVICE_NOT_FOUND = "service.not_found"
    SERVICE_NO_ADDRESS = "service.no_address"
    SERVICE_GATEWAY_TIMEOUT = "service.gateway_timeout"
    SERVICE_CLIENT_TIMEOUT = "service.client_timeout"
    SERVICE_UNREACHABLE = "service.unreachable"
    HEALTH_FAILED = "health.failed"
    DEPENDENCY_UNREACHABLE = "dependency.unreachable"

    # Autoscaling and metrics
    METRICS_API_MISSING = "metrics.api_missing"
    METRICS_MISSING = "metrics.missing"
    HPA_NOT_FOUND = "hpa.not_found"
    HPA_NO_METRICS = "hpa.no_metrics"
    HPA_NO_CPU_REQUEST = "hpa.no_cpu_request"
    HPA_CANNOT_SCALE = "hpa.cannot_scale"
    HPA_AT_MAXIMUM = "hpa.at_maximum"
    HPA_WRONG_TARGET = "hpa.wrong_target"

    # Resources
    MEMORY_DOES_NOT_FIT = "memory.does_not_fit"
    MEMORY_NEAR_LIMIT = "memory.near_limit"
    MEMORY_GROWING = "memory.growing"
    MEMORY_NO_LIMIT = "memory.no_limit"
    MEMORY_REQUEST_TOO_SMALL = "memory.request_too_small"
    CPU_THROTTLED = "cpu.throttled"
    CPU_AT_LIMIT = "cpu.at_limit"
    CPU_ON_CREDIT = "cpu.on_credit"
    COST_OVER_BUDGET = "cost.over_budget"

    # The model's answers
    MODEL_MOCK = "model.answers_as_mock"
    MODEL_WRONG = "model.wrong_model"
    MODEL_NOT_LOADED = "model.not_loaded"
    MODEL_UNKNOWN = "model.unknown"
    MODEL_CANNED = "model.canned_answers"
    MODEL_IMPLAUSIBLE_TIMING = "model.implausible_timing"
    MODEL_EMPTY_ANSWER = "model.empty_answer"
    MODEL_THINKING_UNFINISHED = "model.thinking_unfinished"
    MODEL_THOUGHT_LEAKED = "model.thought_leaked"
    MODEL_DIAGNOSIS_MISSING = "model.diagnosis_missing"
    MODEL_CUT_SHORT = "model.cut_short"
    MODEL_ARCHITECTURE = "model.unknown_architecture"
    CONTRACT_VIOLATED = "contract.violated"
    REQUEST_FAILED = "request.failed"
    REQUEST_REFUSED = "request.refused"
    LATENCY_DRIFTING = "latency.drifting"
    LATENCY_OVER_TARGET = "latency.over_target"
    QUEUE_SILENT = "queue.silent"
    USER_NEGATIVE_REPORT = "user.negative_report"

    # Logs
    LOG_ERRORS = "log.errors"
    LOG_LOAD_UNCONFIRMED = "log.load_unconfirmed"
    LOG_PATIENT_DATA = "log.patient_data"
    LOG_SECRET = "log.secret"  # noqa: S105  # the name of a cause, not a secret

    # Terraform plan
    PLAN_UNEXPECTED_CHANGE = "plan.unexpected_change"
    PLAN_DESTROYS_STATEFUL = "plan.destroys_stateful"
    PLAN_STALE = "plan.stale"
    PLAN_DRIFT = "plan.drift"
    PLAN_DRIFT_MISSED = "plan.drift_missed"
    PLAN_INCOMPLETE = "plan.incomplete"

    # The built image, run as a container
    IMAGE_RUNS_AS_ROOT = "image.runs_as_root"
    IMAGE_NEEDS_WRITABLE_ROOT = "image.needs_writable_root"
    SHUTDOWN_DROPS_REQUESTS = "shutdown.drops_requests"
    SHUTDOWN_TOO_SLOW = "shutdown.too_slow"
    START_FAILED = "start.failed"
