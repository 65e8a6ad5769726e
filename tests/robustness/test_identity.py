"""No id is believed: an instance is ours by its token or its mark, in any account, on any machine.

What an answer proves is in tests/unit: test_proof, test_creation, test_client, and test_transport for proxies.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Emulator, Fault
from tests.acceptance.conftest import NewStack, needs_cli
from tests.robustness.running import providers, unlock, up
from tests.support.checks import assert_ends_empty, assert_settled, calls
from tests.support.harness import Harness, settings
from tests.support.processes import COMMAND, until

on_the_cli = pytest.mark.parametrize(
    "engine", [pytest.param(name, marks=needs_cli) for name in ("cli", "cli-native")], indirect=True
)
on_the_native_cli = pytest.mark.parametrize("engine", [pytest.param("cli-native", marks=needs_cli)], indirect=True)
kills = pytest.mark.skipif(sys.platform != "linux", reason="finds processes through /proc")

ONE = '    Instance("crm", your_mom="dropbox", name="crm", tags={tags})\n'
TWO = """
    first = Instance("first", your_mom="dropbox", name="first")
    Instance("second", your_mom="dropbox", name="second")
"""


BOXES = """
    for number in range({count}):
        Instance(f"box-{{number}}", your_mom="dropbox", tags={tags})
"""


def boxes(count: int, tags: str = '["a"]') -> str:
    return BOXES.format(count=count, tags=tags)


def held(stack: Harness) -> dict[str, tuple[str, Any]]:
    """The id and the token that the state has of each instance."""
    return {name: (each["id"], each["outputs"]["token"]) for name, each in stack.instances().items()}


def held_ids(stack: Harness) -> list[str]:
    return sorted((each["id"] for each in stack.resources() if each["type"] == stack.instance_type), key=int)


def ids(api: Emulator) -> list[str]:
    return [str(instance["id"]) for instance in api.instances()]


def posts(api: Emulator) -> int:
    return calls(api).count("POST /instances")


def urn(stack: Harness, name: str) -> str:
    return str(stack.instances()[name]["urn"])


@contextmanager
def environment(stack: Harness, changed: Mapping[str, str]) -> Iterator[None]:
    """Operations in the block run in a shell with these variables."""
    before = dict(stack.env)
    stack.env.update(changed)
    yield
    stack.env.clear()
    stack.env.update(before)


def run(stack: Harness, *command: str) -> str:
    """What a command prints that succeeds in the project's directory."""
    done = stack.command(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def fails(stack: Harness, operation: Callable[[], object], said: str) -> str:
    """The error of an operation, which matches this as the front end says it."""
    with pytest.raises(auto.CommandError, match=stack.say(said)) as failure:
        operation()
    return str(failure.value)


YES = {"INSTANCES_TAKE_OVER": "yes"}
NO = {"INSTANCES_TAKE_OVER": "no"}


# 1. another account


@pytest.fixture
def other(instances_dialect: str) -> Iterator[Emulator]:
    """Another service, which gives its ids from the first one on."""
    with Emulator(dialect=instances_dialect, demand_codes=False) as api:
        yield api


@on_the_cli
def test_in_another_account_nothing_is_changed_stored_or_deleted(
    stack: Harness, instances_api: Emulator, other: Emulator
) -> None:
    """The variables of another service are in the shell; with those of ours everything is as it was."""
    instances_api.restart_ids()
    for number in range(3):
        other.add(name=f"box-{number}", tags=["theirs"])
    stack.program(boxes(3))
    stack.up()
    before, strangers = held(stack), other.instances()
    assert ids(instances_api) == ids(other)
    stack.program(boxes(3, '["changed"]'))
    operations: list[Callable[[], object]] = [
        stack.refresh,
        stack.up,
        lambda: stack.up(refresh=True),
        stack.destroy,
    ]

    with stack.later(), environment(stack, other.env):
        for operation in operations:
            fails(stack, operation, "instance")
            assert held(stack) == before
            assert (other.instances(), other.writes) == (strangers, [])
            assert not any(each["token"] in text for each in strangers for text in stack.said)

    stack.up()
    assert held(stack) == before
    assert [instance["tags"] for instance in instances_api.instances()] == [["changed"]] * 3
    assert_ends_empty(stack, instances_api)


SWAPPED = """
    def reach(name, url, user, organization):
        return account(
            name, base_url=url, user_secret=user, organization_secret=organization, settings={{"dialect": "{dialect}"}}
        )

    one, two = reach("one", *{one!r}), reach("two", *{two!r})
    Instance("crm", your_mom="dropbox", name="crm", tags={tags!r}, opts=pulumi.ResourceOptions(provider={provider}))
"""


@on_the_cli
def test_another_provider_in_the_program_touches_no_stranger(
    stack: Harness, instances_api: Emulator, other: Emulator, instances_dialect: str
) -> None:
    """Either the engine makes a new one there and deletes ours here, or it is an error, and ours stays."""
    instances_api.restart_ids()
    stranger = other.add(name="crm")
    before = other.instance(stranger)
    reached = {
        name: (api.base_url, api.user_secret, api.organization_secret)
        for name, api in (("one", instances_api), ("two", other))
    }
    options = {"dialect": instances_dialect, **reached}
    stack.program(SWAPPED.format(**options, tags=["a"], provider="one"))
    stack.up()
    assert ids(instances_api) == [str(stranger)]

    for tags in (["a"], ["b"]):
        stack.program(SWAPPED.format(**options, tags=tags, provider="two"))
        with suppress(auto.CommandError):
            stack.up()

    with suppress(auto.CommandError):
        stack.refresh()
    assert other.instance(stranger) == before
    there = [*instances_api.instances(), *other.instances()]
    there.remove(before)
    assert [(str(each["id"]), each["token"]) for each in there] == [
        (found, json.loads(token["plaintext"])) for found, token in held(stack).values()
    ]


# 2. imports

BESIDE = '    Instance("other", your_mom="dropbox", name="first", opts=pulumi.ResourceOptions(import_="{id}"))\n'


@on_the_native_cli
@pytest.mark.parametrize("mark", ["true", "false"])
def test_what_another_resource_holds_is_not_imported(stack: Harness, instances_api: Emulator, mark: str) -> None:
    """Whatever is left in the state of the attempt, the end of the import deletes nothing."""
    stack.env["INSTANCES_MARK"] = mark
    stack.program(TWO)
    stack.up()
    wanted = ids(instances_api)
    imported = BESIDE.format(id=stack.instances()["first"]["id"])
    for program in (imported + TWO, TWO + imported):
        stack.program(program)
        fails(stack, stack.up, "manages it|held by two resources")

        stack.program(TWO)
        stack.up()
        assert (ids(instances_api), held_ids(stack)) == (wanted, wanted)
    assert_ends_empty(stack, instances_api)


@on_the_native_cli
def test_pulumi_import_leaves_what_another_resource_holds(stack: Harness, instances_api: Emulator) -> None:
    """The command knows nothing of the other resource, but the instance says whose it is."""
    stack.program(TWO)
    stack.up()
    there = stack.instances()["first"]["id"]

    command = ("pulumi", "import", "--yes", "--non-interactive", "--stack", "dev", "--generate-code=false")
    done = stack.command(*command, "instances:index:Instance", "other", there)

    assert done.returncode != 0
    assert "manages it, as its tags say" in done.stdout + done.stderr
    assert sorted(stack.instances()) == ["first", "second"]
    by_hand = instances_api.add(name="by hand")
    run(stack, *command, "instances:index:Instance", "other", str(by_hand))
    assert stack.instances()["other"]["id"] == str(by_hand)

    stack.program(TWO + '    Instance("other", your_mom="dropbox", name="new name")\n')
    run(stack, "pulumi", "state", "unprotect", "--all", "--yes", "--stack", "dev")
    stack.up()
    assert instances_api.instance(by_hand)["managed_by"] == "acceptance/dev/other", "by its first update"
    assert_ends_empty(stack, instances_api)


def assert_ends_empty_but(stack: Harness, api: Emulator, left: list[str]) -> None:
    stack.destroy()
    assert (held_ids(stack), ids(api)) == ([], left)


@on_the_cli
def test_what_was_moved_and_then_taken_over_has_one_owner(stack: Harness, instances_api: Emulator) -> None:
    """`state move` keeps the mark, so the old stack can take it back; the new one then leaves it alone."""
    stack.env.update(instances_api.env)
    stack.program(ONE.format(tags=[]))
    stack.up()
    made = ids(instances_api)
    run(stack, "pulumi", "stack", "init", "prod", "--no-select")
    move = ("pulumi", "state", "move", "--source", "dev", "--dest", "prod", "--yes", "--include-parents")
    run(stack, *move, urn(stack, "crm"))
    with environment(stack, YES):
        stack.up()
    stack.program(ONE.format(tags=["changed"]))

    done = stack.command("pulumi", "up", "--yes", "--skip-preview", "--stack", "prod")
    assert "acceptance/dev/crm manages it, so nothing was done" in done.stdout + done.stderr
    said = run(stack, "pulumi", "destroy", "--yes", "--skip-preview", "--stack", "prod")

    assert f"instance {made[0]} is not deleted" in said
    assert (ids(instances_api), held_ids(stack)) == (made, made)
    assert_ends_empty(stack, instances_api)


@on_the_cli
@pytest.mark.parametrize("renamed", ["resource", "stack"])
def test_a_rename_that_was_cut_off_loses_nothing(stack: Harness, instances_api: Emulator, renamed: str) -> None:
    """The instance has the mark of the new name, and the state that of the old one, whichever it goes on with."""
    stack.env.update(instances_api.env)
    stack.program(ONE.format(tags=["a"]))
    stack.up()
    made = ids(instances_api)
    name = "dev" if renamed == "resource" else "prod"
    ends = ("--yes", "--skip-preview", "--stack", name)
    alias = ', opts=pulumi.ResourceOptions(aliases=[pulumi.Alias(name="crm")])'
    if renamed == "resource":
        stack.program(ONE.format(tags=["b"]).replace('Instance("crm"', 'Instance("new"').replace("])", f"]{alias})"))
    else:
        run(stack, "pulumi", "stack", "rename", "--stack", "dev", "prod")
        stack.program(ONE.format(tags=["b"]))
    instances_api.fail("PUT", "/instances/{id}", Fault.status_after(400))
    assert stack.command("pulumi", "up", *ends).returncode != 0

    done = stack.command("pulumi", "destroy", *ends)

    if renamed == "resource":  # the end of its mark is the same
        assert (done.returncode, instances_api.instances()) == (0, [])
        return
    assert "was cut off, or another one has it, so nothing was done" in done.stdout + done.stderr
    assert ids(instances_api) == made
    stack.program(ONE.format(tags=["c"]))
    run(stack, "pulumi", "up", *ends)
    assert instances_api.instances()[0]["managed_by"] == f"acceptance/{name}/crm"
    run(stack, "pulumi", "destroy", *ends)
    assert instances_api.instances() == []


# 3. an answer that is not about our request


@on_the_cli
def test_an_instance_that_existed_is_no_answer_to_a_post(stack: Harness, instances_api: Emulator) -> None:
    """The service allows a name once, or a cache answers; where the account cannot be listed, the mark is missing."""
    there = instances_api.add(name="crm", tags=["theirs"])
    before = instances_api.instance(there)
    stack.program(ONE.format(tags=[]))
    for listed in (True, False):
        if not listed:
            instances_api.fail("GET", "/instances", Fault.status(403), times=9)
        instances_api.fail("POST", "/instances", Fault.answer_existing(there))
        fails(stack, stack.up, f"the API answered with instance {there}")
        assert held(stack) == {}
    stack.destroy()
    assert instances_api.instances() == [before]


# 4. what a machine would remember


@on_the_cli
def test_two_stacks_of_one_name_share_an_account(new_stack: NewStack, instances_api: Emulator) -> None:
    """Their backends do not know of each other, and their marks are of one line: each keeps what it has made."""
    first, second = new_stack(), new_stack()
    for stack in (first, second):
        stack.configure(settings(instances_api))
        stack.program(ONE.format(tags=[]))
    first.up()
    [of_first] = ids(instances_api)

    fails(second, second.up, f"instance {of_first} carries the mark of this resource already")
    assert (ids(instances_api), held_ids(second)) == ([of_first], [])
    with environment(second, NO):
        second.up()
    [of_second] = held_ids(second)
    assert ids(instances_api) == [of_first, of_second]

    for stack, its in ((first, of_first), (second, of_second)):
        stack.program(ONE.format(tags=["changed"]))
        stack.up(refresh=True)
        assert held_ids(stack) == [its]
    assert_ends_empty_but(first, instances_api, [of_second])
    assert_ends_empty_but(second, instances_api, [])


@on_the_cli
def test_ids_that_start_again_are_those_of_strangers(stack: Harness, instances_api: Emulator) -> None:
    """The service was set up anew: the same secrets, the same ids, other instances. One setting confirms it."""
    instances_api.restart_ids()
    stack.program(boxes(2))
    stack.up()
    before = held(stack)
    instances_api.reset()
    instances_api.restart_ids()
    strangers = [instances_api.add(name=f"box-{number}", tags=["a"]) for number in range(2)]
    shown = instances_api.instances()
    assert held_ids(stack) == [str(each) for each in strangers]

    with stack.later():
        for operation in (stack.refresh, stack.destroy):
            fails(stack, operation, "has another instance")
            assert (held(stack), instances_api.instances(), instances_api.writes) == (before, shown, [])

    with stack.later(), environment(stack, {"INSTANCES_CONFIRM_GONE": "true"}):
        stack.refresh()
    assert (held(stack), instances_api.writes) == ({}, [])
    stack.up()
    assert_ends_empty_but(stack, instances_api, [str(each) for each in strangers])


@on_the_cli
def test_what_the_state_has_forgotten_is_found_by_its_mark(stack: Harness, instances_api: Emulator) -> None:
    """On another machine, too: after `pulumi state delete` the API alone knows."""
    stack.program(TWO)
    stack.up()
    made, first = ids(instances_api), stack.instances()["first"]["id"]
    run(stack, "pulumi", "state", "delete", "--yes", "--stack", "dev", urn(stack, "first"))
    stack.env["PULUMI_HOME"] = str(stack.directory / "another-home")

    said = fails(stack, stack.up, f"instance {first} carries the mark of this resource already")
    assert "INSTANCES_TAKE_OVER=yes pulumi up" in said
    with environment(stack, YES):
        stack.up()

    assert (held_ids(stack), ids(instances_api), posts(instances_api)) == (made, made, 2)
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


def _up_tainted(stack: Harness) -> None:
    run(stack, "pulumi", "state", "taint", "--yes", "--stack", "dev", urn(stack, "first"))
    stack.up()


def _replaced(options: str, connector: str = "dropbox") -> str:
    options = f"opts=pulumi.ResourceOptions({options})"
    return TWO.replace('"dropbox", name="first"', f'"{connector}", name="first", {options}')


WITHOUT = TWO.replace("first = ", "").replace('    Instance("first", your_mom="dropbox", name="first")\n', "")
BEFORE = _replaced("delete_before_replace=True", "box")

Play = Callable[[Harness], object]
BOTH = {"first", "second"}
PLAYS: dict[str, tuple[str, Play, set[str], int]] = {
    # the program, the operation, the names that are left, and how many of them are new
    "up": (TWO, lambda stack: stack.up(), BOTH, 2),
    "--replace": (TWO, lambda stack: stack.up(replace=[urn(stack, "first")]), BOTH, 1),
    "taint": (TWO, _up_tainted, BOTH, 1),
    "up with an option": (_replaced("delete_before_replace=True"), lambda stack: stack.up(), BOTH, 0),
    "taint, deleted before": (_replaced("delete_before_replace=True"), _up_tainted, BOTH, 1),
    "delete before replace": (BEFORE, lambda stack: stack.up(), BOTH, 1),
    "another connector": (_replaced("replacement_trigger='a'"), lambda stack: stack.up(), BOTH, 1),
    "replacement trigger": (_replaced("replacement_trigger='b'"), lambda stack: stack.up(), BOTH, 1),
    "alias": (
        _replaced("aliases=[pulumi.Alias(name='first')]").replace('Instance("first"', 'Instance("third"'),
        lambda stack: stack.up(),
        {"second", "third"},
        0,
    ),
    "up --exclude": (WITHOUT, lambda stack: stack.up(exclude=[urn(stack, "second")]), {"second"}, 0),
    "up again": (TWO, lambda stack: stack.up(), BOTH, 1),
    "up --refresh that drops one": (WITHOUT, lambda stack: stack.up(refresh=True), {"second"}, 0),
    "up once more": (TWO, lambda stack: stack.up(), BOTH, 1),
    "destroy --run-program --target": (
        TWO,
        lambda stack: stack.destroy(run_program=True, target=[urn(stack, "first")]),
        {"second"},
        0,
    ),
    "destroy --run-program": (TWO, lambda stack: stack.destroy(run_program=True), set(), 0),
}


@pytest.mark.parametrize(
    ("engine", "mark"),
    [pytest.param("cli", "false", marks=needs_cli), pytest.param("cli-native", "true", marks=needs_cli)],
    indirect=["engine"],
)
def test_nothing_is_orphaned_and_nothing_of_others_deleted(stack: Harness, instances_api: Emulator, mark: str) -> None:
    """State and API hold the same after each operation, and the instance of somebody else is as it was."""
    stranger = instances_api.add(name="first")
    before = instances_api.instance(stranger)
    stack.env.update(INSTANCES_MARK=mark, **NO)
    made: list[str] = []
    for play, (program, operation, left, new) in PLAYS.items():
        stack.program(program)
        operation(stack)
        assert set(stack.instances()) == left, play
        assert sorted([*held_ids(stack), str(stranger)], key=int) == ids(instances_api), play
        assert len({*held_ids(stack)} - {*made}) == new, play
        assert instances_api.instance(stranger) == before, play
        made = held_ids(stack)


@on_the_cli
def test_a_replacement_that_takes_over_deletes_nothing(stack: Harness, instances_api: Emulator) -> None:
    """`--replace` does not tell the provider that the state holds one: asked, it says so; with `yes` it keeps it."""
    stack.program(TWO)
    stack.up()
    made = ids(instances_api)

    said = fails(stack, lambda: stack.up(replace=[urn(stack, "first")]), "carries the mark of this resource already")
    assert "INSTANCES_TAKE_OVER=no pulumi up" in said
    with environment(stack, YES):
        stack.up(replace=[urn(stack, "first")])

    assert (ids(instances_api), held_ids(stack)) == (made, made)
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


@pytest.mark.parametrize(
    ("engine", "mark"),
    [pytest.param("cli", "false", marks=needs_cli), pytest.param("cli-native", "true", marks=needs_cli)],
    indirect=["engine"],
)
def test_adopt_id_takes_nothing_from_another_resource(stack: Harness, instances_api: Emulator, mark: str) -> None:
    """It is so in a run that looks at the new resource only, and when the old one leaves the program in the same run.

    Without a mark, both hold it then, and it is deleted with the last of them.
    """
    stack.env["INSTANCES_MARK"] = mark
    stack.program(TWO)
    stack.up()
    made = ids(instances_api)
    adopting = f'    Instance("third", your_mom="dropbox", name="first", adopt_id="{made[0]}")\n'
    third = urn(stack, "first").replace("::first", "::third")
    for program, options in ((TWO + adopting, {"target": [third]}), (WITHOUT + adopting, {})):
        stack.program(program)
        with suppress(auto.CommandError):
            stack.up(**options)
            assert mark == "false", "it says whose it is"
        assert ids(instances_api) == made
        assert {*held_ids(stack)} == {*made}

    stack.program(TWO)
    stack.up()

    assert held_ids(stack) == ids(instances_api)
    assert held_ids(stack) == made or mark == "false"
    assert_ends_empty(stack, instances_api)


# 5. a run that is dead creates nothing


@kills
@pytest.mark.parametrize(
    ("engine", "waiting"),
    [pytest.param("cli", "queued", marks=needs_cli), pytest.param("cli-native", "429", marks=needs_cli)],
    indirect=["engine"],
)
def test_a_dead_run_sends_nothing_more(stack: Harness, instances_api: Emulator, waiting: str) -> None:
    """Creates that wait for their turn, or for the end of a 429, are given up with the engine; the next run has all."""
    stack.env.update(instances_api.env)
    if waiting == "queued":
        stack.env["INSTANCES_PARALLELISM"] = "2"
        instances_api.fail("POST", "/instances", Fault.delay(2.0), times=2)
    else:
        instances_api.fail("POST", "/instances", Fault.status(429, headers={"retry-after": "2"}), times=99)
    stack.program(boxes(6))
    with up(stack) as running:
        until(lambda: posts(instances_api) >= 2)
        running.kill()
        running.wait()
        pause = threading.Event()
        pause.wait(0.5)  # what had left when it was killed has arrived
        sent = posts(instances_api)
        pause.wait(5)
        assert posts(instances_api) == sent
        until(lambda: providers(stack.env["PULUMI_HOME"]) == [])
        unlock(stack)
    instances_api._faults.clear()
    with environment(stack, YES):
        stack.up()

    assert held_ids(stack) == ids(instances_api)
    assert len(ids(instances_api)) == 6
    assert_ends_empty(stack, instances_api)


# 6. a search adopts nothing of others


@kills
@pytest.mark.parametrize(
    ("engine", "mark"),
    [pytest.param("cli", "true", marks=needs_cli), pytest.param("cli-native", "false", marks=needs_cli)],
    indirect=["engine"],
)
def test_a_search_takes_nothing_that_somebody_else_makes_meanwhile(
    stack: Harness, instances_api: Emulator, mark: str
) -> None:
    """Our POST makes nothing; an instance of the same name appears. Without a mark the error names the candidate."""
    stack.env.update(INSTANCES_MARK=mark, INSTANCES_CREATE_TIMEOUT="4")
    stack.program(ONE.format(tags=["a"]))
    instances_api.fail("POST", "/instances", Fault.drop_before().delayed(1.0))
    with up(stack) as running:
        until(lambda: posts(instances_api) == 1)
        theirs = instances_api.add(name="crm", tags=["a"])
        before = instances_api.instance(theirs)
        code, said = running.wait()

    assert code != 0
    assert (f'"{theirs}"' in said) == (mark == "false"), said
    assert held(stack) == {}
    assert instances_api.instances() == [before]
    if mark == "true":
        stack.up()
        assert held_ids(stack) == ids(instances_api)[1:]
        assert_ends_empty_but(stack, instances_api, [str(theirs)])


# 7. what a killed create has left


def _killed_in_create(stack: Harness, api: Emulator) -> str:
    """Kill the `up` of the program while its one create is under way; return the id of what that makes."""
    api.fail("POST", "/instances", Fault.delay(1.5))
    with up(stack) as running:
        until(lambda: posts(api) == 1)
        running.kill()
        running.wait()
        until(lambda: len(api.instances()) == 1)
        until(lambda: running.plugins() == [])  # the plugin ends what it has begun, and itself
    unlock(stack)
    [made] = ids(api)
    return made


@kills
@on_the_cli
def test_what_a_killed_create_has_left_is_taken_over(stack: Harness, instances_api: Emulator) -> None:
    """First it is an error that names it and the command; with `yes` it is ours, and no second one is made.

    Without the resource, `up` has nothing to say, and `orphans` finds what it has left. Later all is different: name,
    tags and code in the program, the machine, and what the service has made of what it was sent.
    """
    stack.env.update(instances_api.env)
    stack.program(ONE.format(tags=["a"]).replace("tags=", 'provider_data={"code": "c0de-1"}, tags='))
    made = _killed_in_create(stack, instances_api)
    stack.program("")
    stack.up()
    assert made in stack.command(*COMMAND, "orphans", "--stack", "dev").stdout
    program = ONE.format(tags=["other"]).replace('name="crm"', 'name="other"')
    stack.program(program.replace("tags=", 'provider_data={"code": "c0de-2"}, tags='))
    stack.env["PULUMI_HOME"] = str(stack.directory / "another-home")
    instances_api.change(made, name="<CRM>", tags=["A", "of the service"])

    said = fails(stack, stack.up, f"instance {made} carries the mark of this resource already")
    assert "INSTANCES_TAKE_OVER=yes pulumi up" in said
    assert held(stack) == {}
    with environment(stack, YES):
        stack.up()

    assert (held_ids(stack), ids(instances_api), posts(instances_api)) == ([made], [made], 1)
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


@kills
@on_the_cli
def test_what_a_killed_create_has_left_without_a_mark_is_named(stack: Harness, instances_api: Emulator) -> None:
    """It is never taken over; the user adopts it, or says that it is another's."""
    stack.env.update(instances_api.env, INSTANCES_MARK="false", INSTANCES_CREATE_TIMEOUT="4")
    stack.program(ONE.format(tags=["a"]))
    made = _killed_in_create(stack, instances_api)

    fails(stack, stack.up, f'set adopt_id="{made}"')

    assert (held(stack), posts(instances_api)) == ({}, 1)
    stack.program(ONE.format(tags=["a"]).replace("tags=", f'adopt_id="{made}", tags='))
    stack.up()
    assert (held_ids(stack), ids(instances_api)) == ([made], [made])
    assert_ends_empty(stack, instances_api)


# 8. a service that shows new instances late


@on_the_cli
def test_what_is_not_visible_yet_is_neither_dropped_nor_made_twice(stack: Harness, instances_api: Emulator) -> None:
    """Whatever is asked too early, the state keeps it; what becomes visible in time is no error at all."""
    instances_api.lag(2.0)
    stack.program(boxes(3))
    stack.up()
    before = held(stack)
    assert held_ids(stack) == ids(instances_api)

    instances_api.lag(1000.0)
    for operation in (stack.refresh, stack.destroy):
        fails(stack, operation, "may not be visible yet")
        assert held(stack) == before

    end = threading.Timer(4.0, lambda: instances_api.lag(0))
    end.start()
    stack.refresh()
    end.join()
    assert held(stack) == before
    assert posts(instances_api) == 3
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)
