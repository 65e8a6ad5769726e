"""How the benchmark judges its figures."""

from __future__ import annotations

import pytest

from bench.targets import Target


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
