"""What the documents say of marks, and the messages about whose an instance is that they quote."""

from __future__ import annotations

import ast
import re

import pytest

from pulumi_instances.core.marks import Place, line_of, parse
from pulumi_instances.core.model import ENABLED, HIDDEN, INPUTS, LINE, OUTPUT_ONLY
from tests.support.recipes import forgotten

from .markdown import ROOT, blocks, document, table

MESSAGES = table("docs/troubleshooting.md", "what it says")
PACKAGE = ROOT / "provider" / "pulumi_instances"


def said() -> set[str]:
    """Every text in the code of the provider, with … for each value in it."""
    texts = set()
    for path in (*PACKAGE.glob("*.py"), *PACKAGE.glob("api/*.py"), *PACKAGE.glob("core/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                texts.add("".join(_shown(part) for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(_shown(node))
    return texts


def _shown(part: ast.expr) -> str:
    return part.value.replace("%s", "…") if isinstance(part, ast.Constant) and isinstance(part.value, str) else "…"


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("docs/getting-started.md", Place("quickstart", "dev", "", "files")),
        ("docs/resource.md", Place("shop", "dev", "", "crm")),
    ],
)
def test_the_mark_that_is_shown_is_the_one_that_is_sent(name: str, place: Place) -> None:
    [shown] = re.findall(r"`(pulumi:[^`]*#[^`]*)`", document(name))
    mark = parse(shown)
    assert mark is not None
    assert mark.line == line_of(place)


@pytest.mark.parametrize("row", MESSAGES, ids=lambda row: row["what it says"])
def test_what_troubleshooting_quotes_is_what_is_said(row: dict[str, str]) -> None:
    """Word for word, except for the values."""
    assert [text for text in said() if row["what it says"].strip("… ") in text] != []


def test_the_error_that_failures_quotes_is_what_is_said() -> None:
    [line] = blocks("docs/failures.md", "text")
    patterns = [re.escape(text).replace("…", ".+") for text in said() if "so nothing was done" in text]
    assert [pattern for pattern in patterns if re.fullmatch(pattern, line.strip())] != []


def test_the_changelog_names_what_a_state_holds() -> None:
    state = document("CHANGELOG.md").partition("### State")[2].partition("\n## ")[0]
    keys = (*INPUTS, *OUTPUT_ONLY, *HIDDEN, ENABLED, LINE)
    assert [key for key in keys if f"`{key}`" not in state] == [], forgotten("CHANGELOG.md")
