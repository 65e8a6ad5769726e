"""What was promised, and what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .fleet_runs import FleetRun, fastest
from .operations import OPERATIONS

if TYPE_CHECKING:  # a test of the verdicts needs nothing of what measures
    from .cells import Measurement
    from .summary import Summary

WORKERS = 32


@dataclass(frozen=True)
class Target:
    """``measured`` must not exceed ``bound``, or must reach it where ``least``."""

    what: str
    where: str
    measured: float
    bound: float
    least: bool = False

    @property
    def verdict(self) -> str:
        """Whether it is met, else by how much not."""
        if self.measured >= self.bound if self.least else self.measured <= self.bound:
            return "met"
        return f"**missed by {abs(self.measured / self.bound - 1):.1%}**" if self.bound else "**missed**"


def targets(summary: Summary, figures: Mapping[str, float], fleets: Sequence[FleetRun]) -> Iterator[Target]:
    """All targets of which something was measured."""
    for engine in summary.engines:
        yield from _previews(summary, engine)
        yield from _creates(summary, engine)
        yield from _refreshes(summary, engine)
        yield from _native(summary, engine)
        yield from _opentofu(summary, engine)
        yield from _large(summary, engine)
    yield from _fleets(fleets)
    for name, (what, bound) in _FIGURES.items():
        if name in figures:
            yield Target(what, "no engine", figures[name], bound)


_FIGURES = {
    "check + diff of ours, ms of CPU": ("check + diff, ms of CPU", 1),
    "pickle of ours, bytes": ("pickle, bytes", 100),
    "import Instance ÷ import pulumi": ("import of `Instance` ÷ import of `pulumi`", 1.1),
}


def _previews(summary: Summary, engine: str) -> Iterator[Target]:
    ours = summary.select(engine=engine, variant="ours", operation="preview")
    # No request is sent, so that the latency makes no difference: the runs at all of them are runs of one experiment.
    floors = summary.select(engine=engine, variant="floor", operation="preview")
    for count in sorted({found.count for found in ours} & {found.count for found in floors}):
        ratio = _fastest(ours, count) / _fastest(floors, count)
        yield Target(f"no-op preview of {count:,} ÷ floor", engine, ratio, 1.05)
    if ours:
        yield Target("requests in a no-op preview", engine, max(found.requests for found in ours), 0)


def _creates(summary: Summary, engine: str) -> Iterator[Target]:
    ours, floor, textbook = _cell(summary, engine, 100, 200, "up")
    if ours and floor:
        least = floor.seconds + ours.count * ours.latency / 1000 / WORKERS
        yield Target("up of 100 at 200 ms ÷ (floor + 100 × 0.2 s ÷ 32)", engine, ours.seconds / least, 1.25)
    if ours:
        yield Target("calls in flight in an up of 100", engine, ours.peak, WORKERS, least=True)
    if ours and textbook:
        yield Target("textbook ÷ ours, up of 100 at 200 ms", engine, textbook.seconds / ours.seconds, 2, least=True)


def _native(summary: Summary, engine: str) -> Iterator[Target]:
    for found in summary.select(engine=engine, variant="native"):
        ours = summary.get(engine, found.count, found.latency, "ours", found.operation)
        if ours:
            what = f"native ÷ ours, {found.operation} of {found.count:,} at {found.latency} ms"
            yield Target(what, engine, found.seconds / ours.seconds, 1.05)


def _opentofu(summary: Summary, engine: str) -> Iterator[Target]:
    for found in summary.select(engine=engine, variant="yaml"):
        other = summary.get(engine, found.count, found.latency, "opentofu", found.operation)
        cell = _AGAINST_OPENTOFU.get((found.count, found.latency), {})
        bound = cell.get(found.operation)
        if other and bound:
            what = f"yaml ÷ OpenTofu, {found.operation} of {found.count:,} at {found.latency} ms"
            yield Target(what, engine, found.seconds / other.seconds, bound)


_AGAINST_OPENTOFU = {
    (100, 0): {"preview": 1.0},
    (100, 200): {"preview": 1.0, "up": 1.25},
    (1000, 50): dict.fromkeys(OPERATIONS, 0.5),
    (1000, 100): dict.fromkeys(OPERATIONS, 1.0),
    (1000, 200): dict.fromkeys(OPERATIONS, 1.0),
}


def _large(summary: Summary, engine: str) -> Iterator[Target]:
    """Ten times the instances may take ten times as long."""
    for large in summary.select(engine=engine, count=10_000):
        small = summary.get(engine, 1000, large.latency, large.variant, large.operation)
        if small:
            what = f"{large.variant}, {large.operation} of 10,000 ÷ 10 × that of 1,000, at {large.latency} ms"
            yield Target(what, engine, large.seconds / small.seconds / 10, 1.1)


def _fleets(runs: Sequence[FleetRun]) -> Iterator[Target]:
    ours, xargs = (fastest(runs, way, 2, "up") for way in ("fleet", "xargs"))
    if ours and xargs:
        yield Target(
            f"fleet ÷ xargs, up of {ours.stacks} stacks, two at once", "cli", ours.seconds / xargs.seconds, 1.1
        )
    one, two = (fastest(runs, "cluster", workers, "up", slow=True) for workers in (1, 2))
    if one and two:
        what = f"one worker ÷ two, up of {one.stacks} stacks, {one.create:g} s for a create"
        yield Target(what, "cli", one.seconds / two.seconds, 1.8, least=True)


def _refreshes(summary: Summary, engine: str) -> Iterator[Target]:
    ours, floor, _ = _cell(summary, engine, 1000, 50, "refresh")
    if ours and floor:
        yield Target("refresh of 1,000 at 50 ms ÷ floor", engine, ours.seconds / floor.seconds, 1.3)
    if ours:
        yield Target("requests in a refresh of 1,000", engine, ours.requests, 10)
    ours, _, textbook = _cell(summary, engine, 100, 200, "refresh")
    if ours and textbook:
        what = "textbook ÷ ours, refresh of 100 at 200 ms"
        yield Target(what, engine, textbook.seconds / ours.seconds, 3, least=True)


def _cell(summary: Summary, engine: str, count: int, latency: int, operation: str) -> list[Measurement | None]:
    return [summary.get(engine, count, latency, variant, operation) for variant in ("ours", "floor", "textbook")]


def _fastest(found: Iterable[Measurement], count: int) -> float:
    return min(each.seconds for each in found if each.count == count)
