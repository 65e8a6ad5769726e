"""Refresh, look-ups, providers and outputs: the content of the state, and where it comes from."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi import automation as auto

from .conftest import NewStack, resources, urn
from .toy_cloud import Cloud


def two() -> None:
    import pulumi

    from tests.engine.toy_cloud import Thing

    a = Thing("a", name="a", tags=["x"])
    Thing("b", name="b", opts=pulumi.ResourceOptions(depends_on=[a]))


def test_drift_is_shown_by_refresh_and_repaired_by_up(new_stack: NewStack, cloud: Cloud) -> None:
    """Inputs that read gives are taken over, so the next update sees the difference."""
    stack = new_stack(two)
    stack.up()
    id_ = cloud.id_of("a")
    cloud.put(id_, {**cloud.get(id_), "name": "drifted"})

    refresh = stack.refresh()
    assert refresh.summary.resource_changes == {"same": 2, "update": 1}
    assert "Thing a updated" in refresh.stdout
    assert resources(stack)["a"]["inputs"]["name"] == "drifted"
    assert stack.preview().change_summary == {"same": 2, "update": 1}
    stack.up()
    assert cloud.names() == ["a", "b"]


def test_what_is_missing_is_dropped_and_made_anew(new_stack: NewStack, cloud: Cloud) -> None:
    """What depended on it no longer does, until the next update."""
    stack = new_stack(two)
    stack.up()
    cloud.path(cloud.id_of("a")).unlink()
    assert stack.refresh().summary.resource_changes == {"same": 2, "delete": 1}
    state = resources(stack)
    assert "a" not in state
    assert "dependencies" not in state["b"]
    assert stack.up().summary.resource_changes == {"create": 1, "same": 2}
    assert resources(stack)["b"]["dependencies"] == [urn("a")]


def test_a_failed_read_leaves_the_other_refreshes(new_stack: NewStack, cloud: Cloud) -> None:
    """The state contains what could be read."""
    stack = new_stack(two)
    stack.up()
    id_ = cloud.id_of("a")
    cloud.put(id_, {**cloud.get(id_), "name": "drifted"})
    cloud.refuse("read", "b")
    with pytest.raises(auto.CommandError, match="the cloud refuses to read b"):
        stack.refresh()
    assert resources(stack)["a"]["inputs"]["name"] == "drifted"
    assert "b" in resources(stack)


def lookup(id_: str | None = None) -> Any:
    def program() -> None:
        import pulumi

        from tests.engine.toy_cloud import Thing

        made = Thing("made", name="made")
        found = Thing("found", opts=pulumi.ResourceOptions(id=id_ or made.id))
        pulumi.export("region", found.region)
        pulumi.export("token", found.token)

    return program


def test_a_resource_is_looked_up_by_id(new_stack: NewStack, cloud: Cloud) -> None:
    """Previews do so too; the resource is external, is counted only when it is new, and is never deleted."""
    stack = new_stack(lookup())
    assert stack.preview().change_summary == {"create": 2}
    up = stack.up(diff=True)
    assert up.summary.resource_changes == {"create": 2}
    assert (up.outputs["token"].value, up.outputs["token"].secret) == ("token of made", True)
    found = resources(stack)["found"]
    assert (found["external"], found["id"]) == (True, cloud.id_of("made"))
    cloud.forget_calls()
    assert stack.preview().change_summary == {"same": 2}
    assert len(cloud.calls("read")) == 1
    assert stack.destroy().summary.resource_changes == {"discard": 1, "delete": 2}
    assert [call["name"] for call in cloud.calls("delete")] == ["made"]


def regions(first: str, *, own: bool = True) -> Any:
    def program() -> None:
        import pulumi

        from tests.engine.toy_cloud import Thing

        config = {"toy:region": first, "toy:key": pulumi.Output.secret("hush")}
        provider = pulumi.ProviderResource("pulumi-python", "eu", config) if own else None
        there = Thing("there", name="there", opts=pulumi.ResourceOptions(provider=provider))
        here = Thing("here", name="here")
        pulumi.export("regions", [there.region, here.region])

    return program


def test_providers_change_without_replacing(new_stack: NewStack, cloud: Cloud) -> None:
    """A new configuration updates the provider only; another provider takes resources over as they are."""
    new_stack(regions("europe")).up()
    ids = {path.stem for path in cloud.directory.glob("*.json")}
    assert new_stack(regions("asia")).up().summary.resource_changes == {"same": 3, "update": 1}
    gone = new_stack(regions("", own=False))
    assert gone.up().summary.resource_changes == {"same": 3, "delete": 1}
    assert {path.stem for path in cloud.directory.glob("*.json")} == ids
    assert "eu" not in resources(gone)


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


def test_outputs_come_and_go(new_stack: NewStack) -> None:
    """They have all kinds of values, and a failed update keeps those that it could not renew."""

    def outputs(values: dict[str, Any], *, fail: bool = False) -> Any:
        def program() -> None:
            import pulumi

            for name, value in values.items():
                pulumi.export(name, value)
            if fail:
                raise ValueError("after all")

        return program

    values = {"n": 1.5, "i": 3, "l": [True, None, {"a": "b"}], "s": "text"}
    assert {k: v.value for k, v in new_stack(outputs(values)).up().outputs.items()} == values
    failing = new_stack(outputs({"i": 4}, fail=True))
    with pytest.raises(auto.CommandError):
        failing.up()
    assert {k: v.value for k, v in failing.outputs().items()} == {**values, "i": 4}
    assert new_stack(outputs({"i": 5})).up().outputs.keys() == {"i"}
