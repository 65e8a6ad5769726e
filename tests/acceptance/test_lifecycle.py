"""Create, update, replace, delete."""

from __future__ import annotations

import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.support.checks import assert_ends_empty, assert_settled, calls, without_mark
from tests.support.harness import Harness

BOX = """
    box = Instance("box", your_mom="dropbox", name="first", tags=["a", "b"])
    pulumi.export("id", box.id)
    pulumi.export("token", box.token)
"""


def test_the_life_of_an_instance(stack: Harness, instances_api: Emulator) -> None:
    """One POST creates it, one PUT makes all changes of an `up`, one DELETE ends it; in between a preview is empty."""
    stack.program(BOX)
    up = stack.up()
    assert up.summary.result == "succeeded"
    assert up.summary.resource_changes == {"create": 2}, "the stack itself counts as one"
    [made] = instances_api.instances()
    assert (made["your_mom"], made["name"], made["tags"]) == ("dropbox", "first", ["a", "b"])
    before = dict(up.outputs)
    assert before["id"].value == str(made["id"])
    assert (before["token"].value, before["token"].secret) == (made["token"], True)
    state = stack.instances()["box"]
    assert state["id"] == str(made["id"])
    assert {key: state["outputs"][key] for key in ("your_mom", "name", "tags", "valid", "disabled")} == {
        "your_mom": "dropbox",
        "name": "first",
        "tags": ["a", "b"],
        "valid": True,
        "disabled": False,
    }
    assert_settled(stack, instances_api)

    stack.program(BOX.replace('["a", "b"]', '["b", "a", "b"]'))
    assert stack.up().summary.resource_changes == {"same": 2}, "tags are a set"
    assert calls(instances_api) == ["POST /instances"]

    stack.program(BOX.replace("first", "second").replace('"b"', '"c"'))
    up = stack.up(diff=True)
    if stack.engine != "local":  # which shows no lists
        assert '~ [1]: "b" => "c"' in up.stdout
        assert "[0]" not in up.stdout
    assert up.summary.resource_changes == {"same": 1, "update": 1}
    assert [up.outputs[key].value for key in ("id", "token")] == [before[key].value for key in ("id", "token")]
    [made] = instances_api.instances()
    assert (made["name"], made["tags"]) == ("second", ["a", "c"])
    assert without_mark(instances_api.writes[-1].body) == {"name": "second", "tags": ["a", "c"]}
    assert stack.instances()["box"]["inputs"]["name"] == "second"
    assert_settled(stack, instances_api)

    stack.program(BOX.replace("first", "second").replace(', tags=["a", "b"]', ""))
    assert stack.up().summary.resource_changes == {"same": 1, "update": 1}
    assert instances_api.instances()[0]["tags"] == []
    assert stack.instances()["box"]["outputs"]["tags"] == []
    assert_settled(stack, instances_api)

    assert stack.destroy().summary.resource_changes == {"delete": 2}
    assert instances_api.instances() == []
    assert stack.resources() == []
    assert not stack.destroy().summary.resource_changes, "it can be repeated"
    path = f"/instances/{made['id']}"
    assert calls(instances_api) == ["POST /instances", f"PUT {path}", f"PUT {path}", f"DELETE {path}"]


REPLACED = """
    box = Instance(
        "box", your_mom="dropbox", configuration={"oauth.callback.url": "https://one"}, provider_data={"user": "one"}
    )
    pulumi.export("id", box.id)
    pulumi.export("token", box.token)
"""


@pytest.mark.document_dialect
def test_create_only_inputs_replace_the_instance(stack: Harness, instances_api: Emulator) -> None:
    """The new instance is there before the old one is deleted."""
    text = REPLACED
    stack.program(text)
    before = dict(stack.up().outputs)
    for old, new in (("https://one", "https://two"), ("dropbox", "box"), ('"user": "one"', '"code": "two"')):
        text = text.replace(old, new)
        stack.program(text)
        sent = len(instances_api.writes)

        up = stack.up()

        assert up.summary.resource_changes == {"replace": 1, "same": 1}
        [made] = instances_api.instances()
        after = dict(up.outputs)
        assert after["id"].value == str(made["id"]) != before["id"].value
        assert after["token"].value == made["token"] != before["token"].value
        assert calls(instances_api)[sent:] == ["POST /instances", f"DELETE /instances/{before['id'].value}"]
        assert list(stack.instances()) == ["box"]
        assert_settled(stack, instances_api)
        before = after
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
    """Whatever it finds to do, a preview sends no write and leaves the state alone; the `up` does just that."""
    stack.program("""
        Instance("renamed", your_mom="dropbox")
        Instance("replaced", your_mom="dropbox")
        Instance("dropped", your_mom="dropbox")
        Instance("kept", your_mom="sfdc")
    """)
    stack.up()
    writes, state = calls(instances_api), stack.resources()
    [kept] = [made for made in instances_api.instances() if made["name"] == "kept"]
    stack.program("""
        Instance("renamed", your_mom="dropbox", name="new")
        Instance("replaced", your_mom="box")
        Instance("added", your_mom="dropbox")
        Instance("kept", your_mom="sfdc")
    """)
    changes = {"same": 2, "update": 1, "replace": 1, "delete": 1, "create": 1}

    assert stack.preview().change_summary == changes
    assert calls(instances_api) == writes
    assert stack.resources() == state

    assert stack.up().summary.resource_changes == changes
    there = {made["name"]: made for made in instances_api.instances()}
    assert there.keys() == {"new", "replaced", "added", "kept"}
    assert (there["replaced"]["your_mom"], there["kept"]) == ("box", kept)
    sent = sorted(call.split()[0] for call in calls(instances_api)[len(writes) :])
    assert sent == ["DELETE", "DELETE", "POST", "POST", "PUT"]
    assert_settled(stack, instances_api)
