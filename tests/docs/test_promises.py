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
