"""Puts a run's reports into a folder, all of them or none, and keeps ``latest`` pointing at the newest.

A reader (CI's upload step, a browser, the next tier of ``make verify``) never sees half a report: the files are made in
a hidden sibling and arrive by rename. What the files say belongs to ``junit``, ``markdown``, ``html`` and ``run``.
"""

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from gate.criteria import TIERS
from gate.report.html import run_to_html
from gate.report.junit import run_to_junit
from gate.report.markdown import run_to_markdown
from gate.report.provenance import provenance
from gate.report.run import ExitCode, Header, Judgement, ReportError, Run, exit_code, run_from_json, run_to_json
from gate.verdict import Status

JSON_NAME = "report.json"
#: The diagnostics bundle, beside the report of a run in which something went wrong.
BUNDLE_NAME = "bundle.tar.gz"
REPORTS = "reports"
LATEST = "latest"


def publish(run: Run, folder: Path, *, bundle: bytes | None = None) -> Run:
    """Write the run's reports into ``folder``, merged with what other tiers left there, and return what was written.

    A folder below ``reports`` becomes ``reports/latest``. The bundle of an earlier tier stays as long as something is
    wrong and no newer one takes its place.

    Args:
        run: what was judged.
        folder: of the report.
        bundle: the diagnostics bundle, where there is one.

    Raises:
        ReportError: when the files cannot be written, or what is there is no report or of another cluster. The run is
            then written beside it, and the message says where: what was found out is never lost.
    """
    folder = folder.resolve()  # `--report reports/latest` means the folder that it leads to
    version, revision = provenance()
    run = replace(run, header=replace(run.header, version=version, revision=revision))
    if (folder / JSON_NAME).exists():
        try:
            run = merge_runs(read_report(folder), run)
        except ReportError as error:
            aside = folder.with_name(f"{folder.name}-{run.header.started_at:%Y%m%d-%H%M%S}")
            write_report(run, aside, bundle=bundle)
            raise ReportError(f"{error}; the report of this run alone is in {aside}") from error
    if bundle is None and run.status in (Status.FAIL, Status.INCONCLUSIVE):
        bundle = _earlier_bundle(folder)
    write_report(run, folder, bundle=bundle)
    if folder.parent.name == REPORTS and folder.name != LATEST:
        point_latest(folder)
    return run


def write_report(run: Run, folder: Path, *, bundle: bytes | None = None) -> None:
    """Write ``report.json``, ``junit.xml``, ``report.md``, ``index.html`` and the bundle; an older report is replaced.

    Raises:
        ReportError: naming the folder; what stood there before is then still there.
    """
    files = {
        JSON_NAME: json.dumps(run_to_json(run), indent=2, ensure_ascii=False, allow_nan=False) + "\n",
        "junit.xml": run_to_junit(run),
        "report.md": run_to_markdown(run),
        "index.html": run_to_html(run, bundle=None if bundle is None else BUNDLE_NAME),
    }
    with _translated(f"report folder {folder}"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
            fresh = Path(scratch) / "fresh"
            fresh.mkdir()
            for name, text in files.items():
                (fresh / name).write_text(text, encoding="utf-8")
            if bundle is not None:
                (fresh / BUNDLE_NAME).write_bytes(bundle)
            _swap(fresh, folder, Path(scratch) / "replaced")


def _earlier_bundle(folder: Path) -> bytes | None:
    with _translated(f"{folder / BUNDLE_NAME}"):
        return (folder / BUNDLE_NAME).read_bytes() if (folder / BUNDLE_NAME).is_file() else None


def point_latest(folder: Path) -> None:
    """Make ``latest`` beside ``folder`` lead to it by a relative link, or by a copy where links cannot be made.

    Raises:
        ReportError: when ``latest`` is something that no report put there, or cannot be replaced.
    """
    reports = folder.parent
    latest = reports / LATEST
    if latest.is_dir() and not latest.is_symlink() and any(latest.iterdir()) and not (latest / JSON_NAME).is_file():
        raise ReportError(f"{latest}: is a folder without {JSON_NAME}, so no report made it; move it away")
    with (
        _translated(f"{latest}"),
        tempfile.TemporaryDirectory(prefix=f".{LATEST}.", dir=reports) as scratch,
    ):
        fresh = Path(scratch) / LATEST
        try:
            fresh.symlink_to(folder.name, target_is_directory=True)
        except (OSError, NotImplementedError):  # FAT, some network shares, Windows without the privilege
            shutil.copytree(folder, fresh)
        if fresh.is_symlink() and (latest.is_symlink() or not latest.exists()):
            # The link stands one level deeper than the place it was written for, so it leads nowhere until it arrives.
            fresh.replace(latest)
        else:
            _swap(fresh, latest, Path(scratch) / "replaced")


def read_report(folder: Path) -> Run:
    """Return the run whose report stands in ``folder``.

    Raises:
        ReportError: when there is none, or it is not one.
    """
    path = folder / JSON_NAME
    with _translated(f"{path}"):
        text = path.read_text(encoding="utf-8")
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ReportError(f"{path}: not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ReportError(f"{path}: holds a {type(document).__name__}, a report is an object")
    return run_from_json(document)


def merge_runs(older: Run, newer: Run) -> Run:
    """Return both runs as one: a newer verdict replaces that of the same criterion by the same test.

    The same criterion judged on another occasion stays beside it (ROL-1 of the real upgrade, and of the drill after
    it): a rehearsal that went well must not hide a deploy that did not.

    The exit code is that of all verdicts together. pytest's own trouble (2 to 6) outlives a merge where nothing failed,
    unless the newer run went through all tiers of the run that had it.

    Raises:
        ReportError: when they judged different targets, clusters or namespaces: one report would lie about one.
    """
    renewed = {judgement.verdict.criterion for judgement in newer.judgements}
    kept = tuple(old for old in older.judgements if not any(_renews(new, old) for new in newer.judgements))
    judgements = (*kept, *newer.judgements)
    unfinished = [newer]
    if not set(older.header.tiers) <= set(newer.header.tiers):
        unfinished.append(older)
    code = exit_code(judgement.verdict.status for judgement in judgements)
    own = [each.exit_code for each in unfinished if each.exit_code not in (0, 1, ExitCode.INCONCLUSIVE)]
    return Run(
        header=_merge_headers(older.header, newer.header, renewed),
        judgements=judgements,
        exit_code=own[0] if own and code is not ExitCode.FAILED else code,
        interrupted=any(each.interrupted for each in unfinished),
    )


def _renews(new: Judgement, old: Judgement) -> bool:
    """Return whether the newer judgement is of the same test; an interrupted run's have no test."""
    same_test = new.node_id == old.node_id or not (new.node_id and old.node_id)
    return new.verdict.criterion == old.verdict.criterion and same_test


def _merge_headers(older: Header, newer: Header, judged: set[str]) -> Header:
    for what, first, second in (
        ("target", older.target, newer.target),
        ("cluster", _cluster_name(older), _cluster_name(newer)),
        ("namespace", older.namespace, newer.namespace),
    ):
        if first is not None and second is not None and first != second:
            raise ReportError(f"reports of two runs cannot be merged: the {what} was {first}, now it is {second}")
    images = dict.fromkeys(image for image in (*older.other_images, older.image, *newer.other_images) if image)
    image = newer.image or older.image
    left_out = {criterion: why for criterion, why in older.left_out.items() if criterion not in judged}
    return replace(
        newer,
        tiers=tuple(tier for tier in TIERS if tier in (*older.tiers, *newer.tiers)),
        server=newer.server or older.server,
        context=newer.context if newer.server else older.context,
        server_version=newer.server_version or older.server_version,
        kube_system_uid=newer.kube_system_uid or older.kube_system_uid,
        namespace=newer.namespace or older.namespace,
        image=image,
        other_images=tuple(each for each in images if each != image),
        settings={**older.settings, **newer.settings},
        left_out={**left_out, **newer.left_out},
        environment=newer.environment or older.environment,
        nodes=newer.nodes or older.nodes,
        started_at=min(older.started_at, newer.started_at),
        finished_at=max(older.finished_at, newer.finished_at),
    )


def _cluster_name(header: Header) -> str | None:
    return header.server and f"{header.server} (kube-system {header.kube_system_uid})"


def _swap(fresh: Path, place: Path, aside: Path) -> None:
    """Put ``fresh`` in ``place``; what stood there goes ``aside``, and back if that fails."""
    if not place.exists() and not place.is_symlink():
        fresh.rename(place)
        return
    place.rename(aside)
    try:
        fresh.rename(place)
    except OSError:
        aside.rename(place)
        raise


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReportError(f"{what}: {error.strerror or error}") from error
