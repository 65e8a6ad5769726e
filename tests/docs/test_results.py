"""What the documents say of speed, against the results of the benchmark."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from bench import report, tables

from .markdown import ROOT, document

RUN: dict[str, Any] = json.loads((ROOT / "bench/results/results.json").read_text())
LARGE = "cli, no checkpoints"


def fastest(engine: str, count: int, latency: int, variant: str, operation: str) -> dict[str, Any]:
    """The fastest run of one operation."""
    wanted = {"engine": engine, "count": count, "latency": latency, "variant": variant, "operation": operation}
    runs = [found for found in RUN["measurements"] if wanted.items() <= found.items()]
    return dict(min(runs, key=lambda run: float(run["seconds"])))


@pytest.mark.parametrize("name", tables.DOCUMENTS)
def test_the_tables_are_those_of_the_results(name: str) -> None:
    """`python -m bench.tables` writes them."""
    assert tables.written(name, document(name), report.read(report.RESULTS)) == document(name)


def test_what_is_said_of_the_programs_is_so() -> None:
    """What docs/speed.md says below the first table: who is faster."""
    text = document("docs/speed.md")

    def ratio(operation: str) -> float:
        return float(
            fastest("cli", 100, 200, "opentofu", operation)["seconds"]
            / fastest("cli", 100, 200, "yaml", operation)["seconds"]
        )

    assert "OpenTofu creates faster" in text
    assert ratio("up") < 1
    assert "OpenTofu takes longer for a preview" in text
    assert ratio("preview") > 1
    assert "An update takes as long as with OpenTofu" in text
    assert ratio("update") == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("name", ["README.md", "docs/speed.md"])
def test_the_requests_of_a_refresh_are_those_of_the_results(name: str) -> None:
    [said] = re.findall(r"refresh of 1,000 instances sends (\d+) requests", " ".join(document(name).split()))
    assert int(said) == fastest(LARGE, 1000, 50, "ours", "refresh")["requests"]


def test_the_times_of_the_readme_are_those_of_the_results() -> None:
    text = " ".join(document("README.md").split())
    said = re.findall(
        r"Creating 100 instances at 200 ms per request takes ([\d.]+) s, where .*? takes ([\d.]+) s", text
    )
    assert said == [
        tuple(f"{fastest('cli', 100, 200, variant, 'up')['seconds']:.1f}" for variant in ("ours", "textbook"))
    ]


def test_what_is_missed_is_said() -> None:
    """docs/speed.md reports as many missed targets as the table."""
    missed = (ROOT / "bench/results/table.md").read_text().count("**missed")
    [said] = re.findall(r"Of the targets in it, (\w+) (?:is|are) missed", document("docs/speed.md"))
    words = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    assert said == dict(enumerate(words)).get(missed, str(missed))
