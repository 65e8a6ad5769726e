"""What the engine calls, answered by the real process, on each supported SDK. The rules have tests in unit/."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.mocks import secret
from tests.support.plugin import Bag, Checked, Diffed, Found, Plugin, PluginError
from tests.support.values import inputs, plain

PROTOCOL_5 = "gAWVNgAAAAAAAACMGnB1bHVtaV9pbnN0YW5jZXMubGlmZWN5Y2xllIwQSW5zdGFuY2VQcm92aWRlcpSTlCmBlC4="


def older(bag: Bag) -> Bag:
    """The outputs as the engine hands them back an hour after the create."""
    return {**plain(bag), "__created": bag["__created"] - 3600}


def test_an_instance_is_checked_created_read_updated_and_deleted(api: Emulator, plugin: Plugin) -> None:
    """What each call answers is exactly what the state then holds."""
    checked = plugin.check({"your_mom": "dropbox", "name": "billing", "tags": ["b", "a", "b"]})
    assert checked == Checked({"your_mom": "dropbox", "name": "billing", "tags": ["a", "b"]}, [])

    made = plugin.create(checked.inputs)
    (instance,) = api.instances()
    expected = {
        "your_mom": "dropbox",
        "name": "billing",
        "tags": ["a", "b"],
        "token": secret(instance["token"]),
        "valid": True,
        "disabled": False,
        "__defaults": [],
        "__account": made.outputs["__account"],
        "__created": made.outputs["__created"],
    }
    assert made == Found(str(instance["id"]), expected, {})
    assert isinstance(made.outputs["__account"], dict), "it is secret"

    assert plugin.diff(made.id, plain(made.outputs), checked.inputs) == Diffed("NONE", [])
    assert plugin.refresh(made.id, plain(made.outputs)) == Found(made.id, expected, checked.inputs)

    news = plugin.check({"your_mom": "dropbox", "name": "paid"}, checked.inputs).inputs
    assert plugin.diff(made.id, plain(made.outputs), news) == Diffed("UNKNOWN", [])
    assert plugin.update(made.id, plain(made.outputs), news) == {
        **expected,
        "name": "paid",
        "tags": [],
        "__defaults": ["tags"],
    }
    assert (api.instance(made.id)["name"], api.instance(made.id)["tags"]) == ("paid", [])

    plugin.delete(made.id, plain(made.outputs))
    assert api.instances() == []
    plugin.delete(made.id, older(made.outputs))  # what no longer exists counts as deleted
    assert plugin.refresh(made.id, older(made.outputs)) == Found("", {}, {}), "an empty id tells the engine to drop it"
    with pytest.raises(PluginError, match=rf"read instance {made.id}: 404.*check the id"):
        plugin.get(made.id)  # the engine would mistake an empty answer for success


def test_numbers_arrive_as_they_were_written(api: Emulator, plugin: Plugin) -> None:
    """The engine makes doubles of them; the API gets whole numbers, and nothing differs afterwards."""
    bag = inputs(configuration={"n": 3, "half": 0.5, "on": True}, provider_data={"deep": [{"n": 7}]})
    made = plugin.create(bag)
    (request,) = api.writes
    assert request.body is not None
    assert [repr(request.body["configuration"][key]) for key in ("n", "half", "on")] == ["3", "0.5", "True"]
    assert repr(request.body["providerData"]) == "{'deep': [{'n': 7}]}"
    assert plugin.diff(made.id, plain(made.outputs), bag).changes == "NONE"


def test_another_pickle_is_no_difference(plugin: Plugin) -> None:
    """Python 3.14 writes another one: no resource changes by that."""
    assert plugin.diff("1", {**inputs(), "token": "t"}, inputs(), PROTOCOL_5) == Diffed("NONE", [])


def test_every_output_is_there_however_many_are_looked_up(api: Emulator, plugin: Plugin) -> None:
    """Many lookups at once may be answered from one listing, which holds less than the objects themselves."""
    ids = [str(api.add(name=f"n{number}")) for number in range(6)]
    api.fail("GET", None, Fault.delay(0.1), times=2)
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(plugin.get, ids))
    assert [item.id for item in found] == ids
    assert [set(item.outputs) for item in found] == [
        {"your_mom", "name", "tags", "token", "valid", "disabled", "__defaults", "__account"},
    ] * 6


@pytest.mark.parametrize("adopt_id", [None, "74"])
def test_what_is_recorded_and_not_sent_is_said(plugin: Plugin, adopt_id: str | None) -> None:
    """How to make it take effect depends on whether the instance was adopted."""
    state, with_it = {**inputs(), "token": "t"}, inputs(configuration={"a": "b"}, adopt_id=adopt_id)
    plugin.diff("72", state, with_it)
    plugin.diff("73", {**state, **inputs(configuration={"a": "b"})}, inputs(adopt_id=adopt_id))
    advice = f"replace the instance: {'remove adopt_id and ' if adopt_id else ''}run `pulumi up --replace <URN>`"
    for instance_id, what in (("72", "recorded in the state"), ("73", "dropped from the state")):
        said = [line for line in plugin.log().splitlines() if f"instance {instance_id}: configuration is " in line]
        assert f"is {what}, and not sent" in said[-1]
        assert said[-1].endswith(advice)
