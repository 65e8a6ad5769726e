"""There are few dependencies, and those for development are pinned by hash."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement

import pulumi_instances

ROOT = Path(__file__).parents[2]
PACKAGE = Path(pulumi_instances.__file__).parent
EXTRAS_ONLY = ("testing", "cli", "fleet")
"""Subpackages that need an extra, and say so when it is missing."""


def test_two_packages_are_needed_at_run_time() -> None:
    """They are the SDK and the HTTP library; urllib3 is a dependency of the latter, and adds nothing."""
    assert _needed("pulumi-instances") == {"pulumi", "requests", "urllib3"}
    assert "urllib3" in _needed("requests")


def _needed(distribution: str) -> set[str]:
    every = map(Requirement, requires(distribution) or [])
    return {item.name for item in every if item.marker is None or item.marker.evaluate({"extra": ""})}


def _imports(module: Path) -> set[str]:
    tree = ast.parse(module.read_text())
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    found |= {
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module and not node.level
    }
    return {name.partition(".")[0] for name in found}


def test_the_provider_imports_nothing_else() -> None:
    """Other installed packages do not matter."""
    provider = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in EXTRAS_ONLY]
    native = [path for path in provider if path.relative_to(PACKAGE).parts[0] == "native"]
    third_party = set().union(*map(_imports, {*provider} - {*native})) - sys.stdlib_module_names
    assert len(provider) > 10
    assert third_party <= {"pulumi", "grpc", "requests", "urllib3"}  # grpc is the SDK's own connection to the engine
    # The native door is built on the SDK's generated stubs, and so on what these are built on.
    assert set().union(*map(_imports, native)) - sys.stdlib_module_names <= {"pulumi", "grpc", "google"}
    assert {"grpcio", "protobuf"} <= _needed("pulumi")


def test_the_lock_pins_every_package_by_hash() -> None:
    """What `make` installs is what was locked, byte by byte."""
    lock = (ROOT / "requirements" / "dev.txt").read_text().replace("\\\n", " ")
    lines = [line for line in lock.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(lines) > 20
    assert [
        line for line in lines if not re.match(r"[\w.-]+(\[[\w,]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", line)
    ] == []


def test_the_makefile_insists_on_the_hashes() -> None:
    """A lock that is not enforced pins nothing."""
    assert "--require-hashes -r requirements/dev.txt" in (ROOT / "Makefile").read_text()


def test_what_is_installed_fits_together() -> None:
    """`pip check` says so, without the network."""
    checked = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
