"""CONTRIBUTING.md against the tree: the map of the rooms, and what the steps about the engine refer to."""

from __future__ import annotations

import re

from .markdown import ROOT, document

PACKAGE = ROOT / "provider" / "pulumi_instances"


def test_every_module_is_on_the_map() -> None:
    """Every module that the map names exists."""
    rooms = document("CONTRIBUTING.md").partition("### The rooms of the package")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z_]+)`", rooms))
    there = {
        path.stem
        for path in PACKAGE.rglob("*.py")
        if path.stem != "__init__" and path.relative_to(PACKAGE).parts[0] != "testing"
    }
    assert there - named == set()
    assert named - there - {"plugin"} == set()


def how_to(what: str) -> str:
    """The steps of one section."""
    return document("CONTRIBUTING.md").partition(f"## How to add {what}\n")[2].partition("\n## ")[0]


def test_the_files_and_tests_of_the_steps_exist() -> None:
    """The section about the engine names several files; each file or test that it names exists."""
    paths = re.findall(r"`((?:provider|tests|docs)/[\w./]+|[A-Z]+\.md)(?:::(\w+))?`", how_to("an engine feature"))
    assert len(paths) >= 4
    for path, name in paths:
        text = (ROOT / path).read_text()
        assert not name or f"\ndef {name}(" in text


def test_the_steps_for_a_command_name_what_there_is() -> None:
    """`show`, the example, has all that the first step names."""
    section = how_to("a command")
    assert [
        path
        for path in re.findall(r"`((?:provider|tests|docs)/[^`]+|[A-Z]+\.md)`", section)
        if not (ROOT / path).exists()
    ] == []
    listing = (PACKAGE / "cli" / "listing.py").read_text()
    named = re.findall(r"`(?:@?(common\.\w+)[^`]*|(epilog))`", section)
    assert len(named) == 5
    assert [name for name in map("".join, named) if name not in listing.partition('"Show one')[0]] == []
    assert "def run(" in (ROOT / "tests" / "cli" / "conftest.py").read_text()
    assert "_COMMANDS = {" in (PACKAGE / "cli" / "__init__.py").read_text()


def test_what_the_local_engine_refuses_is_where_the_steps_say() -> None:
    """Each module that the steps name refuses something."""
    engine = PACKAGE / "testing" / "engine"
    named = re.findall(r"`(\w+\.py)`", how_to("an engine feature"))
    assert len(named) == 3
    assert [name for name in named if "raise UnsupportedFeatureError(" not in (engine / name).read_text()] == []
