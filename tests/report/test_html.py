import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from gate.causes import Cause
from gate.report.html import MAX_ROWS, is_command, prose, run_to_html
from gate.verdict import Status
from tests.report.samples import bad, good, header, run, upgrade

VOID = {"meta", "br", "link", "img", "hr", "input"}


class Outline(HTMLParser):
    """Reads a page: its tags in order, what is left open, ids, and where links lead."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.stack: list[str] = []
        self.broken: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.opened: list[str] = []
        self.attributes: set[str] = set()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag and what its attributes say."""
        values = dict(attrs)
        self.attributes |= values.keys()
        self.tags.append(tag)
        self.addresses += [values[name] or "" for name in ("href", "src", "action", "data") if name in values]
        self.ids += [values["id"] or ""] if "id" in values else []
        self.opened += [values.get("id") or ""] if tag == "details" and "open" in values else []
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag, which is closed at once."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag: str) -> None:
        """Note a tag that closes something else than what is open."""
        if not self.stack or self.stack.pop() != tag:
            self.broken.append(tag)


def words(page: str) -> str:
    """Return the page's text on one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)).split())


def test_html_page_self_contained() -> None:
    """The page asks for nothing: no script, no picture, no address but its neighbours' and the runbook's."""
    outline = Outline(run_to_html(upgrade()))
    assert {"script", "img", "link", "iframe", "object", "form", "base"} & set(outline.tags) == set()
    page = run_to_html(upgrade())
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page
    neighbours = {"report.json", "junit.xml", "report.md"}
    for address in outline.addresses:
        assert address in neighbours or address.startswith(("#", "../../notes/causes.md#"))


def test_html_page_well_formed() -> None:
    """Every element is closed where it was opened, ids are unique, and every link into the page arrives."""
    outline = Outline(run_to_html(upgrade()))
    assert (outline.broken, outline.stack) == ([], [])
    assert len(outline.ids) == len(set(outline.ids))
    assert {address[1:] for address in outline.addresses if address.startswith("#")} <= set(outline.ids)


def test_html_troubles_first_and_open() -> None:
    """What did not pass is open and stands before everything else, worst first; passes are folded."""
    page = run_to_html(upgrade())
    assert Outline(page).opened == ["LLM-1", "ROL-1", "RES-1", "IMG-1", "LOD-1"]
    assert page.index('id="LOD-1"') < page.index("What was measured") < page.index('id="NODE-1"')


def test_html_every_criterion_in_its_tier() -> None:
    """Each tier lists all its criteria in order, those that did not pass as a link to their block."""
    page = run_to_html(upgrade())
    tiers = re.findall(r"<h2>(Preflight|Container|Acceptance|Rollback|Load)</h2>", page)
    assert tiers == ["Preflight", "Container", "Acceptance", "Rollback", "Load"]
    acceptance = page[page.index("<h2>Acceptance</h2>") : page.index("<h2>Rollback</h2>")]
    found = re.findall(r'<(?:details|a) class="row" (?:id="|href="#)([A-Z]+-\d)"', acceptance)
    assert found == ["POD-1", "POD-2", "HPA-1", "HLT-1", "LLM-1", "LAT-1", "LOG-1", "RES-1"]


def test_html_banner_says_outcome_and_subject() -> None:
    """The banner gives the outcome in words and numbers, and what was judged."""
    told = words(run_to_html(upgrade()))
    assert "FAIL 2 of 22 criteria failed 17 pass 2 warn 2 fail 1 inconclusive 1 exit code" in told
    assert "cluster https://10.90.0.2:6443 (context carepath, Kubernetes v1.34.4, kube-system 0f3c9a52" in told
    assert "namespace carepath-demo" in told
    assert "TFP-1 the target has no plan" in told


def test_html_block_reason_remedy_evidence_cause() -> None:
    """A block gives reason, remedy, evidence with its time, symptoms, and the cause's place in the runbook."""
    verdict = bad("POD-1", Cause.IMAGE_NOT_FOUND, "No image.", "kubectl get pod a", symptoms=("No endpoint.",))
    page = run_to_html(run(verdict, exit_code=1))
    assert '<pre class="command"><code>kubectl get pod a</code></pre>' in page
    assert 'href="../../notes/causes.md#imagenot_found">image.not_found</a>' in page
    told = words(page)
    order = [
        "No image.",
        "What to do",
        "kubectl get pod a",
        "Pod/chat-api status.phase Pending 15:51:01",
        "No endpoint.",
    ]
    places = [told.index(text) for text in order]
    assert places == sorted(places)


def test_html_pictures_of_rollout_and_latency() -> None:
    """The rollout is drawn before the latencies, each with title and description for those who do not see it."""
    page = run_to_html(upgrade())
    assert re.findall(r'<figure id="([^"]+)"', page) == ["rollout-ROL-1", "latency-LAT-1", "latency-LOD-1"]
    assert page.count("<svg") == page.count("<desc>") == 3
    assert "What happened, step by step" in page


def test_html_undrawable_series_said() -> None:
    """A series that cannot be drawn is said to be so, and the verdict stands."""
    page = run_to_html(run(good("LAT-1", "Fine.").with_details(latencies=[{"seconds": 1}]), exit_code=0))
    assert "LAT-1: its series cannot be drawn" in page
    assert "<svg" not in page


def test_html_other_details_as_tables() -> None:
    """Details without a picture are tables, cut with a word about the rest."""
    rows = [{"type": f"t3.{number}", "free_mib": number} for number in range(MAX_ROWS + 2)]
    page = run_to_html(run(good("FIT-1", "Fine.").with_details(candidates=rows, margin=0.5), exit_code=0))
    told = words(page)
    assert "candidates type free_mib t3.0 0 t3.1 1" in told
    assert "and 2 more rows in report.json" in told
    assert "figures margin 0.5" in told


def test_html_hostile_text_escaped() -> None:
    """Markup in any text of a verdict or header is shown, never obeyed."""
    attack = '"><img src=x onerror=alert(1)><svg onload=alert(1)>`<b>`'
    verdict = bad("POD-1", Cause.CONTAINER_EXITED, attack, attack, symptoms=(attack,)).with_details(
        pods=[{"pod": attack, "revision": 1, "created": "2026-11-22T15:50:00Z", "ready": "2026-11-22T15:50:09Z"}],
        marks=[{"at": "2026-11-22T15:50:01Z", "label": attack}],
        timeline=[{"at": "2026-11-22T15:50:01Z", "text": attack}],
        latencies=[{"pod": attack, "seconds": 1.0, "status": attack}],
        rows=[{attack: attack}],
    )
    hostile = replace(
        run(verdict, exit_code=1), header=header(image=attack, settings={attack: attack}, left_out={"TFP-1": attack})
    )
    outline = Outline(run_to_html(hostile))
    assert "img" not in outline.tags
    assert outline.tags.count("svg") == 2
    assert (outline.broken, outline.stack) == ([], [])
    assert [name for name in outline.attributes if name.startswith("on")] == []


@pytest.mark.parametrize("status", list(Status))
def test_html_title_names_status(status: Status) -> None:
    """The browser's tab says how the run ended."""
    verdict = (
        good("POD-1", "Fine.")
        if status is Status.PASS
        else bad("POD-1", Cause.GATE_CRASHED, "No.", "Go.", status=status)
    )
    code = {Status.FAIL: 1, Status.INCONCLUSIVE: 10}.get(status, 0)
    assert f"<title>{status.upper()} · local · deploy gate</title>" in run_to_html(run(verdict, exit_code=code))


def test_html_empty_run_says_so() -> None:
    """A run without verdicts is a page that says that nothing was judged."""
    page = run_to_html(run(exit_code=10))
    assert "Nothing was judged: zero checks are not success" in page
    assert "What to look at" not in page


@pytest.mark.parametrize(
    ("remedy", "command"),
    [
        ("kubectl rollout undo deployment/chat-api -n carepath-demo", True),
        ('eval "$(python -m infra.cluster env)"', True),
        ("Make the node larger.", False),
        ("Run `kubectl get pods` and look.", False),
    ],
)
def test_is_command_first_word_decides(remedy: str, command: bool) -> None:  # noqa: FBT001  # parametrized
    """What can be pasted as it is stands in a box for commands, a sentence does not."""
    assert is_command(remedy) is command


def test_prose_backticks_become_code() -> None:
    """Quoted code is marked, what is around it is escaped, and a lone backtick stays one."""
    assert prose("set `a<b>` & `c") == "set <code>a&lt;b&gt;</code> &amp; `c"
