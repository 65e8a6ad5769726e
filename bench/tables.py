"""The tables of the documents that show what was measured.

    python -m bench.tables

writes them anew from bench/results. A test demands that they are so.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from . import report
from .fleet_runs import FleetRun, fastest
from .operations import OPERATIONS
from .summary import Summary

ROOT = Path(__file__).parent.parent

_PROGRAMS = {
    "pulumi-instances, YAML": "yaml",
    "pulumi-instances, Python": "ours",
    "native package, Python": "native",
    "does nothing, Python": "floor",
    "OpenTofu": "opentofu",
    "tutorial's provider": "textbook",
}
_LARGE = "cli, no checkpoints"
Rows = Iterator[list[str]]


def written(name: str, text: str, run: report.Run) -> str:
    """The text of this document with its tables as the results have them. One of which nothing is measured stays."""
    for first, rows in _TABLES[name].items():
        if found := "".join(map(_line, rows(run))):
            text, count = re.subn(rf"(^\| {re.escape(first)} \|.*\n\|.*\n)(\|.*\n)*", rf"\1{found}", text, flags=re.M)
            if count != 1:
                raise ValueError(f"{name} has {count} tables whose first column is {first!r}")
    return text


def _line(row: list[str]) -> str:
    return "".join(f"| {cell} " if cell else "| " for cell in row) + "|\n"


def _of_programs(run: report.Run) -> Rows:
    """100 instances at 200 ms."""
    for title, variant in _PROGRAMS.items():
        yield from _times(run, title, "cli", 100, 200, variant)


def _of_1000(run: report.Run) -> Rows:
    for title, variant in _PROGRAMS.items():
        if variant not in ("native", "textbook"):
            yield from _times(run, title, _LARGE, 1000, 50, variant)


def _of_latencies(run: report.Run) -> Rows:
    for latency in (50, 100, 200):
        for title, variant in (("YAML", "yaml"), ("OpenTofu", "opentofu")):
            yield from _times(run, f"{latency} ms, {title}", _LARGE, 1000, latency, variant)


def _of_checkpoints(run: report.Run) -> Rows:
    """A program in YAML, with what the `up` takes of memory."""
    summary = Summary(run.measurements)
    for engine, count in (("cli", 1000), (_LARGE, 1000), (_LARGE, 10_000)):
        title = f"{count:,}, {'without' if engine == _LARGE else 'with'} checkpoints"
        for row in _times(run, title, engine, count, 50, "yaml"):
            up = summary.get(engine, count, 50, "yaml", "up")
            # A cell that was measured before the engine's memory was shows none.
            both = up.engine_memory + up.memory if up and up.engine_memory and up.memory else 0
            yield [*row, f"{both / 2**20:.0f} MiB" if both else ""]


def _times(run: report.Run, title: str, engine: str, count: int, latency: int, variant: str) -> Rows:
    """A row of seconds, to a tenth; none where that was not measured."""
    summary = Summary(run.measurements)
    found = [summary.get(engine, count, latency, variant, operation) for operation in OPERATIONS]
    if any(found):
        yield [title, *(f"{each.seconds:.1f}" if each else "" for each in found)]


def _of_fleets(run: report.Run) -> Rows:
    """Stacks a minute, seconds of CPU, and what the cores allow."""
    ways = {
        "`fleet`": ("fleet", 2),
        "`xargs -P 2 pulumi`": ("xargs", 2),
        "Terragrunt with OpenTofu": ("terragrunt", 2),
        **{f"`fleet`, {_workers(number)}": ("cluster", number) for number in (1, 2, 4)},
    }
    for title, way in ways.items():
        up, destroy = (fastest(run.fleets, *way, operation) for operation in ("up", "destroy"))
        if up and destroy:
            yield [title, f"{up.per_minute:.0f}", f"{destroy.per_minute:.0f}", *_cpu(up)]
    for number in (1, 2, 4):
        if slow := fastest(run.fleets, "cluster", number, "up", slow=True):
            title = f"`fleet`, {_workers(number)}, {slow.create:g} s for a create"
            yield [title, f"{slow.per_minute:.0f}", "", *_cpu(slow)]


def _workers(number: int) -> str:
    return "one worker" if number == 1 else f"{number} workers"


def _cpu(up: FleetRun) -> tuple[str, str]:
    return f"{up.cpu_each:.1f} s", f"{up.most:.0f}"


_TABLES: dict[str, dict[str, Callable[[report.Run], Rows]]] = {
    "docs/speed.md": {
        "seconds at 200 ms": _of_programs,
        "seconds for 1,000": _of_1000,
        "1,000 instances": _of_latencies,
    },
    "docs/large-stacks.md": {"seconds at 50 ms": _of_checkpoints},
    "docs/fleets.md": {"stacks a minute": _of_fleets},
}
DOCUMENTS = tuple(_TABLES)


def main() -> int:
    """Write the tables."""
    run = report.read(report.RESULTS)
    for name in DOCUMENTS:
        path = ROOT / name
        path.write_text(written(name, path.read_text(encoding="utf-8"), run), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
