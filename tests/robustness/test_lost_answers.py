"""Creates whose answers are lost leave nothing lost or duplicated, in the real process and the real engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from pulumi_instances.core.marks import Place, line_of
from pulumi_instances.core.model import LINE
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.checks import calls
from tests.support.harness import Harness
from tests.support.plugin import Bag, Found, Plugin
from tests.support.values import inputs

LOST = {
    "connection lost": Fault.drop_after(),
    "not JSON": Fault.garbage(),
    "broken off": Fault.truncated(),
    **{f"{status} of a proxy": Fault.status_after(status) for status in (408, 500, 502, 503, 504)},
}


def lose_answers(api: Emulator, seed: int) -> None:
    """Six in ten creates lose their answer, one in twenty meets a 429, one listing in ten a 503."""
    for number, fault in enumerate(LOST.values()):
        api.fail("POST", "/instances", fault, probability=0.12, seed=seed + number)
    api.fail("POST", "/instances", Fault.status(429, headers={"retry-after": "0"}), probability=0.05, seed=seed + 50)
    api.fail("GET", "/instances", Fault.status(503, headers={"retry-after": "0"}), probability=0.1, seed=seed + 60)


def bag(number: int) -> Bag:
    """The inputs of one of forty: half of them have the same name, connector and tags, and each has its own code."""
    name = "same" if number % 2 else f"n{number}"
    return inputs(name=name, provider_data={"code": f"c0de-of-{number}"}, **marked(f"box-{number}"))


def marked(name: str) -> Bag:
    """What Check adds to the inputs of a resource, so that a create marks its instance."""
    return {LINE: line_of(Place("acceptance", "dev", "", name))}


@pytest.mark.parametrize("lost", LOST)
def test_a_lost_answer_ends_in_the_one_instance_that_was_made(api: Emulator, plugin: Plugin, lost: str) -> None:
    """The plugin process returns the id and token of that instance, and sends nothing twice."""
    api.fail("POST", "/instances", LOST[lost])
    made = plugin.create(inputs(**marked("crm")))
    [instance] = api.instances()
    assert (made.id, made.outputs["token"]["value"]) == (str(instance["id"]), instance["token"])
    assert calls(api) == ["POST /instances"]


@pytest.mark.parametrize("seed", [1000, 2000])
def test_forty_creates_in_flight_lose_and_double_nothing(api: Emulator, plugin: Plugin, seed: int) -> None:
    """Each gets the object that was made from its own code, and that object's token."""
    lose_answers(api, seed)
    with ThreadPoolExecutor(40) as threads:
        made: list[Found] = list(threads.map(lambda number: plugin.create(bag(number)), range(40)))
    held = {str(instance["id"]): instance for instance in api.instances()}
    assert len(held) == len({item.id for item in made}) == 40
    for number, item in enumerate(made):
        assert held[item.id]["provider_data"] == {"code": f"c0de-of-{number}"}
        assert item.outputs["token"]["value"] == held[item.id]["token"]
    statuses = [request.status for request in api.writes]
    assert statuses.count(200) < 40, "answers were lost indeed"


def test_an_up_of_forty_ends_with_as_many_in_the_api_as_in_the_state(stack: Harness, instances_api: Emulator) -> None:
    """On every engine each id occurs once, with the code and the token of its own resource."""
    stack.env["INSTANCES_MAX_RETRIES"] = "9"
    stack.program("""
        for number in range(40):
            Instance(
                f"box-{number}",
                your_mom="dropbox",
                name="same" if number % 2 else None,
                provider_data={"code": f"c0de-of-box-{number}"},
            )
    """)
    lose_answers(instances_api, 3000)

    assert stack.up(parallel=40).summary.resource_changes == {"create": 41}

    held = {str(instance["id"]): instance for instance in instances_api.instances()}
    state = stack.instances()
    assert len(held) == len(state) == 40
    assert {resource["id"] for resource in state.values()} == held.keys()
    for name, resource in state.items():
        assert held[resource["id"]]["provider_data"] == {"code": f"c0de-of-{name}"}
