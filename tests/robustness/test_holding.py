"""An instance that a resource of the state holds is never deleted on behalf of another resource."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi.automation as auto
import pytest

from pulumi_instances.api.crash_notes import CrashNotes
from pulumi_instances.api.home import LONGEST_MEMORY, Home
from pulumi_instances.core.config import Settings
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.checks import assert_ends_empty, assert_settled, calls
from tests.support.harness import Harness

FIRST = """
    Instance("first", your_mom="dropbox", name="mine")
"""
MOVED = """
    second = Instance("second", your_mom="dropbox", name="mine", adopt_id="{id}")
"""
BROKEN = (
    MOVED
    + """
    Instance("broken", your_mom="box", opts=pulumi.ResourceOptions(depends_on=[second]))
"""
)


@pytest.fixture
def first(stack: Harness, instances_api: Emulator) -> str:
    """The id of an instance that the resource `first` has made."""
    stack.program(FIRST)
    stack.up()
    return str(instances_api.instances()[0]["id"])


def urn(stack: Harness, name: str) -> str:
    return str(stack.instances()[name]["urn"])


def held(stack: Harness) -> dict[str, str]:
    return {name: resource["id"] for name, resource in stack.instances().items()}


def ids(api: Emulator) -> list[str]:
    return [str(instance["id"]) for instance in api.instances()]


def taint(stack: Harness) -> None:
    """Mark a resource like `pulumi state taint`."""
    deployment = stack.export()
    assert deployment.deployment is not None
    for resource in deployment.deployment["resources"]:
        if resource["urn"].endswith("::first"):
            resource["taint"] = True
    stack.import_(deployment)


def fail_to_move(stack: Harness, api: Emulator, instance_id: str) -> None:
    """`second` adopts the instance; another resource fails, so that the engine does not come to delete `first`."""
    stack.program(BROKEN.format(id=instance_id))
    api.fail("POST", "/instances", Fault.status(403))
    with pytest.raises(auto.CommandError, match="403"):
        stack.up()
    assert held(stack) == {"first": instance_id, "second": instance_id}


def test_a_move_whose_up_failed_elsewhere_is_ended_by_the_next(
    stack: Harness, instances_api: Emulator, first: str
) -> None:
    fail_to_move(stack, instances_api, first)

    stack.program(MOVED.format(id=first))
    stack.up()

    assert (held(stack), ids(instances_api)) == ({"second": first}, [first])
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


def test_a_move_on_another_machine_is_ended_by_the_next(
    stack: Harness, instances_api: Emulator, first: str, tmp_path: Path
) -> None:
    """Only the state is left of the first run."""
    fail_to_move(stack, instances_api, first)
    stack.env["PULUMI_HOME"] = str(tmp_path / "another-home")

    stack.program(MOVED.format(id=first))
    stack.up()

    assert (held(stack), ids(instances_api)) == ({"second": first}, [first])


def test_a_move_in_an_up_that_refreshes_first(stack: Harness, instances_api: Emulator, first: str) -> None:
    """A refresh calls Diff for the old resource as well, which the program no longer declares."""
    stack.program(MOVED.format(id=first))

    stack.up(refresh=True)

    assert (held(stack), ids(instances_api)) == ({"second": first}, [first])


@pytest.mark.needs_engine("--target")
def test_a_failed_move_outlives_a_refresh(stack: Harness, instances_api: Emulator, first: str) -> None:
    fail_to_move(stack, instances_api, first)
    stack.refresh()

    stack.destroy(target=[urn(stack, "first")])

    assert (held(stack), ids(instances_api)) == ({"second": first}, [first])


@pytest.mark.needs_engine("--target")
def test_a_move_with_a_target_is_ended_by_the_next(stack: Harness, instances_api: Emulator, first: str) -> None:
    stack.program(MOVED.format(id=first))
    stack.up(target=[urn(stack, "first").replace("::first", "::second")])
    assert held(stack) == {"first": first, "second": first}

    stack.up()

    assert (held(stack), ids(instances_api)) == ({"second": first}, [first])


def test_a_move_that_is_taken_back_leaves_the_instance_to_the_old_resource(
    stack: Harness, instances_api: Emulator, first: str
) -> None:
    """The new one goes and spares it; from then on the old one alone has it, and destroys it."""
    fail_to_move(stack, instances_api, first)
    stack.program(FIRST)
    stack.up()
    assert (held(stack), ids(instances_api)) == ({"first": first}, [first])

    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


def test_what_another_stack_has_adopted_stays_its_own(stack: Harness, instances_api: Emulator, first: str) -> None:
    """This stack still declares it for a while, and no `up` in between takes it back."""
    [kept] = [Path(stack.env["PULUMI_HOME"]) / "pulumi-instances" / "kept"]
    fail_to_move(stack, instances_api, first)
    [file] = kept.glob("*/*.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), "stack": "organization/acceptance/prod"}))
    stack.program(FIRST)
    stack.up()

    stack.destroy()

    assert ids(instances_api) == [first]


BEFORE = """
    Instance(
        "first",
        your_mom="dropbox",
        adopt_id="{id}",
        opts=pulumi.ResourceOptions(delete_before_replace=True),
    )
"""


@pytest.mark.needs_engine("--replace and taint")
@pytest.mark.parametrize("how", ["--replace", "taint"])
def test_what_adopt_id_names_is_not_deleted_before_it_is_replaced(
    stack: Harness, instances_api: Emulator, how: str
) -> None:
    """The replacement would adopt an instance that is gone. Without `adopt_id` it is replaced."""
    there = by_hand(instances_api)
    stack.program(BEFORE.format(id=there))
    stack.up()
    target: dict[str, Any] = {"replace": [urn(stack, "first")]} if how == "--replace" else {}
    if how == "taint":
        taint(stack)

    said = stack.say(f"delete instance {there}: it is not deleted, since adopt_id names it")
    with pytest.raises(auto.CommandError, match=said):
        stack.up(**target)

    assert ids(instances_api) == [there]
    stack.program(BEFORE.format(id=there).replace(f'adopt_id="{there}",', ""))
    stack.up(**target)
    assert list(held(stack).values()) == ids(instances_api) != [there]
    assert_ends_empty(stack, instances_api)


@pytest.mark.needs_engine("delete_before_replace")
@pytest.mark.document_dialect
def test_what_adopt_id_names_is_not_deleted_with_what_it_depends_on(stack: Harness, instances_api: Emulator) -> None:
    """The engine deletes it before it knows the new value, and so before anything is checked."""
    there = by_hand(instances_api)
    program = """
        base = Instance("base", your_mom="{}", opts=pulumi.ResourceOptions(delete_before_replace=True))
        Instance("first", your_mom="dropbox", adopt_id="{}", configuration={{"ref": base.id}})
    """
    stack.program(program.format("box", there))
    stack.up()
    stack.program(program.format("sfdc", there))

    with pytest.raises(auto.CommandError, match=stack.say("adopt_id")):
        stack.up()

    assert there in ids(instances_api)
    assert held(stack)["first"] == there


@pytest.mark.needs_engine("--target")
def test_the_old_resource_of_a_failed_move_is_destroyed_alone(
    stack: Harness, instances_api: Emulator, first: str
) -> None:
    """The engine looks at no resource but the target."""
    fail_to_move(stack, instances_api, first)

    stack.destroy(target=[urn(stack, "first")])

    assert (held(stack), ids(instances_api)) == ({"second": first}, [first])
    assert_ends_empty(stack, instances_api)


def test_the_new_resource_of_a_failed_move_deletes_what_it_holds(
    stack: Harness, instances_api: Emulator, first: str
) -> None:
    fail_to_move(stack, instances_api, first)

    stack.destroy()

    assert (held(stack), ids(instances_api)) == ({}, [])


def test_a_move_to_an_explicit_provider_of_the_account(
    stack: Harness, instances_api: Emulator, instances_dialect: str, first: str
) -> None:
    """Each provider is a process of its own: one adopts, and the other is asked to delete."""
    program = f"""
        same = account(
            "same",
            base_url="{instances_api.base_url}",
            user_secret=pulumi.Config("instances").require_secret("userSecret"),
            organization_secret=pulumi.Config("instances").require_secret("organizationSecret"),
            settings={{"dialect": "{instances_dialect}"}},
        )
        Instance(
            "second",
            your_mom="dropbox",
            name="mine",
            adopt_id="{first}",
            opts=pulumi.ResourceOptions(provider=same),
        )
    """
    stack.program(program)

    stack.up()

    assert (held(stack), ids(instances_api)) == ({"second": first}, [first])
    assert_ends_empty(stack, instances_api)


def test_an_adoption_that_fails_leaves_the_instance_to_its_resource(
    stack: Harness, instances_api: Emulator, first: str
) -> None:
    """The adoption claims it, and then its PUT is refused: it is neither deleted nor forgotten."""
    stack.program(MOVED.format(id=first).replace('"mine"', '"other"'))
    instances_api.fail("PUT", None, Fault.status(403))
    with pytest.raises(auto.CommandError, match="403"):
        stack.up(**({"continue_on_error": True} if stack.engine != "local" else {}))

    assert (held(stack), ids(instances_api)) == ({"first": first}, [first])
    stack.up()
    assert (held(stack), ids(instances_api)) == ({"second": first}, [first])


# notes of interrupted creates


def leave_note(stack: Harness, api: Emulator) -> Path:
    """An `up` whose create is lost: the object does not come up, and a note of it stays."""
    stack.program(FIRST)
    api.fail("POST", "/instances", Fault.status(500))
    with pytest.raises(auto.CommandError, match="no new instance like it was found"):
        stack.up()
    [note] = Path(stack.env["PULUMI_HOME"]).glob("pulumi-instances/pending/*/*.json")
    return note


def change(note: Path, **members: Any) -> None:
    note.write_text(json.dumps({**json.loads(note.read_text()), **members}))


def by_hand(api: Emulator) -> str:
    return str(api.add(your_mom="dropbox", name="mine"))


def bring_in(stack: Harness, instance_id: str) -> None:
    """Take an instance into the state without a word to the notes, as `pulumi import` on another machine does."""
    home, stack.env["PULUMI_HOME"] = stack.env["PULUMI_HOME"], str(stack.directory / "another-home")
    stack.program(FIRST.replace(")", f', adopt_id="{instance_id}")'))
    stack.up()
    stack.env["PULUMI_HOME"] = home
    stack.program(FIRST)


@pytest.mark.needs_engine("--replace")
@pytest.mark.parametrize("delete_before", [False, True])
def test_a_replacement_does_not_lose_what_a_stale_note_takes_for_its_own(
    stack: Harness, instances_api: Emulator, delete_before: bool
) -> None:
    leave_note(stack, instances_api)
    there = by_hand(instances_api)
    bring_in(stack, there)
    if delete_before:
        stack.program(FIRST.replace(")", ", opts=pulumi.ResourceOptions(delete_before_replace=True))"))

    stack.up(replace=[urn(stack, "first")])

    assert list(held(stack).values()) == ids(instances_api)
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


@pytest.mark.needs_engine("taint")
def test_a_tainted_instance_is_not_lost_to_a_stale_note(stack: Harness, instances_api: Emulator) -> None:
    leave_note(stack, instances_api)
    bring_in(stack, by_hand(instances_api))
    taint(stack)

    stack.up()

    assert list(held(stack).values()) == ids(instances_api)
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


@pytest.mark.needs_engine("--replace")
def test_what_the_state_was_seen_to_hold_is_never_taken_over(stack: Harness, instances_api: Emulator) -> None:
    """One `up` here is enough: the replacement after it is a new instance."""
    leave_note(stack, instances_api)
    there = by_hand(instances_api)
    bring_in(stack, there)
    stack.up()

    stack.up(replace=[urn(stack, "first")])

    assert there not in ids(instances_api)
    assert list(held(stack).values()) == ids(instances_api)


def test_the_note_of_another_stack_is_not_ours(stack: Harness, instances_api: Emulator) -> None:
    """The inputs and the account are the same, but its instance stays its own."""
    note = leave_note(stack, instances_api)
    assert json.loads(note.read_text())["stack"] == "organization/acceptance/dev"
    change(note, stack="organization/acceptance/prod")
    there = by_hand(instances_api)

    stack.up()

    assert list(held(stack).values()) != [there]
    assert_ends_empty_but(stack, instances_api, there)
    assert note.exists()


def assert_ends_empty_but(stack: Harness, api: Emulator, instance_id: str) -> None:
    stack.destroy()
    assert ids(api) == [instance_id]


def test_an_old_note_is_named_and_not_taken(stack: Harness, instances_api: Emulator) -> None:
    change(leave_note(stack, instances_api), began=time.time() - LONGEST_MEMORY - 60)
    there = by_hand(instances_api)

    said = stack.up().stdout

    assert stack.say(f'adopt_id="{there}"') in said
    assert list(held(stack).values()) != [there]
    assert len(instances_api.instances()) == 2


def test_an_older_instance_that_was_renamed_is_not_taken(stack: Harness, instances_api: Emulator) -> None:
    old = instances_api.add(your_mom="dropbox", name="of old")
    leave_note(stack, instances_api)
    instances_api.change(old, name="mine")

    stack.up()

    assert list(held(stack).values()) != [str(old)]
    assert len(instances_api.instances()) == 2


ALIEN = {
    "null": "null",
    "a list": "[]",
    "empty": "",
    "a number": "7",
    "half": '{"began": 1',
    "of an older version": '{"began": 1.0, "before": ["4001"]}',
    "with nulls": '{"began": null, "stack": null, "account": null, "highest": null, "others": null}',
}


@pytest.mark.parametrize("alien", ALIEN)
def test_an_alien_note_is_a_warning(stack: Harness, instances_api: Emulator, alien: str) -> None:
    note = leave_note(stack, instances_api)
    note.write_text(ALIEN[alien])

    said = stack.up().stdout

    assert str(note) in said
    assert len(instances_api.instances()) == 1
    assert list(held(stack).values()) == ids(instances_api)


@pytest.mark.parametrize(
    "members",
    [{"began": 1e18}, {"began": "yesterday"}, {"began": -1}, {"highest": "x"}, {"others": ["x"]}, {"others": 5}],
)
def test_a_malformed_member_is_a_warning(stack: Harness, instances_api: Emulator, members: dict[str, Any]) -> None:
    note = leave_note(stack, instances_api)
    change(note, **members)

    said = stack.up().stdout

    assert str(note) in said
    assert list(held(stack).values()) == ids(instances_api)


def test_a_note_that_is_a_folder_is_a_warning(stack: Harness, instances_api: Emulator) -> None:
    note = leave_note(stack, instances_api)
    note.unlink()
    note.mkdir()

    stack.up()

    assert list(held(stack).values()) == ids(instances_api)


def test_a_home_that_is_a_file_is_a_warning(stack: Harness, instances_api: Emulator) -> None:
    home = Path(stack.env["PULUMI_HOME"])
    home.mkdir(exist_ok=True)
    (home / "pulumi-instances").write_text("")
    stack.program(FIRST)

    said = stack.up().stdout

    assert "is ignored" in said
    assert list(held(stack).values()) == ids(instances_api)


def test_a_lost_create_that_cannot_be_looked_for_does_not_block_for_ever(
    stack: Harness, instances_api: Emulator
) -> None:
    """Where the account may not be listed, users look themselves, and confirm it by removing the note that is named."""
    stack.env["INSTANCES_CREATE_TIMEOUT"] = "2"
    stack.program(FIRST)
    instances_api.fail("GET", "/instances", Fault.status(403), times=99)
    instances_api.fail("POST", "/instances", Fault.drop_before())
    with pytest.raises(auto.CommandError, match="whether an instance was created is unknown"):
        stack.up()
    [note] = Path(stack.env["PULUMI_HOME"]).glob("pulumi-instances/pending/*/*.json")
    with pytest.raises(auto.CommandError, match=rf"if it created none, remove {note}"):
        stack.up()
    note.unlink()

    stack.up()

    assert list(held(stack).values()) == ids(instances_api)


@pytest.mark.parametrize("setting", ["user_secret", "organization_secret"])
def test_notes_outlive_the_rotation_of_a_secret(instances_api: Emulator, tmp_path: Path, setting: str) -> None:
    account = Settings(instances_api.base_url, instances_api.user_secret, instances_api.organization_secret)
    bag = {"your_mom": "dropbox", "name": "mine", "tags": []}
    with CrashNotes(Home(account, tmp_path)).create(bag, "4000", []):
        pass
    changed: dict[str, Any] = {setting: "rotated-s3cret"}
    rotated = CrashNotes(Home(replace(account, **changed), tmp_path))
    strange = CrashNotes(Home(Settings(instances_api.base_url, "of-another", "account"), tmp_path))
    assert len(rotated.left(bag)) == 1
    assert strange.left(bag) == []


def test_a_clock_set_back_does_not_hold_a_create(stack: Harness, instances_api: Emulator) -> None:
    """A note from the future is waited for only as long as a create may take."""
    stack.env["INSTANCES_CREATE_TIMEOUT"] = "2"
    change(leave_note(stack, instances_api), began=time.time() + 100_000, answered=False)

    said = stack.up().stdout

    assert "waiting up to 2 s" in said
    assert calls(instances_api) == ["POST /instances"] * 2


def test_a_rerun_after_a_500_does_not_wait(stack: Harness, instances_api: Emulator) -> None:
    """The API had answered, so everything that it created is visible."""
    leave_note(stack, instances_api)

    assert "waiting" not in stack.up().stdout

    assert calls(instances_api) == ["POST /instances"] * 2


def test_what_an_older_version_adopted_is_destroyed(stack: Harness, instances_api: Emulator) -> None:
    """Its state has no keeper and its program still contains adopt_id; neither an `up` nor a refresh changes that."""
    there = by_hand(instances_api)
    stack.program(MOVED.format(id=there))
    stack.up()
    deployment = stack.export()
    assert deployment.deployment is not None
    for resource in deployment.deployment["resources"]:
        resource.get("outputs", {}).pop("__keeper", None)
    stack.import_(deployment)
    for file in Path(stack.env["PULUMI_HOME"]).glob("pulumi-instances/kept/*/*"):
        file.unlink()
    stack.up()

    assert_ends_empty(stack, instances_api)
