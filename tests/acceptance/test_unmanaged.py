"""A name or tags that the program does not give are the server's. All transitions are in tests/unit/test_model.py."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.support.checks import assert_ends_empty, assert_settled, calls, held, without_mark
from tests.support.harness import Harness


def box(**arguments: Any) -> str:
    """A program with one instance."""
    given = "".join(f", {key}={value!r}" for key, value in arguments.items() if key != "opts")
    opts = f", opts=pulumi.ResourceOptions({arguments['opts']})" if "opts" in arguments else ""
    return f'Instance("box", your_mom="dropbox"{given}{opts})'


@pytest.fixture
def by_hand(instances_api: Emulator) -> int:
    return instances_api.add(your_mom="dropbox", name="by hand", tags=["x", "y"])


@pytest.mark.document_dialect
def test_an_adopted_instance_keeps_name_and_tags_that_are_not_given(
    stack: Harness, instances_api: Emulator, by_hand: int
) -> None:
    """One request gives it a mark, drift causes no diff, and the outputs show it. adopt_id may go, and the name change.

    The name on the server stays then, although the default name is another one by now. The program creates what
    replaces it, so that gets the default name, and no tags.
    """
    stack.program(box(adopt_id=str(by_hand)))
    stack.up()
    outputs = stack.instances()["box"]["outputs"]
    assert (outputs["name"], outputs["tags"], outputs["__defaults"]) == ("by hand", ["x", "y"], ["name", "tags"])
    assert_settled(stack, instances_api)

    instances_api.change(by_hand, name="renamed", tags=["z"])
    stack.refresh()
    outputs = stack.instances()["box"]["outputs"]
    assert (outputs["name"], outputs["tags"]) == ("renamed", ["z"])
    assert_settled(stack, instances_api)

    stack.program(box())
    assert set(stack.preview().change_summary) <= {"same", "update"}
    stack.up()
    crate = 'Instance("crate", your_mom="dropbox", opts=pulumi.ResourceOptions(aliases=[pulumi.Alias("box")]))'
    stack.program(crate)
    stack.up()
    assert list(stack.instances()) == ["crate"]
    assert_settled(stack, instances_api)
    assert held(instances_api, by_hand) == ("renamed", ["z"])
    assert calls(instances_api) == [f"PUT /instances/{by_hand}"]

    stack.program(crate.replace("dropbox", "box"))
    assert stack.up().summary.resource_changes == {"same": 1, "replace": 1}
    [made] = instances_api.instances()
    assert (made["name"], made["tags"], made["your_mom"]) == ("crate", [], "box")
    stack.program(crate.replace("dropbox", "box").replace("opts=", 'name="crate", opts='))
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


@pytest.mark.document_dialect
def test_tags_are_the_servers_until_they_are_given_and_once_they_are_dropped(
    stack: Harness, instances_api: Emulator
) -> None:
    """The POST has the mark alone, and a PUT of the name no tags. An empty list clears them; so does dropping them."""
    stack.program(box(name="first"))
    stack.up()
    [made] = instances_api.instances()
    instances_api.change(made["id"], tags=["by hand"])
    assert_settled(stack, instances_api)

    stack.program(box(name="second"))
    stack.up()
    assert held(instances_api, made["id"]) == ("second", ["by hand"])
    assert [without_mark(request.body) for request in instances_api.writes] == [
        {"your_mom": {"key": "dropbox"}, "name": "first", "tags": []},
        {"name": "second"},
    ]
    stack.refresh()

    for tags in ([], ["a"]):
        stack.program(box(name="second", tags=tags))
        assert stack.up().summary.resource_changes == {"same": 1, "update": 1}
        assert held(instances_api, made["id"]) == ("second", tags)

    instances_api.change(made["id"], tags=["a", "drift"])
    stack.refresh()
    stack.program(box(name="second"))
    assert stack.up().summary.resource_changes == {"same": 1, "update": 1}
    assert held(instances_api, made["id"]) == ("second", [])
    instances_api.change(made["id"], tags=["by hand"])
    stack.refresh()
    assert_settled(stack, instances_api)
    assert held(instances_api, made["id"]) == ("second", ["by hand"])
    assert len(calls(instances_api)) == 5
    assert_ends_empty(stack, instances_api)
