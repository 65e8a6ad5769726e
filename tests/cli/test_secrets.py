"""No error of the command line shows a secret, wherever its text comes from."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pulumi_instances.cli import redaction
from pulumi_instances.core.errors import BLOT
from pulumi_instances.testing.emulator import Emulator, Fault

from .conftest import PutOnPath, Run, Stack

SECRET = "hunter2hunter2"


@pytest.fixture(autouse=True)
def _forget() -> None:
    redaction._known.clear()


@pytest.fixture
def put_cli(put_on_path: PutOnPath) -> Callable[[str], None]:
    """Make a `pulumi` of these lines of Python, with ``words`` as its arguments."""
    head = "import json, os, sys\nwords = sys.argv[1:]"
    return lambda script: put_on_path("pulumi", f"{head}\n{script}", sys.executable)


# What the CLI says of a stack that it cannot open, and what it is made to say here.
COMPLAINTS = [
    f'unable to open bucket "s3://bucket?region=x&secret={SECRET}": open s3://bucket?secret={SECRET}: no',
    f"could not reach postgres://user:{SECRET}@db.example:5432/pulumi?sslmode=disable",
    f"could not reach https://{SECRET}@git.example/state: connection refused",
    f"could not reach https://user:p@ss@{SECRET}@git.example/state: connection refused",
    f'Get "https://storage.example/x?sig=1&X-Amz-Credential=a&X-Amz-Security-Token={SECRET}"',
    f"invalid YAML file: could not unmarshal map: cannot unmarshal !!str `{SECRET}` into map[string]config.Value",
]


@pytest.mark.parametrize("complaint", COMPLAINTS)
@pytest.mark.parametrize("command", [["list"], ["drift"], ["orphans"], ["doctor"], ["doctor", "--json"], ["import"]])
@pytest.mark.usefixtures("api")
def test_what_the_cli_says_is_redacted(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    put_cli: Callable[[str], None],
    command: list[str],
    complaint: str,
) -> None:
    """The rest of its message is shown, because it says what is wrong."""
    monkeypatch.chdir(tmp_path)
    put_cli(f"if words[0] == 'version': print('v3.260.0'); sys.exit(0)\nsys.exit('error: ' + {complaint!r})")
    more = ["--program", "p.py", "--yes"] if command == ["import"] else []
    done = run(*command, "--stack", "dev", *more)
    assert done.code != 0
    assert SECRET not in done.out + done.err
    assert complaint[:20].split('"')[0] in done.out + done.err
    assert BLOT in done.out + done.err


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("variable", ["PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE", "AWS_SECRET_ACCESS_KEY"])
def test_secrets_of_the_environment_are_redacted(
    run: Run, monkeypatch: pytest.MonkeyPatch, put_cli: Callable[[str], None], variable: str
) -> None:
    """It does not matter who repeats them."""
    monkeypatch.setenv(variable, SECRET)
    put_cli(f"sys.exit('error: invalid value ' + os.environ['{variable}'] + ' was given')")
    done = run("list", "--stack", "dev")
    assert (done.code, done.err) == (1, "Error: pulumi config: invalid value [secret] was given\n")


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("answer", ["{", "[]", '{"a": 3}', f"{SECRET}", "[" * 100_000])
@pytest.mark.parametrize("command", [["list"], ["drift"], ["doctor"]])
def test_an_answer_of_the_cli_that_is_not_json_is_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stack: Stack, command: list[str], answer: str
) -> None:
    """The line does not repeat the answer."""
    monkeypatch.chdir(tmp_path)
    stack(answer, answer)
    done = run(*command, "--stack", "dev")
    assert done.code != 0
    said = "is not an exported state" if command == ["drift"] else "pulumi config: its output is not the expected JSON"
    assert said in done.out + done.err or "pulumi stack: its output is not the expected JSON" in done.err
    assert SECRET not in done.out + done.err
    assert len(done.err.splitlines()) <= 1


@pytest.mark.usefixtures("api")
def test_a_cli_that_does_not_run_is_one_line(run: Run, put_on_path: PutOnPath, put_cli: Callable[[str], None]) -> None:
    """It may be made for another processor, or write something that is not text."""
    put_on_path("pulumi", "", "/nowhere")
    done = run("list", "--stack", "dev")
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert "reinstall the Pulumi CLI" in done.err
    put_cli(r"sys.stderr.buffer.write(b'error: \xff\x1b[2J here'); sys.exit(1)")
    assert run("list", "--stack", "dev").err == "Error: pulumi config: \ufffd [2J here\n"


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize(
    "arguments",
    [
        ["--set", f"userSecret={SECRET}"],
        ["--set", f"instances:organizationSecret={SECRET}"],
        [f"--set=userSecret={SECRET}"],
        ["--set", "userSecret", SECRET],
        ["--set", f"userSecret:{SECRET}"],
        ["--set", f"userSercet={SECRET}"],
        ["--set", SECRET],
        ["--set", f"{SECRET}=x"],
        ["--set", f"timeout={SECRET}"],
        ["--set", f"caBundle={SECRET}"],
        ["--set", f"dialect={SECRET}"],
        ["--set", f"baseUrl=https://user:{SECRET}@api.example/v2"],
        ["--set", f"baseUrl=https://api.example/v2?token={SECRET}"],
        ["--set", f"baseUrl=http://user:{SECRET}@127.0.0.1:9/v2"],
        [f"https://user:{SECRET}@api.example"],
    ],
)
@pytest.mark.parametrize("command", [["list"], ["doctor"], ["show", "1"]])
def test_arguments_are_not_repeated(run: Run, command: list[str], arguments: list[str]) -> None:
    """The logs of a CI keep what a command prints."""
    done = run(*command, *arguments, "--set", "maxRetries=0")
    assert done.code != 0
    assert SECRET not in done.out + done.err


@pytest.mark.parametrize(("command", "code"), [("list", 1), ("doctor", 2)])
def test_what_a_stack_keeps_secret_is_redacted(run: Run, api: Emulator, stack: Stack, command: str, code: int) -> None:
    """This holds even if the API repeats it."""
    entries = {
        "other:webhook": {"value": SECRET, "secret": True},
        "other:plain": {"value": "plain-text", "secret": False},
    }
    stack("{}", json.dumps(entries))
    api.fail("GET", "/instances", Fault.status(403, message=f"{SECRET} and plain-text"), times=None, probability=1.0)
    done = run(command, "--stack", "dev")
    assert done.code == code
    assert "[secret] and plain-text" in done.out + done.err
    assert SECRET not in done.out + done.err


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("command", ["drift", "orphans"])
def test_a_state_that_cannot_be_read_is_not_repeated(run: Run, command: str, tmp_path: Path) -> None:
    """This is true of a broken state and of one with a secret in it."""
    for content in (f'{{"token": "{SECRET}"', f'{{"version": 9, "deployment": "{SECRET}"}}', SECRET):
        file = tmp_path / "state.json"
        file.write_text(content)
        done = run(command, file)
        assert (done.code, SECRET in done.out + done.err) == (1, False)
        assert len(done.err.splitlines()) == 1
