"""Nothing is downloaded when a user runs the CLI: the package has no plugin in any registry."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.support.harness import CliHarness
from tests.support.processes import COMMAND

from .conftest import needs_cli

# What the CLI logs when it looks for a plugin that it does not have (engine: plugins.go, workspace/plugins.go).
ATTEMPTS = re.compile(r"doing install|beginning install|download url|[Dd]ownloading|no such host")

LOGGING_CLI = """\
#!/bin/sh
exec "{pulumi}" "$@" --logtostderr -v=9 2>> "{log}"
"""


@pytest.mark.parametrize("engine", [pytest.param("cli", marks=needs_cli)], indirect=True)
def test_no_operation_looks_for_a_plugin_to_download(
    stack: CliHarness, instances_api: Emulator, tmp_path: Path
) -> None:
    """The Python language host assumes that every distribution named `pulumi-*` has a plugin, unless the import package
    contains a `pulumi-plugin.json` that says otherwise.
    """
    assert "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION" not in {**os.environ, **stack.env}
    log = tmp_path / "log"
    tool = tmp_path / "bin" / "pulumi"
    tool.parent.mkdir()
    tool.write_text(LOGGING_CLI.format(pulumi=shutil.which("pulumi"), log=log))
    tool.chmod(0o755)
    env = {**os.environ, **stack.env, "PATH": os.pathsep.join([str(tool.parent), stack.true_path])}
    instances_api.add(name="old")
    stack.program("import declared  # noqa")
    confirmed = ("--yes", "--skip-preview")
    operations = {
        "import": [*COMMAND, "import", "--stack", "dev", "--program", "declared.py", "--yes"],
        "preview": ["pulumi", "preview"],
        "up": ["pulumi", "up", *confirmed],
        "refresh": ["pulumi", "refresh", *confirmed],
        "destroy": ["pulumi", "destroy", *confirmed],
    }

    attempts = {}
    for operation, command in operations.items():
        log.write_text("")
        done = subprocess.run(command, cwd=stack.directory, env=env, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        told = log.read_text()
        assert "nsurePluginsAreInstalled" in told, "the log says what the CLI does"
        attempts[operation] = [line for line in told.splitlines() if ATTEMPTS.search(line)]

    assert {operation: lines for operation, lines in attempts.items() if lines} == {}
