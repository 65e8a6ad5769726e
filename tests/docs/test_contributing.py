"""CONTRIBUTING.md against the tree: the map of the rooms, and what the steps refer to."""

from __future__ import annotations

import re

import pytest

from pulumi_instances.core import config, model
from pulumi_instances.native import schema

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


HOW_TOS = ("a property", "a setting", "an engine feature")


@pytest.mark.parametrize("what", HOW_TOS)
def test_the_files_and_tests_of_the_steps_exist(what: str) -> None:
    """Each section names several files, and each file or test that it names exists."""
    paths = re.findall(r"`((?:provider|tests|docs)/[\w./]+|[A-Z]+\.md)(?:::(\w+))?`", how_to(what))
    assert len(paths) >= 4
    for path, name in paths:
        text = (ROOT / path).read_text()
        assert not name or f"\ndef {name}(" in text


EVERYWHERE = "events_enabled"
"""A property that no code treats in a special way: what names it has to name any other, too."""


def test_a_property_takes_the_source_files_that_the_steps_name() -> None:
    """Those that name an ordinary one, and two for what answers show. Each set or function in the steps exists."""
    steps = how_to("a property")
    files = {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py") if EVERYWHERE in path.read_text()}
    shown = {f"provider/pulumi_instances/{name}.py" for name in ("lookup", "testing/emulator/bodies")}
    assert set(re.findall(r"`(provider/[\w./]+)`", steps)) == files | shown
    names = set(re.findall(r"`(_?[A-Z_]+|from_wire|to_\w+)`", steps))
    assert {"INPUTS", "UPDATABLE", "CREATE_ONLY", "OUTPUT_ONLY", "HEALTH", "SECRET_OUTPUTS"} <= names
    assert [name for name in names if not (hasattr(model, name) or hasattr(schema, name))] == []


def test_a_setting_takes_what_the_steps_name() -> None:
    """Those files that name a setting. Each name in the steps exists in the module of the settings."""
    files = {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py") if "maxRetries" in path.read_text()}
    assert files <= set(re.findall(r"`(provider/[\w./]+)`", how_to("a setting")))
    names = re.findall(r"`(S\w+)`", how_to("a setting"))
    assert {"Settings", "SETTINGS"} == set(names)
    assert [name for name in names if not hasattr(config, name)] == []


def test_what_the_local_engine_refuses_is_where_the_steps_say() -> None:
    """Each module that the steps name refuses something."""
    engine = PACKAGE / "testing" / "engine"
    named = re.findall(r"`(\w+\.py)`", how_to("an engine feature"))
    assert len(named) == 3
    assert [name for name in named if "raise UnsupportedFeatureError(" not in (engine / name).read_text()] == []
