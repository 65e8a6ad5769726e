"""Look-ups in a program, under the SDK's mocks and against the emulator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pulumi
import pytest

import pulumi_instances as instances
from pulumi_instances import InstanceResult
from pulumi_instances.core.errors import (
    ConnectionFailed,
    InputError,
    InstancesError,
    LookupFailed,
    NotFound,
    SettingError,
    Unauthorized,
)
from pulumi_instances.core.marks import Place, line_of
from pulumi_instances.testing.emulator import Account, Emulator
from tests.support.marks import mark_of
from tests.support.mocks import Monitor, declare


@pytest.fixture
def api(instances_api: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    for name, value in instances_api.env.items():
        monkeypatch.setenv(name, value)
    return instances_api


@pytest.fixture
def ids(api: Emulator) -> list[str]:
    """Three instances: two boxes of one name, and another."""
    made = [
        api.add(your_mom="box", name="crm", tags=["eu", "prod"]),
        api.add(your_mom="box", name="crm", tags=["eu"]),
        api.add(your_mom="sfdc", name="sales"),
    ]
    return [str(instance_id) for instance_id in made]


def seen(program: Callable[[], Any], *, preview: bool = False) -> list[Any]:
    """What the output that a program returns came to, and whether it is known and secret."""
    told: list[Any] = []

    def run() -> Any:
        output = pulumi.Output.from_input(program())
        parts = pulumi.Output.all(output.is_known(), output.is_secret(), output.future())
        return parts.apply(told.extend)

    declare(run, preview=preview)
    known, secret, value = told
    return [value if known else None, bool(known), bool(secret)]


def found(program: Callable[[], Any]) -> Any:
    """What the plain form answers."""
    kept: list[Any] = []
    declare(lambda: kept.append(program()))
    return kept[0]


@pytest.mark.parametrize(
    ("arguments", "which"),
    [
        ({}, [0, 1, 2]),
        ({"name": "sales"}, [2]),
        ({"name": "crm"}, [0, 1]),
        ({"name": "crm", "tags": ["prod"]}, [0]),
        ({"your_mom": "sfdc"}, [2]),
    ],
)
def test_all_that_match_are_found(ids: list[str], arguments: dict[str, Any], which: list[int]) -> None:
    """They are sorted by id, and there may be none. Exactly one is found by the other form as well, or by its id."""
    wanted = [ids[index] for index in which]
    assert found(lambda: [each.id for each in instances.get_instances(**arguments)]) == wanted
    if len(wanted) == 1:
        assert found(lambda: instances.get_instance(**arguments).id) == wanted[0]
        assert found(lambda: instances.get_instance(id=wanted[0]).id) == wanted[0]


def test_the_result_is_the_instance_as_it_is(api: Emulator, ids: list[str]) -> None:
    """This includes what a listing omits."""
    api.change(ids[2], valid=False, disabled=True)
    result: InstanceResult = found(lambda: instances.get_instance(name="sales"))
    assert (result.name, result.your_mom, result.tags) == ("sales", "sfdc", [])
    assert (result.valid, result.disabled) == (False, True)


def test_who_manages_an_instance_is_told(api: Emulator, ids: list[str]) -> None:
    """Its mark says so, which is not one of its tags and which nobody can look for."""
    mark = mark_of(line_of(Place("shop", "dev", "", "crm")), 1)
    made = str(api.add(name="made", tags=["eu", mark]))
    for result in found(lambda: [instances.get_instance(id=made), *instances.get_instances(name="made")]):
        assert (result.tags, result.managed_by) == (["eu"], "shop/dev/crm")
    with pytest.raises(InputError, match=r"tags\[0\] is the mark of a resource"):
        found(lambda: instances.get_instances(tags=[mark]))
    assert found(lambda: instances.get_instance(id=ids[0])).managed_by is None


@pytest.mark.parametrize(
    ("arguments", "candidates", "said"),
    [
        ({"name": "crm"}, [0, 1], '2 instances have name="crm": {0} "crm", {1} "crm" (asked '),
        ({"name": "c*"}, [], 'no instance has name="c*"'),
        ({"tags": ["prod", "us"], "your_mom": "box"}, [], 'no instance has tag "prod", tag "us" and your_mom="box"'),
    ],
)
def test_none_or_several_is_an_error(
    ids: list[str], arguments: dict[str, Any], candidates: Sequence[int], said: str
) -> None:
    """The error lists the candidates."""
    with pytest.raises(LookupFailed) as failure:
        declare(lambda: instances.get_instance(**arguments))
    assert failure.value.candidates == [ids[index] for index in candidates]
    assert said.format(*ids) in str(failure.value)


def test_of_many_candidates_ten_are_named(api: Emulator) -> None:
    """All pages are searched."""
    for _ in range(250):
        api.add(name="x")
    with pytest.raises(LookupFailed, match=r'250 instances have name="x": .* and 240 more \(asked .*\); pass the id'):
        declare(lambda: instances.get_instance(name="x"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "pass id, or at least one of name, tags, your_mom"),
        ({"tags": []}, "pass id, or at least one of name, tags, your_mom"),
        ({"id": "1", "name": "x"}, "pass only one of the two"),
        ({"id": "../users"}, "the id must be the decimal id"),
        ({"tags": "prod"}, r'tags must be a list of strings, not a string; write tags=\["billing"\]'),
        ({"tags": [["prod"]]}, r"tags\[0\] must be a string, not a list"),
        ({"name": 5}, 'name must be a string, not a number; write name="billing"'),
        ({"your_mom": {"key": "box"}}, 'your_mom must be a string, not an object; write your_mom="dropbox"'),
    ],
)
def test_what_cannot_be_looked_up_is_refused(api: Emulator, arguments: dict[str, Any], said: str) -> None:
    """No request is sent."""
    with pytest.raises(InputError, match=said):
        declare(lambda: instances.get_instance(**arguments))
    assert api.requests == []


@pytest.mark.usefixtures("api")
def test_a_missing_id_is_an_error_that_names_it() -> None:
    """Previews report it too."""
    with pytest.raises(NotFound, match="read instance 99: 404"):
        declare(lambda: instances.get_instance(id="99"), preview=True)


def test_missing_settings_are_told() -> None:
    """The message is that of a resource."""
    with pytest.raises(SettingError, match="instances:baseUrl is missing"):
        declare(lambda: instances.get_instances())


def test_settings_come_from_the_stack(instances_api: Emulator) -> None:
    """They are used if the environment has none."""
    instances_api.add(name="x")
    config = {
        "instances:baseUrl": instances_api.base_url,
        "instances:userSecret": instances_api.user_secret,
        "instances:organizationSecret": instances_api.organization_secret,
    }
    pulumi.runtime.set_all_config(config, list(config)[1:])
    try:
        assert found(lambda: len(instances.get_instances())) == 1
    finally:
        pulumi.runtime.set_all_config({})


# the token


def _token_of_all() -> pulumi.Output[str]:
    results = instances.get_instances_output(name="sales")
    return pulumi.Output.from_input(results).apply(lambda found: found[0].token)


@pytest.mark.parametrize(
    "look",
    [
        lambda: instances.get_instance(name="sales").token,
        lambda: instances.get_instances(name="sales")[0].token,
        lambda: instances.get_instance_output(name="sales").token,
        _token_of_all,
    ],
)
def test_the_token_is_secret_in_every_form(api: Emulator, ids: list[str], look: Callable[[], Any]) -> None:
    """The other results are not secret."""
    assert seen(look) == [api.instance(ids[2])["token"], True, True]


def test_a_result_does_not_show_its_token(api: Emulator, ids: list[str]) -> None:
    """A program may print it for debugging."""
    result = found(lambda: instances.get_instance(id=ids[0]))
    assert api.instance(ids[0])["token"] not in repr(result)
    assert "token" not in repr(result)


# outputs


def test_the_output_form_takes_outputs(ids: list[str]) -> None:
    """Inputs that are not secret make nothing secret."""

    def look() -> Any:
        name = pulumi.Output.from_input("crm")
        return instances.get_instance_output(name=name, tags=[pulumi.Output.from_input("prod")]).id

    assert seen(look) == [ids[0], True, False]


def test_secret_inputs_make_a_secret_result(ids: list[str]) -> None:
    """Otherwise the name would show what was asked for."""
    assert seen(lambda: instances.get_instance_output(name=pulumi.Output.secret("sales")).name) == ["sales", True, True]
    assert ids


@pytest.mark.usefixtures("api")
def test_what_is_not_found_by_an_output_is_unknown_in_a_preview() -> None:
    """`up` may be going to give an instance the name that the preview shows already. It fails if it does not."""

    def look() -> Any:
        renamed = instances.Instance("renamed", your_mom="box", name="later")
        return instances.get_instance_output(name=renamed.name).id

    assert seen(look, preview=True)[1] is False
    with pytest.raises(LookupFailed, match='no instance has name="later"'):
        declare(look)
    with pytest.raises(LookupFailed, match='no instance has name="later"'):
        declare(lambda: instances.get_instance_output(name="later"), preview=True)


@pytest.mark.parametrize("wrap", [lambda team: team, lambda team: [team], pulumi.Output.from_input])
def test_a_look_up_waits_for_what_a_component_holds(
    api: Emulator, monkeypatch: pytest.MonkeyPatch, wrap: Callable[[pulumi.Resource], Any]
) -> None:
    """The option `depends_on` takes a resource, a list, or an output of either."""
    register = Monitor.RegisterResource

    def made(self: Monitor, request: Any) -> Any:
        if request.custom:
            api.add(name="box")
        return register(self, request)

    monkeypatch.setattr(Monitor, "RegisterResource", made)

    def look() -> Any:
        team = pulumi.ComponentResource("x:y:Team", "team")
        instances.Instance("box", your_mom="box", opts=pulumi.ResourceOptions(parent=team))
        opts = pulumi.InvokeOutputOptions(depends_on=wrap(team))
        return instances.get_instances_output(name="box", opts=opts).apply(len)

    assert seen(look) == [1, True, False]


# accounts


@pytest.fixture
def eu(api: Emulator) -> Account:
    account = api.add_account()
    api.add(name="there", account=account)
    return account


def declared(api: Emulator, eu: Account, *, secret: bool) -> pulumi.ProviderResource:
    user_secret = pulumi.Output.secret(eu.user_secret) if secret else eu.user_secret
    return instances.account(
        "eu", base_url=api.base_url, user_secret=user_secret, organization_secret=eu.organization_secret
    )


def test_an_explicit_account_is_asked(api: Emulator, eu: Account) -> None:
    """Its secrets do not make its instances secret."""

    def look() -> Any:
        opts = pulumi.InvokeOptions(provider=declared(api, eu, secret=True))
        return instances.get_instance_output(name="there", opts=opts).name

    assert seen(look) == ["there", True, False]


@pytest.mark.parametrize("look", [instances.get_instance, instances.get_instance_output])
def test_an_error_names_the_account(
    api: Emulator, eu: Account, monkeypatch: pytest.MonkeyPatch, look: Callable[..., Any]
) -> None:
    """It says where its URL and its secrets come from, as the errors of resources do."""

    def there(**options: Any) -> Any:
        return look(name="x", **options)

    with pytest.raises(LookupFailed) as failure:
        declare(lambda: there(opts=pulumi.InvokeOptions(provider=declared(api, eu, secret=False))))
    assert f'(asked {api.base_url} with the secrets of account "eu", from the program); list' in str(failure.value)
    monkeypatch.setenv("INSTANCES_USER_SECRET", "wrong")
    with pytest.raises(Unauthorized) as refusal:
        declare(there)
    assert (
        f"(asked {api.base_url} from INSTANCES_BASE_URL, with the secrets of the default account from "
        "INSTANCES_USER_SECRET and INSTANCES_ORGANIZATION_SECRET)"
    ) in str(refusal.value)
    monkeypatch.setenv("INSTANCES_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("INSTANCES_MAX_RETRIES", "0")
    with pytest.raises(ConnectionFailed, match=r"\(127\.0\.0\.1:1, from INSTANCES_BASE_URL\)"):
        declare(there)


@pytest.mark.parametrize("of_parent", [False, True])
def test_an_account_of_plain_texts_is_asked_at_once(api: Emulator, eu: Account, of_parent: bool) -> None:
    """The plain form suffices. A parent's account counts, as for Pulumi's own functions."""

    def look() -> Any:
        account = declared(api, eu, secret=False)
        opts = pulumi.InvokeOptions(provider=account)
        if of_parent:
            parent = pulumi.ComponentResource("x:y:Z", "parent", None, pulumi.ResourceOptions(providers=[account]))
            opts = pulumi.InvokeOptions(parent=parent)
        return [each.name for each in instances.get_instances(opts=opts)]

    assert found(look) == ["there"]


def test_settings_that_are_outputs_need_the_output_form(api: Emulator, eu: Account) -> None:
    """They are not known at once."""
    with pytest.raises(InstancesError, match="use the `_output` form"):
        declare(lambda: instances.get_instances(opts=pulumi.InvokeOptions(provider=declared(api, eu, secret=True))))


@pytest.mark.usefixtures("api")
def test_another_provider_is_refused() -> None:
    """It has none of our settings."""

    def look() -> None:
        other = pulumi.ProviderResource("pulumi-python", "other", {})
        instances.get_instances(opts=pulumi.InvokeOptions(provider=other))

    with pytest.raises(InputError, match=r"make it with pulumi_instances\.account"):
        declare(look)


def test_look_ups_share_one_client(api: Emulator, ids: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """They share its connections as well."""
    from pulumi_instances.api import client

    made: list[object] = []
    kept = client.Client.__init__

    def count(self: client.Client, *arguments: Any, **options: Any) -> None:
        made.append(self)
        kept(self, *arguments, **options)

    monkeypatch.setattr(client.Client, "__init__", count)
    monkeypatch.setenv("INSTANCES_USER_AGENT_SUFFIX", "one-client")  # settings that no other test has

    declare(lambda: [instances.get_instance(id=each).id for each in ids])

    assert len(made) == 1
    assert len(api.requests) == 3
