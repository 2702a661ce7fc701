"""CFG-1: does the Deployment's environment say what the service can read.

Enters: the desired Deployment, the service's settings schema, the target's model. A key that nobody reads is worse than
a wrong value: the pod starts, is healthy, and runs on defaults. Values that come from a Secret or ConfigMap are not
read; they stand in the evidence as unjudged. Values of keys that are no setting are never shown: they may be secrets.
"""

import difflib
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from gate.causes import Cause
from gate.diagnosis.wording import names
from gate.records import ContainerSpec, Deployment, EnvVar, Setting, SettingsSchema
from gate.records.effective import effective
from gate.verdict import Evidence, Finding, Status, Verdict, judged, passed

MODE = "LLM_MODE"
MOCK = "mock"

#: difflib's ratio from which the service takes a key for a misspelt setting and refuses to start. The rule is that of
#: service_chat/environment.py, which the gate may not import; a contract test keeps the two alike. DRAIN to DRAIN_S
#: (0.83) lies above, POST to PORT (0.75) below.
SIMILAR = 0.78

#: Prefixes by which the service knows its own: any other key that begins so stops its start as well.
OWN_PREFIXES = ("LLM_", "DB_API_")

#: What the interpreter, its libraries and the platform read; no service setting, and no mistake either.
_FOREIGN = re.compile(
    r"^(PYTHON\w*|LC_\w+|LANG|LANGUAGE|TZ|HOME|PATH|TMPDIR|\w+_PROXY|\w+_proxy|AWS_\w+|OMP_\w+|OTEL_\w+)$"
)

#: What ends the host, port and credentials of a URL (RFC 3986, section 3.2).
_AUTHORITY = re.compile(r"[/?#]")

#: The schema's format of a setting that nobody may see (pydantic's SecretStr).
_SECRET = "password"  # noqa: S105 # the name of a format

#: What pydantic reads as a boolean (pydantic documentation, "Booleans").
_BOOLEANS = frozenset({"0", "off", "f", "false", "n", "no", "1", "on", "t", "true", "y", "yes"})


def config_verdict(workload: Deployment, *, container: str, schema: SettingsSchema, model: str) -> Verdict:
    """Judge CFG-1.

    Args:
        workload: the Deployment as it is meant to be.
        container: the container that runs the service.
        schema: every setting of the service.
        model: the model that the target expects to answer.

    Raises:
        LookupError: the Deployment has no such container.
    """
    spec = workload.container(container)
    where = f"Deployment/{workload.name}"
    findings = [
        *_mode_findings(workload, spec, schema, model),
        *_key_findings(where, spec, schema),
        *_value_findings(where, spec, schema),
        *_missing_findings(where, spec, schema),
    ]
    evidence = tuple(_evidence(where, spec, schema))
    unread = [each.name for each in spec.env if each.value is None]
    apart = f"; {names(unread)} come from other objects and are not read" if unread else ""
    return judged(
        "CFG-1",
        findings,
        passed(
            "CFG-1",
            f"{MODE} is {model}, and each of the {len(spec.env) - len(unread)} values parses as {schema.source} "
            f"says{apart}.",
            evidence,
        ),
    )


def _field(spec: ContainerSpec, key: str) -> str:
    return f"containers[{spec.name}].env[{key}]"


def _evidence(where: str, spec: ContainerSpec, schema: SettingsSchema) -> Iterator[Evidence]:
    if not spec.env:
        yield Evidence(where, f"containers[{spec.name}].env", "none: every setting has its default")
    for variable in spec.env:
        yield Evidence(where, _field(spec, variable.name), _shown(variable, schema.setting(variable.name)))


def _shown(variable: EnvVar, setting: Setting | None) -> str:
    if variable.value is None:
        return f"from {variable.source}, not read"
    if setting is None:
        return "(no setting of the service: value not shown)"
    # The "@" of credentials comes before the path; what cannot be taken apart is searched the same way.
    if setting.format == "uri" and "@" in _AUTHORITY.split(variable.value.partition("//")[2], maxsplit=1)[0]:
        return "(a URL with credentials: value not shown)"
    if setting.format == _SECRET:
        return "(a secret: value not shown)"
    return variable.value or '""'


# --- Which model answers ----------------------------------------------------------------------------------------------


def _mode_findings(workload: Deployment, spec: ContainerSpec, schema: SettingsSchema, model: str) -> Iterator[Finding]:
    setting = schema.setting(MODE)
    known = setting.enum if setting else ()
    found = effective(spec, schema, MODE)
    where = f"Deployment/{workload.name}"
    remedy = f"Set {MODE}={model} in the environment of container {spec.name}, and apply."
    if found.elsewhere:
        yield Finding(
            Status.INCONCLUSIVE,
            Cause.GATE_NOT_MEASURED,
            f"{MODE} comes {found.shown}: whether {model} will answer is unknown.",
            (Evidence(where, _field(spec, MODE), found.shown),),
            f"Write {MODE} into the pod template, so that `rollout undo` brings it back together with the image.",
        )
        return
    mode = found.value
    evidence = (Evidence(where, _field(spec, MODE), found.shown), Evidence("target", "model.name", model))
    if mode is not None and known and mode not in known:
        near = difflib.get_close_matches(mode, known, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        yield Finding(
            Status.FAIL,
            Cause.CONFIG_UNKNOWN_LLM_MODE,
            f"{MODE}={mode} is not known to the service, which will not start; known are {', '.join(known)}{hint}.",
            evidence,
            remedy,
        )
    elif mode == MOCK and model != MOCK:
        how = f"{MODE} is {MOCK}" if found.shown == mode else f"{MODE} is not set and defaults to {mode}"
        yield Finding(
            Status.FAIL,
            Cause.MODEL_MOCK,
            f"{how}: canned answers would go to clinicians with every check green, and the target expects {model}.",
            evidence,
            remedy,
        )
    elif mode != model:
        yield Finding(
            Status.FAIL, Cause.MODEL_WRONG, f"{MODE} is {mode}, and the target expects {model}.", evidence, remedy
        )


# --- Keys -------------------------------------------------------------------------------------------------------------


def _key_findings(where: str, spec: ContainerSpec, schema: SettingsSchema) -> Iterator[Finding]:
    keys = tuple(each.key for each in schema.settings)
    for variable in spec.env:
        key = variable.name
        # Settings are read whatever their case; a star is a whole ConfigMap or Secret whose keys are not read.
        if key.upper() in keys or key.endswith("*") or _FOREIGN.match(key):
            continue
        evidence = (Evidence(where, _field(spec, key), _shown(variable, None)),)
        suggestion = near_key(key, keys)
        if suggestion:
            yield Finding(
                Status.FAIL,
                Cause.CONFIG_UNKNOWN_KEY,
                f"{key} is no setting of the service: did you mean {suggestion}? Nothing reads it, and the service "
                f"refuses to start with it.",
                evidence,
                f"Rename {key} to {suggestion} in the environment of container {spec.name}, and apply.",
            )
        else:
            yield Finding(
                Status.WARN,
                Cause.CONFIG_UNKNOWN_KEY,
                f"{key} is no setting of the service ({schema.source} has {len(keys)}): nothing reads it.",
                evidence,
                f"Remove {key} from the environment of container {spec.name}, or add it to the service's settings.",
            )


def near_key(key: str, known: tuple[str, ...]) -> str | None:
    """Return the setting that a key was probably meant to be, None if it looks like none."""
    upper = key.upper()
    folded = re.sub(r"[_-]", "", upper)
    for name in known:
        if folded == name.replace("_", ""):
            return name
    for name in known:
        # DEFAULT_LLM_MODE, LLM_MODE_NAME; a setting of one word (PORT) is too common a part of other names for this.
        if "_" in name and f"_{name}_" in f"_{upper}_":
            return name
    likeness = 0.0 if upper.startswith(OWN_PREFIXES) else SIMILAR
    return next(iter(difflib.get_close_matches(upper, known, n=1, cutoff=likeness)), None)


def _missing_findings(where: str, spec: ContainerSpec, schema: SettingsSchema) -> Iterator[Finding]:
    given = {each.name.upper() for each in spec.env}
    bulk = any(each.name.endswith("*") for each in spec.env)
    for key in schema.required:
        if key in given or bulk:
            continue
        yield Finding(
            Status.FAIL,
            Cause.CONFIG_MISSING_KEY,
            f"{key} is not set and has no default: the service will not start.",
            (Evidence(where, _field(spec, key), "not set"),),
            f"Set {key} in the environment of container {spec.name}, and apply.",
        )


# --- Values -----------------------------------------------------------------------------------------------------------


def _value_findings(where: str, spec: ContainerSpec, schema: SettingsSchema) -> Iterator[Finding]:
    for variable in spec.env:
        setting = schema.setting(variable.name.upper())
        # An empty value means "not chosen" to the service; LLM_MODE has a rule of its own.
        if setting is None or not variable.value or setting.key == MODE:
            continue
        if setting.format == _SECRET:
            yield _in_clear(where, spec, variable, setting)
            continue
        wrong = _wrong(variable.value, setting)
        if wrong:
            shown = _shown(variable, setting)
            yield Finding(
                Status.FAIL,
                Cause.CONFIG_BAD_VALUE,
                f"{variable.name}={shown} {wrong}: the service will not start.",
                (Evidence(where, _field(spec, variable.name), shown),),
                f"Correct {variable.name} in the environment of container {spec.name}, and apply.",
            )


def _in_clear(where: str, spec: ContainerSpec, variable: EnvVar, setting: Setting) -> Finding:
    return Finding(
        Status.WARN,
        Cause.CONFIG_SECRET_IN_CLEAR,
        f"{variable.name} is a secret and stands in the Deployment in the clear: whoever may read the Deployment, its "
        f"history or the Terraform state has it.",
        (Evidence(where, _field(spec, variable.name), _shown(variable, setting)),),
        f"Put {variable.name} into a Secret, refer to it by secretKeyRef, apply, and withdraw the one that was shown.",
    )


def _wrong(value: str, setting: Setting) -> str:
    """Return what is wrong with a value as a clause, empty if nothing is."""
    if setting.enum and value not in setting.enum:
        return f"is none of {', '.join(setting.enum)}"
    if setting.type == "boolean":
        return "" if value.lower() in _BOOLEANS else "is neither true nor false"
    if setting.type in {"integer", "number"}:
        return _wrong_number(value, setting)
    if setting.format == "uri":
        try:
            parts = urlsplit(value)
        except ValueError:  # brackets around no address
            return "is no http or https URL"
        return "" if parts.scheme in {"http", "https"} and parts.hostname else "is no http or https URL"
    return ""


def _wrong_number(value: str, setting: Setting) -> str:
    try:
        number = int(value) if setting.type == "integer" else float(value)
    except ValueError:
        return f"is not {'a whole number' if setting.type == 'integer' else 'a number'}"
    return setting.out_of_bounds(number)
