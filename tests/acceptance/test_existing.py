"""Instances that were there before: adopted one by one, or looked up."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.checks import assert_ends_empty, assert_settled, calls
from tests.support.harness import Harness

ADOPT = """
    box = Instance("box", your_mom="dropbox", name="mine", tags=["a", "b"], adopt_id="{id}")
    pulumi.export("id", box.id)
    pulumi.export("token", box.token)
"""


@pytest.fixture
def existing(instances_api: Emulator) -> int:
    return instances_api.add(your_mom="dropbox", name="mine", tags=["b", "a"])


# adopting: the rules are in tests/unit/test_creation.py


def refused(stack: Harness, operation: Callable[[], object], program: str, said: str) -> None:
    """An operation on this program fails and says this, as the front end says it."""
    stack.program(program)
    with pytest.raises(auto.CommandError, match=stack.say(said)):
        operation()


def test_an_existing_instance_is_adopted(stack: Harness, instances_api: Emulator, existing: int) -> None:
    """The preview says what that changes, without what may be secret. Afterwards `adopt_id` may go, and has no effect.

    What cannot be adopted is refused in the preview: nothing is written, and nothing is created instead.
    """
    token = instances_api.instance(existing)["token"]
    adopt = ADOPT.format(id=existing)
    changed = adopt.replace('"mine"', '"日本"').replace('["a", "b"]', '["new"]')
    stack.program(changed.replace('["new"]', '[pulumi.Output.secret("s3cret-tag")]'))
    line = f"instance {existing} exists and is adopted: that changes its name from 'mine' to '日本' and its tags from "
    assert line + "['a', 'b'] to [secret]" in stack.preview().stdout
    assert "s3cret-tag" not in stack.said[-1]
    other = rf'adopt_id names instance {existing}, which is of "dropbox", .* your_mom="box"'
    refused(stack, stack.up, adopt.replace('your_mom="dropbox"', 'your_mom="box"'), other)
    secret = adopt.replace('"dropbox"', 'pulumi.Output.secret("s3cret-mom")')
    refused(stack, stack.up, secret, r'has your_mom="\[secret\]"')
    assert "s3cret-mom" not in stack.said[-1]
    missing = "adopt_id names instance 99, which does not exist; correct adopt_id"
    refused(stack, stack.up, ADOPT.format(id=99), missing)
    assert (calls(instances_api), stack.instances()) == ([], {})

    stack.program(changed)
    up = stack.up()
    assert up.summary.resource_changes == {"same": 1, "create": 1}, "what was refused has made the stack"
    assert (up.outputs["id"].value, up.outputs["token"].value) == (str(existing), token)
    [made] = instances_api.instances()
    assert (made["name"], made["tags"]) == ("日本", ["new"])
    assert set(stack.preview().change_summary) == {"same"}
    replaced = "cannot change while adopt_id names the instance"
    refused(stack, stack.preview, changed.replace('your_mom="dropbox"', 'your_mom="box"'), replaced)
    stack.program(changed.replace(f', adopt_id="{existing}"', ""))
    assert stack.up().summary.resource_changes == {"same": 2}
    assert calls(instances_api) == [f"PUT /instances/{existing}"]
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


def test_an_instance_is_not_adopted_twice(stack: Harness, instances_api: Emulator, existing: int) -> None:
    """In one run it stays with the first of two; in a later one another resource is refused, in any order.

    Without the second resource everything is as it was: the instance got a mark alone, as it is as declared.
    """
    adopt = ADOPT.format(id=existing)
    other = f'    other = Instance("other", your_mom="dropbox", name="mine", adopt_id="{existing}"'
    after = adopt + other + ", opts=pulumi.ResourceOptions(depends_on=[box]))\n"
    refused(stack, stack.up, after, f"adopt_id names instance {existing}, (as it does for|which) another resource")
    assert list(stack.instances()) == ["box"]
    assert instances_api.instance(existing)["managed_by"] == "acceptance/dev/box"

    managed = f"adopt_id names instance {existing}, which (acceptance/dev/box|another resource of this stack already) "
    first = ", opts=pulumi.ResourceOptions(depends_on=[other]))\n    pulumi.export"
    before = f"\n{other})" + adopt.replace(")\n    pulumi.export", first, 1)
    for operation, program in ((stack.preview, adopt + other + ")\n"), (stack.up, after), (stack.up, before)):
        refused(stack, operation, program, managed + "manages")
        assert list(stack.instances()) == ["box"]

    stack.program(adopt)
    stack.up()
    assert list(stack.instances()) == ["box"]
    assert calls(instances_api) == [f"PUT /instances/{existing}"]
    assert sorted(instances_api.instance(existing)["tags"]) == ["a", "b"]
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


# looking up


LOOKUP = """
    from pulumi_instances import get_instance, get_instance_output, get_instances, get_instances_output

    found = get_instance(name="mine", your_mom="dropbox")
    pulumi.export("id", found.id)
    pulumi.export("token", found.token)
    pulumi.export("names", [each.name for each in get_instances(tags=["a"])])
    copy = Instance("copy", your_mom=found.your_mom, tags=["copy"])
    pulumi.export("late", get_instance_output(id=copy.id).apply(lambda late: late.name))
    pulumi.export("named", get_instance_output(name=copy.name).apply(lambda named: named.name))
    after = pulumi.InvokeOutputOptions(depends_on=[copy])
    pulumi.export("after", get_instances_output(tags=["copy"], opts=after).apply(len))
"""


def test_a_program_looks_instances_up(stack: Harness, instances_api: Emulator, existing: int) -> None:
    """It uses the stack's settings, and the token is a secret. If several match, the error lists the candidates.

    What is looked up by outputs, or depends on a resource, waits for `up` where that is still to be created.

    To the SDK of the native package all that the output form finds beside the token is a secret as well.
    """
    for number in range(1000):
        instances_api.add(name=f"box-{number}")
    stack.program(LOOKUP)

    stack.preview()
    assert calls(instances_api) == []
    up = stack.up()

    token = instances_api.instance(existing)["token"]
    assert {key: output.value for key, output in up.outputs.items()} == {
        "id": str(existing),
        "token": token,
        "names": ["mine"],
        "late": "copy",
        "named": "copy",
        "after": 1,
    }
    secret = {key for key, output in up.outputs.items() if output.secret}
    assert secret == ({"token", "late", "named", "after"} if stack.engine == "cli-native" else {"token"})
    assert token not in str(stack.checkpoint().deployment)
    assert calls(instances_api) == ["POST /instances"]
    twin = instances_api.add(your_mom="dropbox", name="mine")
    candidates = rf'2 instances have .*: {existing} "mine", {twin} "mine".*; pass the id'
    refused(stack, stack.preview, LOOKUP, candidates)


@pytest.mark.dynamic_door("the SDKs of native packages drop the marks of what a function is asked with (SECURITY.md)")
def test_a_look_up_does_not_show_the_secrets_that_it_was_asked_with(stack: Harness, instances_api: Emulator) -> None:
    """Neither where it finds nothing, nor where the service repeats them."""
    asked = {"name": "s3cret-name", "your_mom": "s3cret-mom", "tags": ["s3cret-tag"]}
    for given, said in (
        (asked, r'no instance has name="\[secret\]", tag "\[secret\]" and your_mom="\[secret\]"'),
        ({"id": "271828"}, r'read instance \[secret\]: 404 "no \[secret\] for \[secret\]'),
    ):
        arguments = ", ".join(f"{key}=pulumi.Output.secret({value!r})" for key, value in given.items())
        stack.program(f"""
            from pulumi_instances import get_instance_output

            pulumi.export("id", get_instance_output({arguments}).id)
        """)
        user = base64.b64encode(f"User {instances_api.user_secret}, Organization x".encode()).decode()
        instances_api.fail("GET", "/instances/271828", Fault.status(404, f"no 271828 for {user}"))
        with pytest.raises(auto.CommandError, match=stack.say(said)) as failure:
            stack.preview()
        assert not re.search("s3cret|271828", str(failure.value))
