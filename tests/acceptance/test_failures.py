"""Operations that fail halfway."""

from __future__ import annotations

import re

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.checks import assert_ends_empty, assert_settled, calls
from tests.support.harness import Harness

CHAIN = """
    def after(*resources):
        return pulumi.ResourceOptions(depends_on=list(resources))

    first = Instance("first", your_mom="dropbox")
    middle = Instance("middle", your_mom="nonesuch", opts=after(first))
    Instance("last", your_mom="dropbox", opts=after(middle))
    Instance("aside", your_mom="dropbox", opts=after(first))
"""


def test_a_failing_create_leaves_the_rest_saved(stack: Harness, instances_api: Emulator) -> None:
    """What was made is in the state, what depends on the failure is left out, and the next up goes on."""
    stack.program(CHAIN)

    with pytest.raises(auto.CommandError) as failure:
        stack.up()

    assert "create instance 'middle': 404" in str(failure.value)
    made = {instance["name"]: str(instance["id"]) for instance in instances_api.instances()}
    # Whether `aside` is still begun is a race that the engine leaves open.
    assert {"first"} <= made.keys() <= {"first", "aside"}
    assert {name: state["id"] for name, state in stack.instances().items()} == made
    stack.program(CHAIN.replace("nonesuch", "box"))

    up = stack.up()

    assert up.summary.resource_changes == {"same": 1 + len(made), "create": 4 - len(made)}
    assert sorted(instance["name"] for instance in instances_api.instances()) == ["aside", "first", "last", "middle"]
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


def test_what_fails_is_tried_again_by_the_next_operation(stack: Harness, instances_api: Emulator) -> None:
    """An update, the deletion that a replacement owes, and a delete: until then the state holds what there is."""
    stack.program('Instance("box", your_mom="dropbox", name="first")')
    stack.up()
    before = stack.instances()
    stack.program('Instance("box", your_mom="dropbox", name="second")')
    instances_api.fail("PUT", None, Fault.status(400, "not today"))
    with pytest.raises(auto.CommandError, match='400 "not today"'):
        stack.up()
    assert stack.instances() == before
    assert stack.up().summary.resource_changes == {"same": 1, "update": 1}
    assert_settled(stack, instances_api)

    [old] = instances_api.instances()
    stack.program('Instance("box", your_mom="box")')
    instances_api.fail("DELETE", None, Fault.status(403, "not yours"))
    with pytest.raises(auto.CommandError, match='403 "not yours"'):
        stack.up()
    assert len(instances_api.instances()) == 2
    stack.up()
    [new] = instances_api.instances()
    assert new["your_mom"] == "box"
    assert calls(instances_api)[-1] == f"DELETE /instances/{old['id']}"
    assert_settled(stack, instances_api)

    instances_api.fail("DELETE", None, Fault.status(403, "not yours"))
    with pytest.raises(auto.CommandError, match='403 "not yours"'):
        stack.destroy()
    assert list(stack.instances()) == ["box"]
    assert_ends_empty(stack, instances_api)


@pytest.mark.needs_engine("statuses")
def test_a_call_that_takes_long_has_a_status(stack: Harness, instances_api: Emulator) -> None:
    """It says what is waited for, and for how long; it is not among what the engine repeats at the end."""
    stack.program('Instance("box", your_mom="dropbox")')
    instances_api.fail("POST", "/instances", Fault.delay(11.5))
    before, _, after = stack.up().stdout.partition("Resources:")
    assert re.search(r"create instance 'box': waiting for the service, 1\d s so far", before)
    assert "waiting for" not in before.partition("Diagnostics:")[2] + after
