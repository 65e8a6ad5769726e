"""What a stack of instances costs, as far as it can be counted. Times are in `make bench`."""

from __future__ import annotations

import base64

import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.support.harness import Harness


@pytest.mark.dynamic_door("it is about the pickled provider in the state")
@pytest.mark.usefixtures("instances_api")
def test_the_state_holds_what_users_read_and_nothing_else(stack: Harness) -> None:
    """The file backend writes the whole state at every step, so the state has no connector object and no code."""
    stack.program('Instance("box", your_mom="dropbox", tags=["a"])')
    stack.up()
    [instance] = [resource for resource in stack.resources() if resource["type"].endswith(":Instance")]
    assert sorted(instance["inputs"]) == ["__line", "__provider", "name", "tags", "your_mom"]
    hidden = ["__account", "__created", "__defaults", "__mark", "__provider"]
    assert sorted(instance["outputs"]) == [*hidden, "disabled", "name", "tags", "token", "valid", "your_mom"]
    assert instance["outputs"]["your_mom"] == "dropbox"
    for bag in (instance["inputs"], instance["outputs"]):
        assert len(base64.b64decode(bag["__provider"])) <= 100


def test_a_preview_of_what_is_there_sends_no_request(stack: Harness, instances_api: Emulator) -> None:
    """`configure`, check and diff work without the API."""
    stack.program("""
        for number in range(5):
            Instance(f"box-{number}", your_mom="dropbox")
    """)
    stack.up()
    before = len(instances_api.requests)
    assert stack.preview().change_summary == {"same": 6}
    assert len(instances_api.requests) == before
