"""Each RPC of the native package, against its real process: no engine, the emulated API."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import empty_pb2
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import provider_pb2

from pulumi_instances.core.config import SETTINGS
from pulumi_instances.core.marks import Place, line_of
from pulumi_instances.core.state_format import NATIVE_TYPE
from pulumi_instances.native.schema import GET_INSTANCE
from pulumi_instances.native.values import UNKNOWN_VALUE as UNKNOWN
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.marks import mark_of
from tests.support.mocks import secret
from tests.support.native import COMMAND, URN, Bag, Native, NativeError, bag, inputs, settings_of, struct
from tests.support.processes import ignoring_interrupts, until
from tests.support.values import plain

LINE = line_of(Place("acceptance", "dev", "", "billing"))


def _line(urn: str) -> str:
    """The line of the mark of the resource that has this URN."""
    place = Place.of_urn(urn)
    assert place is not None
    return line_of(place)


CRM = _line(URN)


# about the plugin


def test_the_handshake_asks_for_values_and_the_marks_of_secrets(provider: Native) -> None:
    answer = provider.call("Handshake", provider_pb2.ProviderHandshakeRequest())
    assert answer.accept_secrets
    assert not any([answer.accept_resources, answer.accept_outputs])


def test_the_plugin_tells_its_version_and_its_schema(provider: Native) -> None:
    version = provider.call("GetPluginInfo", empty_pb2.Empty()).version
    document = json.loads(provider.call("GetSchema", provider_pb2.GetSchemaRequest()).schema)
    assert document["version"] == version
    assert NATIVE_TYPE in document["resources"]
    with pytest.raises(NativeError, match="no version 1"):
        provider.call("GetSchema", provider_pb2.GetSchemaRequest(version=1))


def test_what_is_not_implemented_is_refused(provider: Native) -> None:
    with pytest.raises(NativeError, match="not implemented"):
        provider.call("Construct", provider_pb2.ConstructRequest())
    assert provider.log() == ""


# about the account


def test_check_config_reports_every_problem_at_once(home: dict[str, str]) -> None:
    """One line each, which says how to set it for this provider."""
    with Native(home, {"timeout": "-1", "parallelism": 0}) as default:
        _, failures = default.check_config()
    assert [line.split()[0] for line in failures] == [
        "instances:baseUrl",
        "instances:userSecret",
        "instances:organizationSecret",
        "instances:timeout",
        "instances:parallelism",
    ]
    assert 'run "pulumi config set instances:baseUrl <value>", or set INSTANCES_BASE_URL' in failures[0]
    with Native(home, {}, name="eu") as explicit:
        _, failures = explicit.check_config()
    assert failures[1] == (
        'instances:userSecret is missing; give userSecret to the provider "eu", or set INSTANCES_EU_USER_SECRET'
    )


def test_check_config_marks_the_secrets_and_waits_for_what_is_unknown(api: Emulator, home: dict[str, str]) -> None:
    """The environment is not written into the state."""
    with Native({**home, **api.env}, {}) as process:
        assert process.check_config() == ({}, [])
        news = {"userSecret": "s3cret-of-user", "organizationSecret": UNKNOWN, "version": "0.1.0"}
        checked, failures = process.check_config(news)
    assert failures == []
    assert checked == {**news, "userSecret": secret("s3cret-of-user"), "organizationSecret": secret(UNKNOWN)}


@pytest.mark.parametrize(
    ("name", "stack", "said"),
    [
        ("create", {}, "INSTANCES_CREATE_TIMEOUT would also belong to the default account; choose a name with"),
        ("a_b", {}, "is malformed; use only lower-case letters, digits and -"),
        ("default", {}, "is one that the Pulumi engine gives to the account of the stack; choose another name"),
        ("default_eu", {"baseUrl": "https://other.example"}, "is malformed"),
    ],
)
def test_a_provider_whose_variables_are_those_of_another_account_is_refused(
    api: Emulator, home: dict[str, str], name: str, stack: dict[str, str], said: str
) -> None:
    """The engine tells each plugin the configuration of the stack, which its own provider has, and no other.

    Which names are refused is in tests/unit/test_accounts.py.
    """
    with Native({**home, "PULUMI_CONFIG": json.dumps(stack)}, settings_of(api), name=name) as process:
        [failure] = process.check_config().failures
    assert failure.startswith(f"account name '{name}' is ")
    assert said in failure
    settings = settings_of(api)
    with Native({**home, "PULUMI_CONFIG": json.dumps(settings)}, settings, name="default_0_1_0") as process:
        assert process.check_config().failures == []


def test_the_variables_of_a_provider_carry_its_name(api: Emulator, home: dict[str, str]) -> None:
    """The URL of the plugin is not a part of the name; the default account's variables reach no other account."""
    of_eu = {name.replace("INSTANCES_", "INSTANCES_EU_"): value for name, value in api.env.items()}
    with Native({**home, **of_eu}, {}, name="eu") as process:
        assert process.check_config().failures == []
    with Native({**home, **api.env}, {}, name="eu") as process:
        assert len(process.check_config().failures) == 3
    with Native({**home, **api.env}, {}, name="default_0_1_0_https_/example.com") as process:
        assert process.check_config().failures == []


@pytest.mark.parametrize(
    ("changed", "changes"),
    [
        ({}, "NONE"),
        ({"baseUrl": "https://a/"}, "NONE"),
        ({"baseUrl": "https://a:443"}, "SOME"),
        ({"baseUrl": "https://a:444"}, "SOME"),
        ({"baseUrl": "https://a:port"}, "SOME"),
        ({"baseUrl": "https://b"}, "SOME"),
        ({"baseUrl": None}, "SOME"),
        ({"userSecret": "rotated"}, "SOME"),
        ({"timeout": "30"}, "NONE"),
        ({"timeout": 31}, "SOME"),
    ],
)
def test_diff_config(provider: Native, changed: dict[str, Any], changes: str) -> None:
    """Nothing replaces a provider, and with it all of its instances: a host may have got another name."""
    olds = {"baseUrl": "https://a", "userSecret": "one", "timeout": 30}
    news = {key: value for key, value in {**olds, **changed}.items() if value is not None}
    found = provider.diff_config(olds, news)
    assert (found.changes, found.replaces) == (changes, [])
    assert found.detailed.keys() == (changed.keys() if changes == "SOME" else set())


def test_without_settings_nothing_is_configured_and_every_call_says_so(home: dict[str, str]) -> None:
    with Native(home) as process:
        with pytest.raises(NativeError, match=r"^instances:baseUrl is missing.*INSTANCES_BASE_URL"):
            process.configure()
        with pytest.raises(NativeError, match="not configured"):
            process.refresh("1", inputs(token="t"))


def test_every_setting_is_one_of_the_provider(provider: Native) -> None:
    document = json.loads(provider.call("GetSchema", provider_pb2.GetSchemaRequest()).schema)
    assert document["provider"]["inputProperties"].keys() == {setting.key for setting in SETTINGS}


# Check


def test_check_fills_the_name_and_marks_what_is_secret(provider: Native) -> None:
    news = {
        "yourMom": "dropbox",
        "tags": ["b", "a", "b"],
        "configuration": {"oauth.api.key": "k3y", "url": "https://a", "deep": {"password": "p4ss", "size": 3}},
        "providerData": {"code": "c0de"},
    }
    checked, failures = provider.check(news)
    assert failures == []
    assert checked == {
        "__line": CRM,
        "yourMom": "dropbox",
        "name": "crm",
        "tags": ["a", "b"],
        "configuration": {
            "oauth.api.key": secret("k3y"),
            "url": "https://a",
            "deep": {"password": secret("p4ss"), "size": 3.0},
        },
        "providerData": secret({"code": secret(f"used code sha256:{hashlib.sha256(b'c0de').hexdigest()}")}),
    }


def test_what_the_program_makes_a_secret_stays_one(provider: Native, api: Emulator) -> None:
    """At every depth and in every answer. A list with a secret in it is secret as a whole, as the engine has it."""
    news = {
        "yourMom": "dropbox",
        "name": secret("s3cret-name"),
        "tags": ["a", secret("s3cret-tag")],
        "configuration": {"url": "https://a", "deep": {"plain": 1.0, "given": secret("s3cret-value")}},
    }
    marked = {**news, "tags": secret(["a", "s3cret-tag"])}
    checked = provider.check(news).inputs
    assert checked == {**marked, "__line": CRM}
    assert provider.check({**news, "name": secret(UNKNOWN)}).inputs["name"] == secret(UNKNOWN)
    previewed = provider.create(checked, preview=True).outputs
    assert previewed["name"] == secret(UNKNOWN)
    made = provider.create(checked)
    read = provider.refresh(made.id, made.outputs, checked)
    updated = provider.update(made.id, made.outputs, checked, old_inputs=checked)
    for answer in ({**previewed, "name": news["name"]}, made.outputs, read.outputs, read.inputs, updated):
        assert {key: answer[key] for key in marked} == marked
    assert api.instance(made.id)["name"] == "s3cret-name"
    found = provider.invoke("getInstances", name=secret("s3cret-name"))
    assert found == secret_values(provider.invoke("getInstances", name="s3cret-name"))


def secret_values(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: secret(value) for key, value in answer.items()}


def test_a_look_up_does_not_show_what_it_was_asked_with_in_secret(provider: Native) -> None:
    """Neither its name nor the tags beside it."""
    with pytest.raises(NativeError, match=r'no instance has name: "\[secret\]" and tag "\[secret\]"'):
        provider.invoke("getInstance", name=secret("s3cret-name"), tags=["s3cret-tag"])


def test_secret_tags_of_every_instance_are_refused_by_check_alone(api: Emulator, home: dict[str, str]) -> None:
    """A refresh and a destroy go on."""
    with Native(home, {**settings_of(api), "defaultTags": secret("s3cret-tag")}) as process:
        provider = process.configure()
        [failure] = provider.check(inputs()).failures
        assert failure.startswith("instances:defaultTags is a secret, which no tag can be: ")
        made = api.add(name="crm")
        assert provider.refresh(str(made), {"token": api.instance(made)["token"]}, inputs()) is not None


def test_a_stranger_type_is_refused(provider: Native) -> None:
    with pytest.raises(NativeError, match="instances:index:Other is not a resource"):
        provider.check(inputs(), urn=URN.replace("Instance", "Other"))


# Diff


def test_the_difference_is_told_per_member_and_per_tag(provider: Native) -> None:
    olds = inputs(
        tags=["a", "b", "c"],
        configuration={"oauth.key": "1", "url": "x", "deep": {"size": 1}},
        token="t0ken",
        __defaults=[],
    )
    news = inputs(tags=["a", "c", "d", "e"], configuration={"oauth.key": "2", "url": "x", "deep": {"more": 1}})
    found = provider.diff("7", olds, news)
    assert found.changes == "SOME"
    assert found.replaces == ["configuration"]
    assert found.detailed == {
        "tags[1]": ("DELETE", True),
        "tags[2]": ("ADD", True),
        "tags[3]": ("ADD", True),
        'configuration["oauth.key"]': ("UPDATE_REPLACE", True),
        "configuration.deep.size": ("DELETE_REPLACE", True),
        "configuration.deep.more": ("ADD_REPLACE", True),
    }


@pytest.mark.parametrize(
    ("changed", "detailed"),
    [
        ({"yourMom": "box"}, {"yourMom": ("UPDATE_REPLACE", True)}),
        ({"name": "other"}, {"name": ("UPDATE", True)}),
        ({"tags": None}, {"tags": ("DELETE", True)}),
        ({"tags": UNKNOWN}, {"tags": ("UPDATE", True)}),
        ({"yourMom": UNKNOWN}, {"yourMom": ("UPDATE_REPLACE", True)}),
        ({"configuration": {"a": 1}}, {"configuration": ("ADD", True)}),
    ],
)
def test_one_difference(provider: Native, changed: dict[str, Any], detailed: dict[str, Any]) -> None:
    olds = inputs(token="t0ken", __defaults=[])
    assert provider.diff("7", olds, inputs(**changed)).detailed == detailed


def test_what_differs_in_the_outputs_alone_is_shown_so(provider: Native) -> None:
    """A refresh of a state whose inputs were not rewritten leaves such a difference."""
    olds = inputs(name="renamed there", token="t0ken", __defaults=[])
    assert provider.diff("7", olds, inputs(), inputs()).detailed == {"name": ("UPDATE", False)}


# Create, Update, Read, Delete


def test_a_preview_of_a_create_knows_the_inputs_and_sends_nothing(provider: Native, api: Emulator) -> None:
    found = provider.create(inputs(tags=None, providerData={"code": "c0de"}), preview=True)
    assert found.id == ""
    assert found.outputs["yourMom"] == "dropbox"
    assert found.outputs["providerData"] == secret({"code": "c0de"})
    assert found.outputs["token"] == secret(UNKNOWN)
    assert found.outputs["name"] == UNKNOWN  # so that a look-up by it waits for `up`
    assert [found.outputs[key] for key in ("tags", "valid", "disabled")] == [UNKNOWN] * 3
    assert api.requests == []


def test_create_read_update_delete(provider: Native, api: Emulator) -> None:
    made = provider.create(inputs(configuration={"api.key": "k3y"}))
    [there] = api.instances()
    assert made.id == str(there["id"])
    assert made.outputs["token"] == secret(there["token"])
    assert made.outputs["configuration"] == {"api.key": secret("k3y")}

    state = plain(made.outputs)
    read = provider.refresh(made.id, state)
    assert plain(read.outputs) == state
    assert plain(read.inputs) == inputs(configuration={"api.key": "k3y"})

    news = inputs(name="sales", configuration={"api.key": "k3y"})
    preview = provider.update(made.id, state, news, preview=True)
    writes = len(api.writes)
    assert preview["token"] == secret(there["token"])
    assert preview["name"] == "sales"
    assert provider.update(made.id, state, news) == preview
    assert len(api.writes) == writes + 1

    provider.delete(made.id, plain(preview))
    assert api.instances() == []


def test_the_words_of_others_are_not_rewritten(provider: Native, api: Emulator) -> None:
    """Only our own part of a message is in the words of the package."""
    said = 'set adopt_id, tags=["x"] and your_mom (enabled: True) as get_instance shows'
    api.fail("POST", "/instances", Fault.status(400, said))
    with pytest.raises(NativeError, match=re.escape(f"create instance 'enabled=False': 400 \"{said}\" (")):
        provider.create(inputs(name="enabled=False"))
    adopted = api.add(your_mom="dropbox", name="crm", tags=["adopt_id"])
    with pytest.raises(NativeError) as failure:
        provider.create(inputs(yourMom='tags=["a"]', adoptId=str(adopted)))
    assert str(failure.value) == (
        f'adoptId names instance {adopted}, which is of "dropbox", but the program has yourMom: "tags=["a"]"; '
        "correct one of them"
    )
    provider.engine.lines.clear()
    provider.check(inputs(name="your_mom=2", tags=["adopt_id"], adoptId=str(adopted)))
    warning = f"instance {adopted} exists and is adopted: that changes its name from 'crm' to 'your_mom=2'"
    assert [line for _, line in provider.engine.lines] == [warning]


def test_a_bug_of_ours_is_one_line_without_a_value(provider: Native) -> None:
    """The engine never sends such an update: the Diff before it is refused."""
    request = provider_pb2.UpdateRequest(id="1", urn=URN, news=struct({"yourMom": ["s3cret"]}))
    with pytest.raises(NativeError, match=r"^Update: \w+ in the provider; please report it$"):
        provider.call("Update", request)


def test_a_token_that_cannot_be_read_keeps_the_instance_in_the_state(api: Emulator, tmp_path: Path) -> None:
    """The next `up` reads it, but not in another account: the engine updates what is not complete.

    A refresh keeps its inputs, and drops it when it no longer exists.
    """
    home = {"PULUMI_HOME": str(tmp_path)}
    with Native(home, {**settings_of(api), "maxRetries": 0}) as process:
        process.configure()
        api.fail("POST", "/instances", Fault.drop_after())
        api.fail("GET", "/instances/{id}", Fault.status(403))
        with pytest.raises(NativeError, match="its token cannot be read") as error:
            process.create(inputs(__line=LINE))
        [there] = api.instances()
        kept = error.value.kept
        assert kept.id == str(there["id"])
        state = plain(bag(kept.properties))
        assert "token" not in state
        assert plain(process.refresh(kept.id, state, inputs()).inputs)["name"] == "billing"
    with Emulator() as other, Native(home, settings_of(other)) as process:
        while str(other.add(name="stranger")) != kept.id:
            continue
        process.configure()
        with pytest.raises(NativeError, match="has another instance") as error:
            process.update(kept.id, state, inputs(__line=LINE))
        assert "token" not in bag(error.value.kept.properties)
        assert other.writes == []
    with Native(home, settings_of(api)) as process:
        process.configure()
        outputs = process.update(kept.id, state, inputs(__line=LINE))
        assert outputs["token"] == secret(there["token"])
        api.remove(int(kept.id))
        assert process.refresh(kept.id, {**state, "__created": 1}, inputs()).id == ""
    assert [request.method for request in api.writes] == ["POST"]


@pytest.mark.parametrize(
    ("of_last_up", "of_the_stack", "flag"),
    [(None, None, False), (True, None, True), ("true", {}, False), (None, {"refreshBeforeUpdate": "true"}, True)],
)
def test_the_answers_tell_the_engine_whether_to_refresh_first(
    of_last_up: object, of_the_stack: Bag | None, flag: bool, api: Emulator, tmp_path: Path
) -> None:
    """The state keeps it. The stack's configuration of now wins, so that one refresh suffices to switch it.

    A reference by `.get` has none: the program reads it anyway.
    """
    env = {"PULUMI_HOME": str(tmp_path)}
    if of_the_stack is not None:
        env["PULUMI_CONFIG"] = json.dumps(of_the_stack)
    settings = settings_of(api) if of_last_up is None else {**settings_of(api), "refreshBeforeUpdate": of_last_up}
    with Native(env, {**settings, "maxRetries": 0}) as process:
        process.configure()
        made = process.call("Create", provider_pb2.CreateRequest(urn=URN, properties=struct(inputs())))
        given = {"id": made.id, "urn": URN, "properties": made.properties}
        found = process.call("Read", provider_pb2.ReadRequest(**given, inputs=struct(inputs())))
        reference = process.call("Read", provider_pb2.ReadRequest(**given, inputs=Struct()))
        olds = {"id": made.id, "urn": URN, "olds": made.properties, "old_inputs": struct(inputs())}
        updated = process.call("Update", provider_pb2.UpdateRequest(**olds, news=struct(inputs(tags=["us"]))))
        flags = [answer.refresh_before_update for answer in (made, found, reference, updated)]
        assert flags == [flag, flag, False, flag]
        api.fail("POST", "/instances", Fault.drop_after())
        api.fail("GET", "/instances/{id}", Fault.status(403))
        with pytest.raises(NativeError, match="its token cannot be read") as error:
            process.create(inputs(name="another", __line=LINE))
        assert error.value.kept.refresh_before_update == flag


def test_an_update_after_which_nothing_can_be_read_is_kept(api: Emulator, home: dict[str, str]) -> None:
    """Its state has to hold what was sent, such as a login with a code, which works once."""
    instance_id = str(api.add(your_mom="dropbox", name="billing", tags=["eu"]))
    api.change(instance_id, valid=False)
    with Native(home, {**settings_of(api), "maxRetries": 0}) as process:
        process.configure()
        state = inputs(requireValid=True, token=api.instance(instance_id)["token"])
        process.refresh(instance_id, state)
        api.fail("GET", "/instances/{id}", Fault.status(403), times=2)
        with pytest.raises(NativeError, match=r"was updated, but cannot be read \(.*403.*\); run again") as error:
            process.update(instance_id, state, inputs(requireValid=True, tags=["us"]))
        kept = plain(bag(error.value.kept.properties))
        assert kept["tags"] == ["us"]
        api.change(instance_id, valid=True)
        assert process.update(instance_id, kept, inputs(requireValid=True, tags=["us"]))["valid"] is True
    assert [request.method for request in api.writes] == ["PUT"]


def test_a_code_whose_answer_is_lost_is_not_sent_again(home: dict[str, str]) -> None:
    """Where nothing can be read after it, the state holds what was sent."""
    with Emulator(dialect="elements") as api, Native(home, {**settings_of(api), "dialect": "elements"}) as process:
        process.configure()
        olds, _ = process.check(inputs(providerData={"code": "c0de-1"}))
        made = process.create(olds)
        news, _ = process.check(inputs(providerData={"code": "c0de-2"}), olds)
        api.fail("PUT", "/instances/{id}", Fault.drop_after())
        api.fail("GET", "/instances/{id}", Fault.status(500), times=5)
        updated = process.update(made.id, made.outputs, news, old_inputs=olds)
        assert process.diff(made.id, updated, news, news).changes == "NONE"
        assert any("the code counts as used" in line for _, line in process.engine.lines)
    assert [request.method for request in api.writes] == ["POST", "PUT"]


def test_an_import_reads_all_that_a_program_can_give(provider: Native, api: Emulator) -> None:
    """What the program then leaves out is not managed, and no difference."""
    instance_id = str(api.add(your_mom="box", name="crm", tags=["eu"]))
    found = provider.import_(instance_id)
    assert found.inputs == {"yourMom": "box", "name": "crm", "tags": ["eu"], "__imported": True}

    whole, _ = provider.check(plain(found.inputs), plain(found.inputs))
    assert whole == {"yourMom": "box", "name": "crm", "tags": ["eu"], "__line": CRM}
    assert provider.diff(instance_id, plain(found.outputs), whole, found.inputs).changes == "NONE"

    mine = URN.replace("crm", "mine")
    sparse, _ = provider.check({"yourMom": "box"}, plain(found.inputs), mine)
    assert sparse == {"yourMom": "box", "__line": _line(mine)}
    sparse["__line"] = CRM
    assert provider.diff(instance_id, plain(found.outputs), sparse, found.inputs).changes == "NONE"
    assert provider.diff(instance_id, plain(found.outputs), sparse, sparse).changes == "NONE"
    # Tags that the program gave and has dropped are cleared.
    named = {**sparse, "name": "crm"}
    assert provider.diff(instance_id, plain(found.outputs), named, whole).detailed.keys() == {"tags"}

    again = provider.refresh(instance_id, plain(found.outputs), plain(found.inputs))
    assert again == found


def test_what_an_import_was_refused_stays_as_it_is(provider: Native, api: Emulator) -> None:
    """The engine holds it by then, and would next delete what the resource had before: Diff stops that `up`."""
    line = line_of(Place("theirs", "dev", "", "x"))
    instance_id = str(api.add(your_mom="box", name="x", tags=[mark_of(line, 1)]))
    found = provider.get(instance_id)  # as the engine reads for the option `import`
    assert found.outputs["__imported"] == "theirs/dev/x"
    whole, _ = provider.check(plain(found.inputs), plain(found.inputs))
    for held in (found, provider.refresh(instance_id, plain(found.outputs), plain(found.inputs))):
        with pytest.raises(NativeError, match="by an import, and theirs/dev/x manages it"):
            provider.diff(instance_id, plain(held.outputs), whole, held.inputs)
    api._store.change(int(instance_id), {"tags": ["free"]})
    again = provider.refresh(instance_id, plain(found.outputs), plain(found.inputs))
    assert provider.diff(instance_id, plain(again.outputs), whole, again.inputs).changes != "NONE"


def test_an_id_to_import_is_written_as_the_service_writes_it(provider: Native, api: Emulator) -> None:
    """The engine takes another spelling for another instance: it would delete the one that it has."""
    instance_id = str(api.add(your_mom="box", name="crm"))
    for read in (provider.import_, provider.get):
        with pytest.raises(NativeError, match=f'write "{instance_id}"'):
            read(f"0{instance_id}")


def test_a_reference_is_read_without_being_managed(provider: Native, api: Emulator) -> None:
    instance_id = str(api.add(your_mom="box", name="crm", tags=["eu"]))
    found = provider.get(instance_id)
    assert found.outputs["__defaults"] == ["name", "tags"]
    assert found.outputs["token"] == secret(api.instance(int(instance_id))["token"])


@pytest.mark.parametrize("as_engine", ["3.260", "3.274"])
def test_a_refresh_of_a_reference_finds_it_as_it_was(provider: Native, api: Emulator, as_engine: str) -> None:
    """A newer engine sends no inputs for `.get`, as for an import. Inputs that are not answered stay as they are."""
    instance_id = str(api.add(your_mom="box", name="crm", tags=["eu"]))
    found = provider.get(instance_id) if as_engine == "3.260" else provider.import_(instance_id)
    again = provider.refresh(instance_id, plain(found.outputs), {})
    assert (again.outputs, again.inputs) == (found.outputs, {})


# look-ups


def test_a_look_up_says_who_manages_an_instance(provider: Native, api: Emulator) -> None:
    """Its mark says so, which is not one of its tags."""
    api.add(name="made", tags=["eu", mark_of(line_of(Place("shop", "dev", "", "crm")), 1)])
    found = provider.invoke("getInstance", name="made")
    assert (found["tags"], found["managedBy"]) == (["eu"], "shop/dev/crm")


# the log, time and the end


def test_a_timeout_bounds_the_whole_operation(api: Emulator, home: dict[str, str]) -> None:
    """Retries and waits included, whatever the settings say; the message says which timeout it was."""
    with Native(home, {**settings_of(api), "timeout": 50, "maxRetries": 100}) as process:
        process.configure()
        instance_id = str(api.add(your_mom="box", name="crm"))
        for _ in range(50):
            api.fail("GET", "/instances/{id}", Fault.delay(20))
        with pytest.raises(NativeError, match=r"timeout of 0\.5 s in customTimeouts is over .*; increase it"):
            process.refresh(instance_id, inputs(token="t"), timeout=0.5)


def test_a_timeout_may_be_longer_than_the_settings(api: Emulator, home: dict[str, str]) -> None:
    """`customTimeouts` win over them."""
    api.fail("POST", "/instances", Fault.delay(1.5))
    with Native(home, {**settings_of(api), "timeout": 0.5, "createTimeout": 0.5}) as process:
        made = process.configure().create(inputs(name="slow"), timeout=60)
    assert made.outputs["token"] == secret(api.instance(made.id)["token"])
    assert [request.method for request in api.requests] == ["GET", "POST"]


def test_cancel_ends_a_wait(api: Emulator, home: dict[str, str]) -> None:
    with Native(home, {**settings_of(api), "maxRetries": 100}) as process:
        process.configure()
        instance_id = str(api.add(your_mom="box", name="crm"))
        for _ in range(50):
            api.fail("GET", "/instances/{id}", Fault.status(503, headers={"Retry-After": "1000"}))
        failed: list[str] = []

        def read() -> None:
            try:
                process.get(instance_id)
            except NativeError as error:
                failed.append(str(error))

        reader = threading.Thread(target=read)
        reader.start()
        until(lambda: api.requests)
        process.cancel()
        reader.join(20)
        assert len(failed) == 1


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("CheckConfig", provider_pb2.CheckRequest()),
        ("DiffConfig", provider_pb2.DiffRequest()),
        ("Check", provider_pb2.CheckRequest()),
        ("Check", provider_pb2.CheckRequest(urn="::::::", news=struct({"yourMom": [[]], "tags": {"a": None}}))),
        ("Diff", provider_pb2.DiffRequest()),
        (
            "Diff",
            provider_pb2.DiffRequest(id="x", olds=struct({"tags": "text", "configuration": [1], "__defaults": 3})),
        ),
        ("Create", provider_pb2.CreateRequest()),
        ("Create", provider_pb2.CreateRequest(preview=True)),
        ("Read", provider_pb2.ReadRequest()),
        ("Read", provider_pb2.ReadRequest(id="../instances", properties=struct({"token": 1}))),
        ("Update", provider_pb2.UpdateRequest()),
        ("Update", provider_pb2.UpdateRequest(preview=True)),
        ("Delete", provider_pb2.DeleteRequest()),
        ("Delete", provider_pb2.DeleteRequest(id="..")),
        ("Invoke", provider_pb2.InvokeRequest()),
        ("Invoke", provider_pb2.InvokeRequest(tok=GET_INSTANCE, args=struct({"id": {}, "tags": 3}))),
        ("Configure", provider_pb2.ConfigureRequest(args=struct({"baseUrl": [], "timeout": {}}))),
    ],
)
def test_garbage_is_answered_or_refused_in_one_line(
    provider: Native, api: Emulator, method: str, request_: Any
) -> None:
    """Nothing is written either."""
    said = "answered"
    try:
        provider.call(method, request_)
    except NativeError as error:
        said = str(error)
    assert said.strip()
    assert "\n" not in said
    assert provider.log() == ""
    assert api.writes == []


@pytest.mark.parametrize("junk", [True, 5, ["a", 5, None], [["a"]], [{}], {"a": "b"}])
def test_a_state_that_was_edited_is_compared_and_corrected(provider: Native, junk: Any) -> None:
    """Whatever it holds as tags: they differ from those of the program, which an update sends."""
    made = provider.create(inputs())
    olds = {**made.outputs, "tags": junk}
    assert provider.diff(made.id, olds, inputs(), inputs()).changes == "SOME"
    assert provider.update(made.id, olds, inputs(), preview=True)["tags"] == ["eu"]
    assert provider.update(made.id, olds, inputs())["tags"] == ["eu"]
    assert provider.refresh(made.id, olds).outputs["tags"] == ["eu"]


@pytest.mark.parametrize("main_thread", [True, False])
def test_an_interrupt_ends_an_idle_process(api: Emulator, home: dict[str, str], main_thread: bool) -> None:
    """It does, whichever thread the system gives the signal to."""
    with Native(home, settings_of(api)) as process:
        process.configure()
        process.create(inputs())
        assert process.interrupt(main_thread=main_thread) == 0
        assert process.log() == ""


def test_an_interrupt_ends_a_process_that_was_started_to_ignore_it(home: dict[str, str]) -> None:
    """A background job of a script may inherit that from its shell."""
    with ignoring_interrupts(), Native(home) as process:
        assert process.interrupt() == 0


@pytest.mark.parametrize(("option", "said"), [("--help", "The Pulumi CLI starts it by itself"), ("--version", ".")])
def test_who_runs_it_by_hand_is_told_what_it_is(option: str, said: str) -> None:
    """It does not print a port and wait for an engine."""
    done = subprocess.run([*COMMAND, option], capture_output=True, text=True, timeout=60, check=True)
    assert said in done.stdout
    assert done.stderr == ""


def test_the_process_ends_when_nobody_reads_its_output(home: dict[str, str]) -> None:
    """This is how the process learns that the engine was killed."""
    with Native(home) as process:
        assert process.process.stdout is not None
        process.process.stdout.close()
        assert process.process.wait(timeout=60) == 0
