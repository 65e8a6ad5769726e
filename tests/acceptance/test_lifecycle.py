"""Create, update, replace, delete."""

from __future__ import annotations

import base64
from typing import Any

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
    """One POST creates it, one PUT makes all changes of an `up`, one DELETE ends it; in between a preview is empty.

    Such a preview needs no request, and the destroy needs no program.
    """
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
    if stack.engine != "cli-native":
        assert_lean(state)
    assert_settled(stack, instances_api)

    stack.program(BOX.replace('["a", "b"]', '["b", "a", "b"]'))
    before_preview = len(instances_api.requests)
    assert stack.preview().change_summary == {"same": 2}, "tags are a set"
    assert len(instances_api.requests) == before_preview
    assert stack.up().summary.resource_changes == {"same": 2}
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

    (stack.directory / "__main__.py").unlink()
    assert stack.destroy().summary.resource_changes == {"delete": 2}
    assert instances_api.instances() == []
    assert stack.resources() == []
    assert not stack.destroy().summary.resource_changes, "it can be repeated"
    path = f"/instances/{made['id']}"
    assert calls(instances_api) == ["POST /instances", f"PUT {path}", f"PUT {path}", f"DELETE {path}"]


def assert_lean(state: dict[str, Any]) -> None:
    """The file backend writes the whole state at every step: it holds what users read, and neither answers nor code."""
    assert sorted(state["inputs"]) == ["__line", "__provider", "name", "tags", "your_mom"]
    hidden = ["__account", "__created", "__defaults", "__mark", "__provider"]
    assert sorted(state["outputs"]) == [*hidden, "disabled", "name", "tags", "token", "valid", "your_mom"]
    for bag in (state["inputs"], state["outputs"]):
        assert len(base64.b64decode(bag["__provider"])) <= 100


REPLACED = """
    box = Instance(
        "box",
        your_mom="dropbox",
        configuration={"oauth.callback.url": "https://one"},
        provider_data={"user": "one"},
        opts=pulumi.ResourceOptions(),
    )
    pulumi.export("id", box.id)
    pulumi.export("token", box.token)
"""


@pytest.mark.document_dialect
def test_create_only_inputs_replace_the_instance(stack: Harness, instances_api: Emulator) -> None:
    """The new instance is there before the old one is deleted, unless `delete_before_replace` reverses the order."""
    text = REPLACED
    stack.program(text)
    before = dict(stack.up().outputs)
    for old, new, options in (
        ("https://one", "https://two", ""),
        ('"user": "one"', '"code": "two"', "" if stack.engine == "local" else "delete_before_replace=True"),
    ):
        text = text.replace(old, new).replace("ResourceOptions()", f"ResourceOptions({options})")
        stack.program(text)
        sent = len(instances_api.writes)

        up = stack.up()

        assert up.summary.resource_changes == {"replace": 1, "same": 1}
        [made] = instances_api.instances()
        after = dict(up.outputs)
        assert after["id"].value == str(made["id"]) != before["id"].value
        assert after["token"].value == made["token"] != before["token"].value
        order = ["POST /instances", f"DELETE /instances/{before['id'].value}"]
        assert calls(instances_api)[sent:] == (order[::-1] if options else order)
        assert list(stack.instances()) == ["box"]
        before = after
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


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
