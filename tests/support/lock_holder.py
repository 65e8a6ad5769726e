"""Another process that has a lock of `api.locks`, as one has that is creating a resource."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_HOLDER = """
import sys
from pulumi_instances.api import locks
turn = locks.take(sys.argv[1], lambda: False)
turn.touch()
print("taken", flush=True)
sys.stdin.readline()
turn.end(decided=sys.argv[2] == "decided")
print("ended", flush=True)
"""


class Holder:
    """The process; it keeps the lock until it is told otherwise."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def say(self) -> str:
        """Return the next word of the process."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def let_go(self) -> None:
        """Have the process end its turn, and run on."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        assert self.say() == "ended"

    def kill(self) -> None:
        """Have the system end the process."""
        self._process.kill()
        self._process.wait()


@contextmanager
def holding(name: str, outcome: str = "decided") -> Iterator[Holder]:
    """Hold the lock of this name; ``outcome`` says whether it is known, in the end, what was made."""
    command = [sys.executable, "-c", _HOLDER, name, outcome]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        holder = Holder(process)
        try:
            assert holder.say() == "taken"
            yield holder
        finally:
            process.kill()
