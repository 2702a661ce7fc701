from dataclasses import replace

import pytest

from gate.causes import Cause
from gate.diagnosis.config import config_verdict, near_key
from gate.records import ContainerSpec, Deployment, EnvVar, PodSpec, Setting, SettingsSchema
from gate.verdict import Status, Verdict

SCHEMA = SettingsSchema(
    source="service_chat/settings.schema.json",
    settings=(
        Setting(key="LLM_MODE", type="string", enum=("mock", "Qwen3-4B-Thinking-2507", "SmolLM2"), default="mock"),
        Setting(key="DB_API_BASE_URL", type="string", format="uri"),
        Setting(key="LLM_THREADS", type="integer", minimum=1, maximum=512),
        Setting(key="REQUEST_DEADLINE_S", type="number", exclusive_minimum=0),
        Setting(key="THINKING_TIME_SHARE", type="number", exclusive_minimum=0, exclusive_maximum=1),
        Setting(key="ALLOW_MODE_OVERRIDE", type="boolean"),
        Setting(key="LOG_LEVEL", type="string", enum=("DEBUG", "INFO", "WARNING", "ERROR")),
        Setting(key="MAX_TOKENS", type="integer", minimum=1),
        Setting(key="PORT", type="integer", minimum=1, maximum=65535),
        Setting(key="HF_TOKEN", type="string", format="password"),
    ),
)
MODEL = "Qwen3-4B-Thinking-2507"


def given(**env: str) -> list[EnvVar]:
    """Return variables with their values."""
    return [EnvVar(name=key, value=value) for key, value in env.items()]


def judge(*further: EnvVar, schema: SettingsSchema = SCHEMA, mode: str | None = MODEL) -> Verdict:
    """Return CFG-1 of an environment that is right but for what is given."""
    variables = (*([EnvVar(name="LLM_MODE", value=mode)] if mode is not None else []), *further)
    container = ContainerSpec(name="chat-api", image="i", env=variables)
    deployment = Deployment(name="chat-api", namespace="carepath-demo", template=PodSpec(containers=(container,)))
    return config_verdict(deployment, container="chat-api", schema=schema, model=MODEL)


def test_config_of_the_deploy_passes() -> None:
    """Every key a setting, every value of its type, the interpreter's own variables left alone."""
    verdict = judge(
        *given(
            DB_API_BASE_URL="http://db-api-service:8001",
            LLM_THREADS="2",
            REQUEST_DEADLINE_S="9.5",
            ALLOW_MODE_OVERRIDE="False",
            LOG_LEVEL="INFO",
            PYTHONUNBUFFERED="1",
            TZ="UTC",
        )
    )

    assert verdict.status is Status.PASS
    assert verdict.reason == (
        "LLM_MODE is Qwen3-4B-Thinking-2507, and each of the 8 values parses as service_chat/settings.schema.json says."
    )


def test_config_mode_under_a_misspelt_key_names_mock_and_the_key() -> None:
    """Incident 12: DEFAULT_LLM_MODE was set, the service reads LLM_MODE, and every check was green."""
    verdict = judge(*given(DEFAULT_LLM_MODE=MODEL), mode=None)

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MODEL_MOCK)
    assert verdict.reason == (
        "LLM_MODE is not set and defaults to mock: canned answers would go to clinicians with every check green, and "
        "the target expects Qwen3-4B-Thinking-2507."
    )
    (symptom,) = verdict.symptoms
    assert symptom == (
        "DEFAULT_LLM_MODE is no setting of the service: did you mean LLM_MODE? Nothing reads it, and the service "
        "refuses to start with it."
    )


def test_config_mode_left_on_mock_fails() -> None:
    """What the first version of the Deployment said."""
    verdict = judge(mode="mock")

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MODEL_MOCK)
    assert verdict.reason == (
        "LLM_MODE is mock: canned answers would go to clinicians with every check green, and the target expects "
        "Qwen3-4B-Thinking-2507."
    )
    assert verdict.remedy == "Set LLM_MODE=Qwen3-4B-Thinking-2507 in the environment of container chat-api, and apply."


def test_config_unknown_mode_names_what_is_known() -> None:
    """A model's name that lacks its last part."""
    verdict = judge(mode="Qwen3-4B-Thinking")

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.CONFIG_UNKNOWN_LLM_MODE)
    assert verdict.reason == (
        "LLM_MODE=Qwen3-4B-Thinking is not known to the service, which will not start; known are mock, "
        "Qwen3-4B-Thinking-2507, SmolLM2 (did you mean Qwen3-4B-Thinking-2507?)."
    )


def test_config_other_model_than_the_targets_fails() -> None:
    """A model, but not the one that was agreed on."""
    verdict = judge(mode="SmolLM2")

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.MODEL_WRONG)
    assert verdict.reason == "LLM_MODE is SmolLM2, and the target expects Qwen3-4B-Thinking-2507."


def test_config_mode_from_a_config_map_is_inconclusive() -> None:
    """What is not read is not known."""
    verdict = judge(EnvVar(name="LLM_MODE", source="configMapKeyRef chat/mode"), mode=None)

    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
    assert verdict.reason == (
        "LLM_MODE comes from configMapKeyRef chat/mode, not read: whether Qwen3-4B-Thinking-2507 will answer "
        "is unknown."
    )


def test_config_mode_from_a_whole_config_map_is_inconclusive() -> None:
    """An envFrom may bring the mode: that it is not set is not known, and so nobody is told of canned answers."""
    verdict = judge(EnvVar(name="*", source="configMapRef chat"), mode=None)

    assert (verdict.status, verdict.cause) == (Status.INCONCLUSIVE, Cause.GATE_NOT_MEASURED)
    assert verdict.reason == (
        "LLM_MODE comes from configMapRef chat, not read: whether Qwen3-4B-Thinking-2507 will answer is unknown."
    )


def test_config_url_that_cannot_be_taken_apart_fails_and_hides_credentials() -> None:
    """A bracket without its other half ends no gate, and a password beside it is not shown."""
    verdict = judge(EnvVar(name="DB_API_BASE_URL", value="http://me:secret@[::"))

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.CONFIG_BAD_VALUE)
    assert verdict.reason == (
        "DB_API_BASE_URL=(a URL with credentials: value not shown) is no http or https URL: the service will not start."
    )


def test_config_other_values_from_secrets_pass_and_say_so() -> None:
    """Secrets are never read, and one does not decide which model answers."""
    verdict = judge(
        EnvVar(name="DB_API_BASE_URL", source="secretKeyRef db/url"), EnvVar(name="*", source="secretRef x")
    )

    assert verdict.status is Status.PASS
    assert verdict.reason.endswith("; DB_API_BASE_URL, * come from other objects and are not read.")
    assert "Deployment/chat-api containers[chat-api].env[DB_API_BASE_URL] = from secretKeyRef db/url, not read" in [
        str(each) for each in verdict.evidence
    ]


def test_config_unknown_key_like_no_setting_warns_without_its_value() -> None:
    """It may be a secret, and it is dead weight."""
    verdict = judge(*given(HUGGINGFACE_TOKEN="hf_hunter2"))

    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.CONFIG_UNKNOWN_KEY)
    assert verdict.reason == (
        "HUGGINGFACE_TOKEN is no setting of the service (service_chat/settings.schema.json has 10): nothing reads it."
    )
    assert "hunter2" not in repr(verdict)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("DEFAULT_LLM_MODE", "LLM_MODE"),
        ("LLM_MODE_NAME", "LLM_MODE"),
        ("LLMMODE", "LLM_MODE"),
        ("MAX_TOKEN", "MAX_TOKENS"),
        ("REQUEST_DEADLINE", "REQUEST_DEADLINE_S"),
        ("LLM_FOO", "LLM_MODE"),
        ("LOG_FORMAT", None),
        ("HTTP_PORT", None),
        ("MODE", None),
    ],
)
def test_config_near_key_is_suggested_and_a_stranger_is_not(key: str, meant: str | None) -> None:
    """Both sides of the likeness that counts."""
    assert near_key(key, tuple(each.key for each in SCHEMA.settings)) == meant


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("LLM_THREADS", "two", "is not a whole number"),
        ("LLM_THREADS", "1.5", "is not a whole number"),
        ("LLM_THREADS", "0", "is below the least value 1"),
        ("LLM_THREADS", "513", "is above the greatest value 512"),
        ("REQUEST_DEADLINE_S", "10s", "is not a number"),
        ("REQUEST_DEADLINE_S", "0", "is not above 0"),
        ("THINKING_TIME_SHARE", "1", "is not below 1"),
        ("ALLOW_MODE_OVERRIDE", "maybe", "is neither true nor false"),
        ("LOG_LEVEL", "TRACE", "is none of DEBUG, INFO, WARNING, ERROR"),
        ("DB_API_BASE_URL", "db-api:8001", "is no http or https URL"),
    ],
)
def test_config_value_that_does_not_parse_fails(key: str, value: str, what: str) -> None:
    """The service would refuse to start; key, value and what is wrong are named."""
    verdict = judge(EnvVar(name=key, value=value))

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.CONFIG_BAD_VALUE)
    assert verdict.reason == f"{key}={value} {what}: the service will not start."


@pytest.mark.parametrize(
    ("key", "value"),
    [("LLM_THREADS", "512"), ("THINKING_TIME_SHARE", "0.99"), ("ALLOW_MODE_OVERRIDE", "ON"), ("MAX_TOKENS", "")],
)
def test_config_value_at_its_bound_passes(key: str, value: str) -> None:
    """The near misses; an empty value means that nothing was chosen."""
    assert judge(EnvVar(name=key, value=value)).status is Status.PASS


def test_config_url_with_credentials_is_not_shown() -> None:
    """It is valid, and nobody's business."""
    verdict = judge(*given(DB_API_BASE_URL="http://user:hunter2@db-api:8001"))

    assert verdict.status is Status.PASS
    assert "hunter2" not in repr(verdict)


def test_config_secret_in_the_clear_warns_and_is_not_shown() -> None:
    """A token in the pod template is everybody's; from a Secret it is not read, and nothing is said against it."""
    verdict = judge(*given(HF_TOKEN="hf_fake_hunter2"))

    assert (verdict.status, verdict.cause) == (Status.WARN, Cause.CONFIG_SECRET_IN_CLEAR)
    assert verdict.reason == (
        "HF_TOKEN is a secret and stands in the Deployment in the clear: whoever may read the Deployment, its history "
        "or the Terraform state has it."
    )
    assert "hunter2" not in repr(verdict)
    assert judge(EnvVar(name="HF_TOKEN", source="secret hub/token")).status is Status.PASS


def test_config_required_key_missing_fails() -> None:
    """A setting without a default."""
    schema = replace(SCHEMA, required=("DB_API_BASE_URL",))

    verdict = judge(schema=schema)

    assert (verdict.status, verdict.cause) == (Status.FAIL, Cause.CONFIG_MISSING_KEY)
    assert verdict.reason == "DB_API_BASE_URL is not set and has no default: the service will not start."
    assert judge(*given(DB_API_BASE_URL="http://db:8001"), schema=schema).status is Status.PASS


def test_config_of_a_missing_container_is_refused() -> None:
    """The message names what is there."""
    deployment = Deployment(
        name="chat-api", namespace="n", template=PodSpec(containers=(ContainerSpec(name="api", image="i"),))
    )

    with pytest.raises(LookupError, match=r"no container 'chat-api'; it has \['api'\]"):
        config_verdict(deployment, container="chat-api", schema=SCHEMA, model=MODEL)
