"""What the provider costs, as far as it can be counted. Times are in `make bench`."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests
from pulumi.dynamic import CreateResult, ResourceProvider
from pulumi.dynamic.dynamic import serialize_provider

from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.plugin import Plugin
from tests.support.processes import until
from tests.support.values import inputs, plain


def test_a_hundred_creates_keep_32_calls_in_flight(api: Emulator, plugin: Plugin) -> None:
    """`instances:parallelism` allows as many, and never more, where the SDK's own server runs four."""
    api.fail("POST", "/instances", Fault.delay(4), times=32)
    with ThreadPoolExecutor(100) as threads:
        list(threads.map(lambda number: plugin.create(inputs(name=f"n{number}")), range(100)))
    assert api.peak("POST") == 32
    assert len(api.writes) == len(api.instances()) == 100


def test_a_lower_parallelism_is_kept_to(api: Emulator) -> None:
    """It limits however many calls the engine makes."""
    with Plugin({**api.env, "INSTANCES_PARALLELISM": "2"}) as plugin, ThreadPoolExecutor(12) as threads:
        api.fail("POST", "/instances", Fault.delay(0.1))
        list(threads.map(lambda number: plugin.create(inputs(name=f"n{number}")), range(12)))
    assert api.peak("POST") == 2


class Other(ResourceProvider):
    """Another dynamic provider of the program, whose creates are requests to a slow service."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        requests.get(props["url"], timeout=30)
        return CreateResult("1", {})


def test_a_parallelism_of_4_leaves_other_providers_alone(api: Emulator) -> None:
    """They run in the same process, where the SDK runs four calls at once."""
    api.fail("GET", "/instances/{id}", Fault.delay(0.5), times=12)
    pickled = serialize_provider(Other())
    with Plugin({**api.env, "INSTANCES_PARALLELISM": "4"}) as plugin, ThreadPoolExecutor(12) as threads:
        plugin.check(inputs())
        url = f"{api.base_url}/instances/1"
        list(threads.map(lambda _: plugin.create({"url": url}, pickled), range(12)))
    assert api.peak("GET") == 4


def test_a_check_does_not_wait_for_creates(api: Emulator, plugin: Plugin) -> None:
    """The engine checks one resource after another: with all calls in flight, the next is still checked at once."""
    api.fail("POST", "/instances", Fault.delay(4), times=32)
    with ThreadPoolExecutor(32) as threads:
        creates = [threads.submit(plugin.create, inputs(name=f"n{number}")) for number in range(32)]
        until(lambda: api.peak("POST") == 32)
        assert plugin.check(inputs(name="next")).failures == []
        assert [create for create in creates if create.done()] == []


def test_what_a_service_makes_of_the_same_tags_is_asked_once(api: Emulator, plugin: Plugin) -> None:
    """The answer to a PUT lacks the tags. A GET shows that they are kept as sent: so they are in later updates."""
    made = [plugin.create(inputs(name=name, tags=["first"])) for name in ("a", "b", "c")]
    for each, name in zip(made, ("a", "b", "c"), strict=True):
        plugin.update(each.id, plain(each.outputs), inputs(name=name, tags=["second"]))
    after = [request for request in api.requests if request.method in ("GET", "PUT")][-4:]
    assert [request.method for request in after] == ["PUT", "GET", "PUT", "PUT"]


def test_a_changed_name_needs_no_look_at_the_tags(api: Emulator, plugin: Plugin) -> None:
    """A PUT sends them again, with the mark, and the state knows them already."""
    made = plugin.create(inputs(name="a", tags=["first"]))
    plugin.update(made.id, plain(made.outputs), inputs(name="b", tags=["first"]))
    assert api.requests[-1].method == "PUT"


def test_a_program_loads_no_library_that_it_does_not_use() -> None:
    """Declaring instances needs the SDK and this package; the plugin, commands and tests load the rest."""
    code = (
        "import sys\n"
        "from pulumi_instances import Instance, account\n"
        "print([name for name in ('requests', 'urllib3', 'click', 'rich', 'starlette', 'uvicorn', 'cryptography')\n"
        "       if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
