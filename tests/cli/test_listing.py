"""`list` and `show`, and what holds for every command."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pulumi_instances.cli import _COMMANDS
from pulumi_instances.testing.emulator import Emulator

from .conftest import Run


@pytest.fixture
def api(api: Emulator) -> Emulator:
    api.add(your_mom="box", name="QA Box", tags=["QA", "eu"])
    api.add(your_mom="sfdc", name="crm", tags=["eu"])
    api.add(your_mom="dropbox", name="QA files")
    return api


def names(written: str) -> list[str]:
    return [each["name"] for each in json.loads(written)]


# list


def test_instances_are_listed_in_a_table(run: Run, api: Emulator) -> None:
    """By ascending id; how many there are goes to stderr."""
    done = run("list")
    first = api.instances()[0]["id"]
    assert done.out.splitlines()[0].split() == ["id", "name", "your_mom", "tags"]
    assert done.out.splitlines()[1].split() == [str(first), "QA", "Box", "box", "QA,", "eu"]
    assert (done.code, done.err) == (0, "3 instances\n")


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize(
    ("options", "listed"),
    [
        ([], ["QA Box", "crm", "QA files"]),
        (["--name", "QA *"], ["QA Box", "QA files"]),
        (["--tag", "eu"], ["QA Box", "crm"]),
        (["--tag", "eu", "--tag", "QA"], ["QA Box"]),
        (["--your-mom", "sfdc"], ["crm"]),
        (["--your-mom", "sfdc", "--name", "QA*"], []),
    ],
)
def test_instances_can_be_selected(run: Run, options: list[str], listed: list[str]) -> None:
    """All that is given must match."""
    assert names(run("list", *options, "--json").out) == listed


def test_every_page_is_listed(run: Run, api: Emulator) -> None:
    """A thousand at 200 a page."""
    api.reset()
    for number in range(1000):
        api.add(name=f"box-{number}")
    assert names(run("list", "--json").out) == [f"box-{number}" for number in range(1000)]
    assert len(api.requests) == 5


@pytest.mark.parametrize("command", ["list", "show"])
@pytest.mark.parametrize("as_json", [False, True])
def test_tokens_are_hidden_unless_asked_for(run: Run, api: Emulator, command: str, as_json: bool) -> None:
    """In tables as in JSON."""
    instance = api.instances()[1]
    arguments = [command, *([instance["id"]] if command == "show" else []), *(["--json"] if as_json else [])]
    assert instance["token"] not in "".join(map(str, run(*arguments)))
    assert instance["token"] in run(*arguments, "--show-secrets").out


def test_a_name_cannot_move_the_cursor(run: Run, api: Emulator) -> None:
    """Nor be taken for markup."""
    api.add(name="\x1b[2J[red]x[/red]\nsecond line")
    assert "\x1b" not in run("list").out
    assert "[2J[red]x[/red] second line" in run("list").out


def test_nothing_to_list_is_fine(run: Run, api: Emulator) -> None:
    """An empty account."""
    api.reset()
    assert (run("list").code, run("list", "--json").out) == (0, "[]\n")


# show


def test_one_instance_is_shown_as_it_is(run: Run, api: Emulator) -> None:
    """A listing would say that it is valid."""
    box = api.instances()[0]["id"]
    api.change(box, valid=False)
    shown = {"id": str(box), "name": "QA Box", "your_mom": "box", "tags": ["QA", "eu"]}
    assert json.loads(run("show", box, "--json").out) == {**shown, "valid": False, "disabled": False}
    assert "QA Box" in run("show", box).out


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize(
    ("instance_id", "said"), [("99", "read instance 99: 404"), ("x", "read instance: the id must be the decimal")]
)
def test_an_instance_that_is_not_there_is_an_error(run: Run, instance_id: str, said: str) -> None:
    """In one line, and exit code 1."""
    done = run("show", instance_id)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"Error: {said}")
    assert len(done.err.splitlines()) == 1


# every command


@pytest.mark.parametrize("command", sorted(_COMMANDS))
def test_help_shows_options_and_examples(run: Run, command: str) -> None:
    """And tells the exit codes."""
    done = run(command, "--help")
    assert done.code == 0
    assert "Examples:\n    pulumi-instances " in done.out
    assert "Exit code: 0 " in done.out
    assert "--json" in done.out


def test_the_overall_help_lists_the_commands_and_exit_codes(run: Run) -> None:
    """And how to switch on completion."""
    shown = run("--help").out
    assert [command for command in _COMMANDS if f"\n  {command} " not in shown] == []
    assert "2  drift, orphans or doctor found something" in shown
    assert "_PULUMI_INSTANCES_COMPLETE=bash_source" in shown


@pytest.mark.parametrize("arguments", [["lst"], ["list", "--nope"], ["show"], ["drift"]])
def test_wrong_usage_is_exit_code_1(run: Run, arguments: list[str]) -> None:
    """2 would tell a gate that something differs."""
    done = run(*arguments)
    assert (done.code, done.out) == (1, "")
    assert "Usage: pulumi-instances" in done.err


def test_missing_settings_are_told(run: Run) -> None:
    """Each in words that say how to set it."""
    done = run("list")
    assert done.code == 1
    assert "instances:baseUrl is missing" in done.err
    assert "INSTANCES_USER_SECRET" in done.err


@pytest.mark.usefixtures("api")
def test_a_setting_on_the_command_line_wins(run: Run) -> None:
    """Over the environment."""
    assert "instances:timeout (from INSTANCES_TIMEOUT) must be" in run("list", "--set", "timeout=soon").err
    assert run("list", "--set", "baseUrl=http://127.0.0.1:9", "--set", "maxRetries=0").code == 1


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("key", ["userSecret", "instances:organizationSecret"])
def test_no_secret_is_taken_from_the_command_line(run: Run, key: str) -> None:
    """The list of processes would show it."""
    done = run("list", "--set", f"{key}=hunter2hunter2")
    assert done.code == 1
    assert "other users of this machine see" in done.err
    assert "hunter2" not in done.err


@pytest.mark.usefixtures("api")
def test_an_unknown_setting_is_told_with_those_there_are(run: Run) -> None:
    """But not the secret ones."""
    done = run("list", "--set", "tmeout=3")
    assert "no such setting; there are baseUrl, timeout," in done.err
    assert "userSecret" not in done.err


def test_another_account_has_its_own_variables(run: Run, api: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the default account never reach it."""
    eu = api.add_account()
    api.add(name="there", account=eu)
    assert "INSTANCES_EU_BASE_URL" in run("list", "--account", "eu").err
    for name, value in eu.env.items():
        monkeypatch.setenv(name.replace("INSTANCES_", "INSTANCES_EU_"), value)
    assert names(run("list", "--account", "eu", "--json").out) == ["there"]


@pytest.mark.usefixtures("api")
def test_the_shell_completes_commands() -> None:
    """click's own protocol."""
    done = subprocess.run(
        [sys.executable, "-c", "from pulumi_instances.cli import main; main()"],
        env={"_PULUMI_INSTANCES_COMPLETE": "bash_complete", "COMP_WORDS": "pulumi-instances im", "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == ["plain,import-file", "plain,import"]


def test_no_command_here_wrote(run: Run, api: Emulator) -> None:
    """Only GETs."""
    for arguments in (["list"], ["show", api.instances()[0]["id"]]):
        run(*arguments)
    assert {request.method for request in api.requests} == {"GET"}
