"""`pulumi-instances fleet`: what people and scripts see of a run. The CLI is a script, the workers are threads."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from rich.console import Console

from pulumi_instances.cli import fleet
from pulumi_instances.fleet import Outcome, Progress
from tests.cli.conftest import Run, run  # noqa: F401  a fixture here too
from tests.support.processes import COMMAND, LIMIT, until

Fake = Callable[[str], Path]

CHANGES = """\
echo "$1 $stack" >> calls
echo '{"sequence": 1, "timestamp": 1, "summaryEvent": {"maybeCorrupt": false, "durationSeconds": 1, \
"resourceChanges": {"create": 3, "same": 1}}}' >> "$events"
"""
FAILS = CHANGES + "test $stack != b || { echo 'error: no such connector'; exit 1; }\n"


@pytest.fixture(autouse=True)
def _in_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)


def calls(project: Path) -> list[str]:
    return sorted((project / "calls").read_text().splitlines())


def test_lines_a_table_of_failures_a_sum_and_json(run: Run, fake: Fake, project: Path) -> None:  # noqa: F811
    """Without a terminal: one line for each start and end. The exit code is 1."""
    fake(FAILS)
    done = run("fleet", "up", "--yes", "--jobs", "1", "--json", "run.json")
    assert done.code == 1
    lines = re.sub(r"\d+(\.\d)? s\b", "N s", done.err).splitlines()
    machine = os.uname().nodename
    assert lines == [
        "a: started",
        f"a: succeeded on {machine} in N s: +3 create",
        "b: started",
        f"b: failed on {machine} in N s: +3 create; no such connector",
        "c: started",
        f"c: succeeded on {machine} in N s: +3 create",
        "3 stacks: 2 succeeded, 1 failed; +9 create; N s",
    ]
    header, row, *_ = done.out.splitlines()
    assert header.split() == ["stack", "status", "machine", "message", "log"]
    assert row.split()[:2] == ["b", "failed"]
    written = json.loads((project / "run.json").read_text())
    [failed] = [each for each in written["stacks"] if each["status"] == "failed"]
    assert "error: no such connector" in Path(failed["log"]).read_text()

    fake(CHANGES)
    (project / "calls").unlink()
    done = run("fleet", "up", "--yes", "--only-failed", "run.json", "--json", "-")
    assert (done.code, calls(project)) == (0, ["up b"])
    assert json.loads(done.out)["changes"] == {"create": 3, "same": 1}


def test_nothing_has_failed(run: Run, fake: Fake, project: Path) -> None:  # noqa: F811
    fake(CHANGES)
    assert run("fleet", "up", "--yes", "--json", "run.json").code == 0
    (project / "calls").unlink()
    done = run("fleet", "up", "--yes", "--only-failed", "run.json")
    assert (done.code, done.err) == (0, "all stacks in run.json have succeeded: there is nothing to run again\n")
    assert not (project / "calls").exists()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "Error: --only-failed f.json: No such file or directory"),
        *(
            (text, "Error: --only-failed f.json is not what --json writes; give the file of an earlier run")
            for text in ("", "{", "[]", "7", '{"stacks": 7}', '{"stacks": [7]}', '{"stacks": [{}]}')
        ),
    ],
)
def test_a_file_of_failures_that_cannot_be_used_is_refused(
    content: str | None,
    problem: str,
    run: Run,  # noqa: F811
    fake: Fake,
    project: Path,
) -> None:
    """Before anything starts."""
    fake(CHANGES)
    if content is not None:
        (project / "f.json").write_text(content)
    done = run("fleet", "up", "--yes", "--only-failed", "f.json")
    assert (done.code, done.err.strip()) == (1, problem)
    assert not (project / "calls").exists()


@pytest.mark.parametrize("operation", ["up", "refresh", "destroy"])
def test_what_changes_something_needs_a_yes(operation: str, run: Run, fake: Fake, project: Path) -> None:  # noqa: F811
    fake(CHANGES)
    done = run("fleet", operation)
    assert done.code == 1
    assert f"fleet {operation} asks before it changes something; pass --yes where nobody answers" in done.err
    assert not (project / "calls").exists()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--project", "missing"], "has no Pulumi project in "),
        (["--stacks", "z*"], "no stack matches z*; `pulumi stack ls` lists them"),
        (["--cluster", "tcp://127.0.0.1:1"], "--cluster tcp://127.0.0.1:1: "),
        (["--cluster", "nonsense://x"], "--cluster nonsense://x: "),
    ],
)
def test_what_cannot_start_is_one_line(arguments: list[str], problem: str, run: Run, fake: Fake) -> None:  # noqa: F811
    fake(CHANGES)
    done = run("fleet", "preview", *arguments)
    assert done.code == 1
    [line] = done.err.splitlines()
    assert problem in line
    assert done.out == ""


def test_the_live_table_fits_a_terminal_of_80_columns() -> None:
    """It shows what runs, cuts what is too long, and counts what has ended. A row is one line."""
    table = fleet._LiveTable(40, lambda: 10)
    for number in range(9):
        table.note(Progress(f"customer-{number}"))
        table.note(Progress(f"customer-{number}", "worker-[bold]", f"instances:index:Instance {'x' * 90} created"))
    table.note(Progress("customer-8", outcome=Outcome("customer-8", "succeeded", changes={"create": 3, "same": 1})))
    table.note(Progress("b", outcome=Outcome("b", "failed", changes={"delete": 1})))
    with Path(os.devnull).open("w") as nowhere:
        console = Console(width=80, height=10, file=nowhere, record=True)
        console.print(table.render())
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["stack", "machine", "seconds", "step"]
    assert lines[1].startswith("customer-0  worker-[bold]  0        instances:index:Instance xxxx")
    assert len(lines) == 1 + 6 + 1
    assert lines[-1] == "2 of 40 stacks ended, 2 more run; 1 succeeded, 1 failed; +3 create, -1 delete"


class Terminal:
    """The command on a terminal."""

    def __init__(self, *arguments: str) -> None:
        self._here, there = pty.openpty()
        env = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
        self.process = subprocess.Popen(
            [*COMMAND, "fleet", *arguments],
            stdin=there,
            stdout=there,
            stderr=there,
            env=env,
            start_new_session=True,
        )
        os.close(there)
        self.seen = ""

    def wait_for(self, text: str) -> None:
        while text not in self.seen:
            self.seen += os.read(self._here, 4096).decode(errors="replace")

    def answer(self, text: str) -> None:
        os.write(self._here, text.encode())

    def interrupt(self) -> None:
        """Press Ctrl-C until something comes of it: Python's readline misses one that comes just before it waits."""
        while self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(2)

    def end(self) -> int:
        with suppress(OSError):  # the terminal is closed
            while data := os.read(self._here, 4096):
                self.seen += data.decode(errors="replace")
        os.close(self._here)
        return self.process.wait(LIMIT)


@pytest.mark.parametrize(("answer", "code", "done"), [("y\n", 0, 3), ("n\n", 1, 0), ("", 1, 0)])
def test_on_a_terminal_the_question_shows_the_sum_of_a_preview(
    answer: str, code: int, done: int, fake: Fake, project: Path
) -> None:
    """Of all stacks. Who says no, or presses Ctrl-C there, has changed nothing."""
    fake(CHANGES)
    terminal = Terminal("up")
    terminal.wait_for("up 3 stacks?")
    assert "3 stacks: 3 succeeded; +9 create;" in terminal.seen
    assert calls(project) == ["preview a", "preview b", "preview c"]
    terminal.answer(answer) if answer else terminal.interrupt()
    assert terminal.end() == code, terminal.seen
    assert len(calls(project)) == 3 + done
    assert "Traceback" not in terminal.seen


WAITS = """\
echo "start $stack" >> calls
trap 'echo "int $stack" >> calls; echo "error: cancelled"; exit 1' INT
while ! test -e go; do sleep 0.02; done
echo "end $stack" >> calls
"""


@pytest.mark.parametrize(
    ("times", "counts"),
    [
        (1, "3 stacks: 2 succeeded, 1 not started; no changes"),
        (2, "3 stacks: 2 interrupted, 1 not started; no changes"),
    ],
)
def test_ctrl_c_lets_what_runs_end_and_a_second_one_is_passed_on(
    times: int, counts: str, fake: Fake, project: Path
) -> None:
    """On threads. A terminal sends it to the whole process group, to which the CLIs do not belong.

    Without a terminal, a line says what the command waits for.
    """
    fake(WAITS)
    command = [*COMMAND, "fleet", "up", "--yes", "--jobs", "2"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stderr=pipe, stdout=pipe, text=True, start_new_session=True) as process:
        until(lambda: (project / "calls").exists() and len(calls(project)) == 2)
        assert process.stdout is not None
        assert process.stderr is not None
        os.killpg(process.pid, signal.SIGINT)
        stopping = next(line for line in process.stderr if line.startswith("stopping"))
        if times == 1:
            (project / "go").touch()
        else:
            os.killpg(process.pid, signal.SIGINT)
        out, err = process.stdout.read(), process.stderr.read()
    assert stopping == (
        "stopping: waiting for 2 running stacks to end (a, b), and starting no other; another Ctrl-C is passed on to "
        "what runs\n"
    )
    assert "stopping" not in err
    assert counts in err
    assert process.returncode == 1
    assert "Traceback" not in out + err
    ended = "end" if times == 1 else "int"
    assert calls(project) == [f"{ended} a", f"{ended} b", "start a", "start b"]


@pytest.mark.parametrize(
    ("file", "problem"), [("missing/run.json", "No such file or directory"), (".", "Is a directory")]
)
def test_json_that_cannot_be_written_is_refused_before_anything_starts(
    file: str,
    problem: str,
    run: Run,  # noqa: F811
    fake: Fake,
    project: Path,
) -> None:
    fake(CHANGES)
    done = run("fleet", "up", "--yes", "--json", file)
    assert (done.code, done.err) == (1, f"Error: --json {file}: {problem}; nothing was started\n")
    assert not (project / "calls").exists()


def test_json_that_cannot_be_written_at_the_end_is_a_warning(run: Run, fake: Fake, project: Path) -> None:  # noqa: F811
    """What was done is still shown."""
    fake(CHANGES + "rm -f run.json; mkdir -p run.json")
    done = run("fleet", "up", "--yes", "--json", "run.json")
    assert "Warning: --json run.json: Is a directory; the report is not written" in done.err
    assert "3 stacks: 3 succeeded" in done.err
    assert len(calls(project)) == 3


def test_while_it_runs_the_json_has_what_is_true_if_it_is_killed(run: Run, fake: Fake, project: Path) -> None:  # noqa: F811
    """A file of an earlier run, where all went well, would say that nothing is to be recovered."""
    fake(CHANGES + "cp run.json seen")
    (project / "run.json").write_text('{"stacks": [{"stack": "a", "status": "succeeded"}]}')
    assert run("fleet", "up", "--yes", "--jobs", "1", "--json", "run.json").code == 0
    seen = json.loads((project / "seen").read_text())["stacks"]
    assert [(each["stack"], each["status"]) for each in seen] == [(name, "interrupted") for name in "abc"]
    assert all("--recover" in each["message"] for each in seen)


def test_without_a_reader_of_its_lines_the_run_goes_on_and_the_json_is_written(fake: Fake, project: Path) -> None:
    """A pipe into `head -1` ends like that."""
    fake(CHANGES)
    command = [*COMMAND, "fleet", "up", "--yes", "--jobs", "1", "--json", "run.json"]
    read, write = os.pipe()
    os.close(read)
    subprocess.run(command, stdout=write, stderr=write, timeout=LIMIT, check=False)
    os.close(write)
    written = json.loads((project / "run.json").read_text())
    assert [each["status"] for each in written["stacks"]] == ["succeeded"] * 3


def test_failed_stacks_that_no_longer_exist_are_no_success(run: Run, fake: Fake, project: Path) -> None:  # noqa: F811
    fake(CHANGES)
    (project / "run.json").write_text('{"stacks": [{"stack": "gone", "status": "failed"}]}')
    done = run("fleet", "up", "--yes", "--only-failed", "run.json")
    assert done.code == 1
    assert done.err.startswith("Error: none of the stacks that have failed in run.json exists or matches --stacks; ")


def test_help_fits(run: Run) -> None:  # noqa: F811
    done = run("fleet", "--help")
    assert done.code == 0
    assert "--recover" in done.out
