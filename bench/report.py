"""The results as JSON and as a Markdown table."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

from .cells import Measurement
from .fleet_runs import FleetRun, fastest
from .operations import OPERATIONS
from .summary import Summary
from .targets import targets

RESULTS = Path(__file__).parent / "results"
SCRATCH = Path(__file__).parent.parent / ".cache" / "bench"

_ORDER = ("floor", "ours", "native", "yaml", "textbook", "opentofu")
_Show = Callable[[Measurement, "Measurement | None"], str]


@dataclass
class Run:
    """All that one run has found."""

    began: str
    cli: str
    figures: dict[str, float] = field(default_factory=dict)
    measurements: list[Measurement] = field(default_factory=list)
    fleets: list[FleetRun] = field(default_factory=list)
    later: dict[str, str] = field(default_factory=dict)
    """The parts that were measured after the run, and when, with the load of the machine."""
    left_out: list[str] = field(default_factory=list)
    machine: str = f"{os.cpu_count()} cores, Python {platform.python_version()}, SDK {version('pulumi')}"
    load: float = field(default_factory=lambda: os.getloadavg()[0])


def read(directory: Path) -> Run:
    """What an earlier run has found."""
    told = json.loads((directory / "results.json").read_text())
    measurements = [Measurement(**found) for found in told.pop("measurements")]
    fleets = [FleetRun(**found) for found in told.pop("fleets", ())]
    return Run(**{**told, "measurements": measurements, "fleets": fleets})


def write(run: Run, directory: Path) -> None:
    """Write the measurements as JSON and the table as Markdown, over those of an earlier run."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "results.json").write_text(json.dumps(asdict(run), indent=1, ensure_ascii=False) + "\n")
    (directory / "table.md").write_text("\n".join(_document(run)) + "\n")


def _document(run: Run) -> Iterable[str]:
    summary = Summary(run.measurements)
    yield "# Benchmark results\n"
    yield f"Written by `make bench`, {run.began}; {run.machine}, CLI {run.cli}; load at the start {run.load:.1f}."
    yield "Every run is in `results.json`; of repeated runs the fastest counts, for each provider alike."
    if run.later:
        yield f"\nMeasured later: {'; '.join(f'{name} ({when})' for name, when in run.later.items())}."
    yield ""
    yield "| provider | what it is |\n|---|---|"
    yield "| floor | a dynamic resource that does nothing, with the same keys in a state of about the same size |"
    yield "| ours | `pulumi_instances`, as it comes |"
    yield "| native | the native package `instances`, with the same program in Python and its generated SDK |"
    yield "| yaml | the native package with a program in YAML, where no Python program starts |"
    yield (
        "| textbook | a class in the program that calls `requests`, as tutorials show it. With 1,000 it fails: the SDK "
        "(3.272) wraps its pickler once more for each resource, and for such a class ends in a RecursionError |"
    )
    yield "| opentofu | OpenTofu with the REST provider of Mastercard, a state file and `-parallelism=32` |"
    yield ""
    yield "| engine | what it is |\n|---|---|"
    yield "| cli | the Pulumi CLI with its file backend, `--parallel 32` |"
    yield "| cli, no checkpoints | the same with `PULUMI_SKIP_CHECKPOINTS=true`: the state is written once |"
    yield ""
    yield from _targets(summary, run)
    yield from _table(summary, _seconds, "Wall time, seconds (and the ratio to the floor beside it)")
    yield from _table(summary, lambda found, _: f"{found.requests}, {found.peak}", "Requests, most in flight at once")
    yield from _table(
        summary,
        lambda found, _: f"{found.cpu / found.count * 1000:.1f}, {found.memory / 2**20:.0f}",
        "Provider processes: CPU ms per instance (their start included), most resident MiB",
    )
    yield from _table(summary, _engine_memory, "The engine with its hosts and programs: most resident MiB")
    yield from _state(summary)
    yield from _many(run.fleets)
    yield "## Without an engine\n"
    yield "| figure | value |\n|---|--:|"
    for name, value in run.figures.items():
        yield f"| {name} | {value:.4g} |"
    if run.left_out:
        yield "\n## Left out\n"
        yield "Not measured, since the time was up or as it says: " + "; ".join(run.left_out) + "."


def _targets(summary: Summary, run: Run) -> Iterable[str]:
    yield "## Targets\n"
    yield "| target | engine | bound | measured | |\n|---|---|--:|--:|---|"
    for target in targets(summary, run.figures, run.fleets):
        bound = f"{'≥' if target.least else '≤'} {target.bound:g}"
        yield f"| {target.what} | {target.where} | {bound} | {target.measured:.4g} | {target.verdict} |"
    yield ""


def _seconds(found: Measurement, floor: Measurement | None) -> str:
    ratio = f" ({found.seconds / floor.seconds:.2f})" if floor and floor is not found else ""
    return f"{found.seconds:.2f}{ratio}"


def _engine_memory(found: Measurement, _floor: Measurement | None) -> str:
    return f"{found.engine_memory / 2**20:.0f}" if found.engine_memory else ""


def _table(summary: Summary, show: _Show, title: str) -> Iterable[str]:
    keys = {(found.engine, found.count, found.latency, found.variant) for found in summary.select()}
    rows = []
    for engine, count, latency, variant in sorted(keys, key=lambda key: (*key[:3], _ORDER.index(key[3]))):
        cells = []
        for operation in OPERATIONS:
            found = summary.get(engine, count, latency, variant, operation)
            floor = summary.get(engine, count, latency, "floor", operation)
            cells.append(show(found, floor) if found else "")
        if any(cells):
            rows.append(f"| {engine} | {count:,} | {latency} | {variant} | " + " | ".join(cells) + " |")
    if rows:
        yield f"## {title}\n"
        yield "| engine | instances | latency, ms | provider | " + " | ".join(OPERATIONS) + " |"
        yield "|---|--:|--:|---|" + "--:|" * len(OPERATIONS)
        yield from rows
        yield ""


def _state(summary: Summary) -> Iterable[str]:
    yield "## State on disk, bytes per resource\n"
    yield "The CLI also notes a stack trace for each resource: nearly half of its bytes. Ours is longer by the path of"
    yield "the package.\n"
    yield "| engine | provider | bytes |\n|---|---|--:|"
    seen = {(found.engine, found.variant): found.state for found in summary.select(operation="up")}
    for (engine, variant), size in sorted(seen.items()):
        yield f"| {engine} | {variant} | {size:,} |"
    yield ""


def _many(runs: Sequence[FleetRun]) -> Iterable[str]:
    if not runs:
        return
    yield f"## Many stacks: {runs[0].stacks} of three instances, programs in YAML\n"
    yield "The CPU is that of all processes, those of the API, the database, the scheduler and the workers included."
    yield f"The last column is what {runs[0].cores} cores allow, if they never wait.\n"
    yield "| way | at once | seconds for a create | operation | stacks a minute | s of CPU for each | at the most |"
    yield "|---|--:|--:|---|--:|--:|--:|"
    for way, at_once, slow, operation in dict.fromkeys((r.way, r.at_once, r.create > 0, r.operation) for r in runs):
        if best := fastest(runs, way, at_once, operation, slow=slow):
            figures = f"{best.per_minute:.1f} | {best.cpu_each:.2f} | {best.most:.0f}"
            yield f"| {way} | {at_once} | {best.create:g} | {operation} | {figures} |"
    yield ""
