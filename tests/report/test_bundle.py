"""`gate.report.bundle`: what is in the archive, what is not, and that it stays small."""

import io
import json
import random
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.causes import Cause
from gate.records import EnvVar, LogTail, Snapshot, Unreadable
from gate.report import write
from gate.report.bundle import FOLDER, INDEX, LIMIT_BYTES, Redactor, bundle
from tests.diagnosis import factories as make
from tests.report.samples import bad, good, run

RUN = run(bad("POD-1", Cause.CONTAINER_EXITED, "Pod a crashed with exit code 1.", "Read its log."), exit_code=1)


def unpacked(archive: bytes) -> dict[str, str]:
    """Return name, without the folder, and text of each file."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        return {
            member.name.removeprefix(f"{FOLDER}/"): (tar.extractfile(member) or io.BytesIO()).read().decode()
            for member in tar.getmembers()
        }


def rows(index: str) -> dict[str, str]:
    """Return file and extent of each row of the index's table."""
    table = index[index.index("|---|") :].splitlines()[1:]
    cells = [row.strip("| ").split(" | ") for row in table if row.startswith("|")]
    return {name: extent for name, _, extent in cells}


def tail(*lines: str, pod: str = "chat-api-a", container: str = "chat-api", previous: bool = False) -> LogTail:
    """Return the end of a log."""
    return LogTail(pod=pod, container=container, previous=previous, lines=lines)


def noise(lines: int, seed: int = 1) -> tuple[str, ...]:
    """Return lines that nothing squeezes below half their size; the number at the end tells them apart."""
    source = random.Random(seed)  # noqa: S311  # repeatable, not secret
    return tuple(f"{source.getrandbits(800):x} line={number}" for number in range(lines))


def crashed() -> Snapshot:
    """Return a rollout of a ready and a crashed pod, with an event."""
    broken = make.unready_pod(make.terminated(1), f"{make.NEW_REPLICA_SET}-zzzzz")
    event = make.event("BackOff", "Back-off restarting failed container", broken)
    return make.rollout_snapshot(make.pod(), broken, events=(event,))


# --- What is in it ----------------------------------------------------------------------------------------------------


def test_bundle_of_a_failed_run_holds_objects_events_logs_metrics_and_verdicts() -> None:
    """A colleague finds each of them, and the pod that is not ready comes first."""
    logs = [tail("again"), tail("first", previous=True)]
    files = unpacked(bundle(RUN, crashed(), logs))
    assert {
        INDEX,
        "report.json",
        "cluster.json",
        "objects/deployments.jsonl",
        "objects/replica_sets.jsonl",
        "objects/pods.jsonl",
        "objects/hpas.jsonl",
        "objects/nodes.jsonl",
        "objects/services.jsonl",
        "objects/endpoints.jsonl",
        "events.jsonl",
        "metrics.jsonl",
        "logs/chat-api-a/chat-api.log",
        "logs/chat-api-a/chat-api.previous.log",
    } == set(files)
    pods = [json.loads(line) for line in files["objects/pods.jsonl"].splitlines()]
    assert [pod["name"].rpartition("-")[2] for pod in pods] == ["zzzzz", "aaaaa"]
    assert json.loads(files["events.jsonl"])["reason"] == "BackOff"
    assert json.loads(files["report.json"])["verdicts"][0]["cause"] == "container.exited"
    assert files["logs/chat-api-a/chat-api.previous.log"] == "first\n"


def test_index_matches_the_archive_line_for_line() -> None:
    """Each file has its row and each row its file; the number is that of the file's lines."""
    files = unpacked(bundle(RUN, crashed(), [tail("one", "two")], missing=["log of pod b: not permitted"]))
    index = files.pop(INDEX)
    assert rows(index) == {name: str(len(text.splitlines())) for name, text in files.items()}
    assert "- FAIL POD-1 (container.exited): Pod a crashed with exit code 1." in index
    assert "- log of pod b: not permitted" in index
    assert "- objects/quotas.jsonl: there was nothing" in index


def test_bundle_without_a_snapshot_holds_the_verdicts_and_says_what_is_missing() -> None:
    """A cluster that could not be read still leaves a bundle."""
    files = unpacked(bundle(RUN, None, [], missing=["no snapshot could be read"]))
    assert set(files) == {INDEX, "report.json"}
    assert "- no snapshot could be read" in files[INDEX]


def test_bundle_names_what_the_gate_might_not_read() -> None:
    """An absent object and one that could not be read are told apart."""
    unread = Unreadable(what="hpas", kind="forbidden", message="not permitted: list hpas", status_code=403)
    files = unpacked(bundle(RUN, make.healthy_snapshot(hpas=(), unreadable=(unread,)), []))
    assert json.loads(files["cluster.json"])["unreadable"][0]["message"] == "not permitted: list hpas"


def test_same_input_makes_the_same_bytes() -> None:
    """Neither the order of the logs nor the clock shows in the archive."""
    logs = [tail("b", pod="b"), tail("a", pod="a"), tail("before", pod="a", previous=True)]
    assert bundle(RUN, crashed(), logs) == bundle(RUN, crashed(), logs[::-1])


# --- Its size ---------------------------------------------------------------------------------------------------------


def test_huge_logs_are_cut_from_their_beginning_until_the_archive_fits() -> None:
    """13 MB that nothing squeezes end below the limit; the last lines, the objects and the small log are whole."""
    logs = [tail(*noise(30_000, seed), pod=f"chat-api-{seed}") for seed in (1, 2)]
    archive = bundle(RUN, crashed(), [*logs, tail("small", pod="small")])
    assert LIMIT_BYTES / 3 < len(archive) <= LIMIT_BYTES
    files = unpacked(archive)
    for name in ("logs/chat-api-1/chat-api.log", "logs/chat-api-2/chat-api.log"):
        lines = files[name].splitlines()
        assert lines[-1].endswith("line=29999")
        assert rows(files[INDEX])[name] == f"the last {len(lines)} of 30000"
    assert files["logs/small/chat-api.log"] == "small\n"
    assert rows(files[INDEX])["objects/pods.jsonl"] == "2"


def test_thousands_of_pods_are_cut_from_the_end_so_that_the_broken_ones_stay() -> None:
    """Of objects the beginning stays, and what is not ready stands there."""
    names = random.Random(7)  # noqa: S311  # repeatable, not secret
    many = [make.pod(f"chat-api-{names.getrandbits(256):x}") for _ in range(300)]
    broken = make.unready_pod(make.waiting("ErrImagePull", "not found"), "zz-broken")
    files = unpacked(bundle(RUN, make.healthy_snapshot(pods=(*many, broken)), [], limit_bytes=12_000))
    pods = files["objects/pods.jsonl"].splitlines()
    assert json.loads(pods[0])["name"] == "zz-broken"
    assert rows(files[INDEX])["objects/pods.jsonl"] == f"the first {len(pods)} of 301"
    assert len(pods) < 301


def test_limit_below_everything_leaves_the_index_alone() -> None:
    """What is left out stands in the index with the number of its lines."""
    files = unpacked(bundle(RUN, crashed(), [tail(*noise(50))], limit_bytes=1))
    assert set(files) == {INDEX}
    assert rows(files[INDEX])["logs/chat-api-a/chat-api.log"] == "left out, its 50 are too large"


# --- What is not in it ------------------------------------------------------------------------------------------------

PATIENT = "Rosalind Achterberg"

LINES = (
    "patient MRN-004711 asked again",
    f'{{"event": "triage", "patient_name": "{PATIENT}", "query": "{PATIENT} has a headache", "tokens": 12}}',
    f'{{"event": "refused", "context": {{"messages": [{{"content": "{PATIENT}"}}]}}}}',
    "GET /triage?mrn=MRN-7 from rosalind@example.org",
    "ssn 078-05-1120",
    "Authorization: Bearer abcdefghijklmnopqrstuvwxyz0123456789",
    "db postgres://carepath:hunter2@db:5432/carepath",
    '{"event": "start", "hf_token": "hf_abcdefgh", "max_tokens": "256"}',
    '{"event": ' * 5000 + "MRN-12",
    "fetched s3://x?X-Amz-Signature=0123456789abcdef",
    "\x1b[31mAKIAABCDEFGHIJKLMNOP\x1b[0m",
)
FOUND = (
    PATIENT,
    "MRN-0",
    "MRN-7",
    "MRN-12",
    "rosalind@",
    "078-05",
    "hunter2",
    "hf_abcdefgh",
    "abcdefghijklmnopqrstuvwxyz",
    "0123456789abcdef",
    "AKIA",
    "\x1b",
)


def test_no_log_line_carries_a_patient_or_a_credential_out() -> None:
    """Numbers, names in fields, addresses, tokens and URLs with a password are gone; what is safe is still there."""
    text = unpacked(bundle(RUN, None, [tail(*LINES)]))["logs/chat-api-a/chat-api.log"]
    assert [found for found in FOUND if found in text] == []
    assert len(text.splitlines()) == len(LINES)
    assert '"event": "triage"' in text
    assert '"tokens": 12' in text
    assert '"max_tokens": "256"' in text


def test_no_object_carries_a_secret_looking_value_out() -> None:
    """Environment values are hidden by their name, messages by what they hold; references and counts stay."""
    env = (
        EnvVar(name="DB_PASSWORD", value="hunter2"),
        EnvVar(name="HF_TOKEN", value="hf_abcdefgh"),
        EnvVar(name="MAX_TOKENS", value="256"),
        EnvVar(name="API_KEY", source="secretKeyRef chat-api/api-key"),
        EnvVar(name="DB_API_BASE_URL", value="http://carepath:hunter2@patient-api:8001"),
    )
    pod = make.pod(spec=make.pod_spec(containers=(make.container_spec(env=env),)))
    event = make.event("Failed", "no such patient MRN-004711", pod)
    whole = "\n".join(unpacked(bundle(RUN, make.healthy_snapshot(pods=(pod,), events=(event,)), [])).values())
    assert [found for found in FOUND if found in whole] == []
    for kept in ('"value": "256"', "secretKeyRef chat-api/api-key", "patient-api:8001", "no such patient ***"):
        assert kept in whole


def test_the_test_patients_numbers_are_hidden_whatever_they_look_like() -> None:
    """What the target names as a patient never shows, in logs, verdicts or what could not be read."""
    told = run(bad("POD-1", Cause.CONTAINER_EXITED, "Asked for P/77/1.", "Read its log."), exit_code=1)
    files = unpacked(bundle(told, None, [tail("asked for P/77/12")], missing=["P/77/1"], private=["P/77/1", "P/77/12"]))
    assert [name for name, text in files.items() if "P/77" in text] == []


@settings(max_examples=60)
@given(st.lists(st.text(max_size=60), max_size=5), st.integers(0, 10**6))
def test_any_log_line_stays_one_line_without_the_number_in_it(words: list[str], number: int) -> None:
    """Whatever stands around it."""
    line = " ".join(words) + f" MRN-{number} " + " ".join(words)
    shown = unpacked(bundle(RUN, None, [tail(line, "next")]))["logs/chat-api-a/chat-api.log"]
    assert f"MRN-{number}" not in shown
    assert shown.split("\n")[1:] == ["next", ""]


@pytest.mark.parametrize(
    "line", ['{"a": 1}', "{not json", '["MRN-1"]', "", "{" * 10_000, '{"a": NaN}', '{"MRN-1": "x"}']
)
def test_any_line_is_redacted_without_an_exception(line: str) -> None:
    """A log holds anything."""
    assert "MRN-1" not in Redactor().line(line)


def test_archive_is_a_gzip_without_a_time_or_a_name() -> None:
    """Two runs with the same findings can be compared by their checksum."""
    archive = bundle(RUN, None, [])
    assert (archive[3], archive[4:8]) == (0, b"\0\0\0\0")  # RFC 1952: FLG and MTIME


# --- Beside the report ------------------------------------------------------------------------------------------------


def test_published_bundle_stands_beside_the_report_that_links_it(tmp_path: Path) -> None:
    """It arrives with the report and is found from its page."""
    write.publish(RUN, tmp_path / "run", bundle=b"archive")
    assert (tmp_path / "run" / write.BUNDLE_NAME).read_bytes() == b"archive"
    assert f'href="{write.BUNDLE_NAME}"' in (tmp_path / "run" / "index.html").read_text(encoding="utf-8")


def test_earlier_bundle_stays_as_long_as_something_is_wrong(tmp_path: Path) -> None:
    """Another tier's report does not take it away; the same criterion passed does."""
    folder = tmp_path / "run"
    write.publish(RUN, folder, bundle=b"archive")
    write.publish(run(good("NODE-1", "Known."), exit_code=0), folder)
    assert (folder / write.BUNDLE_NAME).read_bytes() == b"archive"
    write.publish(run(good("POD-1", "Fine."), exit_code=0), folder)
    assert not (folder / write.BUNDLE_NAME).exists()
    assert write.BUNDLE_NAME not in (folder / "index.html").read_text(encoding="utf-8")
