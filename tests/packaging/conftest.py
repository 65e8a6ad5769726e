"""The distributions, built once, and an environment that holds the wheel with its runtime dependencies only."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from tests.support.distributions import closure

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sdist of the tree, and the wheel built from that sdist."""
    directory = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(directory), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return directory


@pytest.fixture(scope="session")
def wheel(dist: Path) -> Path:
    [wheel] = dist.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def sdist(dist: Path) -> Path:
    [sdist] = dist.glob("*.tar.gz")
    return sdist


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin directory of a fresh environment, with the wheel, what it requires without any extra, and pytest.

    The dependencies are linked from the environment of the tests: nothing is downloaded.
    """
    home = tmp_path_factory.mktemp("fresh")
    venv.create(home)
    purelib = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    for top in {top for needed in closure(["pulumi-instances", "pytest"]) for top in _top_levels(needed)}:
        (purelib / top.name).symlink_to(top)
    python = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)], check=True)
    subprocess.run([*pip, "check"], check=True)
    return python.parent


def _top_levels(needed: Distribution) -> Iterator[Path]:
    """The files and directories of a distribution right below site-packages."""
    for file in needed.files or []:
        if file.parts[0] not in ("..", "__pycache__"):
            yield Path(str(needed.locate_file(file.parts[0])))
