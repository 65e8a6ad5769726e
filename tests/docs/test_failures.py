"""The tables of docs/failures.md, against the code that they describe."""

from __future__ import annotations

import re

import pytest

from pulumi_instances.api.outcome import Outcome
from pulumi_instances.core.errors import NotFound, status_error

from .markdown import ROOT, document, table

FAILURES = table("docs/failures.md", "what comes back")

OUTCOMES = {
    "no connection": Outcome(failure="connection refused", sent=False),
    "no answer": Outcome(failure="connection reset"),
    "half an answer": Outcome(200, failure="the answer broke off"),
    "success": Outcome(200, b"<html>"),
    "a redirect": Outcome(302),
    "a certificate": Outcome(failure="TLS failed", sent=False, final=True),
}


def outcomes(row: str) -> list[Outcome]:
    """What a row of the table is about."""
    statuses = [int(status) for status in re.findall(r"\b[1-5]\d\d\b", row)]
    if statuses:
        return [Outcome(status) for status in statuses]
    return [next(outcome for start, outcome in OUTCOMES.items() if row.startswith(start))]


@pytest.mark.parametrize("row", FAILURES, ids=lambda row: str(row["what comes back"]))
def test_what_is_retried_and_what_is_searched_for(row: dict[str, str]) -> None:
    """The table is right about every method."""
    for outcome in outcomes(row["what comes back"]):
        assert outcome.is_retried(once=False) == (row["GET, PUT, DELETE"] == "retried")
        assert outcome.is_retried(once=True) == (row["POST"] == "retried")
        assert outcome.may_have_created == (row["POST"] == "searched for")


def test_gone_is_404_and_410_only() -> None:
    """A refresh believes no other status."""
    assert [status for status in range(400, 600) if status_error(status) is NotFound] == [404, 410]


def test_what_it_quotes_is_what_is_said() -> None:
    """The message of an adoption is quoted word for word, except for the id."""
    [quoted] = re.findall(r"`instance 4014(, .*?)`", document("docs/failures.md"))
    assert f'"instance %s{quoted}"' in (ROOT / "provider/pulumi_instances/api/creation.py").read_text()
