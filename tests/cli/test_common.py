"""What holds for every command."""

from __future__ import annotations

import errno
import json
import os
import pty
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from rich.cells import cell_len

from pulumi_instances.cli import _COMMANDS
from pulumi_instances.core.model import HEALTH, LISTED
from pulumi_instances.testing.emulator import Emulator
from tests.support.processes import COMMAND, until
from tests.support.recipes import forgotten
from tests.support.scripted import Answer, ScriptedServer

from .conftest import SCHEMA, Run, resource, state

# What the shell that runs the tests has ignored (nohup), our processes ignore, too.
STOPS = [
    number
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    if signal.getsignal(number) is not signal.SIG_IGN
]


@pytest.fixture
def api(api: Emulator) -> Emulator:
    api.add(your_mom="box", name="QA Box", tags=["QA", "eu"])
    api.add(your_mom="sfdc", name="漢字 \U0001f642", tags=["eu"])
    return api


# usage


@pytest.mark.parametrize("command", sorted(_COMMANDS))
def test_help_shows_options_and_examples(run: Run, command: str) -> None:
    """It also explains the exit codes."""
    done = run(command, "--help")
    assert done.code == 0
    assert "Examples:\n    pulumi-instances " in done.out
    assert "Exit codes: 0 " in done.out
    assert "--json" in done.out


def test_the_overall_help_lists_the_commands_and_exit_codes(run: Run) -> None:
    """It also says how to switch on completion."""
    shown = run("--help").out
    assert [command for command in _COMMANDS if f"\n  {command} " not in shown] == []
    assert "2  drift, orphans, doctor or fleet drift found something" in shown
    assert "_PULUMI_INSTANCES_COMPLETE=bash_source" in shown


@pytest.mark.parametrize("arguments", [["lst"], ["list", "--nope"], ["show"], ["drift"]])
def test_wrong_usage_is_exit_code_1(run: Run, arguments: list[str]) -> None:
    """Exit code 2 would mean that something differs."""
    done = run(*arguments)
    assert (done.code, done.out) == (1, "")
    assert "Usage: pulumi-instances" in done.err


MISSING = {
    "outside of a project": 'is missing; run "pulumi config set instances:baseUrl <value>" and pass --stack',
    "in a project": "instances:baseUrl is missing; pass --stack NAME to read the configuration of a stack, or",
}


@pytest.mark.parametrize("where", MISSING)
def test_missing_settings_are_told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Each line says how to set it. In a project they may be set in a stack that was not named."""
    if where == "in a project":
        (tmp_path / "Pulumi.yaml").write_text("name: x\nruntime: yaml\n")
    monkeypatch.chdir(tmp_path)
    done = run("list")
    assert done.code == 1
    assert MISSING[where] in done.err
    assert "INSTANCES_USER_SECRET" in done.err


@pytest.mark.usefixtures("api")
def test_a_setting_on_the_command_line_wins(run: Run) -> None:
    """It overrides the environment."""
    assert "instances:timeout must be" in run("list", "--set", "timeout=soon").err
    assert run("list", "--set", "baseUrl=http://127.0.0.1:9", "--set", "maxRetries=0").code == 1


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("key", ["userSecret", "instances:organizationSecret"])
def test_no_secret_is_taken_from_the_command_line(run: Run, key: str) -> None:
    """The list of processes would show it."""
    done = run("list", "--set", f"{key}=hunter2hunter2")
    assert done.code == 1
    assert "other users of this machine can see" in done.err
    assert "hunter2" not in done.err


@pytest.mark.usefixtures("api")
def test_an_unknown_setting_is_told_with_those_there_are(run: Run) -> None:
    """The message lists the other settings, except the secret ones."""
    done = run("list", "--set", "tmeout=3")
    assert "no such setting; use one of baseUrl, timeout," in done.err
    assert "userSecret" not in done.err


def test_another_account_has_its_own_variables(run: Run, api: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the default account never reach it."""
    eu = api.add_account()
    api.add(name="there", account=eu)
    assert "INSTANCES_EU_BASE_URL" in run("list", "--account", "eu").err
    for name, value in eu.env.items():
        monkeypatch.setenv(name.replace("INSTANCES_", "INSTANCES_EU_"), value)
    assert [each["name"] for each in json.loads(run("list", "--account", "eu", "--json").out)] == ["there"]


@pytest.mark.parametrize(("words", "completed"), [("im", ["import-file", "import"]), ("list --na", ["--name"])])
def test_the_shell_completes_commands_and_options(words: str, completed: list[str]) -> None:
    """The test uses click's own protocol."""
    position = str(len(words.split()))
    done = _process(
        env={
            "_PULUMI_INSTANCES_COMPLETE": "bash_complete",
            "COMP_WORDS": f"pulumi-instances {words}",
            "COMP_CWORD": position,
        }
    )
    assert [line.partition(",")[2] for line in done.stdout.splitlines()] == completed


# output


def _process(*arguments: str, env: dict[str, str] | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run(
        [*COMMAND, *arguments], env={**os.environ, **(env or {})}, text=True, encoding="utf-8", check=False, **streams
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["list"], 0),
        (["show", "ID"], 0),
        (["drift", "state.json"], 2),
        (["orphans", "--all", "state.json"], 2),
        (["import-file", "--out", "r.json", "--program", "p.py"], 0),
        (["doctor"], 2),
    ],
)
def test_json_is_all_of_stdout(
    run: Run, api: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int
) -> None:
    """This is true of every command. There is no token in it, and nothing is written to the API."""
    monkeypatch.chdir(tmp_path)
    box, _ = api.instances()
    (tmp_path / "state.json").write_text(state({**resource(box), "outputs": {"name": "other"}}))
    done = run(*(str(box["id"]) if word == "ID" else word for word in arguments), "--json")
    assert done.code == code
    json.loads(done.out)
    assert box["token"] not in done.out + done.err
    assert {request.method for request in api.requests} == {"GET"}


def test_each_command_has_a_schema_of_its_json() -> None:
    """All that the tests of a command write is compared with it (`demand_valid`)."""
    Draft202012Validator.check_schema(SCHEMA)
    assert _COMMANDS.keys() - SCHEMA["$defs"].keys() == set(), forgotten("docs/output.schema.json")


def test_the_schema_has_each_property_that_is_shown() -> None:
    """The commands show what the API answers, and `drift` tells what of it differs."""
    definitions = SCHEMA["$defs"]
    shown = {**definitions["instance"]["properties"], **definitions["show"]["properties"]}
    fields = definitions["drift"]["properties"]["differences"]["items"]["properties"]["field"]["enum"]
    said = forgotten("docs/output.schema.json")
    assert (shown.keys() - {"managed_by"}, set(fields)) == ({"id", *LISTED, *HEALTH},) * 2, said


@pytest.mark.usefixtures("api")
def test_a_line_in_a_pipe_ends_where_its_text_ends(run: Run) -> None:
    """It is not padded to the width of the widest."""
    for command in (["list"], ["doctor"]):
        assert [line for line in run(*command).out.splitlines() if line != line.rstrip()] == []


def _on_a_terminal(*arguments: str, columns: int) -> list[str]:
    """The lines of a command that writes to a terminal of so many columns."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": str(columns)}
    with subprocess.Popen([*COMMAND, *arguments], env=environment, stdout=theirs, stderr=subprocess.DEVNULL):
        os.close(theirs)
        shown = b"".join(_written(ours)).decode()
        os.close(ours)
    return shown.splitlines()


def test_a_table_is_folded_where_the_terminal_is_narrow(api: Emulator) -> None:
    """Nothing is left out, and no line is wider than the terminal; a wide character fills two columns."""
    box, other = (str(each["id"]) for each in api.instances())
    bold, normal = "\x1b[1m", "\x1b[0m"
    gap = " " * (len(box) - 2)
    assert _on_a_terminal("list", columns=80) == [
        f"{bold}id{gap}  name     your_mom  tags    managed_by{normal}",
        f"{box}  QA Box   box       QA, eu",
        f"{other}  漢字 \U0001f642  sfdc      eu",
    ]
    narrow = _on_a_terminal("list", columns=24)
    assert max(cell_len(line.replace(bold, "").replace(normal, "")) for line in narrow) <= 24
    assert "".join("".join(narrow).split()).count("QA") == 2
    assert _on_a_terminal("list", columns=1)


def test_a_folded_text_is_broken_between_words(api: Emulator) -> None:
    """A word that is wider than its column is broken where the column ends."""
    long = str(api.add(your_mom="box", name="Billing of all customers in Europe", tags=["a" * 30]))
    _, *lines = _on_a_terminal("list", "--name", "Billing*", columns=56 + len(long))
    assert [line.split() for line in lines] == [
        [long, "Billing", "of", "all", "box", "a" * 15],
        ["customers", "in", "a" * 15],
        ["Europe"],
    ]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_pipe_that_is_closed_ends_it_quietly(
    api: Emulator, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    """`| head -1` closes it early."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # with it, Python itself does not notice
    for number in range(600):
        api.add(name=f"{number}" + "x" * 250)  # more than a pipe holds
    with subprocess.Popen(
        [*COMMAND, "list", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("options", [[], ["--json"]])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_an_error_of_one_line(options: list[str]) -> None:
    """There is no traceback."""
    with Path("/dev/full").open("w") as full:
        done = _process("list", *options, stdout=full)
    assert (done.returncode, done.stderr) == (1, f"Error: {os.strerror(errno.ENOSPC)}\n")


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("arguments", ["list", "doctor --json", "list --nope 2>&-"])
def test_a_closed_stdout_is_no_traceback(arguments: str) -> None:
    """The shell closes it with `>&-`. The exit code is that of the command."""
    command = f"{' '.join(map(shlex.quote, COMMAND))} {arguments} >&-"
    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert done.returncode == {"list": 0, "doctor --json": 2}.get(arguments, 1)


@pytest.mark.usefixtures("api")
def test_a_locale_that_cannot_write_a_name_escapes_it() -> None:
    """In JSON, the result is still JSON."""
    env = {"PYTHONIOENCODING": "latin-1"}
    assert "\\u6f22\\u5b57 \\U0001f642" in _process("list", env=env).stdout
    assert json.loads(_process("list", "--json", env=env).stdout)[1]["name"] == "漢字 \U0001f642"


@pytest.mark.usefixtures("api")
def test_a_bar_shows_progress_on_a_terminal() -> None:
    """It is on stderr, with the time that is left; stdout contains only the result."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    with subprocess.Popen(
        [*COMMAND, "list", "--json"], env=environment, stdout=subprocess.PIPE, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b"".join(_written(ours)).decode()
        os.close(ours)
        assert process.stdout
        assert len(json.loads(process.stdout.read())) == 2
    assert "2/2 00:00" in re.sub(r"\x1b\[[\d;?]*\w", "", shown)


def _written(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # as Linux ends a terminal that nobody writes to
            return
        if not chunk:
            return
        yield chunk


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("number", STOPS)
def test_a_command_that_is_stopped_says_so(number: signal.Signals) -> None:
    """The message is one line."""
    with (
        ScriptedServer(Answer(then="hang")) as server,
        subprocess.Popen(
            [*COMMAND, "list", "--set", f"baseUrl={server.base_url}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        until(lambda: server.received)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.strip()) == (1, "", "Stopped.")
