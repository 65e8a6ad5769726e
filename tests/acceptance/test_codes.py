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
DELETE_FIRST, BY_AN_OPTION = "delete_before_replace=True", 'replace_on_changes=["tags"]'
EDIT = '"document.tagging": False', '"document.tagging": True'


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
    """The message says what to do, whatever replaces, in either order. A new code replaces.

    The state holds a digest of the code, even decrypted, and nobody is told of a difference.
    """
    stack.program(program(""))
    stack.up()
    assert instances_api.writes[-1].body is not None
    assert instances_api.writes[-1].body["providerData"] == {"code": "Code on the Return URL"}
    exported = json.dumps(stack.export().deployment)
    assert "Code on the Return URL" not in exported
    assert "used code sha256:" in exported
    assert "used code sha256:" not in json.dumps(stack.checkpoint().deployment)
    assert_settled(stack, instances_api)

    orders = [""] if stack.engine == "local" else ["", DELETE_FIRST]  # the local engine has no other order
    for order in orders:
        stack.program(program(order, *EDIT))
        assert_survives(stack, instances_api, "configuration cannot change with the same code in provider_data")
        # The engine decides to replace, and calls Check once more.
        stack.program(program(", ".join(filter(None, [order, BY_AN_OPTION])), "my_first_tag", "another"))
        assert_survives(stack, instances_api, "provider_data holds a code that was used already")

    stack.program(program(orders[-1], *EDIT).replace("Code on the Return URL", "a-new-code-2236067"))
    assert stack.up().summary.resource_changes == {"same": 1, "replace": 1}
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
    stack.program(text.replace("2645751", "3316624"))
    assert_settled(stack, instances_api)
    stack.program(text.replace("one", "two").replace("2645751", "3316624"))
    stack.up()

    assert [write.body["providerData"] for write in instances_api.writes if write.body] == [
        {"code": "c-2645751"},
        {"code": "c-3316624"},
    ]
    assert_ends_empty(stack, instances_api)


@pytest.mark.needs_engine("--replace")
def test_a_forced_replacement_does_not_delete_first(stack: Harness, instances_api: Emulator) -> None:
    """`up --replace` does not pass the old instance to the provider, so no preview refuses it; but nothing is lost."""
    stack.program(program(DELETE_FIRST))
    stack.up()
    [urn] = [resource["urn"] for resource in stack.resources() if resource["urn"].endswith("my_first_instance")]

    stack.env["INSTANCES_TAKE_OVER"] = "no"
    with pytest.raises(auto.CommandError, match=r"works only once|already used.*give a new code if this one was used"):
        stack.up(replace=[urn])

    assert len(instances_api.instances()) == 1
    assert not [call for call in calls(instances_api) if call.startswith("DELETE")]
    stack.program(program(DELETE_FIRST, "Code on the Return URL", "a-new-code-2236067"))
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
def test_configuration_that_appears_or_goes_is_recorded_and_not_sent(stack: Harness, instances_api: Emulator) -> None:
    """The API never shows it again, so there is nothing to compare, and nothing is replaced.

    The preview and the update name the property and the instance, and say how to make the value take effect.
    """
    text = 'Instance("box", your_mom="dropbox"{})'
    stack.program(text.format(""))
    stack.up()
    [made] = instances_api.instances()
    for given, what in ((', configuration={"a": "b"}', "recorded in"), ("", "dropped from")):
        stack.program(text.format(given))
        line = f"instance {made['id']}: configuration is {what} the state, and not sent"
        assert line in stack.preview().stdout
        up = stack.up()
        assert up.summary.resource_changes == {"same": 1, "update": 1}
        assert line in up.stdout
        assert "to make it take effect, replace the instance" in up.stdout
        assert ("configuration" in stack.instances()["box"]["inputs"]) is bool(given)
    preview = stack.preview()
    assert (set(preview.change_summary), "not sent" in preview.stdout) == ({"same"}, False)
    assert calls(instances_api) == ["POST /instances"]


def test_an_instance_that_does_not_work_yet_is_said(stack: Harness, instances_api: Emulator) -> None:
    """It is in the state, but the service asks for a login or rejects the one that it got."""
    made, adopted = instances_api.add(your_mom="dropbox"), instances_api.add(your_mom="dropbox")
    for each, name, method, path in (
        (made, "made", "POST", "/instances"),
        (adopted, "adopted", "GET", f"/instances/{adopted}"),
    ):
        body = {"id": each, "name": name, "token": instances_api.instance(each)["token"], "tags": [], "valid": False}
        body = {**body, "disabled": False, "provisionInteractions": [{"type": "login"}]}
        instances_api.fail(method, path, Fault.status(200, body=json.dumps(body).encode()))
    instances_api.remove(made)
    instances_api.change(adopted, valid=False)
    stack.program(f"""
        Instance("made", your_mom="dropbox")
        Instance("adopted", your_mom="dropbox", adopt_id="{adopted}")
    """)

    said = stack.up().stdout

    faults = "reports valid: false and waits for further steps (provisionInteractions)"
    for each in (made, adopted):
        assert f"instance {each} does not work yet: the service {faults}; " in said
        assert f"`pulumi-instances show {each}`" in said
    assert set(stack.instances()) == {"made", "adopted"}
    assert not any("steps" in key for each in stack.instances().values() for key in each["outputs"])
