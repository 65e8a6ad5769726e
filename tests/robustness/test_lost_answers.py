"""Creates whose answers are lost leave nothing lost or duplicated, on every engine."""

from __future__ import annotations

from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.checks import assert_ends_empty, assert_settled
from tests.support.harness import Harness

LOST = [Fault.drop_after(), Fault.garbage(), Fault.truncated(), *map(Fault.status_after, (408, 500, 502, 503, 504))]
"""Each of them alone, and what is found then, is in tests/unit/test_creation.py."""


def test_an_up_of_forty_ends_with_as_many_in_the_api_as_in_the_state(stack: Harness, instances_api: Emulator) -> None:
    """Each id occurs once, with the code, the tags and the token of its own resource.

    Six in ten creates lose their answer, one in twenty meets a 429, one listing in ten a 503.
    """
    stack.env["INSTANCES_MAX_RETRIES"] = "9"
    stack.program("""
        for number in range(40):
            box = Instance(
                f"box-{number}",
                your_mom="dropbox",
                name="same" if number % 2 else None,
                tags=[f"tag-{number}"],
                provider_data={"code": f"c0de-of-box-{number}"},
            )
            pulumi.export(f"box-{number}", box.token)
    """)
    for number, fault in enumerate(LOST):
        instances_api.fail("POST", "/instances", fault, probability=0.12, seed=3000 + number)
    now = {"retry-after": "0"}
    instances_api.fail("POST", "/instances", Fault.status(429, headers=now), probability=0.05, seed=3050)
    instances_api.fail("GET", "/instances", Fault.status(503, headers=now), probability=0.1, seed=3060)

    up = stack.up(parallel=40)

    assert up.summary.resource_changes == {"create": 41}
    held = {str(instance["id"]): instance for instance in instances_api.instances()}
    state, tokens = stack.instances(), up.outputs
    assert len(held) == len(state) == 40
    assert {resource["id"] for resource in state.values()} == held.keys()
    for name, resource in state.items():
        instance = held[resource["id"]]
        assert instance["provider_data"] == {"code": f"c0de-of-{name}"}
        assert instance["tags"] == [name.replace("box", "tag")]
        assert (tokens[name].value, tokens[name].secret) == (instance["token"], True)
    assert [request.status for request in instances_api.writes].count(200) < 40, "answers were lost indeed"
    assert_settled(stack, instances_api)
    assert_ends_empty(stack, instances_api)
