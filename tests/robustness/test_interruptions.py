"""An `up` that is cut off: afterwards state and API agree, or the next `up` makes them agree or says what to do."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Emulator, Fault
from tests.robustness.running import providers, unlock, up
from tests.support.checks import calls
from tests.support.harness import Harness
from tests.support.processes import ignoring_interrupts, until

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes through /proc, and needs prlimit"),
    pytest.mark.needs_engine("a state on disk, which a killed process leaves"),
]


def creates(api: Emulator) -> int:
    """How many creates were sent. What is taken over gets a PUT besides, with the next mark."""
    return calls(api).count("POST /instances")


PROGRAM = """
    first = Instance("first", your_mom="dropbox", provider_data={"code": "c0de-1"})
    after = pulumi.ResourceOptions(depends_on=first)
    Instance("second", your_mom="dropbox", provider_data={"code": "c0de-2"}, opts=after)
"""


@pytest.fixture
def slow(stack: Harness, instances_api: Emulator) -> Harness:
    """A stack of two instances, of which the first takes the API two seconds; credentials from the environment."""
    stack.env.update(instances_api.env)
    stack.program(PROGRAM)
    instances_api.fail("POST", "/instances", Fault.delay(2.0))
    return stack


def in_create(api: Emulator) -> Callable[[], bool]:
    """Whether the API has the first POST, and has not acted on it yet."""
    return lambda: calls(api) == ["POST /instances"]


def take_over(stack: Harness) -> None:
    """What the error of the first `up` after an interruption says: with the variable, the next one has all."""
    unlock(stack)
    with pytest.raises(auto.CommandError, match="carries the mark of this resource already") as failure:
        stack.up()
    assert "INSTANCES_TAKE_OVER=yes pulumi up" in str(failure.value)
    stack.env["INSTANCES_TAKE_OVER"] = "yes"
    stack.up()


def assert_agrees(stack: Harness, api: Emulator) -> None:
    """State and API hold the same two objects."""
    held = {instance["name"]: str(instance["id"]) for instance in api.instances()}
    assert len(api.instances()) == 2
    assert {name: resource["id"] for name, resource in stack.instances().items()} == held


def test_an_engine_that_is_killed_among_many_creates_leaves_no_orphan(stack: Harness, instances_api: Emulator) -> None:
    """Of some the provider has answered, and the engine has not written them down yet: a file takes its time."""
    stack.env.update(instances_api.env)
    stack.program("for number in range(60): Instance(f'box-{number}', your_mom='dropbox', tags=['a'])")
    with up(stack) as running:
        until(lambda: len(instances_api.instances()) >= 30)
        running.kill()
        running.wait()
        unlock(stack)
        stack.env["INSTANCES_TAKE_OVER"] = "yes"

        stack.up()

    held = {resource["id"] for resource in stack.instances().values()}
    assert held == {str(instance["id"]) for instance in instances_api.instances()}
    assert len(held) == 60


def test_a_plugin_ends_with_a_killed_engine(stack: Harness, instances_api: Emulator) -> None:
    """It holds both secrets. Here the group of the engine is killed, it has nothing to do, and the program goes on."""
    stack.env.update(instances_api.env)
    stack.program("""
        import time
        Instance("first", your_mom="dropbox").id.apply(lambda _: time.sleep(60))
    """)
    with up(stack) as running:
        until(instances_api.instances)
        assert running.plugins()
        running.kill(group=True)
        until(lambda: not running.plugins())


def test_a_provider_process_that_is_killed_loses_nothing(slow: Harness, instances_api: Emulator) -> None:
    """The `up` fails; the next one waits for the instance, and names it."""
    with up(slow) as running:
        until(in_create(instances_api))
        running.kill_provider()
        code, said = running.wait()
        assert code != 0
        assert "first" in said

        take_over(slow)

    assert_agrees(slow, instances_api)

    assert creates(instances_api) == 2


@pytest.mark.dynamic_door("the engine starts all plugins alike, and the native package hears it even so (tests/native)")
def test_a_background_job_starts_providers_that_hear_an_interrupt(slow: Harness, instances_api: Emulator) -> None:
    """A shell has a script's background job ignore SIGINT, and the engine ends its providers by it."""
    with ignoring_interrupts(), up(slow) as running:
        until(in_create(instances_api))
        [provider] = providers(slow.env["PULUMI_HOME"])
        status = Path(f"/proc/{provider}/status").read_text()
        assert running.wait()[0] == 0
    ignored = int(status.partition("SigIgn:")[2].split()[0], 16)
    assert not ignored & 1 << (signal.SIGINT - 1)


def test_one_interrupt_loses_nothing(slow: Harness, instances_api: Emulator) -> None:
    """After a Ctrl-C in a create nothing else starts, and the next `up` continues, with and without checkpoints."""
    slow.env["PULUMI_SKIP_CHECKPOINTS"] = "true" if slow.engine == "cli-native" else "false"
    with up(slow) as running:
        until(in_create(instances_api))
        running.interrupt()
        code, _ = running.wait()
        assert code != 0
        assert len(instances_api.instances()) == 1
        unlock(slow)
        assert list(slow.instances()) == ["first"]

    slow.env["INSTANCES_TAKE_OVER"] = "yes"
    unlock(slow)
    slow.up()
    assert_agrees(slow, instances_api)
    assert creates(instances_api) == 2


def test_two_interrupts_lose_nothing(slow: Harness, instances_api: Emulator) -> None:
    """After two Ctrl-C the engine no longer waits for the create, and the next `up` names what it created."""
    with up(slow) as running:
        until(in_create(instances_api))
        running.interrupt()
        threading.Event().wait(0.3)  # as a person does: two signals at once are one
        running.interrupt()
        code, _ = running.wait()
        assert code != 0

    take_over(slow)
    assert_agrees(slow, instances_api)
    assert creates(instances_api) == 2


# The CLI tries for more than a minute to write its state before it gives up.
@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_full_disk_doubles_nothing_in_silence(slow: Harness, instances_api: Emulator) -> None:
    """The state cannot be written after a create; the next `up` says which instance that was, and takes it over."""
    with up(slow) as running:
        until(in_create(instances_api))
        running.fill_disk()
        code, _ = running.wait(limit=600)
        assert code != 0
    take_over(slow)
    assert_agrees(slow, instances_api)
    assert creates(instances_api) == 2
