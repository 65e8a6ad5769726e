"""`python -m bench`: measure, then write the table and the picture to bench/results."""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from pulumi.automation import CommandError

from . import cells, costs, fleets, opentofu, report
from .api import Api
from .cells import Cell
from .plots import draw

# The most telling first: what does not fit into the time is left out, and the report says so.
GRID = (
    Cell("cli", 100, 200, ("floor", "ours", "native", "yaml", "textbook", "opentofu"), rounds=2, again=2),
    Cell("cli", 100, 0, ("floor", "ours", "yaml", "opentofu"), again=3),
    Cell("cli, no checkpoints", 1000, 50, ("floor", "ours", "native", "yaml", "opentofu"), again=2),
    *(Cell("cli, no checkpoints", 1000, latency, ("yaml", "opentofu")) for latency in (100, 200)),
    Cell("cli, no checkpoints", 10_000, 50, ("yaml",)),
    Cell("cli", 1000, 50, ("yaml",)),
)
QUICK = (Cell("cli", 10, 50, GRID[0].variants),)


def main() -> int:
    """Measure as many cells as the time allows."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ten instances only, written to .cache/bench")
    parser.add_argument("--resume", action="store_true", help="keep the cells of the run before, and measure others")
    parser.add_argument("--minutes", type=float, default=45, help="begin no cell after this time (default: 45)")
    parser.add_argument("--fleets", action="store_true", help="many small stacks instead, printed only")
    options = parser.parse_args()
    # A shell starts background jobs with SIGINT ignored, and so would be the plugins, which the engines end by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    directory = report.SCRATCH if options.quick else report.RESULTS
    if options.fleets:
        return fleets.main()
    run = report.Run(datetime.now(timezone.utc).isoformat(timespec="seconds"), _cli_version())
    if options.resume:
        run = report.read(directory)
    if run.cli == _NONE:
        parser.error("there is no `pulumi` on PATH; install the Pulumi CLI")
    engines = list(_possible(QUICK if options.quick else GRID))
    try:
        _fill(run, engines, time.monotonic() + options.minutes * 60, directory)
    except KeyboardInterrupt:
        run.left_out.append("the rest: interrupted")
        return 130
    finally:  # an interrupted run leaves what it has
        report.write(run, directory)
        draw(run.measurements, directory)
        print(f"Written to {directory}")
    return 0


def _possible(grid: Sequence[Cell]) -> Iterator[Cell]:
    """What can be measured here: without the CLI's host for YAML, or OpenTofu, a part of it."""
    here = {"yaml": bool(shutil.which("pulumi-language-yaml")), "opentofu": opentofu.is_here()}
    for cell in grid:
        yield replace(cell, variants=tuple(variant for variant in cell.variants if here.get(variant, True)))


def _fill(run: report.Run, grid: Sequence[Cell], deadline: float, directory: Path) -> None:
    if not run.figures:
        with Api(0) as api:
            run.figures = {"the emulator answers at least, requests per second": api.rate(), **costs.measure()}
    measured = {(found.engine, found.count, found.latency, found.variant) for found in run.measurements}
    for cell in grid:
        if {(cell.engine, cell.count, cell.latency, variant) for variant in cell.variants} <= measured:
            continue
        name = f"{cell.engine}, {cell.count} at {cell.latency} ms"
        if time.monotonic() > deadline:
            run.left_out.append(name)
            continue
        try:
            _measure(run, cell)
        except (CommandError, RuntimeError, subprocess.TimeoutExpired) as error:
            print(error)
            run.left_out.append(f"{name} (stopped: {type(error).__name__})")
        report.write(run, directory)


def _measure(run: report.Run, cell: Cell) -> None:
    for found in cells.measure(cell):
        run.measurements.append(found)
        print(
            f"{found.engine:20} {found.count:5} × {found.latency:3} ms  {found.variant:9} {found.operation:8}"
            f" {found.seconds:8.2f} s {found.requests:5} requests, {found.peak:3} at once",
            flush=True,
        )


_NONE = "not on PATH"


def _cli_version() -> str:
    if shutil.which("pulumi") is None:
        return _NONE
    return subprocess.run(["pulumi", "version"], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
