"""How the benchmark judges its figures, and that its requirements are pinned."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nox
import pytest
from packaging.requirements import Requirement

from bench.targets import Target

ROOT = Path(__file__).parents[2]


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


@pytest.mark.parametrize("group", ["bench", "docs"])
def test_the_lock_of_a_group_holds_what_it_needs(group: str) -> None:
    """It is made from pyproject.toml: each requirement is pinned, in its bounds, with hashes."""
    project: dict[str, Any] = nox.project.load_toml(ROOT / "pyproject.toml")
    lock = (ROOT / f"requirements/{group}.txt").read_text()
    for requirement in map(Requirement, project["dependency-groups"][group]):
        versions = re.findall(rf"^{requirement.name}==(\S+)(?: ;.*)? \\\n    --hash=sha256:", lock, re.MULTILINE)
        assert versions
        assert all(version in requirement.specifier for version in versions)
