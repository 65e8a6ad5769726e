"""How the benchmark judges its figures, and writes them into the documents."""

from __future__ import annotations

import pytest

from bench import report, tables
from bench.fleet_runs import FleetRun
from bench.summary import Summary
from bench.targets import Target, targets


@pytest.mark.parametrize(
    ("measured", "bound", "least", "verdict"),
    [
        (1.05, 1.05, False, "met"),
        (1.5, 1.25, False, "**missed by 20.0%**"),
        (3.0, 3.0, True, "met"),
        (2.4, 3.0, True, "**missed by 20.0%**"),
        (0, 0, False, "met"),
        (7, 0, False, "**missed**"),
    ],
)
def test_a_target_is_met_or_missed_by_so_much(measured: float, bound: float, least: bool, verdict: str) -> None:
    """Some must be reached, the others must not be exceeded."""
    assert Target("what", "where", measured, bound, least).verdict == verdict


def _up(way: str, at_once: int, seconds: float, cpu: float = 26.0, create: float = 0.0) -> FleetRun:
    return FleetRun(way, at_once, create, "up", 20, seconds, cpu, cores=2)


FLEETS = [
    _up("fleet", 2, 11.0),
    _up("fleet", 2, 10.5),
    _up("xargs", 2, 10.0),
    _up("cluster", 1, 18.0),
    _up("cluster", 2, 15.0),
    _up("cluster", 1, 80.0, create=3.0),
    _up("cluster", 2, 40.0, create=3.0),
]


def test_the_figures_of_a_run_over_many_stacks() -> None:
    """What the cores allow is their time, divided by what one stack takes of it."""
    run = _up("cluster", 2, 15.0)
    assert (run.per_minute, run.cpu_each, round(run.most, 1)) == (80.0, 1.3, 92.3)


def test_the_fastest_of_many_stacks_is_judged_and_two_workers_where_the_api_is_slow() -> None:
    found = {target.what: round(target.measured, 2) for target in targets(Summary([]), {}, FLEETS)}
    assert found == {
        "fleet ÷ xargs, up of 20 stacks, two at once": 1.05,
        "one worker ÷ two, up of 20 stacks, 3 s for a create": 2.0,
    }


def test_a_table_of_a_document_is_written_from_the_results() -> None:
    """What stands around it stays, and so does a table of which nothing was measured."""
    title = "| stacks a minute | up | destroy | CPU of one up | at the most |\n|---|--:|--:|--:|--:|\n"
    before, after = "Before.\n\n", "\nAfter.\n"
    text = f"{before}{title}| old | 1 | 2 | 3 | 4 |\n| older | 1 | 2 | 3 | 4 |\n{after}"
    run = report.Run("now", "v3", fleets=[FLEETS[5], _up("cluster", 1, 10.0, create=3.0)])
    row = "| `fleet`, one worker, 3 s for a create | 120 | | 1.3 s | 92 |\n"
    assert tables.written("docs/fleets.md", text, run) == f"{before}{title}{row}{after}"
    assert tables.written("docs/fleets.md", text, report.Run("now", "v3")) == text
    with pytest.raises(ValueError, match=r"docs/fleets\.md has 0 tables whose first column is 'stacks a minute'"):
        tables.written("docs/fleets.md", before, run)
