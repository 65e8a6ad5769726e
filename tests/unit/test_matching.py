from __future__ import annotations

from typing import Any

import pytest

from pulumi_instances.api.matching import Wanted
from pulumi_instances.core.dialect import DIALECTS
from tests.support.values import inputs

DEFAULT, ELEMENTS = DIALECTS["default"], DIALECTS["elements"]
LONG = "a name that is quite long, as people write them"

# what was asked for, what is there, in the contract's dialect, in that of the live services: exact, loose or no match
ROWS: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    ({}, {}, "exact", "exact"),
    ({}, {"name": "other"}, "no", "no"),
    ({}, {"your_mom": "box"}, "no", "no"),
    ({}, {"your_mom": "zendesk"}, "no", "no"),
    ({}, {"your_mom": None}, "exact", "exact"),
    ({}, {"tags": ["eu", "us"]}, "loose", "loose"),
    ({}, {"tags": None}, "exact", "exact"),
    ({}, {"name": None}, "loose", "loose"),
    ({"tags": []}, {"tags": []}, "exact", "loose"),
    ({"tags": []}, {"tags": ["billing"]}, "loose", "exact"),
    ({"tags": None}, {"tags": ["billing"]}, "exact", "exact"),
    ({"tags": ["b", "a", "b"]}, {"tags": ["a", "b"]}, "exact", "exact"),
    ({"name": "<b>billing</b>"}, {"name": "<b>billing</b>"}, "exact", "loose"),
    ({"name": "<b>billing</b>"}, {"name": "billing"}, "loose", "exact"),
    ({"name": "<b>billing</b>", "tags": []}, {"name": "billing", "tags": ["billing"]}, "loose", "exact"),
    ({"name": " billing "}, {"name": "billing"}, "loose", "exact"),
    ({"name": "a & b"}, {"name": "a &amp; b"}, "loose", "loose"),
    ({"name": "BILLING"}, {"name": "billing"}, "loose", "loose"),
    ({"name": LONG}, {"name": LONG[:30]}, "loose", "loose"),
    ({"name": LONG}, {"name": LONG[:8]}, "no", "no"),
    ({"name": "x" * 20}, {"name": "x" * 16}, "loose", "loose"),
    ({"name": "x" * 20}, {"name": "x" * 15}, "no", "no"),
]


@pytest.mark.parametrize(("asked", "there", "contract", "live"), ROWS)
def test_what_is_taken_and_what_is_named(
    asked: dict[str, Any], there: dict[str, Any], contract: str, live: str
) -> None:
    found = {"id": "1", "name": "billing", "your_mom": "dropbox", "tags": ["eu"], **there}
    found = {key: value for key, value in found.items() if value is not None}
    for dialect, expected in ((DEFAULT, contract), (ELEMENTS, live)):
        wanted = Wanted({**inputs(), **asked}, dialect)
        match = "exact" if wanted.is_met_by(found) else "loose" if wanted.resembles(found) else "no"
        assert match == expected, dialect
