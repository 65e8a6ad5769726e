"""Every input ends in one clear CheckFailure, or unchanged in the API and in the state."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

import pulumi
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pulumi.dynamic import Config, ConfigureRequest
from pulumi.output import Unknown

from pulumi_instances.core.errors import InputError, InstancesError, quote
from pulumi_instances.core.model import INPUTS
from pulumi_instances.lifecycle import InstanceProvider
from pulumi_instances.testing.emulator import Emulator
from tests.support.plugin import Plugin, PluginError
from tests.support.scripted import ScriptedServer, answer
from tests.support.values import ANYTHING, Inputs, good_inputs, inputs, plain

FEW = settings(settings.get_profile("robustness"), max_examples=40)
MANY = settings.get_profile("robustness")

HOSTILE = st.sampled_from(
    [
        "../4001",
        "4001/../4002",
        "4001?x=1",
        "4001#",
        "%2e%2e%2f4001",
        "4001\r\nX-Injected: yes",
        "a\x00b",
        "\u202egnp.exe",
        "\u2028",
        "'; DROP TABLE instances; --",
        '"}, "id": 4001, "x": {"',
        "${instance.token}",
        "\u0661\u0662",  # digits, but not those of the API
        " 4001",
        "4001\n",
        "\ud800",
    ]
)
LONG = st.just(1_000_000).map(lambda length: "x" * length)
ODD = (
    ANYTHING
    | HOSTILE
    | st.text()
    | st.integers()
    | st.sampled_from([10**400, float("nan"), float("-inf"), -0.0, 1e300, 2**53 + 1])
)
KEYS = st.text(max_size=6) | HOSTILE | st.sampled_from(["a.b.c", 'a"b', "a'b", "", " ", "__provider", "id", "key"])
ANY_INPUTS = st.fixed_dictionaries(
    {},
    optional={
        "your_mom": st.sampled_from(["dropbox", "sfdc"]) | ODD,
        "name": st.text() | LONG | ODD,
        "tags": st.lists(st.text() | HOSTILE, max_size=8) | st.lists(ODD, max_size=3) | ODD,
        "configuration": st.dictionaries(KEYS, ODD, max_size=4) | ODD,
        "provider_data": st.dictionaries(KEYS, ODD, max_size=4) | ODD,
        "adopt_id": ODD,
        "nmae": ODD,
    },
)


def configured(**config: object) -> InstanceProvider:
    """The provider as the engine sets it up."""
    provider = InstanceProvider()
    values = cast("dict[str, str]", {f"instances:{key}": value for key, value in config.items()})
    provider.configure(ConfigureRequest(Config(values, "test")))
    return provider


@pytest.fixture
def provider(api: Emulator, home: Mapping[str, str]) -> InstanceProvider:  # noqa: ARG001  home is an environment
    """A provider object of the emulator's default account, without retries."""
    return configured(
        baseUrl=api.base_url, userSecret=api.user_secret, organizationSecret=api.organization_secret, maxRetries="0"
    )


def meant(value: Any) -> Any:
    """What an input means: without members that are absent, whole numbers as such."""
    if isinstance(value, Mapping):
        return {key: meant(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [meant(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def exact(value: Any) -> str:
    """JSON text, in which True is not 1."""
    return json.dumps(value, sort_keys=True)


def holds_unknown(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(holds_unknown, value.values()))
    return any(map(holds_unknown, value)) if isinstance(value, (list, tuple)) else isinstance(value, Unknown)


def is_one_line(text: str) -> bool:
    return re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", text) is None


def assert_held(instance: Mapping[str, Any], bag: Inputs) -> None:
    """The API has exactly what the program wrote."""
    assert instance["your_mom"] == bag["your_mom"]
    if bag.get("name") is not None:
        assert instance["name"] == bag["name"]
    if bag.get("tags") is not None:
        assert sorted(instance["tags"]) == sorted(set(bag["tags"]))
    assert exact(instance["configuration"]) == exact(meant(bag.get("configuration") or {}))
    assert exact(instance["provider_data"] or {}) == exact(meant(bag.get("provider_data") or {}))


def assert_failures(failures: list[tuple[str, str]], bag: Inputs) -> None:
    """Each names a property in one short line, which says what is wrong with it.

    Given the property apart from the text, the engine would print its value, decrypted.
    """
    assert failures
    for key, reason in failures:
        assert key == ""
        assert reason.startswith(tuple(f"{name}{end}" for name in (*INPUTS, *map(quote, bag)) for end in " ["))
        assert is_one_line(reason)
        assert len(reason) < 800


@MANY
@given(bag=ANY_INPUTS)
@example(bag=inputs(name="x" * 1_000_000))
@example(bag=inputs(tags=[f"tag {number}" for number in range(10_000)] * 2))
@example(bag=inputs(name="a\r\nb"))
@example(bag=inputs(configuration={'a."b".c': float("nan")}))
@example(bag=inputs(provider_data={"code": [10**400]}))
def test_any_inputs_fail_the_check_or_make_the_round_trip(
    api: Emulator, provider: InstanceProvider, bag: Inputs
) -> None:
    """There is never a traceback of ours, and an object that is not the resource's own is never touched."""
    api.reset()
    bystander = api.instance(api.add(name="bystander", tags=["x"]))
    checked = provider.check({}, bag)
    if checked.failures:
        assert_failures([(failure.property, failure.reason) for failure in checked.failures], bag)
    else:
        accepted = plain(checked.inputs)
        again = provider.check(accepted, accepted)
        assert (exact_or_unknown(plain(again.inputs)), again.failures) == (exact_or_unknown(accepted), [])
        if not holds_unknown(accepted):
            _assert_round_trip(api, provider, accepted, bag)
    assert api.instance(bystander["id"]) == bystander


def exact_or_unknown(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=lambda unknown: type(unknown).__name__)


def _assert_round_trip(api: Emulator, provider: InstanceProvider, checked: Inputs, bag: Inputs) -> None:
    try:
        made = provider.create(checked)
    except InstancesError as error:
        # The API's own say: a connector it does not know, an object to adopt that is not there.
        assert is_one_line(str(error))  # noqa: PT017  an error is one of two good ends
        assert not isinstance(error, InputError)  # noqa: PT017
        return
    assert_held(api.instance(str(made.id)), bag)
    assert made.outs is not None
    state = plain(made.outs)
    assert provider.diff(str(made.id), state, checked).changes is False
    read = provider.read(str(made.id), state)
    assert exact(plain(read.inputs)) == exact({key: value for key, value in checked.items() if key != "adopt_id"})
    provider.delete(str(made.id), state)


@MANY
@given(bag=good_inputs(), connector=st.sampled_from(["dropbox", "box", "sfdc", "sfdcservicecloud"]))
def test_good_inputs_make_the_round_trip(
    api: Emulator, provider: InstanceProvider, bag: Inputs, connector: str
) -> None:
    """None of them is refused."""
    api.reset()
    bag = {**bag, "your_mom": connector, "adopt_id": None}
    checked = provider.check({}, bag)
    assert checked.failures == []
    _assert_round_trip(api, provider, plain(checked.inputs), bag)
    assert [request.method for request in api.writes] == ["POST", "DELETE"]


ON_THE_WIRE = ANY_INPUTS.filter(lambda bag: _survives_protobuf(bag))


def _survives_protobuf(value: Any) -> bool:
    """Whether an engine could hand it over at all."""
    if isinstance(value, Mapping):
        return all(_survives_protobuf(key) and _survives_protobuf(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_survives_protobuf, value))
    if isinstance(value, str):
        return value.isascii() or "\ud800" not in value
    if isinstance(value, (int, float)):
        return abs(value) < 1e300
    return value is None


@FEW
@given(bag=ON_THE_WIRE)
@example(bag=inputs(tags=["a"] * 10_000))
def test_any_inputs_through_the_real_process(api: Emulator, plugin: Plugin, bag: Inputs) -> None:
    """Check answers with failures or inputs, and what it accepts arrives in the API as it was written."""
    api.reset()
    checked = plugin.check(bag)
    if checked.failures:
        assert_failures(checked.failures, bag)
        return
    try:
        made = plugin.create(checked.inputs)
    except PluginError as error:
        assert "pulumi_instances.core.errors." in str(error).strip().splitlines()[-1]  # noqa: PT017  one of two good ends
        return
    assert_held(api.instance(made.id), bag)
    assert plugin.diff(made.id, made.outputs, checked.inputs).changes == "NONE"


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    """A server that shows one instance, and writes down what it is sent."""
    with ScriptedServer(answer(200, {"id": 7, "name": "seven"})) as server:
        yield server


@MANY
@given(
    secret=st.text(min_size=1) | HOSTILE | st.sampled_from(["a\r\nX-Injected: yes", "a, Organization b", "a b", "ü"])
)
def test_a_secret_that_would_change_the_header_is_refused(server: ScriptedServer, secret: str) -> None:
    """Either a CheckFailure does not repeat it, or exactly one header has exactly this value."""
    server.received.clear()
    provider = configured(baseUrl=server.base_url, userSecret=secret, organizationSecret="0rg-s3cret", maxRetries="0")
    failures = provider.check({}, inputs()).failures
    if failures:
        [failure] = failures
        assert failure.reason.startswith("instances:userSecret ")
        assert is_one_line(failure.reason)
        assert len(secret.strip()) < 6 or secret.strip() not in failure.reason
        assert server.received == []
        return
    provider.read("7", {})
    [request] = server.received
    assert request.headers["authorization"] == f"User {secret.strip()}, Organization 0rg-s3cret"
    assert "x-injected" not in request.headers


def test_an_output_inside_of_an_input_is_a_check_failure() -> None:
    """The SDK resolves all outputs; one that is invented inside a value gets one line, not a traceback."""

    async def made() -> pulumi.Output[str]:
        return pulumi.Output.from_input("x")

    loop = asyncio.new_event_loop()
    try:
        output = loop.run_until_complete(made())
        bag = {**dict.fromkeys(INPUTS, output), "tags": [output], "configuration": {"a": output}}
        failures = InstanceProvider().check({}, {**bag, "provider_data": [output]}).failures
        named = {re.split(r"[ \[]", failure.reason)[0] for failure in failures}
        assert sorted(named) == sorted(INPUTS)
        assert all(is_one_line(failure.reason) for failure in failures)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
