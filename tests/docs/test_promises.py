"""docs/promises.md: each promise leads to tests."""

from __future__ import annotations

import re

from .markdown import ROOT, table


def test_each_promise_names_a_test_that_tests() -> None:
    """The rows of the table lead to files that contain tests with assertions."""
    rows = table("docs/promises.md", "promise")
    assert len(rows) >= 8
    for row in rows:
        paths = re.findall(r"\]\(\.\./(tests/[\w/]+\.py)\)", row["shown by"])
        assert paths, row["promise"]
        for path in paths:
            text = (ROOT / path).read_text()
            assert "assert " in text, path
            assert "def test_" in text or path.endswith("conftest.py"), path


def test_what_is_promised_of_the_native_package_is_tested_on_it() -> None:
    """By a test of its own, or by a scenario of all engines."""
    for row in table("docs/promises.md", "promise"):
        paths = re.findall(r"\]\(\.\./(tests/[\w/]+\.py)\)", row["with the native package"])
        assert paths or "Random work" in row["promise"] or "dependencies" in row["promise"]
        for path in paths:
            text = (ROOT / path).read_text()
            assert "assert " in text, path
            assert path.startswith("tests/native/") or "stack: Harness" in text or path.endswith("conftest.py"), path
