"""Messages name what programs write in the words of the front end, which are passed in."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import pulumi_instances
from pulumi_instances.core.model import INPUTS
from pulumi_instances.core.words import NATIVE, PYTHON

PACKAGE = Path(pulumi_instances.__file__).parent
SHARED = sorted({*PACKAGE.glob("api/*.py"), *PACKAGE.glob("core/*.py"), PACKAGE / "engine_calls.py"})
"""What both front ends call."""
SPELLED = re.compile(
    rf"\b({'|'.join(key for key in INPUTS if '_' in key)}|get_instances?|ignore_changes|delete_before_replace)\b(?!/)"
    r"|\b\w+=[\[\"{]|\b(True|False)\b"
)
"""What only programs in one language write so."""


def test_an_argument_is_written_as_the_programs_do() -> None:
    assert (PYTHON.argument("adopt_id", '"1"'), NATIVE.argument("adopt_id", '"1"')) == ('adopt_id="1"', 'adoptId: "1"')
    assert (PYTHON.name("get_instance"), NATIVE.name("get_instance")) == ("get_instance", "getInstance")
    assert (PYTHON.name("tags"), NATIVE.name("tags")) == ("tags", "tags")


@pytest.mark.parametrize("path", SHARED, ids=lambda path: f"{path.relative_to(PACKAGE)}")
def test_no_shared_text_is_in_the_words_of_one_language(path: Path) -> None:
    """`core.words` puts them in."""
    texts = _texts(ast.parse(path.read_text()))
    assert [(line, text) for line, text in texts if " " in text.strip() and SPELLED.search(text)] == []


def _texts(module: ast.Module) -> Iterator[tuple[int, str]]:
    """The strings of a module, with their lines, without those that are documentation."""
    nodes = [*ast.walk(module)]
    documentation = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value
