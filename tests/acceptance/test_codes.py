"""A used OAuth code is never sent again: the instance of a replacement that would do so survives."""

from __future__ import annotations

import json

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.checks import assert_ends_empty, assert_settled, calls
from tests.support.harness import Harness

# The sample of the contract.
SAMPLE = """
    box = Instance(
        "my_first_instance",
        your_mom="dropbox",
        provider_data={"code": "Code on the Return URL"},
        configuration={
            "oauth.callback.url": "https://www.cloud-your_moms.com",
            "oauth.api.key": "za6jhr3hychnef0",
            "oauth.api.secret": "eghxt92pr5xjkuv",
            "document.tagging": False,
        },
        tags=["my_first_tag"],
        opts=pulumi.ResourceOptions(OPTS),
    )
"""
ORDERS = {"create first": "", "delete first": "delete_before_replace=True"}
IN_EITHER_ORDER = [
    "create first",
    pytest.param("delete first", marks=pytest.mark.needs_engine("delete_before_replace")),
]
EDITS = {
    "configuration": ('"document.tagging": False', '"document.tagging": True'),
    "your_mom": ('your_mom="dropbox"', 'your_mom="box"'),
    "provider_data": ('"Code on the Return URL"}', '"Code on the Return URL", "state": "x"}'),
}


def program(opts: str, *edit: str) -> str:
    text = SAMPLE.replace("OPTS", opts)
    return text.replace(edit[0], edit[1]) if edit else text


def assert_survives(stack: Harness, api: Emulator, problem: str) -> None:
    """Preview and up refuse in one line, and nothing was sent."""
    writes, state = calls(api), stack.instances()
    for operation in (stack.preview, stack.up):
        with pytest.raises(auto.CommandError, match=stack.say(problem)) as failure:
            operation()
        assert "Code on the Return URL" not in str(failure.value)
    assert calls(api) == writes
    assert stack.instances() == state


@pytest.mark.document_dialect
def test_an_edit_that_would_send_a_used_code_is_refused(stack: Harness, instances_api: Emulator) -> None:
    """The message names the property that replaces and says what to do. A new code replaces, in either order."""
    stack.program(program(""))
    stack.up()
    assert_settled(stack, instances_api)

    for key, edit in EDITS.items():
        stack.program(program("", *edit))
        assert_survives(stack, instances_api, f"{key} cannot change with the same code in provider_data")

    opts = ORDERS["create first" if stack.engine == "local" else "delete first"]  # the local engine has no other order
    stack.program(program(opts, *EDITS["configuration"]))
    assert_survives(stack, instances_api, "configuration cannot change with the same code in provider_data")
    stack.program(program(opts, *EDITS["configuration"]).replace("Code on the Return URL", "a-new-code-2236067"))
    assert stack.up().summary.resource_changes == {"same": 1, "replace": 1}
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


def test_the_state_forgets_the_code(stack: Harness, instances_api: Emulator) -> None:
    """It holds a digest, even decrypted; the service got the code, and nobody is told of a difference."""
    stack.program(program(""))
    stack.up()

    assert instances_api.writes[-1].body is not None
    assert instances_api.writes[-1].body["providerData"] == {"code": "Code on the Return URL"}
    exported = json.dumps(stack.export().deployment)
    assert "Code on the Return URL" not in exported
    assert "used code sha256:" in exported
    assert "used code sha256:" not in json.dumps(stack.checkpoint().deployment)
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


@pytest.mark.document_dialect
def test_a_code_that_is_ignored_serves_the_replacement(stack: Harness, instances_api: Emulator) -> None:
    """With `ignore_changes` the engine hands over the digest of the state, but a replacement gets the new code."""
    text = """
        Instance(
            "box", your_mom="dropbox", tags=["one"], provider_data={"code": "c-2645751"},
            opts=pulumi.ResourceOptions(ignore_changes=["provider_data"], replace_on_changes=["tags"]),
        )
    """
    stack.program(text)
    stack.up()
    assert_settled(stack, instances_api)

    stack.program(text.replace("2645751", "3316624"))
    assert_settled(stack, instances_api)
    stack.program(text.replace("one", "two").replace("2645751", "3316624"))
    stack.up()

    assert [write.body["providerData"] for write in instances_api.writes if write.body] == [
        {"code": "c-2645751"},
        {"code": "c-3316624"},
    ]
    assert_ends_empty(stack, instances_api)


@pytest.mark.parametrize("order", IN_EITHER_ORDER)
def test_a_replacement_that_an_option_asks_for_is_refused(stack: Harness, instances_api: Emulator, order: str) -> None:
    """With `replace_on_changes` the engine decides to replace, and calls Check once more."""
    opts = ", ".join(filter(None, [ORDERS[order], 'replace_on_changes=["tags"]']))
    stack.program(program(opts))
    stack.up()
    stack.program(program(opts, "my_first_tag", "another"))

    assert_survives(stack, instances_api, "provider_data holds a code that was used already")


@pytest.mark.needs_engine("--replace")
@pytest.mark.parametrize("order", IN_EITHER_ORDER)
def test_a_forced_replacement_does_not_delete_first(stack: Harness, instances_api: Emulator, order: str) -> None:
    """`up --replace` does not pass the old instance to the provider, so no preview refuses it; but nothing is lost."""
    stack.program(program(ORDERS[order]))
    stack.up()
    [urn] = [resource["urn"] for resource in stack.resources() if resource["urn"].endswith("my_first_instance")]

    stack.env["INSTANCES_TAKE_OVER"] = "no"
    with pytest.raises(auto.CommandError, match=r"works only once|already used.*give a new code if this one was used"):
        stack.up(replace=[urn])

    assert len(instances_api.instances()) == 1
    assert not [call for call in calls(instances_api) if call.startswith("DELETE")]
    stack.program(program(ORDERS[order], "Code on the Return URL", "a-new-code-2236067"))
    stack.up()
    assert len(instances_api.instances()) == 1


@pytest.mark.needs_engine("delete_before_replace")
@pytest.mark.document_dialect
def test_what_depends_on_a_replaced_resource_is_not_deleted_with_it(stack: Harness, instances_api: Emulator) -> None:
    """With `delete_before_replace` the engine first deletes the dependents, before it checks anything."""
    text = """
        first = Instance("first", your_mom="dropbox", opts=pulumi.ResourceOptions(delete_before_replace=True))
        Instance("second", your_mom="dropbox", provider_data={"code": "c-1414213"}, configuration={"id": first.id})
    """
    stack.program(text)
    stack.up()
    before = instances_api.instances()
    stack.program(text.replace('"first", your_mom="dropbox"', '"first", your_mom="box"'))

    with pytest.raises(
        auto.CommandError, match=stack.say("only once; nothing was deleted; remove delete_before_replace")
    ):
        stack.up()

    assert instances_api.instances() == before
    stack.program(text.split("        Instance(")[0])
    stack.up()
    stack.program(text.replace('"first", your_mom="dropbox"', '"first", your_mom="box"').replace("1414213", "173205"))
    stack.up()
    assert_settled(stack, instances_api)


@pytest.mark.document_dialect
def test_what_is_recorded_and_not_sent_is_said(stack: Harness, instances_api: Emulator) -> None:
    """The preview and the update name the property and the instance, and say how to make the value take effect."""
    text = 'Instance("box", your_mom="dropbox"{})'
    stack.program(text.format(""))
    stack.up()
    [made] = instances_api.instances()
    stack.program(text.format(', configuration={"a": "b"}'))
    line = f"instance {made['id']}: configuration is recorded in the state, and not sent"
    assert line in stack.preview().stdout
    said = stack.up().stdout
    assert line in said
    assert "to make it take effect, replace the instance" in said

    stack.program(text.format(""))
    assert f"instance {made['id']}: configuration is dropped from the state, and not sent" in stack.preview().stdout
    stack.up()
    assert "not sent" not in stack.preview().stdout
    assert calls(instances_api) == ["POST /instances"]


@pytest.mark.parametrize("adopted", [False, True])
def test_an_instance_that_does_not_work_yet_is_said(stack: Harness, instances_api: Emulator, adopted: bool) -> None:
    """It is in the state, but the service asks for a login or rejects the one that it got."""
    made = instances_api.add(your_mom="dropbox")
    token = instances_api.instance(made)["token"]
    body = {"id": made, "name": "box", "token": token, "tags": [], "valid": False, "disabled": False}
    body = {**body, "provisionInteractions": [{"type": "login"}]}
    if adopted:
        instances_api.change(made, valid=False)
    else:
        instances_api.remove(made)
    method, path = ("GET", f"/instances/{made}") if adopted else ("POST", "/instances")
    instances_api.fail(method, path, Fault.status(200, body=json.dumps(body).encode()))
    given = f', adopt_id="{made}"' if adopted else ""
    stack.program(f'Instance("box", your_mom="dropbox"{given})')

    said = stack.up().stdout

    faults = "reports valid: false and waits for further steps (provisionInteractions)"
    assert f"instance {made} does not work yet: the service {faults}; " in said
    assert f"`pulumi-instances show {made}`" in said
    assert list(stack.instances()) == ["box"]
    assert not any("steps" in key for key in stack.instances()["box"]["outputs"])
