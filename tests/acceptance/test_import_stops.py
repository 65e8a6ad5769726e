"""An interrupted `pulumi-instances import`: the state keeps its content, and the same command completes it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.support.harness import CliHarness
from tests.support.processes import COMMAND, LIMIT, until

from .conftest import needs_cli

pytestmark = [
    pytest.mark.parametrize("engine", [pytest.param("cli", marks=needs_cli)], indirect=True),
    pytest.mark.skipif(sys.platform != "linux", reason="the tokens are in a file elsewhere"),
]

PROGRAM = """
    import importlib.util

    for number in range(3):
        Instance(f"held {number}", your_mom="dropbox", tags=["held"])
    for name in ("more", "rest"):
        if importlib.util.find_spec(name):
            importlib.import_module(name)
"""

# The CLI has the provider check each instance: there it is held up, in the middle of the import.
STALL = """\
import os, threading
from pathlib import Path

if directory := os.environ.get("STALL"):
    from pulumi_instances.lifecycle import InstanceProvider

    check = InstanceProvider.check

    def stalling(self, olds, news):
        if news.get("name") == "new 3":
            Path(directory, "stalled").touch()
            while not Path(directory, "go").exists():
                threading.Event().wait(0.02)
        return check(self, olds, news)

    InstanceProvider.check = stalling
"""

CLI = """\
#!/bin/sh
if [ "$1" = import ]; then echo $$ > "{directory}/pid"; fi
exec "{pulumi}" "$@"
"""


class Import:
    """An import of six instances into a stack that holds three, stopped in the middle."""

    def __init__(self, stack: CliHarness, api: Emulator, directory: Path) -> None:
        self.stack, self.api, self._directory = stack, api, directory
        stack.program(PROGRAM)
        stack.up()
        self.held = stack.instances()
        for number in range(6):
            api.add(your_mom="box", name=f"new {number}")
        self._writes = len(api.writes)
        (directory / "sitecustomize.py").write_text(STALL)
        tool = directory / "bin" / "pulumi"
        tool.parent.mkdir()
        tool.write_text(CLI.format(directory=directory, pulumi=shutil.which("pulumi")))
        tool.chmod(0o755)
        (directory / "tmp").mkdir()

    @contextmanager
    def stalled(self) -> Iterator[subprocess.Popen[str]]:
        """A process of ours in the middle of the import, in a process group of its own."""
        env = {
            **os.environ,
            **self.stack.env,
            "PATH": os.pathsep.join([str(self._directory / "bin"), self.stack.env["PATH"]]),
            "PYTHONPATH": str(self._directory),
            "STALL": str(self._directory),
            "PULUMI_PARALLEL": "1",  # some are imported before it, and some would be after it
            "TMPDIR": str(self._directory / "tmp"),
        }
        with subprocess.Popen(
            [*COMMAND, "import", "--stack", "dev", "--program", "more.py", "--yes"],
            cwd=self.stack.directory,
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                until((self._directory / "stalled").exists)
                yield process
            finally:
                self.go_on()
                until(lambda: not self._cli_lives())

    @property
    def cli(self) -> int:
        return int((self._directory / "pid").read_text())

    def _cli_lives(self) -> bool:
        try:
            return "zombie" not in Path(f"/proc/{self.cli}/status").read_text()
        except FileNotFoundError:
            return False

    def has_heard(self) -> bool:
        """Whether no signal waits for the CLI any more."""
        fields = dict(line.split(":\t", 1) for line in Path(f"/proc/{self.cli}/status").read_text().splitlines())
        return not int(fields["SigPnd"], 16) | int(fields["ShdPnd"], 16)

    def go_on(self) -> None:
        """Let the check end that holds the import up."""
        (self._directory / "go").touch()

    def assert_nothing_is_lost(self) -> None:
        """What the state held it holds as before, with secrets that can be read; no token is left anywhere."""
        held = self.stack.instances()
        assert {name: held[name] for name in self.held} == self.held
        tokens = {str(each["id"]): each["token"] for each in self.api.instances()}
        assert {each["id"]: _plain(each["outputs"]["token"]) for each in held.values()} == {
            each["id"]: tokens[each["id"]] for each in held.values()
        }
        assert list((self._directory / "tmp").iterdir()) == []

    def assert_completes(self) -> None:
        """The command, run again, and then a preview of all is empty. The API was only read."""
        self.stack.command("pulumi", "cancel", "--yes", "--stack", "dev")
        if len(self.stack.instances()) < 9:
            program = "rest.py" if len(self.stack.instances()) > 3 else "more.py"
            done = self.stack.command(*COMMAND, "import", "--stack", "dev", "--program", program, "--yes")
            assert done.returncode == 0, done.stderr
        assert len(self.stack.instances()) == 9
        assert self.stack.preview().change_summary == {"same": 10}
        assert len(self.api.writes) == self._writes
        self.assert_nothing_is_lost()


def _plain(secret: dict[str, str]) -> str:
    return str(json.loads(secret["plaintext"]))


@pytest.fixture
def importing(stack: CliHarness, instances_api: Emulator, tmp_path: Path) -> Import:
    return Import(stack, instances_api, tmp_path)


def test_a_cli_that_is_killed_has_imported_nothing(importing: Import) -> None:
    """The state is saved at the end only. The message says so, and that the stack may be locked."""
    with importing.stalled() as process:
        os.kill(importing.cli, signal.SIGKILL)
        _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 1
    assert "pulumi import was killed (signal 9; if the stack stays locked, run `pulumi cancel`), and nothing was" in err
    assert not (importing.stack.directory / "more.py").exists()
    assert importing.stack.instances() == importing.held
    importing.assert_nothing_is_lost()
    importing.assert_completes()


def test_the_cli_ends_the_import_of_a_command_that_is_killed(importing: Import) -> None:
    """The state and the program are complete."""
    with importing.stalled() as process:
        process.kill()
        process.wait()
        importing.go_on()
    assert len(importing.stack.instances()) == 9
    importing.assert_completes()


def test_both_that_are_killed_leave_the_state_and_a_program(importing: Import) -> None:
    """The same command recognises the program that it finds as its own."""
    with importing.stalled() as process:
        process.kill()
        os.kill(importing.cli, signal.SIGKILL)
        process.wait()
    assert importing.stack.instances() == importing.held
    assert (importing.stack.directory / "more.py").exists()
    importing.assert_nothing_is_lost()
    importing.assert_completes()


def _interrupt(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGINT)


def _hang_up(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGHUP)


ignoring_hang_ups = pytest.mark.skipif(
    signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, reason="what runs the tests ignores it, and so does all below it"
)


@pytest.mark.parametrize("stop", [_interrupt, pytest.param(_hang_up, marks=ignoring_hang_ups)])
def test_an_import_that_is_stopped_agrees_with_its_program(
    importing: Import, stop: Callable[[subprocess.Popen[str]], None]
) -> None:
    """On Ctrl-C or SIGHUP the CLI finishes and saves; the program declares what is in the state."""
    with importing.stalled() as process:
        stop(process)
        until(importing.has_heard)
        importing.go_on()
        _, err = process.communicate(timeout=LIMIT)
    importing.assert_nothing_is_lost()
    assert importing.stack.preview().change_summary == {"same": len(importing.stack.instances()) + 1}
    done = len(importing.stack.instances()) - 3
    if done == 6:  # the CLI had begun all of them, so that nothing was stopped
        assert process.returncode == 0, err
        return
    assert process.returncode == 1
    assert f"Error: pulumi import failed after {done} of 6, and more.py declares those; run again with another" in err
    importing.assert_completes()
