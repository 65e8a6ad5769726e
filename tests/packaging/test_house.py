"""What `make house` counts, on a small package."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tools import house

MODULES = {
    "__init__": '"""A package."""\n',
    "one": '"""Imports two, in a function."""\n\ndef one():\n    from . import two\n    two.two()\n    two.two()\n',
    "two": "from typing import TYPE_CHECKING\n\nfrom .inner import three\n\n"
    "if TYPE_CHECKING:\n    from . import one\n\n"
    "def two():\n    return [each() for each in (three.three, lambda: None)]\n",
    "inner/__init__": "",
    "inner/three": "def three():\n    from ..one import one\n    return one\n",
    "inner/four": "def short(\n    a,\n    b,\n):\n"
    + '    """A\n    docstring."""\n'
    + "    a = b\n" * house.LONGEST
    + "\n"
    "def long():\n" + "    a = 1\n" * (house.LONGEST + 1),
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package `counted`, which can be imported."""
    for name, text in MODULES.items():
        file = tmp_path / "counted" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "counted"


def test_it_counts_lines_long_functions_and_circles(package: Path) -> None:
    """Signatures and docstrings make no function long, and imports for type checkers make no circle."""
    modules = house.modules_of(package)
    assert house.lines(package, without="inner") == 1 + 6 + 9
    assert [*house.long_functions(modules)] == ["counted.inner.four.long: 41"]
    [circle] = house.circles(modules)
    assert {*circle.split(" > ")} == {"counted.one", "counted.two", "counted.inner.three"}


def test_it_counts_what_a_call_goes_through(package: Path) -> None:
    """From one to two, to three, back to two, and to three again."""
    files = {str(file): name for name, file in house.modules_of(package).items()}
    called = importlib.import_module("counted.one").one
    called()
    assert house.trace(called, files) == house.Trace(calls=5, modules=3, switches=4, depth=3)


@pytest.mark.parametrize(
    ("count", "is_open", "verdict"),
    [(1, False, "met"), (2, False, "MISSED"), (2, True, "open"), (1, True, "met: no longer open")],
)
def test_only_what_was_met_before_can_be_missed(count: int, is_open: bool, verdict: str) -> None:
    assert house.Target("lines", count, 1, is_open).verdict == verdict
