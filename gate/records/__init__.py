"""Frozen data that the pure code judges: a Snapshot of the cluster, what is Desired, what was Observed by asking.

``readers`` make these from the outside world, ``diagnosis``, ``sizing`` and ``plan`` judge them; raw API dictionaries
never come this far. CPU is in millicores, memory and storage in bytes, times are aware datetimes (UTC). An absent value
is None and never zero; a read that failed is an ``Unreadable`` and never an empty tuple.
"""

from gate.records.common import Condition, Owner, Resources
from gate.records.metrics import PodMetrics, Readings
from gate.records.network import Endpoint, Service, ServicePort
from gate.records.nodes import NO_PROVISIONER, Claim, Node, Quota, Requirement, StorageClass, Taint, Volume
from gate.records.observations import Answer, Identity, LogTail, PatientRecord, PatientRecords, Reply
from gate.records.pods import ContainerState, ContainerStatus, Pod, PodUsage
from gate.records.snapshot import ClusterIdentity, Desired, Event, Snapshot, Unreadable
from gate.records.soak import Asked, Cost, PodSample, SoakPlan, SoakSample
from gate.records.sources import ImageFacts, ImageUnread, ModelFacts, Setting, SettingsSchema, Span, StartTime
from gate.records.templates import ContainerPort, ContainerSpec, EnvVar, PodSpec, Probe, VolumeMount, VolumeSource
from gate.records.workloads import Deployment, Hpa, ReplicaSet

__all__ = [
    "NO_PROVISIONER",
    "Answer",
    "Asked",
    "Claim",
    "ClusterIdentity",
    "Condition",
    "ContainerPort",
    "ContainerSpec",
    "ContainerState",
    "ContainerStatus",
    "Cost",
    "Deployment",
    "Desired",
    "Endpoint",
    "EnvVar",
    "Event",
    "Hpa",
    "Identity",
    "ImageFacts",
    "ImageUnread",
    "LogTail",
    "ModelFacts",
    "Node",
    "Owner",
    "PatientRecord",
    "PatientRecords",
    "Pod",
    "PodMetrics",
    "PodSample",
    "PodSpec",
    "PodUsage",
    "Probe",
    "Quota",
    "Readings",
    "ReplicaSet",
    "Reply",
    "Requirement",
    "Resources",
    "Service",
    "ServicePort",
    "Setting",
    "SettingsSchema",
    "Snapshot",
    "SoakPlan",
    "SoakSample",
    "Span",
    "StartTime",
    "StorageClass",
    "Taint",
    "Unreadable",
    "Volume",
    "VolumeMount",
    "VolumeSource",
]
