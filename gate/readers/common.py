"""Parts that Kubernetes objects of many kinds share -> records. Pure; nothing here raises on an object's content."""

from gate.readers import fields
from gate.readers.fields import Raw
from gate.records import Condition, Owner

REVISION = "deployment.kubernetes.io/revision"


def conditions(status: Raw) -> tuple[Condition, ...]:
    """Return the conditions of an object's status."""
    return tuple(
        Condition(
            type=fields.text(each, "type"),
            status=fields.text(each, "status", default="Unknown"),
            reason=fields.text(each, "reason"),
            message=fields.text(each, "message"),
            at=fields.time(each, "lastTransitionTime"),
        )
        for each in fields.children(status, "conditions")
    )


def owner(meta: Raw) -> Owner | None:
    """Return the controller that owns an object, None if nobody does."""
    for each in fields.children(meta, "ownerReferences"):
        if fields.flag(each, "controller"):
            return Owner(kind=fields.text(each, "kind"), name=fields.text(each, "name"), uid=fields.text(each, "uid"))
    return None


def revision(meta: Raw) -> int | None:
    """Return the revision of a Deployment or ReplicaSet, None while its controller has not numbered it."""
    found = fields.text(meta, "annotations", REVISION)
    return int(found) if found.isdecimal() else None
