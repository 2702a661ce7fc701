"""`python -m gate rollout | diagnose | size`: the gate outside pytest."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from gate.context import Gate, header_of
from gate.criteria import criteria
from gate.diagnosis.progress import assess
from gate.drilling import under_traffic
from gate.readers.cluster import ClusterReader
from gate.readers.errors import ReadError
from gate.readers.kube import open_connection
from gate.readers.models import model_facts
from gate.report.run import ExitCode, Judgement, Run, exit_code
from gate.report.terminal import render_terminal
from gate.report.write import publish
from gate.sizing.choice import size_table
from gate.sizing.fit import claim_of
from gate.sizing.instances import UnknownInstanceTypeError, instance
from gate.sizing.offers import planned
from gate.target import Cluster, TargetError, load_target
from gate.verdict import Status, Verdict

app = typer.Typer(help=__doc__, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
ROOT = Path(__file__).resolve().parent.parent
TargetOption = Annotated[str, typer.Option("--target", envvar="GATE_TARGET", help="Environment, by name or path.")]

#: Users that keep asking while a rollout runs: few, so that they measure the rollout and not the load.
USERS = 2
#: Lines of evidence, and of symptoms, that `diagnose` prints for one Deployment.
MAX_SHOWN = 5


@app.command()
def rollout(
    command: Annotated[list[str], typer.Argument(help="What changes the Deployment, after `--`.")],
    target: TargetOption = "local",
    report: Annotated[Path | None, typer.Option(help="Report folder to write, merged with what is there.")] = None,
) -> None:
    """Run a command that rolls the Deployment while requests keep coming, and judge the rollout (POD-1, ROL-1).

    Where nobody can ask yet (a first deploy), only POD-1 is judged.
    """
    started_at, started = datetime.now(UTC), time.monotonic()
    with _reported(), ExitStack() as stack:
        gate = Gate(target=load_target(target, ROOT), root=ROOT)
        settings = gate.target.acceptance
        count = USERS if _answers(gate) else 0
        users = [stack.enter_context(gate.user(keep_alive=number % 2 == 0)) for number in range(count)]
        change = under_traffic(
            gate.reader.snapshot,
            lambda: subprocess.run(command, check=True),
            users,
            settings.test_mrns,
            deployment=gate.target.cluster.deployment,
            window_s=settings.stable_window_s,
            timeout_s=settings.rollout_timeout_s,
        )
        if change.waited.snapshot is not None:
            gate.use_snapshot(change.waited.snapshot)
        verdicts = [change.waited.verdict, *((change.verdict,) if users else ())]
        _publish(gate, verdicts, started_at, time.monotonic() - started, report)


@app.command()
def diagnose(
    namespace: Annotated[str, typer.Option("--namespace", "-n")] = "carepath-demo",
    deployment: Annotated[str | None, typer.Option(help="Only this one (default: every Deployment).")] = None,
    context: Annotated[str | None, typer.Option(help="kubeconfig context (default: the current one).")] = None,
) -> None:
    """Name the cause of whatever is wrong with the Deployments of a namespace right now; needs no target file."""
    with _reported():
        # Whoever asks names the cluster by their kubeconfig; nothing is compared and nothing is changed.
        cluster = Cluster.model_construct(identity=None, namespace=namespace)
        snapshot = ClusterReader(open_connection(context), cluster).snapshot()
        found = [each.name for each in snapshot.deployments] if deployment is None else [deployment]
        verdicts = {name: assess(snapshot, deployment=name).verdict for name in found}
        print(f"{snapshot.cluster.server}, namespace {namespace}: {len(verdicts)} Deployment(s)")
        for name, verdict in verdicts.items():
            print("\n".join(_lines(name, verdict)))
        raise typer.Exit(exit_code(verdict.status for verdict in verdicts.values()))


@app.command()
def size(
    types: Annotated[list[str] | None, typer.Argument(help="Node types (default: the target's).")] = None,
    target: TargetOption = "demo",
) -> None:
    """Compare node types for one pod of the target's model: memory needed, there, missing, price, tokens per second."""
    with _reported():
        gate = Gate(target=load_target(target, ROOT).offline(), root=ROOT)
        nodes, workload = gate.target.nodes, gate.desired.deployment(gate.target.cluster.deployment)
        container = workload.template.container(gate.target.cluster.container) if workload else None
        if nodes is None or workload is None or container is None:
            raise TargetError(f"target {target}: names no [nodes], or its manifests hold no chat-api to size")
        facts = model_facts(gate.target.model.name)
        claim = claim_of(facts, workload.template, container, gate.target.model)
        names = types or [nodes.instance_type, *nodes.candidates]
        rows = size_table(
            facts,
            [instance(name) for name in names],
            ask=claim.ask,
            use=gate.target.model,
            planned=planned(nodes, gate.desired),
        )
        table = Table(title=f"One pod of {facts.name} ({facts.quantization})")
        for heading in ("type", "needed MiB", "there MiB", "missing MiB", "verdict", "USD/month", "tokens/s"):
            table.add_column(heading, justify="left" if heading in {"type", "verdict"} else "right")
        for row in rows:
            speed = f"{row.decode_tok_s:.1f}" if row.decode_tok_s is not None else "not measured"
            figures = (row.needed_mib, row.there_mib, row.missing_mib)
            cost = f"{row.usd_per_month:.0f}"
            table.add_row(row.type.name, *map(str, figures), row.status.value, cost, speed)
        Console().print(table)
        print("Prices: us-east-1 on demand. Speed: bandwidth measured by Spare Cores (CC BY-SA 4.0), roofline.")


def _answers(gate: Gate) -> bool:
    """Return whether users are answered now: otherwise there is no traffic that a rollout could lose."""
    if gate.service_url is None:
        return False
    with gate.user() as user:
        return user.health().status == HTTPStatus.OK


def _publish(gate: Gate, verdicts: list[Verdict], started_at: datetime, seconds: float, report: Path | None) -> None:
    table = criteria()
    judgements = tuple(
        Judgement(
            verdict=verdict,
            tier=table[verdict.criterion].tier,
            title=table[verdict.criterion].statement,
            started_at=started_at,
            duration_s=seconds,
            node_id="python -m gate rollout",
        )
        for verdict in verdicts
    )
    tiers = tuple(dict.fromkeys(judgement.tier for judgement in judgements))
    folder = report or ROOT / "reports" / f"{started_at:%Y%m%d-%H%M%S}"
    code = exit_code(verdict.status for verdict in verdicts)
    alone = Run(header=header_of(gate, tiers, started_at), judgements=judgements, exit_code=code, interrupted=False)
    publish(alone, folder)
    print(render_terminal(alone, color=sys.stdout.isatty()))
    print(f"report: {folder / 'index.html'}")
    raise typer.Exit(code)


def _lines(name: str, verdict: Verdict) -> Iterator[str]:
    yield f"\n{verdict.status.upper()} deployment/{name}: {verdict.reason}"
    if verdict.status is Status.PASS:
        return
    yield f"  cause   {verdict.cause}"
    yield from (f"  seen    {evidence}" for evidence in verdict.evidence[:MAX_SHOWN])
    yield from (f"  then    {symptom}" for symptom in verdict.symptoms[:MAX_SHOWN])
    yield f"  do      {verdict.remedy}"


@contextmanager
def _reported() -> Iterator[None]:
    """Tell what went wrong in one message, with the exit code that says whose trouble it is."""
    try:
        yield
    except (TargetError, UnknownInstanceTypeError) as error:
        print(f"gate: {error}", file=sys.stderr)
        raise typer.Exit(ExitCode.USAGE_ERROR) from error
    except (ReadError, subprocess.CalledProcessError) as error:
        print(f"gate: {error}", file=sys.stderr)
        raise typer.Exit(ExitCode.INCONCLUSIVE) from error


if __name__ == "__main__":
    app()
