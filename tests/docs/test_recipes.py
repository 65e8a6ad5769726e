"""The recipes of CONTRIBUTING.md, executed on a copy of the repository: with all steps, and with each one left out."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from .markdown import ROOT
from .recipes import RECIPES, SCHEMA, Step, follow, run, steps

PYTEST = ("pytest", "-q", "-x", "--tb=short", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist")
LEFT_OUT = [(what, number) for what, recipe in RECIPES.items() for number in recipe]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what the quick checks need, with its bytecode."""
    root = tmp_path / "copy"
    for name in ("provider", "tests", "docs", "tools"):
        shutil.copytree(ROOT / name, root / name)
    for file in [*ROOT.glob("*.md"), *ROOT.glob("pyproject.toml"), *ROOT.glob("Makefile")]:
        shutil.copy2(file, root)
    return root


@pytest.mark.parametrize("what", RECIPES)
def test_each_step_names_the_files_that_are_edited(what: str) -> None:
    """What else it names is in one of the files of the recipe."""
    said = steps(what)
    edited = {edit.path for step in RECIPES[what].values() for edit in step.edits if (ROOT / edit.path).exists()}
    code = "".join((ROOT / path).read_text() for path in edited)
    assert said.keys() == RECIPES[what].keys()
    for number, step in RECIPES[what].items():
        files = r"(?:provider|tests|docs)/[\w/]+\.py|docs/[\w.-]+\.(?:md|json)|[A-Z]+\.md"
        named = set(re.findall(f"`({files})`", said[number]))
        assert named == {edit.path for edit in step.edits if (ROOT / edit.path).exists()}, number
        assert [word for word in re.findall(r"`([A-Z]\w+|\w*_\w+)`", said[number]) if word not in code] == []


@pytest.mark.parametrize("what", RECIPES)
def test_a_recipe_that_is_followed_leaves_the_tests_green(what: str, copy: Path) -> None:
    """The step about the schema has the command that writes the golden one anew."""
    follow(RECIPES[what], copy)
    if SCHEMA in "".join(steps(what).values()):
        assert run(copy, "tests.native.test_schema").returncode == 0
    tests = {step.test for step in RECIPES[what].values()} | {"tests/native/test_schema.py", "tests/contract"}
    done = run(copy, *PYTEST, *sorted(tests))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("what", "number"), LEFT_OUT)
def test_a_step_that_is_left_out_fails_a_test_that_names_it(what: str, number: int, copy: Path) -> None:
    step: Step = RECIPES[what][number]
    follow(RECIPES[what], copy, without=number)
    done = run(copy, *PYTEST, step.test)
    assert done.returncode != 0
    names = [step.names] if step.names else [edit.path for edit in step.edits]
    assert [name for name in names if name in done.stdout + done.stderr] != [], done.stdout + done.stderr
