"""`list` and `show`."""

from __future__ import annotations

import json

import pytest

from pulumi_instances.testing.emulator import Emulator

from .conftest import MARK, Done, Run


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
    """They are sorted by id; their number goes to stderr."""
    done = run("list")
    first = api.instances()[0]["id"]
    assert done.out.splitlines()[0].split() == ["id", "name", "your_mom", "tags", "managed_by"]
    assert done.out.splitlines()[1].split() == [str(first), "QA", "Box", "box", "QA,", "eu"]
    assert (done.code, done.err) == (0, "3 instances\n")


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize(
    ("options", "listed"),
    [
        ([], ["QA Box", "crm", "QA files"]),
        (["--name", "QA *"], ["QA Box", "QA files"]),
        (["--tag", "eu", "--tag", "QA"], ["QA Box"]),
        (["--your-mom", "sfdc"], ["crm"]),
    ],
)
def test_instances_can_be_selected(run: Run, options: list[str], listed: list[str]) -> None:
    """All that is given must match."""
    assert names(run("list", *options, "--json").out) == listed


@pytest.mark.parametrize("command", ["list", "show"])
@pytest.mark.parametrize("as_json", [False, True])
def test_tokens_are_hidden_unless_asked_for(run: Run, api: Emulator, command: str, as_json: bool) -> None:
    """This is true of tables and JSON."""
    instance = api.instances()[1]
    arguments = [command, *([instance["id"]] if command == "show" else []), *(["--json"] if as_json else [])]
    assert instance["token"] not in "".join(map(str, run(*arguments)))
    assert instance["token"] in run(*arguments, "--show-secrets").out


def test_a_name_cannot_move_the_cursor(run: Run, api: Emulator) -> None:
    """It is not taken for markup either, and does not reverse the text that follows it."""
    api.add(name="\x1b[2J[red]x[/red]\nsecond line\u202e")
    assert "\x1b" not in run("list").out
    assert "[2J[red]x[/red] second line  " in run("list").out


def test_nothing_to_list_is_fine(run: Run, api: Emulator) -> None:
    """The account is empty, and so is stdout."""
    api.reset()
    assert (run("list"), run("list", "--json").out) == (Done(0, "", "0 instances\n"), "[]\n")


def test_an_empty_account_that_answers_404_is_fine(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Live services answer so."""
    with Emulator(empty_list_404=True) as api:
        for name, value in api.env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("INSTANCES_DIALECT", "elements")
        assert run("list", "--json") == (0, "[]\n", "")


def test_who_manages_an_instance_is_told(run: Run, api: Emulator) -> None:
    """Its mark says so, which is not one of its tags and which no filter finds."""
    made = api.add(name="made", tags=["eu", MARK])
    [listed] = json.loads(run("list", "--name", "made", "--json").out)
    shown = json.loads(run("show", made, "--json").out)
    for found in (listed, shown):
        assert (found["tags"], found["managed_by"]) == (["eu"], "shop/dev/crm")
    assert names(run("list", "--tag", MARK, "--json").out) == []
    assert run("list", "--name", "made").out.splitlines()[1].split()[-1] == "shop/dev/crm"


# show


def test_one_instance_is_shown_as_it_is(run: Run, api: Emulator) -> None:
    """The output contains `disabled`, which a listing omits."""
    box = api.instances()[0]["id"]
    api.change(box, valid=False)
    shown = {"id": str(box), "name": "QA Box", "your_mom": "box", "tags": ["QA", "eu"], "managed_by": None}
    assert json.loads(run("show", box, "--json").out) == {**shown, "valid": False, "disabled": False}
    assert [line.split() for line in run("show", box).out.splitlines()[:2]] == [["id", str(box)], ["name", "QA", "Box"]]


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize(
    ("instance_id", "said"), [("99", "read instance 99: 404"), ("x", "read instance: the id must be the decimal")]
)
def test_an_instance_that_is_not_there_is_an_error(run: Run, instance_id: str, said: str) -> None:
    """It is one line, and exit code 1."""
    done = run("show", instance_id)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"Error: {said}")
    assert len(done.err.splitlines()) == 1
