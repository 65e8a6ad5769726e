"""docs/engine.md: each fact has a number, a source and a test that exists."""

from __future__ import annotations

import ast
import re

import pytest

from .markdown import ROOT

TEXT = (ROOT / "docs/engine.md").read_text()
FACTS = re.findall(r"^- \*\*E(\d+)\. (.*?)(?=^- \*\*E|^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)))


def test_the_facts_are_numbered_and_each_names_its_source_and_its_test() -> None:
    assert [int(number) for number, _ in FACTS] == list(range(1, len(FACTS) + 1))
    for number, text in FACTS:
        assert re.search(r"\b(Engine|SDK)\b", text), f"E{number} has no source"
        assert re.search(r"Test: `tests/", text), f"E{number} has no test"


@pytest.mark.parametrize(("path", "name"), TESTS)
def test_each_named_test_exists(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text())
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
