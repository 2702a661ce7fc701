"""A run as JUnit XML, for the CI systems that read nothing else.

FAIL is ``<failure>`` and INCONCLUSIVE ``<error>``: both turn a build red, and a reader sees which is the service's
trouble and which the gate's. WARN is a pass with a property. ``text`` has taken out what XML forbids.
"""

from xml.etree import ElementTree as ET

from gate.causes import Cause
from gate.report.phrases import cause_link, facts, headline, proof
from gate.report.run import Judgement, Run
from gate.verdict import Status

_OUTCOME_TAGS = {Status.FAIL: "failure", Status.INCONCLUSIVE: "error"}


def run_to_junit(run: Run) -> str:
    """Return the document: one suite per tier, and an error of its own for a run that never got to judge."""
    root = ET.Element("testsuites", name="deploy gate", time=f"{run.header.duration_s:.3f}")
    for tier, judgements in run.tiers:
        suite = ET.SubElement(root, "testsuite", name=tier, timestamp=judgements[0].started_at.isoformat())
        properties = ET.SubElement(suite, "properties")
        for label, text in facts(run.header):
            ET.SubElement(properties, "property", name=label, value=text)
        for judgement in judgements:
            _add_case(suite, judgement)
        _count(suite)
    if not run.judgements or run.interrupted:
        suite = ET.SubElement(root, "testsuite", name="gate", timestamp=run.header.started_at.isoformat())
        case = ET.SubElement(suite, "testcase", classname="gate", name="run", time=f"{run.header.duration_s:.3f}")
        cause = Cause.GATE_INTERRUPTED if run.interrupted else Cause.GATE_NO_VERDICT
        ET.SubElement(case, "error", type=str(cause), message=headline(run))
        _count(suite)
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root.iter("testsuite"))))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add_case(suite: ET.Element, judgement: Judgement) -> None:
    verdict = judgement.verdict
    case = ET.SubElement(
        suite,
        "testcase",
        classname=judgement.tier,
        name=f"{verdict.criterion} {judgement.title}",
        time=f"{judgement.duration_s:.3f}",
    )
    properties = ET.SubElement(case, "properties")
    ET.SubElement(properties, "property", name="criterion", value=verdict.criterion)
    ET.SubElement(properties, "property", name="status", value=str(verdict.status))
    if judgement.node_id:
        ET.SubElement(properties, "property", name="node_id", value=judgement.node_id)
    lines = [verdict.reason, *(proof(each) for each in verdict.evidence)]
    if verdict.cause is not None:
        ET.SubElement(properties, "property", name="cause", value=str(verdict.cause))
        lines += [f"also: {symptom}" for symptom in verdict.symptoms]
        lines += [f"remedy: {verdict.remedy}", f"runbook: {cause_link(verdict.cause)}"]
    if verdict.status is Status.WARN:
        ET.SubElement(properties, "property", name="warning", value=verdict.reason)
    tag = _OUTCOME_TAGS.get(verdict.status)
    if tag is None:
        ET.SubElement(case, "system-out").text = "\n".join(lines)
    else:
        ET.SubElement(case, tag, message=verdict.reason, type=str(verdict.cause)).text = "\n".join(lines)


def _count(suite: ET.Element) -> None:
    """Set the numbers that readers take from the suite's attributes instead of counting."""
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", str(len(suite.findall("testcase/error"))))
    suite.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")
