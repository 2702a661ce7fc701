"""What a report shows of a container's variables, and of the nodes."""

from gate.records import EnvVar
from gate.report.environment import node_types, shown_environment
from tests.diagnosis import factories as make


def test_environment_shows_settings_and_hides_what_may_be_secret() -> None:
    """A variable that the service does not know, or that is called like a credential, is named only."""
    env = (
        EnvVar(name="LLM_MODE", value="mock"),
        EnvVar(name="HF_TOKEN", value="hf_abc"),
        EnvVar(name="NOBODYS", value="x"),
        EnvVar(name="DB_PASSWORD_FILE", source="secretKeyRef db/password"),
        EnvVar(name="EMPTY"),
    )
    assert shown_environment(env, {"LLM_MODE", "HF_TOKEN"}) == {
        "LLM_MODE": "mock",
        "HF_TOKEN": "(not shown)",
        "NOBODYS": "(not shown)",
        "DB_PASSWORD_FILE": "from secretKeyRef db/password",
        "EMPTY": "",
    }


def test_nodes_are_counted_by_type() -> None:
    """A node without the label is counted as unknown, not left out."""
    nodes = (make.node("a", instance_type="t3.large"), make.node("b", instance_type="t3.large"), make.node("c"))
    assert node_types(nodes) == {"t3.large": 2, "unknown": 1}
