"""The plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .cells import OPERATIONS, Measurement
from .growth import most_measured_latency
from .summary import Summary

_COLOURS = {
    "floor": "#9aa0a6",
    "ours": "#1a73e8",
    "native": "#7b3fc4",
    "yaml": "#c2185b",
    "shards": "#12a4af",
    "textbook": "#e8710a",
    "opentofu": "#188038",
}


def draw(measurements: Sequence[Measurement], directory: Path) -> None:
    """Write operations.* and growth.*, each as PNG and SVG."""
    if not measurements:
        return
    # Text stays text, and ids are the same in every run: an SVG that is committed should differ only where data does.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "bench", "font.size": 9})
    mpl.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
    summary = Summary(measurements)
    _draw_operations(summary, directory / "operations")
    _draw_growth(summary, directory / "growth")


def _draw_operations(summary: Summary, path: Path) -> None:
    """100 instances at 500 ms, where latency shows best, else the largest that was measured."""
    cells = {(found.count, found.latency) for found in summary.select()}
    count, latency = (100, 500) if (100, 500) in cells else max(cells)
    found = summary.select(count=count, latency=latency)
    engines = [name for name in summary.engines if any(each.engine == name for each in found)]
    figure = Figure(figsize=(4.6 * len(engines), 3.2), layout="constrained")
    for axes, engine in zip(figure.subplots(1, len(engines), squeeze=False)[0], engines, strict=True):
        _bars(axes, [each for each in found if each.engine == engine])
        axes.set_title(f"{engine}: {count} instances, {latency} ms per request", fontsize=9)
    _add_legend(figure)
    _save(figure, path)


def _draw_growth(summary: Summary, path: Path) -> None:
    """One row per engine, one column per operation, both axes logarithmic, all with one scale."""
    engines = summary.engines
    figure = Figure(figsize=(2.2 * len(OPERATIONS), 2.2 * len(engines) + 0.3), layout="constrained")
    grid = figure.subplots(len(engines), len(OPERATIONS), squeeze=False, sharex=True, sharey=True)
    for row, engine in zip(grid, engines, strict=True):
        for axes, operation in zip(row, OPERATIONS, strict=True):
            found = summary.select(engine=engine, operation=operation)
            latency = most_measured_latency([each for each in found if each.variant == "ours"])
            for variant, colour in _COLOURS.items():
                line = [each for each in found if (each.variant, each.latency) == (variant, latency)]
                points = [each.count for each in line], [each.seconds for each in line]
                axes.loglog(*points, marker=".", linewidth=1.2, color=colour, label=variant)
            axes.set_title(f"{engine}: {operation}, {latency} ms", fontsize=8)
            axes.grid(visible=True, alpha=0.25)
        row[0].set_ylabel("seconds")
    for axes in grid[-1]:
        axes.set_xlabel("instances")
    _add_legend(figure)
    _save(figure, path)


def _bars(axes: Axes, found: Sequence[Measurement]) -> None:
    """Seconds by operation; above each bar the ratio to the floor."""
    floor = {each.operation: each.seconds for each in found if each.variant == "floor"}
    variants = [variant for variant in _COLOURS if any(each.variant == variant for each in found)]
    width = 0.84 / len(variants)
    for place, variant in enumerate(variants):
        seconds = {each.operation: each.seconds for each in found if each.variant == variant}
        at = [number + (place - (len(variants) - 1) / 2) * width for number in range(len(OPERATIONS))]
        heights = [seconds.get(name, 0) for name in OPERATIONS]
        bars = axes.bar(at, heights, width, label=variant, color=_COLOURS[variant])
        if variant != "floor" and floor:
            both = seconds.keys() & floor.keys()
            ratios = [f"{seconds[name] / floor[name]:.1f}" if name in both else "" for name in OPERATIONS]
            axes.bar_label(bars, ratios, fontsize=6, padding=1)
    axes.set_xticks(range(len(OPERATIONS)), OPERATIONS)
    axes.set_ylabel("seconds; above: ratio to the floor")


def _add_legend(figure: Figure) -> None:
    """One for all axes, of what any of them shows."""
    shown: dict[str, Any] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        shown |= {label: handle for label, handle in zip(labels, handles, strict=True) if _is_drawn(handle)}
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=len(_COLOURS), frameon=False)


def _is_drawn(handle: Any) -> bool:
    return not isinstance(handle, Line2D) or len(handle.get_xdata()) > 0


def _save(figure: Figure, path: Path) -> None:
    for suffix in (".png", ".svg"):
        figure.savefig(path.with_suffix(suffix), dpi=100, metadata={"Date": None} if suffix == ".svg" else None)
