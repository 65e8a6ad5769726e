"""One operation on one stack: what is made of the output, the events and the end of a CLI."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pulumi_instances.fleet import FleetError, Outcome, Report, job, run
from pulumi_instances.fleet.job import Job
from pulumi_instances.fleet.report import Lock, Status
from tests.support.harness import ROOT

Fake = Callable[[str], Path]


def event(**content: object) -> str:
    """A line of a script that writes this event."""
    return f"printf '%s\\n' {shlex.quote(json.dumps({'sequence': 1, 'timestamp': 1, **content}))} >> $events\n"


SUMMARY = event(summaryEvent={"maybeCorrupt": False, "durationSeconds": 1, "resourceChanges": {"create": 3, "same": 1}})
OF_RESOURCE = event(
    diagnosticEvent={"urn": "urn:x", "message": "<{%r%}>\n no token<{%r%}>", "color": "", "severity": "error"}
)
DIFFERENCES = [
    {"urn": urn, "resource": "crm", "id": "7", "field": field, "state": "crm", "api": "by hand"}
    for urn, field in ((1, "name"), (1, "token"), (2, "name"))
]
TRACEBACK = event(
    diagnosticEvent={
        "urn": "urn:x",
        "message": "Traceback (most recent call last):\n  File 'x', line 1, in create\n"
        "pulumi_instances.core.errors.NotFound: create instance 'crm': 404; check the id or connector\n\n",
        "color": "",
        "severity": "error",
    }
)
OF_PROGRAM = event(
    diagnosticEvent={
        "message": "Program failed with an unhandled exception:\nTraceback (most recent call last):\n"
        '  File "__main__.py", line 6, in <module>\n    raise ValueError("boom")\nValueError: boom\n\n',
        "color": "never",
        "severity": "error",
    }
)
LOCKED = """\
echo 'error: the stack is currently locked by 2 lock(s). Either wait for the other process(es) to end or delete ...'
echo '  postgres://****:****@/postgres/.pulumi/locks/organization/shop/a/3e60-47be.json?host=/tmp/pg: created by \
root@vm.lan (pid 993) at 2026-11-30T05:54:40Z'
echo '  file:///x/.pulumi/locks/organization/shop/a/77aa.json: created by Jo Doe@ci-7 (pid 12) at 2026-11-30T05:54:40Z'
exit 255
"""


@pytest.mark.parametrize(
    ("script", "status", "message", "changes"),
    [
        ("exit 0", "succeeded", "", {}),
        (SUMMARY, "succeeded", "", {"create": 3, "same": 1}),
        (SUMMARY + """printf '{"sequence": 2, "summaryEve' >> "$events" """, "succeeded", "", {"create": 3, "same": 1}),
        (SUMMARY + "printf '\\n{}\\n{\\377\\n' >> \"$events\"", "succeeded", "", {"create": 3, "same": 1}),
        ("exit 3", "failed", "pulumi has ended with 3; see the log", {}),
        ("echo first; echo 'error: no such\nthing'; exit 1", "failed", "no such", {}),
        ("echo 'error: '; echo; echo '  the second line'; exit 1", "failed", "the second line", {}),
        (SUMMARY + "echo 'Error: x' >&2; exit 1", "failed", "x", {"create": 3, "same": 1}),
        (OF_RESOURCE + "echo 'error: general'; exit 1", "failed", "no token", {}),
        ("kill -KILL $$", "interrupted", "pulumi was ended by signal 9; run the same with --recover", {}),
        (LOCKED, "locked", "locked by process 993 on vm.lan and process 12 on ci-7; wait for it or, if it no", {}),
        (TRACEBACK + "exit 1", "failed", "create instance 'crm': 404; check the id or connector", {}),
        (OF_PROGRAM + "exit 1", "failed", "ValueError: boom", {}),
        (OF_PROGRAM + OF_RESOURCE + "exit 1", "failed", "no token", {}),
        ("echo 'error: [409] Conflict: Another update is currently in progress.'; exit 1", "locked", "[409] Conf", {}),
    ],
)
def test_the_end_of_the_cli_becomes_an_outcome(
    script: str, status: str, message: str, changes: dict[str, int], project: Path, fake: Fake
) -> None:
    fake(script)
    outcome = job.run_job(Job("r1", "up", "a", str(project)))
    assert (outcome.stack, outcome.status, outcome.changes) == ("a", status, changes), outcome
    assert outcome.message.startswith(message)
    assert bool(message) or not outcome.message
    assert outcome.machine == socket.gethostname()
    assert Path(outcome.log).stat().st_mode & 0o777 == 0o600
    assert Path(outcome.log).parent.stat().st_mode & 0o777 == 0o700


def test_all_locks_are_found_with_their_processes(project: Path, fake: Fake) -> None:
    fake(LOCKED)
    outcome = job.run_job(Job("r1", "up", "a", str(project)))
    assert outcome.locks == [Lock("3e60-47be", "vm.lan", 993), Lock("77aa", "ci-7", 12)]


@pytest.mark.parametrize(
    ("stale", "calls"),
    [((), ["up"]), (("3e60-47be",), ["up"]), (("3e60-47be", "77aa", "x"), ["up", "cancel", "up"])],
)
def test_locks_are_removed_only_where_all_are_stale(
    stale: tuple[str, ...], calls: list[str], project: Path, fake: Fake
) -> None:
    """A lock that another run has made meanwhile is not: `pulumi cancel` would remove it too."""
    fake(f'echo "$1" >> calls; test "$1" = cancel && exit; test $(grep -c up calls) = 2 && exit; {LOCKED}')
    outcome = job.run_job(Job("r1", "up", "a", str(project), stale=frozenset(stale)))
    assert (project / "calls").read_text().split() == calls
    assert outcome.status == ("succeeded" if len(calls) > 1 else "locked")


@pytest.mark.parametrize(
    ("operation", "preview_only", "words"),
    [
        ("preview", False, "preview"),
        ("up", False, "up --yes --skip-preview"),
        ("up", True, "preview"),
        ("refresh", True, "refresh --preview-only"),
        ("destroy", True, "destroy --preview-only"),
        ("destroy", False, "destroy --yes --skip-preview"),
    ],
)
def test_each_operation_has_its_command_line(
    operation: str, preview_only: bool, words: str, project: Path, fake: Fake
) -> None:
    """With the number of runs at once and the confirmations in the environment."""
    fake('echo "$@" > call; env >> call')
    a_job = Job("r1", operation, "a", str(project), 4, preview_only, confirmations={"INSTANCES_TAKE_OVER": "yes"})  # type: ignore[arg-type]
    assert job.run_job(a_job).status == "succeeded"
    line, *env = (project / "call").read_text().splitlines()
    assert line.startswith(f"{words} --stack a --non-interactive --color=never")
    assert {"INSTANCES_TAKE_OVER=yes", "PULUMI_INSTANCES_RUNS_AT_ONCE=4"} <= {*env}


def test_steps_are_emitted_and_no_secret_is_written(project: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither to the log nor into the message or a step."""
    monkeypatch.setenv("INSTANCES_USER_SECRET", "s3cret-of-mine")
    fake(
        """echo ' +  instances:index:Instance crm s3cret-of-mine created (0.05s)'
        echo '    pulumi:pulumi:Stack shop-a'
        echo 'error: postgres://me:hunter-12@db/x: s3cret-of-mine'
        exit 1"""
    )
    steps: list[str] = []
    outcome = job.run_job(Job("r1", "up", "a", str(project)), steps.append, "w0")
    [step] = steps
    assert step.startswith("instances:index:Instance crm ")
    assert outcome.machine == "w0"
    for text in (step, repr(outcome), Path(outcome.log).read_text()):
        assert "s3cret" not in text
        assert "hunter" not in text
    assert outcome.message.startswith("postgres://")


def test_what_fails_while_the_output_is_read_does_not_end_the_cli(project: Path, fake: Fake, tmp_path: Path) -> None:
    """A full disk and a scheduler that is gone: a CLI whose output nobody reads is killed at its next line."""
    (tmp_path / "pulumi-instances-fleet-r1").mkdir()
    (tmp_path / "pulumi-instances-fleet-r1" / "a.log").symlink_to("/dev/full")
    line = "echo ' +  instances:index:Instance crm created (0.05s)'; sleep 0.1; "
    fake(line * 3 + "echo the end > ended; echo 'error: x'; exit 1")

    def emit(_: str) -> None:
        raise RuntimeError("the scheduler has gone")

    outcome = job.run_job(Job("r1", "up", "a", str(project)), emit)
    assert (outcome.status, outcome.message) == ("failed", "x")
    assert (project / "ended").exists()


def test_without_a_cli_it_fails_with_what_to_do(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    outcome = job.run_job(Job("r1", "up", "a", str(project)))
    assert outcome.status == "failed"
    assert outcome.message.startswith("`pulumi` is not on PATH; install it")


@pytest.mark.parametrize(
    ("script", "status", "changes", "message"),
    [
        ('print(\'{"differences": [], "compared": 4}\')', "succeeded", {"differ": 0, "same": 4}, ""),
        (
            f"print({json.dumps({'differences': DIFFERENCES, 'compared': 4})!r}); sys.exit(2)",
            "drifted",
            {"differ": 2, "same": 2},
            "crm 7: name is by hand, not crm, and 2 more",
        ),
        ("sys.exit('Error: no such stack')", "failed", {}, "no such stack"),
        ("print('{'); sys.exit(2)", "failed", {}, "drift has ended with 2; see the log"),
    ],
)
def test_drift_becomes_an_outcome(
    script: str, status: str, changes: dict[str, int], message: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the command says beside that is in the log, such as what it has not compared."""
    note = "1 instance of another account not compared"
    program = f"import sys; print({note!r}, file=sys.stderr); {script}"
    monkeypatch.setattr(job, "_drift", lambda _: [sys.executable, "-c", program])
    outcome = job.run_job(Job("r1", "drift", "a", str(project)))
    assert (outcome.status, outcome.changes, outcome.message) == (status, changes, message)
    assert note in Path(outcome.log).read_text()


@pytest.mark.parametrize("early", [True, False])
def test_an_interrupted_run_passes_it_on_to_its_processes(early: bool, project: Path, fake: Fake) -> None:
    """To those that run and to those that start later. What succeeds all the same has succeeded."""
    fake("trap 'echo error: cancelled; exit 1' INT; echo ' +  a b created'; while :; do sleep 0.02; done")
    if early:
        job.interrupt("r-early")
        outcome = job.run_job(Job("r-early", "up", "a", str(project)))
    else:
        outcome = job.run_job(Job("r-late", "up", "a", str(project)), lambda _: job.interrupt("r-late"))
        assert outcome.message == "cancelled"
    assert outcome.status == "interrupted"
    fake("exit 0")
    assert job.run_job(Job("r-late", "up", "a", str(project), 1)).status in ("succeeded", "interrupted")


# what a machine has


@pytest.mark.parametrize(
    ("env", "fact"),
    [
        ({"PULUMI_BACKEND_URL": "postgres://me:hunter-12@db/x"}, "postgres://[secret]@db/x"),
        ({"PULUMI_BACKEND_URL": "s3://states?region=eu"}, "s3://states?region=eu"),
    ],
)
def test_facts_have_the_backend_without_its_password(
    env: dict[str, str], fact: str, project: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake("")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    facts = job.facts_of(str(project))
    assert facts["backend"] == fact
    assert len(facts["project"]) == 64


def test_a_machine_that_cannot_run_says_why(project: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line, with what to do."""
    command = fake("")
    elsewhere = str(project / "missing")
    assert job.facts_of(elsewhere)["problem"] == (
        f"has no Pulumi project in {elsewhere}; give --project DIR, the same on each machine"
    )
    command.write_text("#!/bin/sh\necho 'error: please login\nmore' >&2; exit 1\n")
    assert job.facts_of(str(project)) == {"problem": "is not logged in to a backend: please login"}
    with pytest.raises(FleetError, match=r"^this machine is not logged in to a backend: please login$"):
        run("up", project=project)
    monkeypatch.setenv("PATH", str(project))
    assert job.facts_of(str(project))["problem"].startswith("has no `pulumi` on PATH")


def test_stacks_are_listed_by_one_reader_on_postgres(
    project: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CLI waits for ever there otherwise."""
    command = fake("")
    script = '#!/bin/sh\nprintf \'[{"name": "x%s"}]\' "$PULUMI_DIY_BACKEND_PARALLEL"\n'
    command.write_text(script)
    assert job.stacks_of(str(project), "postgres://x") == ["x1"]
    assert job.stacks_of(str(project), "s3://x") == ["x"]
    monkeypatch.setenv("PULUMI_DIY_BACKEND_PARALLEL", "3")
    assert job.stacks_of(str(project), "postgres://x") == ["x3"]
    command.write_text("#!/bin/sh\necho 'error: no way' >&2; exit 1\n")
    with pytest.raises(ValueError, match=r"^no way$"):
        job.stacks_of(str(project), "s3://x")


@pytest.mark.skipif(sys.platform != "linux", reason="it has no /proc")
def test_a_process_runs_if_it_is_a_cli_of_this_machine_that_has_not_ended() -> None:
    """A process id is soon another process's: in containers after each start."""
    here = socket.gethostname()
    # A process has the name of its file: this one is called as the CLI is.
    named = "import sys; open('/proc/self/comm', 'w').write('pulumi'); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", named], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert job.is_running(here, process.pid)
        assert not job.is_running("another-machine", process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not job.is_running(here, process.pid)  # a zombie
    assert not job.is_running(here, process.pid)
    assert not job.is_running(here, os.getpid())


# the report


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["succeeded", "succeeded"], 0),
        (["succeeded", "drifted"], 2),
        (["drifted", "failed"], 1),
        (["succeeded", "locked"], 1),
        (["succeeded", "interrupted"], 1),
        (["succeeded", "not started"], 1),
    ],
)
def test_the_exit_code_is_that_of_the_worst(statuses: list[Status], code: int) -> None:
    assert Report("up", [Outcome("a", status) for status in statuses], 1.0).exit_code == code


def test_json_is_as_documented() -> None:
    """`docs/fleets.md` has the keys: a change of them is a change for users."""
    outcomes = [
        Outcome("a", "succeeded", "w0", 1.26, {"create": 2, "same": 1}),
        Outcome("b", "failed", "w1", 2.0, {"create": 1}, "no token", "b.log", [Lock("x", "y", 1)]),
        Outcome("c", "not started"),
    ]
    assert json.loads(json.dumps(Report("up", outcomes, 3.14).as_json())) == {
        "operation": "up",
        "seconds": 3.1,
        "changes": {"create": 3, "same": 1},
        "stacks": [
            {
                "stack": "a",
                "status": "succeeded",
                "machine": "w0",
                "seconds": 1.3,
                "changes": {"create": 2, "same": 1},
                "message": "",
                "log": "",
            },
            {
                "stack": "b",
                "status": "failed",
                "machine": "w1",
                "seconds": 2.0,
                "changes": {"create": 1},
                "message": "no token",
                "log": "b.log",
            },
            {
                "stack": "c",
                "status": "not started",
                "machine": "",
                "seconds": 0.0,
                "changes": {},
                "message": "",
                "log": "",
            },
        ],
    }
