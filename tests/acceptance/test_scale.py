"""Many instances."""

from __future__ import annotations

import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.support.checks import assert_ends_empty, assert_settled, calls
from tests.support.harness import Harness


def test_fifty_at_once_do_not_mix(stack: Harness, instances_api: Emulator) -> None:
    """Each resource has the id, the token and the tags of its own instance."""
    stack.program("""
        for number in range(50):
            box = Instance(f"box-{number}", your_mom="dropbox", tags=[f"tag-{number}"])
            pulumi.export(f"box-{number}", pulumi.Output.all(box.id, box.name, box.tags, box.token))
    """)

    up = stack.up(parallel=16)

    assert up.summary.resource_changes == {"create": 51}
    made = {
        instance["name"]: [str(instance["id"]), instance["name"], instance["tags"], instance["token"]]
        for instance in instances_api.instances()
    }
    assert made == {name: output.value for name, output in up.outputs.items()}
    assert sorted(made) == sorted(f"box-{number}" for number in range(50))
    assert calls(instances_api) == ["POST /instances"] * 50
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


@pytest.mark.parametrize("engine", ["local"], indirect=True)
def test_a_lifecycle_of_ten_on_the_local_engine(stack: Harness, instances_api: Emulator) -> None:
    """Creating, changing, repairing and destroying send one request for each change of each instance."""
    program = """
        for number in range(10):
            Instance(f"box-{number}", your_mom="dropbox", tags=["first"])
    """
    stack.program(program)
    assert stack.up().summary.resource_changes == {"create": 11}
    assert stack.preview().change_summary == {"same": 11}
    stack.program(program.replace("first", "second"))
    assert stack.up().summary.resource_changes == {"same": 1, "update": 10}
    instances_api.change(instances_api.instances()[0]["id"], tags=["drifted"])
    assert stack.refresh().summary.resource_changes == {"same": 10, "update": 1}
    assert stack.up().summary.resource_changes == {"same": 10, "update": 1}
    assert stack.destroy().summary.resource_changes == {"delete": 11}
    assert [request.method for request in instances_api.writes] == ["POST"] * 10 + ["PUT"] * 11 + ["DELETE"] * 10
    assert instances_api.instances() == []
