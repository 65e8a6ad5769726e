"""A name or tags that the program does not give are the server's. All transitions are in tests/unit/test_model.py."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.support.checks import assert_ends_empty, assert_settled, calls, without_mark
from tests.support.harness import Harness


def box(**arguments: Any) -> str:
    """A program with one instance."""
    given = "".join(f", {key}={value!r}" for key, value in arguments.items() if key != "opts")
    opts = f", opts=pulumi.ResourceOptions({arguments['opts']})" if "opts" in arguments else ""
    return f'Instance("box", your_mom="dropbox"{given}{opts})'


def held(api: Emulator, instance_id: object) -> tuple[str, list[str]]:
    instance = api.instance(str(instance_id))
    return instance["name"], sorted(instance["tags"])


@pytest.fixture
def by_hand(instances_api: Emulator) -> int:
    return instances_api.add(your_mom="dropbox", name="by hand", tags=["x", "y"])


def test_an_adopted_instance_keeps_name_and_tags_that_are_not_given(
    stack: Harness, instances_api: Emulator, by_hand: int
) -> None:
    """One request gives it a mark, drift causes no diff, and the outputs show it. adopt_id may go, and the name change.

    The name on the server stays then, although the default name is another one by now.
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
    stack.program('Instance("crate", your_mom="dropbox", opts=pulumi.ResourceOptions(aliases=[pulumi.Alias("box")]))')
    stack.up()
    assert list(stack.instances()) == ["crate"]
    assert_settled(stack, instances_api)
    assert held(instances_api, by_hand) == ("renamed", ["z"])
    assert calls(instances_api) == [f"PUT /instances/{by_hand}"]
    assert_ends_empty(stack, instances_api)


def test_tags_that_were_given_and_are_dropped_are_cleared(stack: Harness, instances_api: Emulator) -> None:
    """They are cleared after drift and a refresh, too. From then on the server manages them."""
    stack.program(box(tags=["a"]))
    stack.up()
    [made] = instances_api.instances()
    instances_api.change(made["id"], tags=["a", "drift"])
    stack.refresh()
    stack.program(box())

    assert stack.up().summary.resource_changes == {"same": 1, "update": 1}

    assert held(instances_api, made["id"]) == ("box", [])
    assert_settled(stack, instances_api)
    instances_api.change(made["id"], tags=["by hand"])
    stack.refresh()
    assert_settled(stack, instances_api)
    assert held(instances_api, made["id"]) == ("box", ["by hand"])
    assert len(calls(instances_api)) == 2


@pytest.mark.document_dialect
def test_tags_that_were_never_given_are_left_alone_by_an_update(stack: Harness, instances_api: Emulator) -> None:
    """The POST has the mark alone, and the PUT of a name contains no tags; an empty list clears them."""
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

    stack.program(box(name="second", tags=[]))
    assert stack.up().summary.resource_changes == {"same": 1, "update": 1}
    assert held(instances_api, made["id"]) == ("second", [])
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)


def test_ignored_changes_are_no_change(stack: Harness, instances_api: Emulator, by_hand: int) -> None:
    """It is so for what is given, changed and dropped, and for what was never given: that stays the server's."""
    other = instances_api.add(your_mom="dropbox", name="by another", tags=["z"])

    def program(given: str, left: str = "") -> str:
        return f"""
        ignoring = pulumi.ResourceOptions(ignore_changes=["tags", "name"])
        Instance("made", your_mom="dropbox", {given}opts=ignoring)
        Instance("adopted", your_mom="dropbox", adopt_id="{by_hand}", {given}opts=ignoring)
        Instance("left", your_mom="dropbox", adopt_id="{other}", {left}opts=ignoring)
        """

    stack.program(program('name="named", tags=["a"], '))
    stack.up()
    written = calls(instances_api)
    assert held(instances_api, by_hand) == ("named", ["a"])
    for text in (program('name="other", tags=["b"], ', 'name="n", tags=["t"], '), program("")):
        stack.program(text)
        assert set(stack.preview().change_summary) == {"same"}
        stack.up()
    assert_settled(stack, instances_api)
    assert calls(instances_api) == written
    assert held(instances_api, by_hand) == ("named", ["a"])
    assert held(instances_api, other) == ("by another", ["z"])


@pytest.mark.document_dialect
def test_a_replacement_always_has_a_name(stack: Harness, instances_api: Emulator, by_hand: int) -> None:
    """The program creates the new instance, so it gets the default name, and no tags."""
    stack.program(box(adopt_id=str(by_hand)))
    stack.up()
    stack.program(box().replace("dropbox", "box"))
    assert stack.up().summary.resource_changes == {"same": 1, "replace": 1}
    [made] = instances_api.instances()
    assert (made["name"], made["tags"], made["your_mom"]) == ("box", [], "box")
    assert_settled(stack, instances_api)
    stack.program(box(name="box").replace("dropbox", "box"))
    assert set(stack.preview().change_summary) == {"same"}
    assert_ends_empty(stack, instances_api)
