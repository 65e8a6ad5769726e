"""The configuration of providers, and what is not known yet. The rest is compared with the CLI (test_parity.py)."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi import automation as auto

from .conftest import NewStack
from .toy_cloud import Cloud


def two() -> None:
    import pulumi

    from tests.engine.toy_cloud import Thing

    a = Thing("a", name="a", tags=["x"])
    Thing("b", name="b", opts=pulumi.ResourceOptions(depends_on=[a]))


def test_destroy_and_refresh_use_the_configuration_of_the_last_update(new_stack: NewStack, cloud: Cloud) -> None:
    """They do not use the present one."""
    new_stack(two, config={"toy:region": "then"}).up()
    cloud.forget_calls()
    new_stack(two, config={"toy:region": "now"}).destroy()
    assert [call["region"] for call in cloud.calls("configure")] == ["then"]


def test_a_preview_of_a_provider_whose_configuration_is_not_known_yet_is_refused(new_stack: NewStack) -> None:
    """An update configures it."""

    def program() -> None:
        import pulumi

        from tests.engine.toy_cloud import Thing

        first = Thing("first", name="first")
        provider = pulumi.ProviderResource("pulumi-python", "late", {"toy:region": first.id})
        late = Thing("late-thing", name="late", opts=pulumi.ResourceOptions(provider=provider))
        pulumi.export("region", late.region)

    stack = new_stack(program)
    with pytest.raises(auto.CommandError, match="previews of accounts whose settings are not known yet"):
        stack.preview()
    assert stack.up().outputs["region"].value


def test_unknown_inputs_reach_check_in_a_preview(new_stack: NewStack, cloud: Cloud) -> None:
    """The id of a new resource is unknown, that of an updated one is not."""

    def program(name: str) -> Any:
        def run() -> None:
            from tests.engine.toy_cloud import Thing

            first = Thing("first", name=name)
            Thing("by-id", name=first.id)
            Thing("by-token", name=first.token)

        return run

    new_stack(program("a")).preview()
    assert [call["news"]["name"] for call in cloud.calls("check")].count("<Unknown>") == 2
    new_stack(program("a")).up()
    cloud.forget_calls()
    changed = new_stack(program("b"))
    assert changed.preview().change_summary == {"same": 2, "update": 2}
    names = [call["news"]["name"] for call in cloud.calls("check")]
    assert sorted(names) == sorted(["b", cloud.id_of("a"), "<Unknown>"])
