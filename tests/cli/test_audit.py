"""`drift` and `orphans`."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from pulumi_instances.core.marks import Place, line_of
from pulumi_instances.core.model import ENABLED
from pulumi_instances.core.state_format import SECRET
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.marks import mark_of
from tests.support.scripted import ScriptedServer, answer

from .conftest import MARK, PREFIX, PROVIDER, Done, PutOnPath, Run, Stack, resource, state

Resources = list[dict[str, Any]]
OF_ANOTHER_STACK = mark_of(line_of(Place("shop", "prod", "", "crm")), 1)


@pytest.fixture
def api(api: Emulator) -> Emulator:
    api.add(your_mom="box", name="box", tags=["a", "b"])
    api.add(your_mom="sfdc", name="crm")
    return api


@pytest.fixture
def managed(api: Emulator) -> Resources:
    """The resources of a state that holds all of the API."""
    return [resource(instance) for instance in api.instances()]


# drift


def test_no_drift_is_exit_code_0(run: Run, managed: Resources) -> None:
    """The order of tags does not matter."""
    managed[0]["outputs"]["tags"] = ["b", "a"]
    done = run("drift", "-", stdin=state(*managed))
    assert done == Done(0, "", "2 compared, 0 differ\n")


def test_what_is_in_no_state_is_told_beside_the_drift(
    run: Run, api: Emulator, managed: Resources, stack: Stack
) -> None:
    """It carries the mark of the stack that is compared, so another command lists it. It is no difference."""
    api.add(tags=[OF_ANOTHER_STACK])
    api.add(tags=[mark_of(line_of(Place("p", "dev", "", "left")), 1)])
    done = run("drift", "-", stdin=state(*managed))
    said = "1 instance of these stacks is in no state; see `pulumi-instances orphans STATE`"
    assert done == Done(0, "", f"2 compared, 0 differ\n{said}\n")
    stack(state(*managed))
    assert "; see `pulumi-instances orphans --stack dev`\n" in run("drift", "--stack", "dev").err


def test_each_field_that_differs_is_told(run: Run, api: Emulator, managed: Resources) -> None:
    """Both values are shown, and exit code 2 can fail a CI job."""
    box, crm = (instance["id"] for instance in api.instances())
    api.change(box, name="renamed", tags=["c"], valid=False)
    api.remove(crm)
    managed[0]["outputs"]["your_mom"] = "dropbox"

    done = run("drift", "-", "--json", stdin=state(*managed))

    place = {"resource": "box", "urn": PREFIX + "box", "id": str(box)}
    gone = {"resource": "crm", "urn": PREFIX + "crm", "id": str(crm)}
    assert (done.code, done.err) == (2, "2 compared, 2 differ\n")
    assert json.loads(done.out) == {
        "compared": 2,
        "differences": [
            {**place, "field": "your_mom", "state": "dropbox", "api": "box"},
            {**place, "field": "name", "state": "box", "api": "renamed"},
            {**place, "field": "tags", "state": ["a", "b"], "api": ["c"]},
            {**gone, "field": "id", "state": str(crm), "api": None},
        ],
    }
    table = run("drift", "-", stdin=state(*managed)).out.splitlines()
    assert [line.split()[:3] for line in table[1:]] == [
        ["box", str(box), "your_mom"],
        ["box", str(box), "name"],
        ["box", str(box), "tags"],
        ["crm", str(crm), "id"],
    ]
    assert table[-1].split()[-1] == "gone"


def test_health_is_a_gate_of_its_own(run: Run, api: Emulator, managed: Resources) -> None:
    """Only with --health; each instance is read, and one that the program disables may be as it is."""
    box, crm = api.instances()
    api.change(box["id"], valid=False)
    api.change(crm["id"], disabled=True)
    assert run("drift", "-", stdin=state(*managed)).code == 0
    done = run("drift", "-", "--health", "--json", stdin=state(*managed))
    assert done.code == 2
    assert [(each["resource"], each["field"], each["api"]) for each in json.loads(done.out)["differences"]] == [
        ("box", "valid", False),
        ("crm", "disabled", True),
    ]
    managed[1]["outputs"]["enabled"] = False
    api.change(box["id"], valid=True)
    assert run("drift", "-", "--health", stdin=state(*managed)) == Done(0, "", "2 compared, 0 differ\n")
    managed[1]["outputs"][ENABLED] = True  # as a refresh leaves it where the service has disabled the instance
    assert run("drift", "-", "--health", stdin=state(*managed)).code == 2
    managed[1]["outputs"][ENABLED] = False
    api.change(crm["id"], disabled=False)
    assert run("drift", "-", "--health", stdin=state(*managed)).code == 2


def test_what_is_to_be_deleted_is_not_compared(run: Run, api: Emulator, managed: Resources) -> None:
    """The next `up` deletes it anyway."""
    api.remove(managed[1]["id"])
    assert run("drift", "-", stdin=state(managed[0], {**managed[1], "delete": True})).code == 0


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_secret_that_differs_is_told_and_not_shown(
    run: Run, api: Emulator, managed: Resources, options: list[str]
) -> None:
    """This covers the token, and everything that the program has marked as a secret."""
    box, crm = api.instances()
    api.change(box["id"], token="another-token")
    managed[1]["outputs"]["name"] = {**SECRET, "plaintext": '"project x"'}

    done = run("drift", "-", *options, stdin=state(*managed))

    assert done.code == 2
    assert [value for value in (box["token"], "another-token", "project x") if value in done.out + done.err] == []
    if options:
        found = [
            (each["id"], each["field"], each["state"], each["api"]) for each in json.loads(done.out)["differences"]
        ]
        hidden = ("[secret]", "[secret]")
        assert found == [(str(box["id"]), "token", *hidden), (str(crm["id"]), "name", *hidden)]


ENCRYPTED = {**SECRET, "ciphertext": "v1:…"}


@pytest.mark.parametrize(
    ("options", "held", "shown", "said"),
    [
        ([], {"token": ENCRYPTED}, {}, "token of 1 instance not compared, since it is encrypted in the state"),
        ([], {"name": ENCRYPTED}, {}, "name of 1 instance not compared, since it is encrypted in the state"),
        ([], {}, {"token": None}, "token of 1 instance not compared, since the API does not show it"),
        ([], {}, {"token": "********"}, "token of 1 instance not compared, since the API does not show it"),
        ([], {}, {"tags": None}, "tags of 1 instance not compared, since the API does not show it"),
        (["--health"], {}, {"valid": None}, "valid of 1 instance not compared, since the API does not show it"),
        ([], None, {}, "nothing was compared, since no state has an instance of this account"),
    ],
)
def test_a_gate_that_cannot_compare_does_not_pass(
    run: Run,
    managed: Resources,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    held: dict[str, Any] | None,
    shown: dict[str, Any],
    said: str,
) -> None:
    """Something else that differs is exit code 2 all the same."""
    instance = {**managed[0]["outputs"], "id": int(managed[0]["id"]), "token": "t0ken", "valid": True, **shown}
    whole = {key: value for key, value in instance.items() if value is not None} | {"your_mom": {"key": "box"}}
    managed[0]["outputs"].update({"token": {**SECRET, "plaintext": '"t0ken"'}, **(held or {})})
    states = state(*managed[:1]) if held is not None else state()
    with ScriptedServer(answer(200, [whole]), answer(200, whole)) as server:
        monkeypatch.setenv("INSTANCES_BASE_URL", server.base_url)
        done = run("drift", "-", *options, stdin=states)
    assert done.code == 1
    assert f"Error: {said}" in done.err
    managed[0]["outputs"]["your_mom"] = "dropbox"
    if held is not None:
        with ScriptedServer(answer(200, [whole]), answer(200, whole)) as server:
            monkeypatch.setenv("INSTANCES_BASE_URL", server.base_url)
            done = run("drift", "-", *options, stdin=state(*managed[:1]))
        assert done.code == 2
        assert said in done.err


@pytest.mark.parametrize("form", ["plaintext", "ciphertext"])
def test_what_the_service_makes_of_a_name_is_no_drift(run: Run, managed: Resources, form: str) -> None:
    """Where it is encrypted, nobody can tell: a gate must not pass then."""
    managed[0]["outputs"].update({"name": " Box", "__made": {**SECRET, form: json.dumps({"name": "box"})}})
    done = run("drift", "-", stdin=state(*managed))
    assert done.code == (0 if form == "plaintext" else 2)
    assert ("what the service makes of name and tags of 1 instance is encrypted" in done.err) == (form != "plaintext")


def test_who_may_not_decrypt_a_state_compares_the_rest(
    run: Run, managed: Resources, tmp_path: Path, put_on_path: PutOnPath
) -> None:
    """This happens in a CI without the passphrase, which must not take that for a pass."""
    managed[0]["outputs"]["token"] = ENCRYPTED
    (tmp_path / "state.json").write_text(state(*managed))
    answers = f"config*) echo '{{}}' ;; *secrets*) exit 1 ;; *) cat {tmp_path}/state.json ;;"
    put_on_path("pulumi", f"case $* in {answers} esac")
    done = run("drift", "--stack", "dev")
    assert done.code == 1
    assert done.err.startswith("2 compared, 0 differ\nError: token of 1 instance not compared")


def test_only_the_accounts_own_instances_are_compared(
    run: Run, api: Emulator, managed: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of another account would look gone; the message says how to compare them."""
    eu = api.add_account()
    there = api.add(name="there", account=eu)
    provider = {"urn": f"{PROVIDER}eu", "type": "pulumi:providers:pulumi-python", "inputs": {"instances:account": "eu"}}
    theirs = {**resource(api.instance(there)), "provider": f"{PROVIDER}eu::2"}
    written = state(provider, theirs, *managed)

    done = run("drift", "-", stdin=written)
    assert done.code == 0
    assert done.err == "2 compared, 0 differ\n1 instance of another account not compared; run again with --account eu\n"
    for name, value in eu.env.items():
        monkeypatch.setenv(name.replace("INSTANCES_", "INSTANCES_EU_"), value)
    api.change(there, name="renamed")
    done = run("drift", "-", "--account", "eu", stdin=written)
    assert done.code == 2
    assert "1 compared, 1 differs\n2 instances of another account not compared; run again without --account" in done.err


@pytest.mark.parametrize("command", ["drift", "orphans"])
def test_an_account_with_the_variables_of_another_is_refused(run: Run, api: Emulator, command: str) -> None:
    """Before anything is sent: the secrets of one would go to the host of the other."""
    done = run(command, "-", "--account", "a_b", stdin=state())
    assert (done.code, done.out) == (1, "")
    assert "use only lower-case letters, digits and -" in done.err
    assert api.requests == []


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("command", ["drift", "orphans"])
def test_a_state_must_be_named(run: Run, command: str) -> None:
    """There is no default that could be the wrong one."""
    done = run(command)
    assert done.code == 1
    assert "no state; pass a file" in done.err


NOT_STATES: dict[str, tuple[str | None, str]] = {
    "missing": (None, ": No such file"),
    "broken off": ("{", " is not JSON"),
    "with a byte order mark": ("\ufeff{}", " is not JSON"),
    "nested too deeply": ("[" * 100_000, " is not JSON"),
    "another document": ("[]", " is not an exported state"),
    "of the future": ('{"version": 5, "deployment": {"resources": []}}', " is a state of version 5, newer than this"),
}


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("command", ["drift", "orphans"])
@pytest.mark.parametrize("what", NOT_STATES)
def test_what_is_no_state_is_an_error(run: Run, tmp_path: Path, command: str, what: str) -> None:
    """One line names the file, and the exit code is neither 0 nor 2."""
    content, said = NOT_STATES[what]
    file = tmp_path / "state.json"
    if content is not None:
        file.write_text(content)
    done = run(command, file)
    assert done.code == 1
    assert done.err.startswith(f"Error: {file}{said}")
    assert len(done.err.splitlines()) == 1


SECRET_NAME = {**SECRET, "plaintext": '"planted-secret"'}
JUNK: tuple[Any, ...] = (
    None, True, 0, -1, 4001.0, 1.5, float("nan"), "", "text", [], ["a", 1, None], [["a"]], {}, {"a": ["b"]}, SECRET,
    SECRET_NAME, {**SECRET, "ciphertext": "v1:x"}, {**SECRET, "plaintext": "{"}, {**SECRET, "plaintext": 3},
    ["a", SECRET_NAME], {"a": SECRET_NAME}, {"a": {**SECRET, "ciphertext": "v1:x"}}, [SECRET_NAME, {}],
)  # fmt: skip
MEMBERS = ("urn", "type", "id", "provider", "outputs", "inputs", "delete", "external")
OUTPUTS = ("your_mom", "name", "tags", "token", "__defaults", "__made")


@pytest.mark.parametrize("command", ["drift", "orphans"])
@pytest.mark.parametrize("options", [[], ["--json"]])
@pytest.mark.parametrize("place", [*MEMBERS, *(f"outputs/{key}" for key in OUTPUTS), "missing", "provider's inputs"])
def test_an_odd_state_ends_in_rows_or_in_one_line(
    run: Run, managed: Resources, command: str, options: list[str], place: str
) -> None:
    """Whatever it contains, there is no traceback, and no secret is shown."""
    for junk in JUNK:
        odd = json.loads(json.dumps(managed[0]))
        provider: Any = {"urn": f"{PROVIDER}eu", "type": "pulumi:providers:pulumi-python", "inputs": {}}
        if place == "missing":
            for key in MEMBERS[: JUNK.index(junk) % len(MEMBERS) + 1]:
                odd.pop(key, None)
        elif place == "provider's inputs":
            provider["inputs"] = junk if isinstance(junk, list) else {"instances:account": junk}
        elif place.startswith("outputs/"):
            odd["outputs"][place.partition("/")[2]] = junk
        else:
            odd[place] = junk

        done = run(command, "-", *options, stdin=state(provider, odd, managed[1]))

        assert "planted-secret" not in done.out + done.err
        if done.code == 1 and "not compared" not in done.err:
            assert done.out == ""
            assert done.err.startswith("Error: stdin is a state with a malformed resource (number ")
            assert len(done.err.splitlines()) == 1
        elif options:
            json.loads(done.out)


def test_an_id_may_be_a_number(run: Run, managed: Resources) -> None:
    """Other tools write it so, and it is the same id."""
    number = int(managed[0]["id"])
    for spelled in (number, float(number), f"0{number}"):
        assert run("drift", "-", stdin=state({**managed[0], "id": spelled}, managed[1])).code == 0
        assert run("orphans", "-", stdin=state({**managed[0], "id": spelled}, managed[1])).code == 0


def test_an_instance_without_outputs_differs_in_each(run: Run, managed: Resources) -> None:
    """There is nothing to compare it with."""
    del managed[0]["outputs"]
    done = run("drift", "-", "--json", stdin=state(*managed))
    assert [(each["field"], each["state"]) for each in json.loads(done.out)["differences"]] == [
        ("your_mom", None),
        ("name", None),
        ("token", None),
    ]


def test_a_secret_in_the_inputs_is_not_shown(run: Run, api: Emulator, managed: Resources) -> None:
    """It stays hidden even if the outputs of an old state contain it in plain text."""
    api.change(api.instances()[0]["id"], name="another name")
    managed[0]["inputs"] = {"name": SECRET_NAME}
    managed[0]["outputs"]["name"] = "planted-secret"
    done = run("drift", "-", stdin=state(*managed))
    assert done.code == 2
    assert "planted-secret" not in done.out
    assert "another name" not in done.out


def test_what_the_program_leaves_to_the_api_is_not_compared(run: Run, api: Emulator, managed: Resources) -> None:
    """Nobody manages it, so that `up` would not change it back."""
    api.change(api.instances()[0]["id"], tags=["by hand"])
    assert run("drift", "-", stdin=state(*managed)).code == 2
    managed[0]["outputs"]["__defaults"] = ["tags"]
    assert run("drift", "-", stdin=state(*managed)).code == 0


def test_a_mark_is_no_drift(run: Run, api: Emulator, managed: Resources) -> None:
    """The program does not give it, and nobody has changed a tag."""
    made = api.add(name="made", tags=["a", MARK])
    assert run("drift", "-", stdin=state(*managed, resource(api.instance(made)))).code == 0


# drift --html


def test_html_is_one_file_for_people(run: Run, api: Emulator, managed: list[dict[str, Any]], tmp_path: Path) -> None:
    """It says what differs, when and where, and needs no other file. The output and the exit code stay as they are."""
    box, crm = api.instances()
    api.change(box["id"], name="<script>alert(1)</script>", token="another-token")
    api.remove(crm["id"])
    api.add(tags=[mark_of(line_of(Place("p", "dev", "", "left")), 1)])
    file = tmp_path / "drift.html"
    done = run("drift", "-", "--html", file, stdin=state(*managed))
    assert done == run("drift", "-", stdin=state(*managed))
    assert done.code == 2
    page = file.read_text()
    for text in (
        "2 of 2 instances differ",
        f"{datetime.now(timezone.utc):%Y-%m-%d}",
        api.base_url,
        "the default account",
        "stdin",
        f"Instance <bdi>{box['id']}</bdi>, stack <bdi>p/dev</bdi>",
        "<bdi>box</bdi></td><td><bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>",
        "<bdi>[secret]</bdi></td><td><bdi>another [secret]</bdi>",
        "The instance no longer exists at the service",
        "see `pulumi-instances orphans STATE`",
    ):
        assert text in page, text
    secrets = (box["token"], "another-token", api.user_secret, api.organization_secret)
    assert [secret for secret in secrets if secret in page] == []
    assert "<script" not in page
    [style], [policy] = re.findall("<style>(.*?)</style>", page, re.DOTALL), re.findall("style-src '(.*?)'", page)
    assert policy == f"sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}"
    assert re.findall(r"src=|href=|url\(", page) == []


@pytest.mark.parametrize(
    ("held", "code", "said"),
    [
        ({}, 0, "No difference in 1 instance"),
        ({"token": ENCRYPTED}, 1, "Not everything was compared"),
        ({"name": "other"}, 2, "1 of 1 instance differs"),
    ],
)
def test_html_says_what_came_of_the_comparison(
    run: Run, managed: list[dict[str, Any]], tmp_path: Path, held: dict[str, Any], code: int, said: str
) -> None:
    """It is no pass where something could not be compared."""
    file = tmp_path / "drift.html"
    managed[0]["outputs"].update(held)
    assert run("drift", "-", "--html", file, stdin=state(managed[0])).code == code
    assert said in file.read_text()
    assert ("good" in re.findall('<p class="sum (.*?)">', file.read_text())) == (code == 0)


def test_html_must_be_writable_before_anything_is_asked(run: Run, api: Emulator, tmp_path: Path) -> None:
    done = run("drift", "-", "--html", tmp_path / "missing" / "drift.html", stdin=state())
    assert (done.code, done.out) == (1, "")
    assert "does not exist; create it" in done.err
    assert api.requests == []


# drift --watch


def test_watch_shows_changes_until_ctrl_c(
    run: Run, api: Emulator, managed: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each round is one line, whatever happens. The exit code is that of the last one."""
    (tmp_path / "state.json").write_text(state(*managed))
    box, _ = api.instances()
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        steps[len(waited) - 1]()

    def stop() -> None:
        raise KeyboardInterrupt

    steps = [
        lambda: api.change(box["id"], name="renamed"),
        lambda: api.change(box["id"], name="again"),
        lambda: api.fail("GET", None, Fault.status(401)),
        lambda: None,
        stop,
    ]
    monkeypatch.setattr("pulumi_instances.cli.watching.sleep", wait)
    done = run("drift", tmp_path / "state.json", "--watch", "5", "--html", tmp_path / "drift.html")
    renamed, again = (f"box {box['id']} name: box => {name}" for name in ("renamed", "again"))
    said = [line.partition(" ")[2] for line in done.out.splitlines()]
    assert said[3].startswith("not compared: ")
    assert [*said[:3], said[4]] == [
        "2 compared, 0 differ",
        f"2 compared, 1 differs; + {renamed}",
        f"2 compared, 1 differs; + {again}; - {renamed}",
        "2 compared, 1 differs",
    ]
    assert (done.code, done.err, waited) == (2, "", [5.0] * 5)
    assert "again" in (tmp_path / "drift.html").read_text()


def test_watch_ends_where_the_first_round_fails(run: Run, api: Emulator, tmp_path: Path) -> None:
    """The settings are wrong then. States that cannot be read again are refused."""
    (tmp_path / "state.json").write_text("{")
    assert (run("drift", tmp_path / "state.json", "--watch").code, api.requests) == (1, [])
    for options in (["-"], [tmp_path / "state.json", "--json"]):
        done = run("drift", *options, "--watch", stdin=state())
        assert (done.code, api.requests) == (1, [])
        assert "--watch writes lines and reads the states again" in done.err


# orphans


def test_what_a_stack_has_made_and_does_not_hold_is_an_orphan(run: Run, api: Emulator, managed: Resources) -> None:
    """What others have made, or nobody marked, is counted and not listed."""
    held, left, other = (
        api.add(name=name, tags=[mark])
        for name, mark in (("crm", MARK), ("crm again", f"{MARK[:-1]}2"), ("theirs", OF_ANOTHER_STACK))
    )
    stack = {"urn": "urn:pulumi:dev::shop::pulumi:pulumi:Stack::shop-dev", "type": "pulumi:pulumi:Stack"}
    done = run("orphans", "-", "--json", stdin=state(stack, managed[0], resource(api.instance(held))))
    assert (done.code, [(each["id"], each["managed_by"]) for each in json.loads(done.out)]) == (
        2,
        [(str(left), "shop/dev/crm")],
    )
    assert done.err == (
        "1 of 5 instances in no state\n2 instances of other stacks or without a mark not listed; --all lists them\n"
        "run `INSTANCES_TAKE_OVER=yes pulumi up` with the program that declares them; or delete them at the service\n"
    )
    api.remove(left)
    assert run("orphans", "-", stdin=state(stack, managed[0], resource(api.instance(held)))).code == 0
    assert str(other) in run("orphans", "-", "--all", stdin=state(stack, *managed)).out


def test_a_gate_that_knows_no_stack_does_not_pass(run: Run, api: Emulator) -> None:
    """A state without resources does not name its stack."""
    api.add(tags=[MARK])
    done = run("orphans", "-", stdin=state())
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("Error: stdin holds no resources, so it does not name its stack; use --stack NAME")


@pytest.mark.parametrize("name", ["dev", "acme/shop/dev", "acme/dev"])
def test_an_empty_stack_has_orphans_too(
    run: Run, api: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stack: Stack, name: str
) -> None:
    """After a lost state, or a `destroy`, its name says which marks are its own."""
    left = api.add(name="left", tags=[MARK])
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    monkeypatch.chdir(tmp_path)
    stack('{"deployment": {}}')
    done = run("orphans", "--stack", name, "--json")
    assert (done.code, [each["id"] for each in json.loads(done.out)]) == (2, [str(left)])


def test_all_that_no_state_holds_can_be_listed(run: Run, api: Emulator, managed: Resources, tmp_path: Path) -> None:
    """With --all, whoever made them. All given states are searched, and the exit code is 2."""
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    one.write_text(state(managed[0]))
    other.write_text(state(managed[1]))
    left = api.add(name="left over", tags=["x"])

    done = run("orphans", one, other, "--all", "--json")

    assert (done.code, done.err) == (2, "1 of 3 instances in no state\n")
    [orphan] = json.loads(done.out)
    assert (orphan["id"], orphan["name"], orphan["created"]) == (str(left), "left over", None)
    heading, row = run("orphans", one, other, "--all").out.splitlines()
    assert "left over" in row
    assert "created" not in heading  # this API does not report it
    assert len(json.loads(run("orphans", one, "--all", "--json").out)) == 2
    assert run("orphans", one, other, "--all", "--tag", "y").code == 0
    assert api.writes == []


def test_what_a_state_refers_to_is_no_orphan(run: Run, managed: Resources) -> None:
    """This holds in any account: an instance that somebody uses must not look free to delete."""
    theirs = {**managed[1], "external": True, "provider": f"{PROVIDER}eu::2"}
    assert run("orphans", "-", "--all", stdin=state(managed[0], theirs)) == Done(
        0, "", "0 of 2 instances in no state\n"
    )


def test_ids_of_two_accounts_are_told_apart(run: Run, api: Emulator, managed: Resources) -> None:
    """The state of another account, which has the same ids, hides nothing; where it cannot tell, the gate is red."""
    left = api.add(name="left", tags=[OF_ANOTHER_STACK])
    provider = {"urn": f"{PROVIDER}eu", "type": "pulumi:providers:pulumi-python", "inputs": {"instances:account": "eu"}}
    theirs = {**resource({**api.instance(left), "token": "another"}), "provider": f"{PROVIDER}eu::2"}
    done = run("orphans", "-", "--all", "--json", stdin=state(provider, theirs, *managed))
    assert (done.code, [each["id"] for each in json.loads(done.out)]) == (2, [str(left)])
    theirs["outputs"]["token"] = ENCRYPTED
    done = run("orphans", "-", "--all", stdin=state(provider, theirs, *managed))
    assert (done.code, done.out) == (1, "")
    assert "1 instance not compared: a state has the same id for another account" in done.err


def test_an_account_that_has_nothing_of_the_states_is_an_error(
    run: Run, api: Emulator, managed: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not that of the states: what it has looked free to delete, and without anything it looked fine."""
    other = api.add_account()
    for name, value in other.env.items():
        monkeypatch.setenv(name, value)
    for options in ([], ["--all"]):
        done = run("orphans", "-", *options, stdin=state(*managed))
        assert (done.code, done.out) == (1, "")
        assert "none of the 2 instances of the states is in this account; check" in done.err
        api.add(account=other)


def test_orphans_can_be_selected_by_age(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API has to report creation times. Instances of unknown age are left out, and the command says so."""
    made = [datetime.now(timezone.utc) - timedelta(days=days) for days in (40, 20)]
    dates: list[str | None] = [moment.isoformat() for moment in made]
    with _served(monkeypatch, [*dates, None]):
        done = run("orphans", "-", "--all", "--older-than", "30d", "--json", stdin=state())
    assert done.code == 2
    assert [each["id"] for each in json.loads(done.out)] == ["1"]
    assert "1 instance left out, since the API does not report when they were created" in done.err


@pytest.mark.usefixtures("api")
def test_a_gate_that_knows_no_ages_does_not_pass(run: Run) -> None:
    """The API document has no creation time."""
    done = run("orphans", "-", "--all", "--older-than", "4w", stdin=state())
    assert (done.code, done.out) == (1, "")
    assert "2 instances in no state, but of unknown age" in done.err


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("age", ["30", "d", "-1d", "1y", "999999d"])
def test_an_age_is_a_number_and_a_unit(run: Run, age: str) -> None:
    """The command refuses anything else with a message."""
    done = run("orphans", "-", "--all", f"--older-than={age}", stdin=state())
    assert done.code == 1
    assert "such as 30d" in done.err


@contextmanager
def _served(monkeypatch: pytest.MonkeyPatch, dates: list[str | None]) -> Iterator[None]:
    """An API that tells when its instances were made."""
    listing: list[dict[str, Any]] = [
        {"id": number, "name": "x", "token": "t", "your_mom": {"key": "box"}, "tags": [], "createdDate": date}
        for number, date in enumerate(dates, 1)
    ]
    with ScriptedServer(answer(200, listing)) as server:
        monkeypatch.setenv("INSTANCES_BASE_URL", server.base_url)
        monkeypatch.setenv("INSTANCES_USER_SECRET", "u")
        monkeypatch.setenv("INSTANCES_ORGANIZATION_SECRET", "o")
        yield
