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


def test_refresh_shows_drift_and_up_repairs_it(stack: Harness, instances_api: Emulator) -> None:
    """Name and tags that were changed by hand go into the state, and back to what the program says.

    What the service changes by itself is stored, and causes no diff. A token that an answer omits is carried forward.
    """
    stack.program(BOX)
    made = stack.up().outputs["id"].value
    instances_api.change(made, name="by hand", tags=["x", "y"])

    refresh = stack.refresh()

    assert refresh.summary.resource_changes == {"same": 1, "update": 1}
    if stack.engine != "local":  # which prints no differences
        assert "[diff: ~name,tags]" in refresh.stdout
    drifted = stack.instances()["box"]
    for bag in (drifted["inputs"], drifted["outputs"]):
        assert (bag["name"], bag["tags"]) == ("by hand", ["x", "y"])
    assert stack.up().summary.resource_changes == {"same": 1, "update": 1}
    repaired = instances_api.instance(made)
    assert (repaired["name"], repaired["tags"]) == ("first", ["a"])
    assert calls(instances_api) == ["POST /instances", f"PUT /instances/{made}"]
    assert_settled(stack, instances_api)

    token = "a-new-token-of-the-service"
    instances_api.change(made, valid=False, disabled=True, token=token)
    stack.refresh()
    outputs = stack.instances()["box"]["outputs"]
    assert (outputs["valid"], outputs["disabled"]) == (False, True)
    up = stack.up()
    assert up.summary.resource_changes == {"same": 2}
    assert up.outputs["token"].value == token

    without_token = f'{{"id": {made}, "name": "first", "tags": ["a"], "valid": true}}'
    instances_api.fail("GET", "/instances/{id}", Fault.status(200, body=without_token))
    stack.refresh()
    stack.program(BOX.replace("first", "second"))
    assert stack.up().outputs["token"].value == token
    instances_api.fail("GET", "/instances/{id}", Fault.status(200, body=without_token.replace("first", "second")))
    stack.refresh()
    after = stack.up().outputs["token"]
    assert (after.value, after.secret) == (token, True)
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
