"""The tables of docs/failures.md, against the code that they describe."""

from __future__ import annotations

import re

import pytest

from pulumi_instances.api.attempt import Attempt
from pulumi_instances.api.responses import is_lost, is_retried
from pulumi_instances.core.errors import NotFound, status_error

from .markdown import ROOT, document, table

FAILURES = table("docs/failures.md", "what comes back")

ATTEMPTS = {
    "no connection": Attempt(failure="connection refused", sent=False),
    "no answer": Attempt(failure="connection reset"),
    "half an answer": Attempt(200, failure="the answer broke off"),
    "success": Attempt(200, b"<html>"),
    "a redirect": Attempt(302),
    "a certificate": Attempt(failure="TLS failed", sent=False, final=True),
}


def attempts(row: str) -> list[Attempt]:
    """What a row of the table is about."""
    statuses = [int(status) for status in re.findall(r"\b[1-5]\d\d\b", row)]
    if statuses:
        return [Attempt(status) for status in statuses]
    return [next(attempt for start, attempt in ATTEMPTS.items() if row.startswith(start))]


@pytest.mark.parametrize("row", FAILURES, ids=lambda row: str(row["what comes back"]))
def test_what_is_retried_and_what_is_searched_for(row: dict[str, str]) -> None:
    """The table is right about every method."""
    for attempt in attempts(row["what comes back"]):
        assert is_retried(attempt, once=False) == (row["GET, PUT, DELETE"] == "retried")
        assert is_retried(attempt, once=True) == (row["POST"] == "retried")
        assert is_lost(attempt) == (row["POST"] == "searched for")


def test_gone_is_404_and_410_only() -> None:
    """A refresh believes no other status."""
    assert [status for status in range(400, 600) if status_error(status) is NotFound] == [404, 410]


def test_what_it_quotes_is_what_is_said() -> None:
    """The message of an adoption is quoted word for word, except for the id."""
    [quoted] = re.findall(r"`instance 4014(, .*?)`", document("docs/failures.md"))
    assert f'"instance %s{quoted}"' in (ROOT / "provider/pulumi_instances/api/creation.py").read_text()
