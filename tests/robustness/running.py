"""An operation of the CLI in a process group of its own, so that a test can do to it what users and machines do."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.harness import CliHarness, Harness
from tests.support.processes import LIMIT

ROOT = Path(__file__).parents[2]
PLUGIN = b"/pulumi-resource-instances"


def providers(home: str) -> list[int]:
    """The ids of the provider processes that have this PULUMI_HOME."""
    mark = f"PULUMI_HOME={home}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
            ours = mark in (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended
        if ours and (b"pulumi.dynamic" in command or any(part.endswith(PLUGIN) for part in command)):
            found.append(int(process.name))
    return found


class Up:
    """An `up`, or another operation, of the real CLI under way."""

    def __init__(self, stack: Harness, operation: str = "up") -> None:
        self._home = stack.env["PULUMI_HOME"]
        command = ["pulumi", operation, "--yes", "--skip-preview", "--non-interactive", "--stack", "dev"]
        env = {**os.environ, **stack.env, "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            command,
            cwd=stack.directory,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def interrupt(self) -> None:
        """Ctrl-C: the terminal sends it to the whole group."""
        os.killpg(self._process.pid, signal.SIGINT)

    def kill(self, *, group: bool = False) -> None:
        """SIGKILL the engine alone, or its process group: plugins and language hosts have groups of their own."""
        (os.killpg if group else os.kill)(self._process.pid, signal.SIGKILL)

    def plugins(self) -> list[int]:
        """The ids of the provider processes."""
        return providers(self._home)

    def kill_provider(self) -> None:
        """SIGKILL the process that the provider runs in."""
        [provider] = providers(self._home)
        os.kill(provider, signal.SIGKILL)

    def fill_disk(self) -> None:
        """Let every write of the engine fail from now on, as on a full disk (with EFBIG in place of ENOSPC)."""
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (0, 0))

    def wait(self, limit: float = LIMIT) -> tuple[int, str]:
        """The exit code, and all that was printed."""
        output, _ = self._process.communicate(timeout=limit)
        return self._process.returncode, output

    def reap(self) -> None:
        """End the engine, if it still runs, and the provider processes that a killed engine has left."""
        self._process.kill()
        self._process.wait()
        for provider in providers(self._home):
            with suppress(ProcessLookupError):
                os.kill(provider, signal.SIGKILL)
        if self._process.stdout is not None:
            self._process.stdout.close()


@contextmanager
def up(stack: Harness, operation: str = "up") -> Iterator[Up]:
    """Begin an `up`, or another operation; nothing of it is left after the block."""
    running = Up(stack, operation)
    try:
        yield running
    finally:
        running.reap()


def unlock(stack: Harness) -> None:
    """What the CLI asks for after a killed run, which may have been about to write the attributes of its state file."""
    if isinstance(stack, CliHarness):
        [attributes] = stack.directory.glob(".pulumi/stacks/*/dev.json.attrs")
        if attributes.stat().st_size == 0:
            attributes.unlink()
        done = stack.command("pulumi", "cancel", "--yes", "--stack", "dev")
        assert done.returncode == 0, done.stdout + done.stderr
