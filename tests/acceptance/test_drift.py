"""Changes that are made without Pulumi."""

from __future__ import annotations

import pytest

from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.checks import assert_ends_empty, assert_settled, calls
from tests.support.harness import Harness

BOX = """
    box = Instance("box", your_mom="dropbox", name="first", tags=["a"])
    pulumi.export("id", box.id)
    pulumi.export("token", box.token)
"""


@pytest.mark.needs_engine("differences in what is printed")
def test_refresh_shows_drift_and_up_repairs_it(stack: Harness, instances_api: Emulator) -> None:
    """Name and tags that were changed by hand go into the state, and back to what the program says."""
    stack.program(BOX)
    made = stack.up().outputs["id"].value
    instances_api.change(made, name="by hand", tags=["x", "y"])

    refresh = stack.refresh()

    assert refresh.summary.resource_changes == {"same": 1, "update": 1}
    assert "[diff: ~name,tags]" in refresh.stdout
    drifted = stack.instances()["box"]
    for bag in (drifted["inputs"], drifted["outputs"]):
        assert (bag["name"], bag["tags"]) == ("by hand", ["x", "y"])

    assert stack.up().summary.resource_changes == {"same": 1, "update": 1}

    repaired = instances_api.instance(made)
    assert (repaired["name"], repaired["tags"]) == ("first", ["a"])
    assert calls(instances_api) == ["POST /instances", f"PUT /instances/{made}"]
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


@pytest.mark.document_dialect
def test_what_was_deleted_by_hand_is_made_anew(stack: Harness, instances_api: Emulator) -> None:
    """Refresh drops it from the state, and the next up creates another."""
    stack.program(BOX)
    lost = stack.up().outputs["id"].value
    instances_api.remove(lost)

    with stack.later():
        assert stack.refresh().summary.resource_changes == {"same": 1, "delete": 1}
    assert stack.instances() == {}

    up = stack.up()

    assert up.summary.resource_changes == {"same": 1, "create": 1}
    [made] = instances_api.instances()
    assert up.outputs["id"].value == str(made["id"]) != lost
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


def test_what_the_service_changes_by_itself_is_no_difference(stack: Harness, instances_api: Emulator) -> None:
    """A refresh stores `valid`, `disabled` and a new token, and none of them causes a diff."""
    stack.program(BOX)
    made = stack.up().outputs["id"].value
    instances_api.change(made, valid=False, disabled=True, token="a-new-token-of-the-service")

    stack.refresh()

    outputs = stack.instances()["box"]["outputs"]
    assert (outputs["valid"], outputs["disabled"]) == (False, True)
    up = stack.up()
    assert up.summary.resource_changes == {"same": 2}
    assert up.outputs["token"].value == "a-new-token-of-the-service"
    assert calls(instances_api) == ["POST /instances"]


def test_the_token_survives_answers_without_one(stack: Harness, instances_api: Emulator) -> None:
    """Refresh and update carry forward a token that an answer omits."""
    stack.program(BOX)
    before = stack.up().outputs
    made, token = before["id"].value, before["token"].value
    without_token = f'{{"id": {made}, "name": "first", "tags": ["a"], "valid": true}}'
    instances_api.fail("GET", "/instances/{id}", Fault.status(200, body=without_token), times=1)

    stack.refresh()
    stack.program(BOX.replace("first", "second"))
    assert stack.up().outputs["token"].value == token
    instances_api.fail("GET", "/instances/{id}", Fault.status(200, body=without_token.replace("first", "second")))
    stack.refresh()

    after = stack.up().outputs["token"]
    assert (after.value, after.secret) == (token, True)
    assert_settled(stack, instances_api)
