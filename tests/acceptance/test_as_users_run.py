"""The CLI as users run it: nothing is downloaded, and what lies beside the program is not ours to import."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.support.checks import assert_ends_empty, assert_settled
from tests.support.harness import CliHarness, Harness
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


SDK = """
import sys, asyncio, dill, grpc, logging, pulumi.dynamic, pulumi.runtime.proto, runpy
print(*{name.partition(".")[0] for name in sys.modules})
"""
LIBRARIES = ("requests", "urllib3", "certifi", "idna", "charset_normalizer")


def _names_that_the_sdk_has_not_imported() -> list[str]:
    loaded = subprocess.run([sys.executable, "-c", SDK], text=True, capture_output=True, check=True).stdout.split()
    names = {*sys.stdlib_module_names, *LIBRARIES} - {*loaded, "antigravity", "this"}
    return [name for name in names if not name.startswith("_") and find_spec(name) is not None]


@pytest.mark.dynamic_door("the process of the native package starts elsewhere, and its SDK is not ours")
@pytest.mark.needs_engine("the plugin process")
def test_nothing_that_lies_beside_the_program_is_imported(stack: Harness, instances_api: Emulator) -> None:
    """A file with the name of a module of the standard library, or of a package that we use, is the program's alone."""
    names = _names_that_the_sdk_has_not_imported()
    assert {"secrets", "html", "csv", *LIBRARIES} <= {*names}
    for name in names:
        (stack.directory / f"{name}.py").write_text(f"raise ImportError('the {name} of the program')")
    (stack.directory / "secrets.py").write_text("NAME = 'mine'")
    stack.program("""
        from pulumi_instances import get_instances
        import secrets

        Instance(secrets.NAME, your_mom="dropbox")
        pulumi.export("found", len(get_instances(name="mine")))
    """)

    stack.up()

    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)
