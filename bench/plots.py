"""The picture of docs/speed.md: seconds by operation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from .cells import Measurement
from .operations import OPERATIONS
from .summary import Summary

_SHOWN = {
    "yaml": ("pulumi-instances, YAML", "#7b3fc4"),
    "ours": ("pulumi-instances, Python", "#1a73e8"),
    "opentofu": ("OpenTofu, REST provider", "#188038"),
    "textbook": ("Pulumi tutorial's provider", "#e8710a"),
}
COUNT, LATENCY = 100, 200


def draw(measurements: Sequence[Measurement], directory: Path) -> None:
    """Write operations.svg and operations.png: one bar for each provider in each of the five operations."""
    summary = Summary(measurements)
    shown = [variant for variant in _SHOWN if summary.get("cli", COUNT, LATENCY, variant, "up")]
    if not shown:
        return
    # Text stays text, and ids are the same in every run: an SVG that is committed should differ only where data does.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "bench", "font.size": 10})
    figure = Figure(figsize=(8, 3.8), layout="constrained", facecolor="white")
    axes = figure.subplots()
    width = 0.84 / len(shown)
    for place, variant in enumerate(shown):
        label, colour = _SHOWN[variant]
        found = [summary.get("cli", COUNT, LATENCY, variant, operation) for operation in OPERATIONS]
        at = [number + (place - (len(shown) - 1) / 2) * width for number in range(len(OPERATIONS))]
        bars = axes.bar(at, [each.seconds if each else 0 for each in found], width, label=label, color=colour)
        axes.bar_label(bars, fmt="%.1f", fontsize=8, padding=1)
    axes.set_xticks(range(len(OPERATIONS)), OPERATIONS)
    axes.set_yticks([])
    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.set_title(f"Seconds for {COUNT} instances, {LATENCY} ms per request", loc="left", fontsize=11)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    for suffix in (".png", ".svg"):
        path = (directory / "operations").with_suffix(suffix)
        figure.savefig(path, dpi=100, metadata={"Date": None} if suffix == ".svg" else None)
