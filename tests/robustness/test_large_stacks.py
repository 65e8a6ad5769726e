"""Large stacks without checkpoints: a killed CLI has written nothing of its run, and the next run needs none of it.

The engine writes its state once, at the end. What the killed run has done is at the API only.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Emulator, Fault
from tests.robustness.running import unlock, up
from tests.support.checks import assert_settled
from tests.support.harness import PLUGINS, Harness, NativeHarness
from tests.support.processes import until

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes through /proc"),
    pytest.mark.needs_engine("a state on disk, which a killed process leaves"),
]

COUNT = 200
HALF = COUNT // 2
NAMES = [f"box-{number}" for number in range(COUNT)]


def declare(stack: Harness, tag: str) -> None:
    """Make the program one of so many instances with this tag and a code each, with the native package in YAML."""
    if isinstance(stack, NativeHarness):
        common = {"yourMom": "dropbox", "tags": [tag]}
        boxes = {
            name: {"type": "instances:Instance", "properties": {**common, "providerData": {"code": name}}}
            for name in NAMES
        }
        program = f"name: acceptance\nruntime: yaml\n{PLUGINS}resources: {json.dumps(boxes)}\n"
        (stack.directory / "Pulumi.yaml").write_text(program)
    else:
        stack.program(f"""
            for number in range({COUNT}):
                code = {{"code": f"box-{{number}}"}}
                Instance(f"box-{{number}}", your_mom="dropbox", tags=[{tag!r}], provider_data=code)
        """)


@contextmanager
def killed(stack: Harness, api: Emulator, operation: str, method: str, *, group: bool) -> Iterator[None]:
    """Kill the CLI, or its process group, when the API has answered half of its writes; the stack is then unlocked.

    The next writes take the API longer than it takes to kill the CLI.
    """
    api.fail(method, None, Fault.delay(0.0), times=HALF)
    api.fail(method, None, Fault.delay(0.3), times=HALF // 2)
    before = len(api.writes)
    with up(stack, operation) as running:
        until(lambda: sum(write.status is not None for write in api.writes[before:]) >= HALF)
        running.kill(group=group)
        running.wait()
        unlock(stack)
        yield


def held(stack: Harness) -> dict[str, tuple[str, str]]:
    """The id and token of each instance in the state, by its name."""
    return {
        name: (resource["id"], resource["outputs"]["token"]["plaintext"])
        for name, resource in stack.instances().items()
    }


def there(api: Emulator) -> dict[str, tuple[str, str]]:
    """The id and token of each instance at the API, by its name; each name is there once."""
    found = {each["name"]: (str(each["id"]), json.dumps(each["token"])) for each in api.instances()}
    assert len(found) == len(api.instances())
    return found


def test_a_run_that_was_killed_without_checkpoints_is_completed_by_the_next(
    stack: Harness, instances_api: Emulator
) -> None:
    """In mid-create, in mid-update and in mid-destroy: the engine alone, or its process group."""
    stack.env.update(instances_api.env)
    stack.env.update(PULUMI_SKIP_CHECKPOINTS="true", INSTANCES_TAKE_OVER="yes")
    group = isinstance(stack, NativeHarness)

    declare(stack, "first")
    with killed(stack, instances_api, "up", "POST", group=group):
        made = there(instances_api)
        assert (stack.instances(), HALF <= len(made) < COUNT) == ({}, True)
        stack.up()
    assert held(stack) == there(instances_api)
    assert held(stack).keys() == {*NAMES}
    assert made.items() <= held(stack).items()
    sent = Counter(write.method for write in instances_api.writes)
    assert (sent["POST"], HALF <= sent["PUT"] < COUNT) == (COUNT, True), "each that is taken over gets one PUT"

    first = held(stack)
    declare(stack, "second")
    with killed(stack, instances_api, "up", "PUT", group=not group):
        assert {*map(tuple, (each["outputs"]["tags"] for each in stack.instances().values()))} == {("first",)}
        before = len(instances_api.writes)
        stack.up()
    assert held(stack) == there(instances_api) == first
    assert {*map(tuple, (each["tags"] for each in instances_api.instances()))} == {("second",)}
    assert len(instances_api.writes) - before >= COUNT
    assert_settled(stack, instances_api)

    with killed(stack, instances_api, "destroy", "DELETE", group=group), stack.later():
        assert (held(stack), 0 < len(instances_api.instances()) <= HALF) == (first, True)
        stack.destroy()
    assert (instances_api.instances(), stack.resources()) == ([], [])


LOGIN = """
    login = {"code": "%s"}
    box = Instance("box", your_mom="dropbox", provider_data=login)
"""
AND_HANG = """
    import time
    box.provider_data.apply(lambda _: time.sleep(60))
"""


def test_a_login_of_a_killed_run_is_kept_by_the_code_that_the_state_knows(stack: Harness) -> None:
    """A service that logs in anew takes the code in the update: the state does not know that it was used."""
    with Emulator(dialect="elements") as live:
        stack.env.update(live.env)
        stack.env["PULUMI_SKIP_CHECKPOINTS"] = "true"
        stack.program(LOGIN % "c0de-1")
        stack.up()
        stack.program(LOGIN % "c0de-2" + AND_HANG)
        with up(stack) as running:
            until(lambda: [write.status for write in live.writes] == [200, 200])
            running.kill()
            running.wait()
            unlock(stack)

        stack.program(LOGIN % "c0de-2")
        with pytest.raises(auto.CommandError, match="give a new code if this one was used"):
            stack.up()
        before = len(live.writes)
        stack.program(LOGIN % "c0de-1")
        assert set(stack.preview().change_summary) == {"same"}
        stack.program(LOGIN % "c0de-3")
        stack.up()
        assert [write.method for write in live.writes[before:]] == ["PUT"]
