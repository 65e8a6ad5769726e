"""`.get`: instances that the stack refers to without owning them."""

from __future__ import annotations

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.support.checks import assert_ends_empty, assert_settled
from tests.support.harness import Harness

LOOKUP = """
    found = Instance.get("found", "{id}")
    for key in ("your_mom", "name", "tags", "token", "valid", "disabled"):
        pulumi.export(key, getattr(found, key))
"""


def test_a_lookup_equals_the_managed_instance(stack: Harness, instances_api: Emulator) -> None:
    """`.get` by the id of a managed instance gives the same outputs, its token secret too."""
    stack.program("""
        managed = Instance("managed", your_mom="dropbox", tags=["a"])
        found = Instance.get("found", managed.id)
        for key in ("your_mom", "name", "tags", "token", "valid", "disabled"):
            pulumi.export(f"managed {key}", getattr(managed, key))
            pulumi.export(f"found {key}", getattr(found, key))
    """)

    outputs = stack.up().outputs

    for key in ("your_mom", "name", "tags", "token", "valid", "disabled"):
        managed, found = outputs[f"managed {key}"], outputs[f"found {key}"]
        assert (found.value, found.secret) == (managed.value, managed.secret)
    assert outputs["found token"].secret is True
    states = stack.instances()
    assert states["found"]["id"] == states["managed"]["id"]
    assert states["found"]["external"] is True
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


def test_a_lookup_is_read_and_never_changed(stack: Harness, instances_api: Emulator) -> None:
    """It is known in previews already, follows the API, and outlives the stack. An id that is missing is an error."""
    stack.program(LOOKUP.format(id=4999999))
    for operation in (stack.preview, stack.up):
        with pytest.raises(auto.CommandError, match=r"read instance 4999999: 404.*; check the id"):
            operation()
    assert stack.instances() == {}

    existing = instances_api.add(your_mom="sfdc", name="by hand", tags=["b", "a"])
    stack.program(LOOKUP.format(id=existing))
    preview = stack.preview()
    if stack.engine != "local":  # which prints no outputs
        assert '"by hand"' in preview.stdout
    assert stack.up().outputs["tags"].value == ["a", "b"]
    inputs = stack.instances()["found"].get("inputs")
    assert_settled(stack, instances_api)
    assert stack.instances()["found"].get("inputs") == inputs  # what a program never gave would be shown as removed
    instances_api.change(existing, name="other")
    assert stack.up().outputs["name"].value == "other"
    stack.destroy()
    assert instances_api.writes == []
    assert [instance["id"] for instance in instances_api.instances()] == [existing]
