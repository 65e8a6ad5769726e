"""Create, update, replace, delete."""

from __future__ import annotations

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.support.checks import assert_ends_empty, assert_settled, calls, without_mark
from tests.support.harness import Harness

BOX = """
    box = Instance("box", your_mom="dropbox", name="first", tags=["a", "b"])
    pulumi.export("id", box.id)
    pulumi.export("token", box.token)
"""


def test_up_creates_what_the_program_declares(stack: Harness, instances_api: Emulator) -> None:
    """One POST creates the instance; the outputs and the state contain what the API says about it."""
    stack.program(BOX)

    up = stack.up()

    assert up.summary.result == "succeeded"
    assert up.summary.resource_changes == {"create": 2}, "the stack itself counts as one"
    [made] = instances_api.instances()
    assert (made["your_mom"], made["name"], made["tags"]) == ("dropbox", "first", ["a", "b"])
    assert up.outputs["id"].value == str(made["id"])
    assert (up.outputs["token"].value, up.outputs["token"].secret) == (made["token"], True)
    state = stack.instances()["box"]
    assert state["id"] == str(made["id"])
    assert {key: state["outputs"][key] for key in ("your_mom", "name", "tags", "valid", "disabled")} == {
        "your_mom": "dropbox",
        "name": "first",
        "tags": ["a", "b"],
        "valid": True,
        "disabled": False,
    }
    assert calls(instances_api) == ["POST /instances"]
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


@pytest.mark.dynamic_door("the program imports the package in this process, which has no SDK of the native package")
def test_an_inline_program_works_like_a_project(stack: Harness, instances_api: Emulator) -> None:
    """A Python function is as good as a `__main__.py`."""

    def program() -> None:
        from pulumi_instances import Instance

        Instance("box", your_mom="dropbox", tags=["inline"])

    stack.program(program)

    assert stack.up().summary.resource_changes == {"create": 2}
    [made] = instances_api.instances()
    assert (made["name"], made["tags"]) == ("box", ["inline"])
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


def test_name_and_tags_change_in_place(stack: Harness, instances_api: Emulator) -> None:
    """One PUT sends the whole name and tags; id and token stay. A changed tag is one line."""
    stack.program(BOX)
    before = dict(stack.up().outputs)
    stack.program(BOX.replace("first", "second").replace('"a"', '"c"'))

    up = stack.up(diff=True)

    if stack.engine != "local":  # which shows no lists
        assert '~ [0]: "a" => "c"' in up.stdout
        assert "[1]" not in up.stdout
    assert up.summary.resource_changes == {"same": 1, "update": 1}
    assert up.outputs["id"].value == before["id"].value
    assert up.outputs["token"].value == before["token"].value
    [made] = instances_api.instances()
    assert (made["name"], sorted(made["tags"])) == ("second", ["b", "c"])
    assert calls(instances_api) == ["POST /instances", f"PUT /instances/{made['id']}"]
    assert without_mark(instances_api.writes[-1].body) == {"name": "second", "tags": ["c", "b"]}
    box = stack.instances()["box"]
    assert box["inputs"]["name"] == "second"
    assert box["inputs"]["tags"] == box["outputs"]["tags"] == ["c", "b"]
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


def test_dropped_tags_are_removed(stack: Harness, instances_api: Emulator) -> None:
    """A PUT removes the tags that the program no longer declares."""
    stack.program(BOX)
    stack.up()
    stack.program(BOX.replace(', tags=["a", "b"]', ""))

    assert stack.up().summary.resource_changes == {"same": 1, "update": 1}

    assert instances_api.instances()[0]["tags"] == []
    assert stack.instances()["box"]["outputs"]["tags"] == []
    assert_settled(stack, instances_api)


def test_order_and_repeats_of_tags_are_no_change(stack: Harness, instances_api: Emulator) -> None:
    """Tags are a set."""
    stack.program(BOX)
    stack.up()
    stack.program(BOX.replace('["a", "b"]', '["b", "a", "b"]'))

    assert stack.up().summary.resource_changes == {"same": 2}
    assert calls(instances_api) == ["POST /instances"]
    assert_settled(stack, instances_api)


REPLACING = {
    "connector": BOX.replace("dropbox", "box"),
    "configuration": BOX.replace('name="first"', 'name="first", configuration={"oauth.callback.url": "https://two"}'),
    "provider data": BOX.replace('name="first"', 'name="first", provider_data={"code": "two"}'),
}


@pytest.mark.document_dialect
@pytest.mark.parametrize("change", REPLACING)
def test_create_only_inputs_replace_the_instance(stack: Harness, instances_api: Emulator, change: str) -> None:
    """The new instance is there before the old one is deleted."""
    after = REPLACING[change]
    stack.program(after.replace("two", "one") if "two" in after else BOX)
    before = dict(stack.up().outputs)
    stack.program(after)

    up = stack.up()

    assert up.summary.resource_changes == {"replace": 1, "same": 1}
    [made] = instances_api.instances()
    assert up.outputs["id"].value == str(made["id"]) != before["id"].value
    assert up.outputs["token"].value == made["token"] != before["token"].value
    assert calls(instances_api)[1:] == ["POST /instances", f"DELETE /instances/{before['id'].value}"]
    assert list(stack.instances()) == ["box"]
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


@pytest.mark.needs_engine("delete_before_replace")
def test_a_replacement_deletes_first_when_asked(stack: Harness, instances_api: Emulator) -> None:
    """`delete_before_replace` reverses the order."""
    program = BOX.replace("tags=", "opts=pulumi.ResourceOptions(delete_before_replace=True), tags=")
    stack.program(program)
    before = stack.up().outputs["id"].value
    stack.program(program.replace("dropbox", "box"))

    assert stack.up().summary.resource_changes == {"replace": 1, "same": 1}

    assert calls(instances_api)[1:] == [f"DELETE /instances/{before}", "POST /instances"]
    assert_settled(stack, instances_api)


@pytest.mark.document_dialect
def test_configuration_that_appears_or_goes_replaces_nothing(stack: Harness, instances_api: Emulator) -> None:
    """The API never shows it again, so there is nothing to compare: it is recorded, without a request."""
    declared = BOX.replace('name="first"', 'name="first", configuration={"document.tagging": False}')
    stack.program(BOX)
    stack.up()

    for program in (declared, BOX):
        stack.program(program)
        assert stack.up().summary.resource_changes == {"same": 1, "update": 1}
        assert stack.instances()["box"]["inputs"].get("configuration") == (
            {"document.tagging": False} if program is declared else None
        )
        assert set(stack.preview().change_summary) == {"same"}

    assert calls(instances_api) == ["POST /instances"]


def test_what_the_program_drops_is_deleted(stack: Harness, instances_api: Emulator) -> None:
    """An instance that is no longer declared is deleted, and the others stay as they are."""
    stack.program(BOX + '    Instance("other", your_mom="sfdc")')
    stack.up()
    [box, other] = sorted(instances_api.instances(), key=lambda instance: instance["name"])
    stack.program(BOX)

    assert stack.up().summary.resource_changes == {"delete": 1, "same": 2}

    assert instances_api.instances() == [box]
    assert calls(instances_api)[2:] == [f"DELETE /instances/{other['id']}"]
    assert_settled(stack, instances_api)


def test_destroy_leaves_nothing_and_can_be_repeated(stack: Harness, instances_api: Emulator) -> None:
    """A second destroy succeeds and sends nothing."""
    stack.program(BOX)
    made = stack.up().outputs["id"].value

    assert stack.destroy().summary.resource_changes == {"delete": 2}
    assert instances_api.instances() == []
    assert stack.resources() == []

    assert not stack.destroy().summary.resource_changes
    assert calls(instances_api) == ["POST /instances", f"DELETE /instances/{made}"]


@pytest.mark.document_dialect
def test_destroy_takes_a_missing_instance_for_deleted(stack: Harness, instances_api: Emulator) -> None:
    """What was deleted behind our back needs no deletion."""
    stack.program(BOX)
    instances_api_id = stack.up().outputs["id"].value
    instances_api.remove(instances_api_id)

    with stack.later():
        assert_ends_empty(stack, instances_api)
    assert calls(instances_api) == ["POST /instances"]


def test_a_preview_writes_nothing(stack: Harness, instances_api: Emulator) -> None:
    """Whatever it finds to do, a preview sends no write and leaves the state alone."""
    stack.program("""
        Instance("renamed", your_mom="dropbox")
        Instance("replaced", your_mom="dropbox")
        Instance("dropped", your_mom="dropbox")
    """)
    stack.up()
    writes, state = calls(instances_api), stack.resources()
    stack.program("""
        Instance("renamed", your_mom="dropbox", name="new")
        Instance("replaced", your_mom="box")
        Instance("added", your_mom="dropbox")
    """)

    preview = stack.preview()

    assert preview.change_summary == {"same": 1, "update": 1, "replace": 1, "delete": 1, "create": 1}
    assert calls(instances_api) == writes
    assert stack.resources() == state


def test_an_existing_instance_is_adopted(stack: Harness, instances_api: Emulator) -> None:
    """`adopt_id` adopts it and brings name and tags in line, and has no effect afterwards."""
    existing = instances_api.add(your_mom="dropbox", name="by hand", tags=["old"])
    token = instances_api.instance(existing)["token"]
    stack.program(BOX.replace("tags=", f'adopt_id="{existing}", tags='))

    up = stack.up()

    assert up.summary.resource_changes == {"create": 2}
    assert (up.outputs["id"].value, up.outputs["token"].value) == (str(existing), token)
    assert calls(instances_api) == [f"PUT /instances/{existing}"]
    [made] = instances_api.instances()
    assert (made["name"], made["tags"]) == ("first", ["a", "b"])
    assert set(stack.preview().change_summary) == {"same"}
    stack.program(BOX)
    assert stack.up().summary.resource_changes == {"same": 2}
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


def test_adopting_what_does_not_exist_fails(stack: Harness, instances_api: Emulator) -> None:
    """The error names the id and what to do, and nothing is created instead."""
    stack.program(BOX.replace("tags=", 'adopt_id="99", tags='))

    said = stack.say("adopt_id names instance 99, which does not exist; correct adopt_id")
    with pytest.raises(auto.CommandError, match=said):
        stack.up()

    assert instances_api.writes == []
    assert stack.instances() == {}
