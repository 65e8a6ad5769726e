"""The docstrings of the tests are full sentences, as CONTRIBUTING.md asks."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from .markdown import ROOT

# A docstring that begins so continues the test's name, and cannot be read without it.
FRAGMENTS = frozenset(
    {"Also", "And", "As", "But", "Else", "Even", "Never", "Nor", "Not", "Or", "Such", "Though", "Which"}
)


def docstrings() -> Iterator[tuple[str, str]]:
    """The tests that have a docstring, and its first paragraph."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.FunctionDef)
                and node.name.startswith("test_")
                and (text := ast.get_docstring(node))
            ):
                yield f"{path.relative_to(ROOT)}::{node.name}", " ".join(text.partition("\n\n")[0].split())


def problem(text: str) -> str | None:
    """What shows that a docstring is not a full sentence, as far as that can be found without a grammar."""
    words = text.split()
    if words[0].strip("`,:;.") in FRAGMENTS:
        return f"begins with {words[0]}"
    if len(words) < 3:
        return "has fewer than three words"
    return None if text.rstrip(")").endswith(".") else "ends without a full stop"


def test_docstrings_of_tests_are_full_sentences() -> None:
    found = {name: fault for name, text in docstrings() if (fault := problem(text))}
    assert found == {}


@pytest.mark.parametrize("text", ["In JSON", "Though nobody asks for it.", "Only read."])
def test_fragments_are_found(text: str) -> None:
    assert problem(text)
