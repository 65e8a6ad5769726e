"""The times in README.md and docs/speed.md, against the results of the benchmark."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from .markdown import ROOT, document, table

RUN: dict[str, Any] = json.loads((ROOT / "bench/results/results.json").read_text())
VARIANTS = {"does nothing": "floor", "pulumi-instances": "ours", "textbook": "textbook"}
PROGRAMS = {
    "pulumi-instances, Python": "ours",
    "native package, Python": "native",
    "native package, YAML": "yaml",
    "OpenTofu": "opentofu",
}


def fastest(engine: str, count: int, latency: int, variant: str, operation: str) -> dict[str, Any]:
    """The fastest run of one operation."""
    wanted = {"engine": engine, "count": count, "latency": latency, "variant": variant, "operation": operation}
    runs = [found for found in RUN["measurements"] if wanted.items() <= found.items()]
    return dict(min(runs, key=lambda run: float(run["seconds"])))


@pytest.mark.parametrize("row", table("docs/speed.md", "seconds"), ids=lambda row: str(row["seconds"]))
def test_the_table_of_times_is_that_of_the_results(row: dict[str, str]) -> None:
    """The table shows 100 instances at 500 ms per request on the CLI, to a tenth of a second."""
    variant = VARIANTS[row.pop("seconds")]
    assert row == {name: f"{fastest('cli', 100, 500, variant, name)['seconds']:.1f}" for name in row}


@pytest.mark.parametrize("row", table("docs/speed.md", "seconds at 200 ms"), ids=lambda row: row["seconds at 200 ms"])
def test_the_table_of_programs_is_that_of_the_results(row: dict[str, str]) -> None:
    variant = PROGRAMS[row.pop("seconds at 200 ms")]
    assert row == {name: f"{fastest('cli', 100, 200, variant, name)['seconds']:.1f}" for name in row}


def test_what_is_said_of_the_programs_is_so() -> None:
    """What docs/speed.md says below that table: who is faster, and by how much."""
    text = document("docs/speed.md")

    def ratio(count: int, latency: int, operation: str, one: str, other: str) -> float:
        return float(
            fastest("cli", count, latency, one, operation)["seconds"]
            / fastest("cli", count, latency, other, operation)["seconds"]
        )

    assert "OpenTofu creates faster" in text
    assert ratio(100, 200, "up", "opentofu", "yaml") < 1
    assert "OpenTofu takes longer for a preview" in text
    assert ratio(100, 200, "preview", "opentofu", "yaml") > 1
    assert "Where requests take no time, both take the same time" in text
    assert ratio(100, 0, "preview", "opentofu", "yaml") == pytest.approx(1, abs=0.05)
    assert "a program in Python takes a seventh longer" in text
    assert ratio(1000, 50, "preview", "ours", "floor") == pytest.approx(1 + 1 / 7, abs=0.01)


@pytest.mark.parametrize("name", ["README.md", "docs/speed.md"])
def test_the_requests_of_a_refresh_are_those_of_the_results(name: str) -> None:
    [said] = re.findall(r"refresh of 1,000 instances sends (\d+) requests", document(name))
    assert int(said) == fastest("cli", 1000, 50, "ours", "refresh")["requests"]


def test_the_times_of_the_readme_are_those_of_the_results() -> None:
    text = " ".join(document("README.md").split())
    said = re.findall(
        r"Creating 100 instances at 500 ms per request takes ([\d.]+) s, where .*? takes ([\d.]+) s", text
    )
    assert said == [
        tuple(f"{fastest('cli', 100, 500, variant, 'up')['seconds']:.1f}" for variant in ("ours", "textbook"))
    ]


def test_what_is_missed_is_said() -> None:
    """docs/speed.md reports as many missed targets as the table."""
    missed = (ROOT / "bench/results/table.md").read_text().count("**missed")
    [said] = re.findall(r"Of the targets in it, (\w+) (?:is|are) missed", document("docs/speed.md"))
    words = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    assert said == dict(enumerate(words)).get(missed, str(missed))
