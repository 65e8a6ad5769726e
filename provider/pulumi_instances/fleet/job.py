"""Internal: one operation on one stack, by a Pulumi CLI of its own. Runs on a worker of any executor.

A job holds no secret: the CLI has those in this machine's environment and in the stack's configuration.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pulumi.automation.events import EngineEvent

from ..api.retry import RUNS_AT_ONCE
from ..cli import project, pulumi_cli
from ..cli.redaction import redacted
from ..core.errors import quote
from .report import Lock, Operation, Outcome, Status

_ERROR = "error:"
_LOCKED = ("the stack is currently locked by", "[409] Conflict: Another update is currently in progress")
_LOCK = re.compile(r"([\w-]+)\.json\S*: created by .*@(\S+) \(pid (\d+)\)")
_STEP = re.compile(r" [^\s\w]+ +(\S+ .+)")
"""A line of the CLI about one resource, such as `` +  instances:index:Instance crm created (0.05s)``."""
_COLOR = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*m")
_CLASS = re.compile(r"^pulumi_instances(\.\w+)+: ")
"""The class of an error of ours, in front of what it says."""
_DRIFT_FOUND = 2

_running: dict[subprocess.Popen[str], str] = {}
_interrupted: set[str] = set()
_lock = threading.Lock()


@dataclass(frozen=True)
class Job:
    """One operation on one stack.

    ``run`` is the id of the run over all stacks, ``project`` the directory of the project, ``at_once`` how many stacks
    run at once, and ``confirmations`` variables that confirm something for one run. ``stale`` names the locks of runs
    that are over: they are removed if the stack has no other.
    """

    run: str
    operation: Operation
    stack: str
    project: str
    at_once: int = 1
    preview_only: bool = False
    stale: frozenset[str] = frozenset()
    confirmations: Mapping[str, str] = field(default_factory=dict)


Emit = Callable[[str], None]
"""Is given the last step of the stack, as the CLI reports it."""


def run_job(job: Job, emit: Emit = lambda _: None, machine: str | None = None) -> Outcome:
    """Run the operation to its end, and return what became of it. Does not raise."""
    start = time.monotonic()
    name = machine or socket.gethostname()
    try:
        folder = Path(tempfile.gettempdir(), f"pulumi-instances-fleet-{job.run}")
        folder.mkdir(mode=0o700, exist_ok=True)
        log = folder / (re.sub(r"[^\w.-]", "_", job.stack) + ".log")
        ended = _run(job, log, emit)
    except OSError as error:
        return Outcome(job.stack, "failed", name, time.monotonic() - start, {}, _of_system(error))
    return Outcome(
        job.stack, ended.status, name, time.monotonic() - start, ended.changes, ended.message, str(log), ended.locks
    )


def _of_system(error: OSError) -> str:
    if isinstance(error, FileNotFoundError) and error.filename == "pulumi":
        return "`pulumi` is not on PATH; install it (https://www.pulumi.com/docs/install/)"
    return redacted(f"{error.filename or 'this machine'}: {error.strerror or error}")


class _Ended(NamedTuple):
    status: Status
    changes: Mapping[str, int]
    message: str = ""
    locks: Sequence[Lock] = ()


def _run(job: Job, log: Path, emit: Emit) -> _Ended:
    with tempfile.TemporaryDirectory() as scratch:
        events, answer = Path(scratch, "events"), Path(scratch, "answer")
        with _created(log) as output:
            if job.operation == "drift":
                with _created(answer) as found:
                    code, errors = _execute(job, _drift(job), output, stdout=found)
                return _of_drift(code, answer, errors)
            code, errors = _execute(job, _pulumi(job, events), output, emit=emit)
            found = {lock.name for lock in _locks(errors)}
            if found and found <= job.stale:  # `pulumi cancel` removes all locks, so also that of a run begun meanwhile
                _execute(job, ["pulumi", "cancel", "--yes", "--stack", job.stack, "--non-interactive"], output)
                code, errors = _execute(job, _pulumi(job, events), output, emit=emit)
        return _of_engine(job, code, _read(events), errors)


def _created(file: Path) -> Any:
    """Open a new file of bytes that only this user can read. It keeps nothing back, so closing it cannot fail."""
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb", buffering=0)


def _pulumi(job: Job, events: Path) -> list[str]:
    how = ["--preview-only"] if job.preview_only else ["--yes", "--skip-preview"]
    command = [job.operation, *how]
    if job.operation == "preview" or (job.preview_only and job.operation == "up"):
        command = ["preview"]
    common = ["--stack", job.stack, "--non-interactive", "--color=never", "--suppress-progress"]
    return ["pulumi", *command, *common, "--event-log", str(events)]


def _drift(job: Job) -> list[str]:
    return [sys.executable, "-m", "pulumi_instances", "drift", "--stack", job.stack, "--json"]


def _execute(
    job: Job, command: Sequence[str], output: Any, *, stdout: Any = subprocess.PIPE, emit: Emit = lambda _: None
) -> tuple[int, list[str]]:
    """Run a command in the project, and write its output, without secrets, to the log ``output``.

    Return its exit code and the lines of its errors. The process has a session of its own, so that Ctrl-C in a terminal
    does not reach it: `interrupt` does. Its output is read to the end, whatever fails here: without a reader, the CLI
    would be killed in the middle (SIGPIPE).
    """
    environment = {
        **os.environ,
        **job.confirmations,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DEBUG_COMMANDS": "true",  # the CLI then accepts --event-log, as for the Automation API
        RUNS_AT_ONCE: str(job.at_once),
    }
    piped = subprocess.STDOUT if stdout is subprocess.PIPE else subprocess.PIPE
    errors: list[str] = []
    with subprocess.Popen(  # noqa: S603  no shell
        command,
        cwd=job.project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=piped,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        _register(process, job.run)
        try:
            for line in process.stdout or process.stderr or ():
                text = redacted(line.rstrip("\n"))
                with suppress(OSError):  # the disk is full
                    output.write(text.encode() + b"\n")
                if errors or text.lower().startswith(_ERROR):
                    errors.append(text)
                if step := _STEP.fullmatch(text):
                    with suppress(Exception):  # the scheduler has gone
                        emit(step[1].strip())
            code = process.wait()
        finally:
            with _lock:
                del _running[process]
    return code, errors


def _register(process: subprocess.Popen[str], run: str) -> None:
    with _lock:
        _running[process] = run
        if run in _interrupted:
            process.send_signal(signal.SIGINT)


def interrupt(run: str) -> None:
    """Ask the processes of this run on this machine to stop, as Ctrl-C does: they finish what they are doing."""
    with _lock:
        _interrupted.add(run)
        for process, its_run in _running.items():
            if its_run == run:
                process.send_signal(signal.SIGINT)


def _read(events: Path) -> Iterator[EngineEvent]:
    with suppress(FileNotFoundError), events.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.strip():
                with suppress(ValueError, KeyError):  # the last line of a process that was killed
                    yield EngineEvent.from_json(json.loads(line))


def _of_engine(job: Job, code: int, events: Iterator[EngineEvent], errors: Sequence[str]) -> _Ended:
    changes: Mapping[str, int] = {}
    of_resources: list[str] = []
    of_program: list[str] = []
    for event in events:
        if event.summary_event is not None:
            changes = {str(getattr(op, "value", op)): n for op, n in event.summary_event.resource_changes.items()}
        elif (found := event.diagnostic_event) is not None and found.severity == "error":
            (of_resources if found.urn else of_program).append(found.message)
    if code == 0:
        return _Ended("succeeded", changes)
    said = _telling_line([*of_resources[:1], *errors, *of_program[:1]])
    message = said or f"pulumi has ended with {code}; see the log"
    if any(sign in line for line in errors for sign in _LOCKED):
        locks = _locks(errors)
        return _Ended("locked", {}, _of_locks(locks) if locks else message, locks)
    if code < 0:
        return _Ended("interrupted", changes, f"pulumi was ended by signal {-code}; run the same with --recover")
    with _lock:
        stopped = job.run in _interrupted
    return _Ended("interrupted" if stopped else "failed", changes, message)


def _locks(errors: Sequence[str]) -> list[Lock]:
    return [Lock(found[1], found[2], int(found[3])) for line in errors if (found := _LOCK.search(line))]


def _of_locks(locks: Sequence[Lock]) -> str:
    owners = " and ".join(f"process {lock.process} on {lock.machine}" for lock in locks)
    return f"locked by {owners}; wait for it or, if it no longer runs, use --recover"


def _telling_line(texts: Sequence[str]) -> str:
    """Return the first line that says something, without colors and the word in front of an error.

    Of the traceback of a program or a dynamic provider that is the one that names the error.
    """
    for text in texts:
        plain = _COLOR.sub("", text)
        _, _, trace = plain.partition("Traceback (most recent call last):\n")
        of_error = [_CLASS.sub("", line) for line in trace.splitlines() if line[:1].strip()]
        said = [line for line in of_error or map(_without_word, map(str.strip, plain.splitlines())) if line]
        if said:
            return redacted(said[0])
    return ""


def _without_word(line: str) -> str:
    return line[len(_ERROR) :].strip() if line.lower().startswith(_ERROR) else line


def _of_drift(code: int, answer: Path, errors: Sequence[str]) -> _Ended:
    try:
        found = json.loads(answer.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if found is None or code not in (0, _DRIFT_FOUND):  # a usage error ends with 2 too
        return _Ended("failed", {}, _telling_line(errors) or f"drift has ended with {code}; see the log")
    differences = found["differences"]
    differ = len({each["urn"] for each in differences})
    changes = {"differ": differ, "same": found["compared"] - differ}
    if code == 0:
        return _Ended("succeeded", changes)
    first = "{resource} {id}: {field} is {api}, not {state}".format_map(
        {key: quote(value) for key, value in differences[0].items()}
    )
    more = f", and {len(differences) - 1} more" if differences[1:] else ""
    return _Ended("drifted", changes, f"{first}{more}")


# what a machine has


def stacks_of(directory: str, backend: str) -> list[str]:
    """Return the names of the stacks of a project. Raises OSError or ValueError where the CLI cannot list them.

    On PostgreSQL, `pulumi stack ls` of 3.274.1 waits forever where it has no more connections than parallel readers,
    each of which needs two (pkg/backend/diy/postgres/bucket.go, ListPaged): 2 for each core, and 10 readers.
    """
    one_by_one = {"PULUMI_DIY_BACKEND_PARALLEL": "1"} if backend.startswith("postgres") else {}
    done = pulumi_cli.ended("pulumi", "stack", "ls", "--json", "--non-interactive", directory=directory, **one_by_one)
    if done.returncode:
        raise ValueError(_telling_line(done.stderr.splitlines()) or "`pulumi stack ls` has failed")
    return [str(stack["name"]) for stack in json.loads(done.stdout)]


def facts_of(directory: str) -> dict[str, str]:
    """Return what this machine has for a run: its ``project`` (a digest) and ``backend``, or else a ``problem``."""
    if shutil.which("pulumi") is None:
        return {"problem": "has no `pulumi` on PATH; install the Pulumi CLI there"}
    file = project.file_of(Path(directory)) if Path(directory).is_dir() else None
    if file is None:
        return {"problem": f"has no Pulumi project in {directory}; give --project DIR, the same on each machine"}
    asked = pulumi_cli.ended("pulumi", "whoami", "--json", "--non-interactive", directory=directory)
    if asked.returncode:
        return {"problem": f"is not logged in to a backend: {_telling_line(asked.stderr.splitlines())}"}
    return {
        "project": hashlib.sha256(file.read_bytes()).hexdigest(),
        "backend": redacted(str(json.loads(asked.stdout).get("url"))),
    }


def is_running(host: str, process: int) -> bool:
    """Return whether this process is a CLI that runs on this machine, if that has the name ``host``."""
    if host != socket.gethostname():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it is another user's
    return _is_cli(process)


def _is_cli(process: int) -> bool:
    """Return whether a process is a CLI that has not ended, as far as the system says so.

    Another process may have its id by now: in a container that has started again, they begin at 1.
    """
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    name, _, rest = stat.rpartition(")")
    return "pulumi" in name and rest.split()[0] != "Z"
