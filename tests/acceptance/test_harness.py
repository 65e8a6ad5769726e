"""The harness spares processes of the CLI, and tells the tests what the CLI would have told them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.support.harness import CliHarness, answering_python

from .conftest import needs_cli


@pytest.mark.parametrize("engine", [pytest.param("cli", marks=needs_cli)], indirect=True)
def test_what_is_read_from_files_is_what_the_cli_prints(stack: CliHarness) -> None:
    """The exported state, and the summary of the last operation."""

    def asked(*command: str) -> Any:
        return json.loads(stack.command("pulumi", "stack", *command, "--stack", "dev").stdout)

    stack.program("""
        box = Instance("box", your_mom="dropbox", tags=["<ä>"], configuration={"a.secret": "s\\u2028"})
        pulumi.export("nested", {"name": box.name, "tokens": [box.token]})
    """)
    summary = stack.up().summary
    [record] = asked("history", "--json")
    assert (summary.kind, summary.result) == (record["kind"], record["result"])
    assert summary.resource_changes == record["resourceChanges"] == {"create": 2}
    exported = stack.export()
    assert {"version": exported.version, "deployment": exported.deployment} == asked("export", "--show-secrets")


@pytest.mark.parametrize(
    "question", [["--version"], ["-m", "pip", "--version"], ["-c", "import sys; print(sys.argv)", "x"]]
)
def test_python_says_the_same_again(question: list[str]) -> None:
    """What the CLI asks is answered from a file; what fails, fails again; all else runs."""
    python = str(answering_python() / "python3")

    def run(command: str, *arguments: str) -> tuple[int, str]:
        done = subprocess.run([command, *arguments], text=True, capture_output=True, check=False)
        return done.returncode, done.stdout

    assert run(python, *question) == run(python, *question) == run(sys.executable, *question)
    assert [run(python, "-c", "print(1); exit(3)")[0] for _ in range(2)] == [3, 3]
    times = {run(python, "-u", "-c", "import time; print(time.monotonic_ns())")[1] for _ in range(2)}
    assert len(times) == 2
