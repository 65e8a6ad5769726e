"""The supported range: the oldest and the newest SDK, on every Python that this machine has.

The tests of `make test` itself run on the newest SDK and the Python of `.venv`; `make matrix` runs the other pairs.
`make release` runs the quickstart from the wheel on the pairs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox
from packaging.requirements import Requirement

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
SMOKE = ("tests/contract", "tests/plugin")
QUICK = (*SMOKE, "tests/unit")
# The lower bound of each runtime dependency, such as pulumi==3.268.
OLDEST = [
    f"{requirement.name}=={min(specifier.version for specifier in requirement.specifier if specifier.operator == '>=')}"
    for requirement in map(Requirement, nox.project.load_toml("pyproject.toml")["project"]["dependencies"])
]

[OLDEST_CLI] = Path("tools/cli").glob("3.*.mod")

nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.envdir = ".cache/nox"
nox.options.error_on_missing_interpreters = False
# Only the Pythons of this machine: none is downloaded.
os.environ["UV_PYTHON_DOWNLOADS"] = "never"
# pyenv's shims fail for versions that are not switched on: look behind them.
for version in PYTHONS:
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for python in root.glob(f"versions/*/bin/python{version}"):
        os.environ["PATH"] = os.pathsep.join([str(python.parent), os.environ["PATH"]])


def _is_here(version: str) -> bool:
    command = shutil.which(f"python{version}") or "false"
    return subprocess.run([command, "-c", ""], capture_output=True, check=False).returncode == 0  # noqa: S603  a Python


HERE = [version for version in PYTHONS if _is_here(version)]
MAIN = f"{sys.version_info.major}.{sys.version_info.minor}"


def _prepare(session: nox.Session, *others: str) -> None:
    """Install what is locked, and these others; not again before the project or its lock changes."""
    ready = Path(session.virtualenv.location, ".ready")
    sources = (Path("pyproject.toml"), Path("requirements/dev.txt"), Path(__file__))
    if ready.exists() and all(source.stat().st_mtime < ready.stat().st_mtime for source in sources):
        return
    session.install("--quiet", "--require-hashes", "-r", "requirements/dev.txt")
    session.install("--quiet", "--no-deps", "--no-build-isolation", "--editable", ".")
    if others:
        session.install("--quiet", *others)
    ready.touch()


def _test(session: nox.Session, *paths: str) -> None:
    session.run("python", "-c", "from importlib.metadata import version; print('pulumi', version('pulumi'))")
    # `make test` itself tries all examples; here the dependencies are in question, not the values.
    session.run("pytest", "--quiet", "--no-header", "-n", "auto", *paths, env={"UNIT_EXAMPLES": "20"})


@nox.session(python=HERE[0])
def oldest(session: nox.Session) -> None:
    """The oldest supported dependencies on the oldest Python found."""
    _prepare(session, *OLDEST)
    _test(session, *QUICK)


@nox.session(python=[version for version in PYTHONS if version != MAIN])
def newest(session: nox.Session) -> None:
    """The newest dependencies: the quick tests on the newest Python found, a few of them on those between."""
    _prepare(session)
    _test(session, *(QUICK if session.python == HERE[-1] else SMOKE))


@nox.session(python=PYTHONS, default=False)
def released(session: nox.Session) -> None:
    """The quickstart from the wheel in an empty environment, and on the oldest SDK and CLI with the oldest Python."""
    [wheel] = Path("dist").glob("*.whl")
    for dependencies in ([], OLDEST) if session.python == HERE[0] else ([],):
        session.install("--quiet", "--upgrade", f"{wheel}[testing]", "pip", *dependencies)
        path = [str(Path(".cache/cli", OLDEST_CLI.stem, "bin").resolve())] if dependencies else []
        env = {"PATH": os.pathsep.join([session.bin, *path, os.environ["PATH"]])}
        session.run("python", "-c", "import pulumi_instances; print(pulumi_instances.__file__)")
        session.run("python", "-m", "tools.demo", env=env)
