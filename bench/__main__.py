"""`python -m bench`: measure, then write the table and the picture to bench/results."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from pulumi.automation import CommandError

from . import cells, costs, fleets, opentofu, report
from .api import Api
from .cells import Cell, Measurement
from .fleet_runs import FleetRun
from .plots import draw

_Run = TypeVar("_Run", Measurement, FleetRun)

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
    """Measure as much as the time allows."""
    options = _options()
    # A shell starts background jobs with SIGINT ignored, and so would be the plugins, which the engines end by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    directory = report.SCRATCH if options.quick else report.RESULTS
    later = bool(options.resume or options.only) and (directory / "results.json").exists()
    run = report.read(directory) if later else report.Run(_now(), _cli_version())
    parts = _parts(run, QUICK if options.quick else GRID, fleets.QUICK if options.quick else fleets.FULL)
    if options.only:
        known = "; ".join(parts)
        parts = {name: part for name, part in parts.items() if any(fnmatchcase(name, glob) for glob in options.only)}
        if not parts:
            sys.exit(f"--only: no part has such a name; there are: {known}")
    else:
        parts = {name: part for name, part in parts.items() if not part.is_measured()}
    run.left_out = [each for each in run.left_out if not each.startswith(tuple(parts))]
    try:
        _fill(run, parts, time.monotonic() + options.minutes * 60, directory, later=later)
    except KeyboardInterrupt:
        run.left_out += [f"{name} (interrupted)" for name, part in parts.items() if not part.is_measured()]
        return 130
    finally:  # an interrupted run leaves what it has
        report.write(run, directory)
        draw(run.measurements, directory)
        print(f"Written to {directory}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few instances only, written to .cache/bench")
    parser.add_argument("--resume", action="store_true", help="keep the parts of the run before, and measure others")
    parser.add_argument(
        "--only",
        action="append",
        metavar="GLOB",
        help="measure these parts again, such as 'fleets' or '*, 1000 at *', and keep all others; repeatable",
    )
    parser.add_argument("--minutes", type=float, default=45, help="begin no part after this time (default: 45)")
    options = parser.parse_args()
    if _cli_version() == _NONE:
        parser.error("there is no `pulumi` on PATH; install the Pulumi CLI")
    return options


class Part(NamedTuple):
    """A part of the benchmark that is measured as a whole. What it has found is in the run only if it has ended."""

    is_measured: Callable[[], bool]
    measure: Callable[[], None]


def _parts(run: report.Run, grid: Sequence[Cell], size: fleets.Size) -> dict[str, Part]:
    """All parts, by name, that can be measured here: without the CLI's host for YAML, or OpenTofu, a part of them."""
    here = {"yaml": fleets.is_possible(), "opentofu": opentofu.is_here()}
    parts = {"figures": Part(lambda: bool(run.figures), partial(_measure_figures, run))}
    for cell in grid:
        possible = replace(cell, variants=tuple(variant for variant in cell.variants if here.get(variant, True)))
        part = Part(partial(_is_measured, run, possible), partial(_measure, run, possible))
        parts[f"{cell.engine}, {cell.count} at {cell.latency} ms"] = part
    if fleets.is_possible():
        parts["fleets"] = Part(lambda: bool(run.fleets), partial(_measure_fleets, run, size))
    return parts


def _fill(run: report.Run, parts: Mapping[str, Part], deadline: float, directory: Path, *, later: bool) -> None:
    for name, part in parts.items():
        if time.monotonic() > deadline:
            run.left_out.append(name)
            continue
        when = f"{_now()}, load {os.getloadavg()[0]:.1f}"
        try:
            part.measure()
        except (AssertionError, CommandError, RuntimeError, subprocess.SubprocessError) as error:
            print(error)
            run.left_out.append(f"{name} (stopped: {type(error).__name__})")
        else:
            run.later |= {name: when} if later else {}
        report.write(run, directory)


def _measure_figures(run: report.Run) -> None:
    with Api(0) as api:
        run.figures = {"the emulator answers at least, requests per second": api.rate(), **costs.measure()}


def _is_measured(run: report.Run, cell: Cell) -> bool:
    return set(cell.variants) <= {found.variant for found in run.measurements if _is_of(found, cell)}


def _is_of(found: Measurement, cell: Cell) -> bool:
    return (found.engine, found.count, found.latency) == (cell.engine, cell.count, cell.latency)


def _measure(run: report.Run, cell: Cell) -> None:
    measured = _printed(cells.measure(cell))
    run.measurements = [found for found in run.measurements if not _is_of(found, cell)] + measured


def _measure_fleets(run: report.Run, size: fleets.Size) -> None:
    run.fleets = _printed(fleets.measure(size))


def _printed(measured: Iterator[_Run]) -> list[_Run]:
    """What is measured, each run printed as soon as it has ended."""
    runs = []
    for run in measured:
        print(run, flush=True)
        runs.append(run)
    return runs


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


_NONE = "not on PATH"


def _cli_version() -> str:
    if shutil.which("pulumi") is None:
        return _NONE
    return subprocess.run(["pulumi", "version"], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
