"""Resource options that the engine alone honours."""

from __future__ import annotations

import pytest
from pulumi import automation as auto

from .conftest import NewStack, resources
from .toy_cloud import Cloud


def test_all_protected_resources_are_named_and_the_others_deleted(new_stack: NewStack, cloud: Cloud) -> None:
    """What a protected one needs is kept as well."""

    def program() -> None:
        import pulumi

        from tests.engine.toy_cloud import Thing

        base = Thing("base", name="base")
        for name in ("p", "q"):
            Thing(name, name=name, opts=pulumi.ResourceOptions(protect=True, depends_on=[base]))
        Thing("free", name="free")

    stack = new_stack(program)
    stack.up()
    with pytest.raises(auto.CommandError) as failure:
        stack.destroy()
    assert str(failure.value).count("cannot be deleted") >= 2
    assert cloud.names() == ["base", "p", "q"]
    assert "free" not in resources(stack)


def test_a_renamed_component_takes_its_children_along(new_stack: NewStack, cloud: Cloud) -> None:
    """Their names begin with its name."""

    def before() -> None:
        from tests.engine.toy_cloud import Group

        Group("app")

    def after() -> None:
        import pulumi

        from tests.engine.toy_cloud import Group

        Group("web", opts=pulumi.ResourceOptions(aliases=[pulumi.Alias(name="app")]))

    new_stack(before).up()
    ids = {path.stem for path in cloud.directory.glob("*.json")}
    stack = new_stack(after)
    # The first child's own name is an input, so it is updated in place.
    assert stack.up().summary.resource_changes == {"same": 3, "update": 1}
    assert {path.stem for path in cloud.directory.glob("*.json")} == ids
    assert {"web", "web-first", "web-second"} < resources(stack).keys()


def test_children_inherit_what_their_parent_says(new_stack: NewStack) -> None:
    """They inherit `protect` and `retain_on_delete`, unless they say otherwise."""

    def program() -> None:
        import pulumi

        from tests.engine.toy_cloud import Group, Thing

        group = Group("g", opts=pulumi.ResourceOptions(protect=True, retain_on_delete=True))
        Thing("own", name="own", opts=pulumi.ResourceOptions(parent=group, protect=False))

    stack = new_stack(program)
    stack.up()
    state = resources(stack)
    assert (state["g-first"]["protect"], state["g-first"]["retainOnDelete"]) == (True, True)
    assert "protect" not in state["own"]
