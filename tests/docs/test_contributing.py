"""The map of the rooms in CONTRIBUTING.md, against the tree."""

from __future__ import annotations

import re

from .markdown import ROOT, document

PACKAGE = ROOT / "provider" / "pulumi_instances"


def test_every_module_is_on_the_map() -> None:
    """Every module that the map names exists."""
    rooms = document("CONTRIBUTING.md").partition("### The rooms of the package")[2].partition("## Rules")[0]
    named = set(re.findall(r"`([a-z_]+)`", rooms))
    there = {
        path.stem
        for path in PACKAGE.rglob("*.py")
        if path.stem != "__init__" and path.relative_to(PACKAGE).parts[0] != "testing"
    }
    assert there - named == set()
    assert named - there - {"plugin"} == set()
