"""Fixtures that open a project, or the parts of a clone, on either engine."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.acceptance.conftest import needs_cli
from tools import engines

from .markdown import ROOT

__all__ = ["needs_cli"]


class Open(Protocol):
    """Opens a stack of the project in a directory."""

    def __call__(self, project: Path) -> AbstractContextManager[engines.Stack]: ...


@pytest.fixture(params=["local", pytest.param("cli", marks=needs_cli)])
def engine(request: pytest.FixtureRequest) -> str:
    """Each test that uses it runs on the local engine and on the real CLI."""
    return str(request.param)


@pytest.fixture
def open_stack(engine: str, instances_api: Emulator, monkeypatch: pytest.MonkeyPatch) -> Open:
    """A function that opens a stack of any project, with its state inside the project's directory."""
    monkeypatch.setenv(engines.CHOICE, engine)

    def open_stack(project: Path) -> AbstractContextManager[engines.Stack]:
        monkeypatch.setattr(engines, "ROOT", project)
        monkeypatch.setattr(engines, "DEMO", project / ".demo")
        return engines.open_stack("dev", instances_api.env)

    return open_stack


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The parts of a clone that the demo uses, in a directory whose name holds a space."""
    root = tmp_path / "a clone"
    for name in ("tools", "examples/quickstart"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "Pulumi.*.yaml"))
    shutil.copy(ROOT / "Pulumi.yaml", root)
    return root
