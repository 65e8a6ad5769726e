"""Large stacks without checkpoints: a killed CLI has written nothing of its run, and the next run needs none of it.

The engine writes its state once, at the end. What the killed run has done is at the API only.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Emulator, Fault
from tests.acceptance.conftest import needs_cli
from tests.docs.markdown import blocks
from tests.robustness.running import unlock, up
from tests.support.checks import assert_settled, calls
from tests.support.harness import PLUGINS, Harness, NativeHarness
from tests.support.processes import until

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes through /proc"),
    pytest.mark.needs_engine("a state on disk, which a killed process leaves"),
]

COUNT = 200
HALF = COUNT // 2
NAMES = [f"box-{number}" for number in range(COUNT)]
COMMANDS = "".join(blocks("docs/large-stacks.md", "sh"))
TAKEN_OVER, DESTROYED = blocks("docs/large-stacks.md", "text")


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


def unsaid(stack: Harness, quoted: str) -> list[str]:
    """The lines of a quoted output that the last operation has not printed, whatever their ids."""
    patterns = [
        re.escape(re.sub(r"\b4\d{3}\b", "ID", line.strip())).replace("ID", r"\d+") for line in quoted.splitlines()
    ]
    return [pattern for pattern in patterns if not re.search(pattern, stack.said[-1])]


def test_a_run_that_was_killed_without_checkpoints_is_completed_by_the_next(
    stack: Harness, instances_api: Emulator
) -> None:
    """In mid-create, in mid-update and in mid-destroy: the engine alone, or its process group."""
    stack.env.update(instances_api.env)
    stack.env.update(re.findall(r"([A-Z_]+)=(\w+)", COMMANDS))
    group = isinstance(stack, NativeHarness)

    declare(stack, "first")
    with killed(stack, instances_api, "up", "POST", group=group):
        made = there(instances_api)
        assert (stack.instances(), HALF <= len(made) < COUNT) == ({}, True)
        stack.up()
    assert unsaid(stack, TAKEN_OVER) == []
    assert held(stack) == there(instances_api)
    assert held(stack).keys() == {*NAMES}
    assert made.items() <= held(stack).items()
    sent = Counter(request.method for request in instances_api.requests if request.path != "/instances")
    assert calls(instances_api).count("POST /instances") == COUNT
    assert HALF <= sent["GET"] == sent["PUT"] < COUNT, "each that is taken over takes a GET and a PUT"

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
        before = len(instances_api.requests)
        stack.destroy()
    assert unsaid(stack, DESTROYED) == []
    assert len(instances_api.requests) - before < COUNT + HALF, "each takes a GET or a DELETE"
    assert (instances_api.instances(), stack.resources()) == ([], [])


LOGIN = """
    first = Instance("first", your_mom="dropbox", tags=["{tag}"])
    after = pulumi.ResourceOptions(depends_on=first)
    box = Instance("box", your_mom="dropbox", provider_data={{"code": "{code}"}}, opts=after)
"""
AND_HANG = """
    import time
    box.provider_data.apply(lambda _: time.sleep(60))
"""


def test_a_login_of_a_killed_run_is_kept_by_the_code_that_the_state_knows(stack: Harness) -> None:
    """A service that logs in anew takes the code in an update. A run that fails has written what it has done."""
    with Emulator(dialect="elements", demand_codes=False) as live:
        stack.env.update(live.env)
        stack.env["PULUMI_SKIP_CHECKPOINTS"] = "true"
        stack.program(LOGIN.format(tag="a", code="c0de-1"))
        stack.up()
        stack.program(LOGIN.format(tag="a", code="c0de-2") + AND_HANG)
        with up(stack) as running:
            until(lambda: [write.status for write in live.writes] == [200, 200, 200])
            running.kill()
            running.wait()
            unlock(stack)

        stack.program(LOGIN.format(tag="b", code="c0de-2"))
        with pytest.raises(auto.CommandError, match="give a new code if this one was used"):
            stack.up()
        assert stack.instances()["first"]["outputs"]["tags"] == ["b"]
        stack.program(LOGIN.format(tag="b", code="c0de-1"))
        assert set(stack.preview().change_summary) == {"same"}
        stack.program(LOGIN.format(tag="b", code="c0de-3"))
        before = len(live.writes)
        stack.up()
        assert [write.method for write in live.writes[before:]] == ["PUT"]


@pytest.mark.parametrize("engine", [pytest.param("cli", marks=needs_cli)], indirect=True)
def test_a_compressed_state_is_a_fifth_or_less_and_read_without_the_setting(stack: Harness) -> None:
    stack.env.update(PULUMI_SKIP_CHECKPOINTS="true", PULUMI_DIY_BACKEND_ZSTD="true")
    declare(stack, "first")
    with up(stack) as running:
        assert running.wait()[0] == 0
    [file] = stack.directory.glob(".pulumi/stacks/*/dev.json.zst")
    del stack.env["PULUMI_DIY_BACKEND_ZSTD"]
    assert file.stat().st_size < len(json.dumps(stack.checkpoint().deployment)) / 5
