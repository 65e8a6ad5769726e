from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import pulumi
import pytest
from google.protobuf.json_format import MessageToDict

from pulumi_instances import Instance, account
from pulumi_instances.core.marks import Place
from pulumi_instances.core.state_format import INSTANCE_TYPE, NATIVE_TYPE, UNTYPED
from tests.support.mocks import declare, secret, without_pickle


def test_only_what_was_given_is_sent() -> None:
    """Absent properties are not sent; the name defaults to the resource's, and is marked as a default."""
    monitor = declare(lambda: Instance("billing", your_mom="dropbox"))
    assert monitor.inputs() == {"your_mom": "dropbox", "name": "billing", "__defaults": ["name"]}
    assert (monitor.registered[0].type, monitor.registered[0].name) == (INSTANCE_TYPE, "billing")


@pytest.mark.parametrize(
    ("options", "type_", "others"),
    [
        ({}, INSTANCE_TYPE, [NATIVE_TYPE, UNTYPED]),
        ({"module": "ours", "name": "Crm"}, "pulumi-python:dynamic/ours:Crm", [NATIVE_TYPE]),
    ],
)
def test_a_subclass_keeps_the_type_unless_it_names_another(
    options: dict[str, str], type_: str, others: list[str]
) -> None:
    """What states hold of it from before, under the type of any dynamic resource, stays its own."""

    def program() -> None:
        cls = types.new_class("Crm", (Instance,), options)
        cls("crm", your_mom="sfdc")

    [request] = declare(program).registered
    assert request.type == type_
    assert [alias.urn.split("::")[2] for alias in request.aliases] == others


def test_secret_looking_configuration_is_secret_and_the_rest_readable() -> None:
    """It is marked value by value, so that a diff still shows other changes; None stays absent."""
    configuration = {"oauth.api.key": "k", "oauth.api.secret": "s", "oauth.callback.url": "u", "password": None}
    monitor = declare(lambda: Instance("billing", your_mom="dropbox", configuration=configuration))
    assert monitor.inputs()["configuration"] == {
        "oauth.api.key": secret("k"),
        "oauth.api.secret": secret("s"),
        "oauth.callback.url": "u",
        "password": None,
    }


def test_configuration_that_is_an_output_is_secret_as_a_whole() -> None:
    """Its keys are not known when it is declared."""

    def program() -> None:
        configuration = pulumi.Output.from_input({"oauth.callback.url": "u"})
        Instance("billing", your_mom="dropbox", configuration=configuration)

    monitor = declare(program)
    assert monitor.inputs()["configuration"] == secret({"oauth.callback.url": "u"})


def test_outputs_inside_of_inputs_are_resolved() -> None:
    """Every property accepts Outputs, at the places where its type allows them."""

    def program() -> None:
        def out(value: object) -> pulumi.Output[Any]:
            return pulumi.Output.from_input(value)

        configuration = {"u": out("x"), "key": out("k")}
        data = {"code": out("c")}
        Instance("billing", your_mom=out("box"), tags=[out("a"), "b"], configuration=configuration, provider_data=data)

    made = declare(program).inputs()
    assert (made["your_mom"], made["tags"]) == ("box", ["a", "b"])
    assert made["configuration"] == {"u": "x", "key": secret("k")}
    assert made["provider_data"] == secret({"code": "c"})


def test_the_provider_learns_which_of_what_messages_show_are_secret() -> None:
    """An output that is no secret is shown."""

    def program() -> None:
        plain, hidden = pulumi.Output.from_input("dropbox"), pulumi.Output.secret("t")
        Instance("billing", your_mom=plain, name=pulumi.Output.secret("n"), tags=["a", hidden])

    assert declare(program).inputs()["__concealed"] == ["name", "tags"]


def test_the_arguments_are_left_alone() -> None:
    """A program may share its dicts between resources. Tags may be a set."""
    configuration = {"oauth.api.key": "k"}
    tags = {"b", "a"}
    monitor = declare(lambda: Instance("billing", your_mom="dropbox", configuration=configuration, tags=tags))
    assert sorted(monitor.inputs()["tags"]) == ["a", "b"]
    assert (configuration, tags) == ({"oauth.api.key": "k"}, {"b", "a"})


# outputs


def test_all_outputs_resolve_and_token_and_provider_data_are_secret() -> None:
    """The token is the most important output, and it is a secret."""
    values: dict[str, Any] = {}
    secrets: set[str] = set()

    async def note(key: str, out: pulumi.Output[Any]) -> None:
        values[key] = await out.future()
        secrets.update([key] if await out.is_secret() else [])

    def program() -> pulumi.Output[Any]:
        made = Instance("billing", your_mom="dropbox", provider_data={"code": "c"})
        keys = ("id", "your_mom", "name", "tags", "configuration", "provider_data", "token", "valid", "disabled")
        return pulumi.Output.all(*(note(key, getattr(made, key)) for key in keys))

    declare(program)
    assert values == {
        "id": "27",
        "your_mom": "dropbox",
        "name": "billing",
        "tags": [],
        "configuration": None,
        "provider_data": {"code": "c"},
        "token": "t0ken",
        "valid": True,
        "disabled": False,
    }
    assert secrets == {"token", "provider_data"}


def test_what_is_not_given_is_none() -> None:
    """The SDK is not told of it: each output costs it time. What no instance has is an error as for any object."""
    seen: list[Any] = []

    def program() -> None:
        instance = Instance("billing", your_mom="dropbox")
        instance.enabled.apply(seen.append)
        assert not hasattr(instance, "colour")

    (request,) = declare(program).registered
    assert seen == [None]
    assert set(MessageToDict(request.object)) == {"your_mom", "name", "__provider", "__defaults", "__urn"}


# options


def test_an_instance_says_where_it_is_declared() -> None:
    """It does so as its URN in the engine will: with the types of its parents, whose URN is known by then."""

    def program() -> None:
        team = pulumi.ComponentResource("acme:index:Team", "sales")
        desk = pulumi.ComponentResource("acme:index:Desk", "first", opts=pulumi.ResourceOptions(parent=team))
        Instance("crm", your_mom="box")
        Instance("crm", your_mom="box", opts=pulumi.ResourceOptions(parent=desk))

    places = [Place.of_urn(place) for place in declare(program).places()]
    project, stack = pulumi.get_project(), pulumi.get_stack()
    assert places == [
        Place(project, stack, "", "crm"),
        Place(project, stack, "acme:index:Team$acme:index:Desk", "crm"),
    ]


@pytest.mark.parametrize("component", [False, True])
def test_the_type_of_the_native_package_is_an_alias(*, component: bool) -> None:
    """Its URN as it is with the same parent, so that a program can come back from there (docs/moving.md)."""

    def program() -> None:
        parent = pulumi.ComponentResource("acme:index:Files", "files") if component else None
        Instance("billing", your_mom="dropbox", opts=pulumi.ResourceOptions(parent=parent))

    (alias,) = declare(program).registered[-1].aliases
    if component:
        assert alias.spec.type == NATIVE_TYPE
    else:
        assert alias.urn == f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}::{NATIVE_TYPE}::billing"


def test_options_are_merged_rather_than_overwritten() -> None:
    """The user's own secret outputs are kept beside the token."""
    opts = pulumi.ResourceOptions(protect=True, additional_secret_outputs=["name"], ignore_changes=["tags"])
    (request,) = declare(lambda: Instance("billing", your_mom="dropbox", opts=opts)).registered
    assert request.protect
    assert list(request.ignoreChanges) == ["tags"]
    assert sorted(request.additionalSecretOutputs) == ["name", "token"]


@pytest.mark.parametrize("make", [lambda o: Instance("x", your_mom="box", opts=o), lambda o: Instance.get("x", "1", o)])
def test_options_given_are_left_alone(make: Callable[[pulumi.ResourceOptions], Instance]) -> None:
    """A program may share one options object between resources."""
    opts = pulumi.ResourceOptions(additional_secret_outputs=["name"])
    declare(lambda: make(opts))
    assert opts.additional_secret_outputs == ["name"]
    assert opts.id is None


# get


def test_get_reads_and_registers_nothing() -> None:
    """It is a reference: the engine reads the id and never owns the object. The options given are kept."""
    found: list[Instance] = []
    opts = pulumi.ResourceOptions(additional_secret_outputs=["name"])
    monitor = declare(lambda: found.append(Instance.get("other", "4014", opts)))
    assert monitor.registered == []
    (request,) = monitor.read
    assert (request.type, request.name, request.id) == (INSTANCE_TYPE, "other", "4014")
    assert without_pickle(request.properties) == {}
    assert sorted(request.additionalSecretOutputs) == ["name", "token"]
    assert type(found[0]) is Instance


def test_an_id_may_be_an_output() -> None:
    """It may come from another stack."""
    (request,) = declare(lambda: Instance.get("other", pulumi.Output.from_input("4014"))).read
    assert request.id == "4014"


# accounts


def test_an_account_is_a_provider_with_both_secrets_secret() -> None:
    """Its configuration keys are those of the stack's configuration, and its own name is passed along."""
    monitor = declare(
        lambda: account(
            "eu", base_url="https://eu", user_secret="u", organization_secret="o", settings={"timeout": "60"}
        )
    )
    (request,) = monitor.registered
    assert (request.type, request.name) == ("pulumi:providers:pulumi-python", "eu")
    assert MessageToDict(request.object) == {
        "instances:account": "eu",
        "instances:baseUrl": "https://eu",
        "instances:userSecret": secret("u"),
        "instances:organizationSecret": secret("o"),
        "instances:timeout": "60",
    }
