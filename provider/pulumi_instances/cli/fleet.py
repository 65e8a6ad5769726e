"""`fleet`: one operation on many stacks of a project, on this machine or on a cluster.

The work is `pulumi_instances.fleet`; here is what people see of it.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..fleet.report import OPERATIONS, Operation, Outcome, Report, Status
from ..fleet.runner import Fleet, Listener, OnStop, Progress
from ..fleet.workers import Workers
from . import common

if TYPE_CHECKING:
    from collections.abc import Callable

_SIGNS = {"create": "+", "update": "~", "delete": "-", "replace": "+-", "differ": "~"}
_QUIET = ("same",)
_FEWEST_ROWS = 3
_NAMED = 5
_KILLED = "the run was killed before it could write this report; run the same with --recover"


@click.command(
    short_help="Run one operation over many stacks.",
    epilog=f"""\b
Examples:
  pulumi-instances fleet preview
  pulumi-instances fleet up --stacks 'customer-*' --jobs 8 --yes --json run.json
  pulumi-instances fleet up --only-failed run.json --recover --yes
  pulumi-instances fleet drift --cluster tls://scheduler:8786

Ctrl-C lets the running stacks end and starts no other; a second one is passed on to them.

{common.GATE_EXIT_CODES}""",
)
@click.argument("operation", type=click.Choice(OPERATIONS))
@click.option("--project", default=".", metavar="DIR", help="The project, at the same path on each machine.")
@click.option("--stacks", "patterns", multiple=True, metavar="GLOB", help="Only stacks with such names; repeatable.")
@click.option(
    "--only-failed", metavar="FILE", help="Only the stacks that did not succeed in the run that wrote this JSON."
)
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="How many stacks run at once.")
@click.option("--cluster", metavar="ADDRESS", help="Run on the workers of this Dask scheduler.")
@click.option("--stop-after", type=click.IntRange(min=1), metavar="N", help="Start no other stack after N failures.")
@click.option("--recover", is_flag=True, help="Heal stacks that an interrupted run has left.")
@click.option("--yes", is_flag=True, help="Change things without a preview and a question.")
@click.option("--json", "json_file", metavar="FILE", help="Write what became of each stack to FILE; - is stdout.")
def fleet(
    operation: Operation,
    project: str,
    patterns: Sequence[str],
    only_failed: str | None,
    jobs: int | None,
    cluster: str | None,
    stop_after: int | None,
    recover: bool,
    yes: bool,
    json_file: str | None,
) -> int:
    """Run `preview`, `up`, `refresh`, `destroy` or `drift` over the stacks of a project, each in a CLI of its own.

    Without --yes, an operation that changes something is previewed on all stacks first, and the question shows the sum.
    No secret is sent to a cluster: each worker has its own in its environment and in the configuration of the stacks.
    """
    changes = operation in ("up", "refresh", "destroy")
    if changes and not yes and not sys.stdin.isatty():
        raise click.UsageError(f"fleet {operation} asks before it changes something; pass --yes where nobody answers")
    failed_before = None if only_failed is None else _failed_in(only_failed)
    if failed_before is not None and not failed_before:
        common.note(f"all stacks in {only_failed} have succeeded: there is nothing to run again")
        return 0
    with closing(_workers(cluster, jobs)) as workers:
        found = Fleet(workers, str(Path(project).resolve()))
        stacks = found.select(patterns or ["*"])
        if failed_before is not None:
            stacks = [stack for stack in stacks if stack in failed_before]
        if not stacks:
            raise click.ClickException(
                f"none of the stacks that have failed in {only_failed} exists or matches --stacks; `pulumi stack ls` "
                "lists those that exist"
            )
        if changes and not yes:
            with _shown(stacks) as (listener, on_stop):
                preview = found.run(operation, stacks, stop_after, listener, preview_only=True, on_stop=on_stop)
            _write(preview, as_json=False)
            _demand_whole(preview)
            click.confirm(f"{operation} {common.counted(len(stacks), 'stack')}?", abort=True, err=True)
        file = None if json_file in (None, "-") else json_file
        if file is not None:
            _demand_writable(file, operation, stacks)
        with _shown(stacks) as (listener, on_stop):
            report = found.run(operation, stacks, stop_after, listener, recover=recover, on_stop=on_stop)
            if file is not None:  # first of all: the terminal may be gone
                _save(report, file)
    _write(report, as_json=json_file == "-")
    return report.exit_code


def _workers(cluster: str | None, jobs: int | None) -> Workers:
    if cluster is None:
        return Workers(None, jobs)
    try:
        from ..fleet import cluster as dask
    except ModuleNotFoundError:
        raise click.ClickException("--cluster needs an extra: pip install 'pulumi-instances[fleet]'") from None
    return dask.Cluster(dask.connect(cluster), jobs)


def _failed_in(file: str) -> set[str]:
    """Return the stacks for which the run that wrote this JSON did not succeed."""
    try:
        report = json.loads(Path(file).read_text(encoding="utf-8"))
        return {str(each["stack"]) for each in report["stacks"] if each["status"] != "succeeded"}
    except OSError as error:
        raise click.ClickException(f"--only-failed {file}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise click.ClickException(
            f"--only-failed {file} is not what --json writes; give the file of an earlier run"
        ) from None


def _demand_writable(file: str, operation: Operation, stacks: Sequence[str]) -> None:
    """Write to the file what is true if this run is killed. Raises ClickException where that cannot be written."""
    killed = [Outcome(stack, "interrupted", message=_KILLED) for stack in stacks]
    try:
        _dump(Report(operation, killed, 0.0), file)
    except OSError as error:
        raise click.ClickException(f"--json {file}: {error.strerror}; nothing was started") from None


def _demand_whole(preview: Report) -> None:
    """Raise ClickException where a preview was stopped: the sum of the others would mislead."""
    if any(outcome.status in ("interrupted", "not started") for outcome in preview.outcomes):
        raise click.ClickException("the preview was stopped, so nothing was changed")


# what people see


def _statuses(counts: Counter[Status]) -> str:
    """Return how many stacks ended how, such as ``2 succeeded, 1 failed``."""
    return ", ".join(f"{counts[status]} {status}" for status in get_args(Status) if counts[status])


def _changes(changes: Mapping[str, int]) -> str:
    """Return changes as a text, such as ``+3 create, ~1 update``."""
    shown = [(kind, number) for kind, number in changes.items() if number and kind not in _QUIET]
    return ", ".join(f"{_SIGNS.get(kind, '')}{number} {kind}" for kind, number in shown)


def _dump(report: Report, file: str) -> None:
    Path(file).write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")


def _save(report: Report, file: str) -> None:
    try:
        _dump(report, file)
    except OSError as error:
        common.note(f"Warning: --json {file}: {error.strerror}; the report is not written")


def _write(report: Report, *, as_json: bool) -> None:
    """Write the stacks that did not succeed as a table, or all of it as JSON, and the sum as a line."""
    if as_json:
        common.write_json(report.as_json())
    else:
        others = [each for each in report.outcomes if each.status != "succeeded"]
        columns = ("stack", "status", "machine", "message", "log")
        common.write_table(columns, [[getattr(each, column) for column in columns] for each in others])
    statuses = _statuses(Counter(outcome.status for outcome in report.outcomes))
    changes = _changes(report.changes) or "no changes"
    common.note(f"{common.counted(len(report.outcomes), 'stack')}: {statuses}; {changes}; {report.seconds:.0f} s")


@contextmanager
def _shown(stacks: Sequence[str]) -> Iterator[tuple[Listener, OnStop]]:
    """Show the progress of a run on stderr: a live table on a terminal, or else one line for each start and end.

    A line says what a run waits for that is asked to stop.
    """
    console = Console(stderr=True)
    if not console.is_interactive:
        yield _write_line, lambda running: common.note(_waits_for(running))
        return
    table = _LiveTable(len(stacks), lambda: console.height)
    with Live(get_renderable=table.render, console=console, transient=True, refresh_per_second=4):
        yield table.note, lambda running: console.print(Text(_waits_for(running)))


def _write_line(progress: Progress) -> None:
    if progress.outcome is not None:
        outcome = progress.outcome
        details = [_changes(outcome.changes), outcome.message]
        text = "; ".join(detail for detail in details if detail)
        where = f" on {outcome.machine}" if outcome.machine else ""
        common.note(f"{outcome.stack}: {outcome.status}{where} in {outcome.seconds:.1f} s{text and ': ' + text}")
    elif not progress.step:
        common.note(f"{progress.stack}: started")


def _waits_for(running: Sequence[str]) -> str:
    names = ", ".join([*running[:_NAMED], *(["…"] if running[_NAMED:] else [])])
    return (
        f"stopping: waiting for {common.counted(len(running), 'running stack')} to end ({names}), and starting no "
        "other; another Ctrl-C is passed on to what runs"
    )


class _LiveTable:
    """The stacks that run, and how many have ended. Safe to use from several threads."""

    def __init__(self, total: int, height: Callable[[], int]) -> None:
        self._total = total
        self._height = height
        self._lock = threading.Lock()
        self._running: dict[str, tuple[float, Progress]] = {}
        self._statuses: Counter[Status] = Counter()
        self._changes: Counter[str] = Counter()

    def note(self, progress: Progress) -> None:
        """Take in the news about one stack."""
        with self._lock:
            if progress.outcome is None:
                start, _ = self._running.get(progress.stack, (time.monotonic(), progress))
                self._running[progress.stack] = (start, progress)
                return
            self._running.pop(progress.stack, None)
            self._statuses[progress.outcome.status] += 1
            self._changes.update(progress.outcome.changes)

    def render(self) -> Any:
        """Return what the terminal shows now."""
        with self._lock:
            running = list(self._running.items())
            ended = sum(self._statuses.values())
            statuses = _statuses(self._statuses)
            changes = _changes(self._changes)
        table = Table(box=None, pad_edge=False, expand=True)
        for column, longest in (("stack", 36), ("machine", 20), ("seconds", None)):
            table.add_column(column, no_wrap=True, max_width=longest)
        table.add_column("step", no_wrap=True, ratio=1)
        rows = max(_FEWEST_ROWS, self._height() - 4)
        for stack, (start, progress) in running[:rows]:
            seconds = f"{time.monotonic() - start:.0f}"
            table.add_row(*(Text(each) for each in (stack, progress.machine, seconds, progress.step)))
        more = f", {len(running) - rows} more run" if len(running) > rows else ""
        parts = [f"{ended} of {common.counted(self._total, 'stack')} ended{more}", statuses, changes]
        return Group(table, Text("; ".join(part for part in parts if part)))
