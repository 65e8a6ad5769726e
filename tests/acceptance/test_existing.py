"""Instances that were there before: adopted one by one, or looked up."""

from __future__ import annotations

import base64
import re

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.checks import assert_ends_empty, assert_settled, calls
from tests.support.harness import Harness

ADOPT = """
    box = Instance("box", your_mom="dropbox", name="mine", tags=["a", "b"], adopt_id="{id}")
    pulumi.export("id", box.id)
"""


MANAGED = "adopt_id names instance {id}, which (acceptance/dev/box|another resource of this stack already) manages"


@pytest.fixture
def existing(instances_api: Emulator) -> int:
    return instances_api.add(your_mom="dropbox", name="mine", tags=["b", "a"])


# adopting


def test_what_is_as_declared_gets_a_mark_alone(stack: Harness, instances_api: Emulator, existing: int) -> None:
    """From then on the instance says who manages it. The order of its tags does not matter."""
    stack.program(ADOPT.format(id=existing))

    assert stack.up().outputs["id"].value == str(existing)

    assert calls(instances_api) == [f"PUT /instances/{existing}"]
    adopted = instances_api.instance(existing)
    assert (sorted(adopted["tags"]), adopted["managed_by"]) == (["a", "b"], "acceptance/dev/box")
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


def test_a_preview_says_what_an_adoption_changes(stack: Harness, instances_api: Emulator, existing: int) -> None:
    """It shows a create. A value that is an output, and so may be secret, is not shown."""
    program = ADOPT.format(id=existing).replace('"mine"', '"日本"')
    stack.program(program.replace('["a", "b"]', '[pulumi.Output.secret("s3cret-tag")]'))
    line = f"instance {existing} exists and is adopted: that changes its name from 'mine' to '日本' and its tags from "
    assert line + "['a', 'b'] to [secret]" in stack.preview().stdout
    assert "s3cret-tag" not in stack.said[-1]
    assert calls(instances_api) == []


def test_one_of_another_connector_is_refused(stack: Harness, instances_api: Emulator, existing: int) -> None:
    """The message names both; nothing is written, and nothing is in the state."""
    stack.program(ADOPT.format(id=existing).replace('your_mom="dropbox"', 'your_mom="box"'))

    with pytest.raises(
        auto.CommandError,
        match=stack.say(rf'adopt_id names instance {existing}, which is of "dropbox", .* your_mom="box"'),
    ):
        stack.up()
    stack.program(ADOPT.format(id=existing).replace('"dropbox"', 'pulumi.Output.secret("s3cret-mom")'))
    with pytest.raises(auto.CommandError, match=stack.say(r'has your_mom="\[secret\]"')) as failure:
        stack.up()
    assert "s3cret-mom" not in str(failure.value)

    assert calls(instances_api) == []
    assert stack.instances() == {}


def test_of_two_that_adopt_one_instance_the_second_fails(
    stack: Harness, instances_api: Emulator, existing: int
) -> None:
    """Both are in one run, and the instance stays with the first."""
    stack.program(
        ADOPT.format(id=existing)
        + f'    Instance("other", your_mom="dropbox", adopt_id="{existing}", '
        + "opts=pulumi.ResourceOptions(depends_on=[box]))\n"
    )

    said = stack.say(f"adopt_id names instance {existing}, (as it does for|which) another resource")
    with pytest.raises(auto.CommandError, match=said):
        stack.up()

    assert list(stack.instances()) == ["box"]
    assert instances_api.instance(existing)["managed_by"] == "acceptance/dev/box"


def test_what_an_earlier_run_adopted_is_not_adopted_again(
    stack: Harness, instances_api: Emulator, existing: int
) -> None:
    """In a later run, the preview refuses another resource in any order, and so does `up` after the first."""
    refusal = stack.say(MANAGED.format(id=existing))
    stack.program(ADOPT.format(id=existing))
    stack.up()

    other = f'    Instance("other", your_mom="dropbox", adopt_id="{existing}"'
    stack.program(ADOPT.format(id=existing) + other + ")\n")
    with pytest.raises(auto.CommandError, match=refusal):
        stack.preview()

    stack.program(ADOPT.format(id=existing) + other + ", opts=pulumi.ResourceOptions(depends_on=[box]))\n")
    with pytest.raises(auto.CommandError, match=refusal):
        stack.up()

    assert list(stack.instances()) == ["box"]
    assert len(calls(instances_api)) == 1


def test_what_the_state_holds_is_refused_when_the_adoption_came_first(
    stack: Harness, instances_api: Emulator, existing: int
) -> None:
    """An `up` without a preview fails, and without the second resource everything is as it was."""
    stack.program(ADOPT.format(id=existing))
    stack.up()
    other = f'    other = Instance("other", your_mom="dropbox", name="mine", adopt_id="{existing}")'
    after_it = ", opts=pulumi.ResourceOptions(depends_on=[other]))\n    pulumi.export"
    box = ADOPT.format(id=existing).replace(")\n    pulumi.export", after_it)
    stack.program(f"\n{other}{box}")
    with pytest.raises(
        auto.CommandError,
        match=stack.say(MANAGED.format(id=existing)),
    ):
        stack.up()

    stack.program(ADOPT.format(id=existing))
    stack.up()
    assert list(stack.instances()) == ["box"]
    assert len(calls(instances_api)) == 1


def test_what_adopt_id_names_is_not_replaced(stack: Harness, instances_api: Emulator, existing: int) -> None:
    """The preview already says so: the new instance would be the old one, which is then deleted."""
    stack.program(ADOPT.format(id=existing))
    stack.up()
    stack.program(ADOPT.format(id=existing).replace('your_mom="dropbox"', 'your_mom="box"'))

    with pytest.raises(auto.CommandError, match=stack.say("cannot change while adopt_id names the instance")):
        stack.preview()

    assert len(calls(instances_api)) == 1


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
    """It uses the stack's settings, and the token is a secret.

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
    assert set(stack.preview().change_summary) == {"same"}
    assert calls(instances_api) == ["POST /instances"]


@pytest.mark.document_dialect
def test_an_explicit_account_is_looked_up_in(stack: Harness, instances_api: Emulator) -> None:
    """The account's secrets may be outputs. To the SDK of the native package all that is found is a secret."""
    eu = instances_api.add_account()
    there = instances_api.add(name="there", account=eu)
    stack.configure({"eu:secret": auto.ConfigValue(eu.user_secret, secret=True)})
    stack.program(f"""
        from pulumi_instances import get_instance_output

        eu = account(
            "eu",
            base_url="{instances_api.base_url}",
            user_secret=pulumi.Config("eu").require_secret("secret"),
            organization_secret="{eu.organization_secret}",
        )
        found = get_instance_output(name="there", opts=pulumi.InvokeOptions(provider=eu))
        pulumi.export("id", found.id)
    """)

    output = stack.up().outputs["id"]

    assert (output.value, output.secret) == (str(there), stack.engine == "cli-native")


def test_a_look_up_does_not_show_the_secrets_that_it_was_asked_with(stack: Harness, instances_api: Emulator) -> None:
    """Neither where it finds nothing, nor where the service repeats them."""
    if stack.engine == "cli-native":
        pytest.skip("the SDKs of native packages drop the marks of what a function is asked with (SECURITY.md)")
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


def test_a_look_up_without_a_match_stops_a_preview(stack: Harness, instances_api: Emulator, existing: int) -> None:
    """If several match, the error lists the candidates."""
    twin = instances_api.add(your_mom="dropbox", name="mine")
    stack.program(LOOKUP)

    candidates = rf'2 instances have .*: {existing} "mine", {twin} "mine".*; pass the id'
    with pytest.raises(auto.CommandError, match=candidates):
        stack.preview()
