from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pulumi_instances.core.marks import Place, line_of
from pulumi_instances.native.names import to_engine
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.mocks import secret
from tests.support.plugin import UNKNOWN, Bag, Checked, Diffed, Found, Plugin, PluginError
from tests.support.values import inputs, outputs, plain

LINE = line_of(Place("shop", "dev", "", "billing"))
PROTOCOL_5 = "gAWVNgAAAAAAAACMGnB1bHVtaV9pbnN0YW5jZXMubGlmZWN5Y2xllIwQSW5zdGFuY2VQcm92aWRlcpSTlCmBlC4="


def older(bag: Bag) -> Bag:
    """The outputs as the engine hands them back an hour after the create."""
    return {**plain(bag), "__created": bag["__created"] - 3600}


# the life of an instance


def test_an_instance_is_checked_created_read_updated_and_deleted(api: Emulator, plugin: Plugin) -> None:
    """What each call answers is exactly what the state then holds."""
    checked = plugin.check({"your_mom": "dropbox", "name": "billing", "tags": ["b", "a", "b"]})
    assert checked == Checked({"your_mom": "dropbox", "name": "billing", "tags": ["a", "b"]}, [])

    made = plugin.create(checked.inputs)
    (instance,) = api.instances()
    expected = {
        "your_mom": "dropbox",
        "name": "billing",
        "tags": ["a", "b"],
        "token": secret(instance["token"]),
        "valid": True,
        "disabled": False,
        "__defaults": [],
        "__account": made.outputs["__account"],
        "__created": made.outputs["__created"],
    }
    assert made == Found(str(instance["id"]), expected, {})
    assert isinstance(made.outputs["__account"], dict), "it is secret"

    assert plugin.diff(made.id, plain(made.outputs), checked.inputs) == Diffed("NONE", [])
    assert plugin.refresh(made.id, plain(made.outputs)) == Found(made.id, expected, checked.inputs)

    news = plugin.check({"your_mom": "dropbox", "name": "paid"}, checked.inputs).inputs
    assert plugin.diff(made.id, plain(made.outputs), news) == Diffed("UNKNOWN", [])
    assert plugin.update(made.id, plain(made.outputs), news) == {
        **expected,
        "name": "paid",
        "tags": [],
        "__defaults": ["tags"],
    }
    assert (api.instance(made.id)["name"], api.instance(made.id)["tags"]) == ("paid", [])

    plugin.delete(made.id, plain(made.outputs))
    assert api.instances() == []
    plugin.delete(made.id, older(made.outputs))  # what no longer exists counts as deleted


def test_a_preview_asks_the_api_nothing(api: Emulator, plugin: Plugin) -> None:
    """Check and Diff send no request."""
    plugin.check(inputs())
    plugin.diff("1", {**inputs(), "token": "t"}, inputs(name="other"))
    assert api.requests == []


def test_numbers_arrive_as_they_were_written(api: Emulator, plugin: Plugin) -> None:
    """The engine makes doubles of them; the API gets whole numbers, and nothing differs afterwards."""
    bag = inputs(configuration={"n": 3, "half": 0.5, "on": True}, provider_data={"deep": [{"n": 7}]})
    made = plugin.create(bag)
    (request,) = api.writes
    assert request.body is not None
    assert [repr(request.body["configuration"][key]) for key in ("n", "half", "on")] == ["3", "0.5", "True"]
    assert repr(request.body["providerData"]) == "{'deep': [{'n': 7}]}"
    assert plugin.diff(made.id, plain(made.outputs), bag).changes == "NONE"


def test_what_is_used_at_creation_only_is_kept_as_declared(api: Emulator, plugin: Plugin) -> None:
    """The API never shows it again: a refresh carries it forward, outputs and inputs alike."""
    bag = inputs(configuration={"oauth.api.key": "k"}, provider_data={"code": "c0de-1"})
    made = plugin.create(bag)
    assert "configuration" in api.instance(made.id)
    found = plugin.refresh(made.id, plain(made.outputs))
    assert found.outputs == made.outputs
    assert plain(found.inputs) == bag


def test_a_state_of_the_native_package_is_taken_over(api: Emulator, plugin: Plugin) -> None:
    """It is updated once, so that the state holds what the SDK needs; nothing is sent, and a code is not used again."""
    bag = plain(plugin.check(inputs(configuration={"oauth.api.key": "k"}, provider_data={"code": "c0de-9"})).inputs)
    made = plugin.create(bag)
    olds = to_engine(plain(made.outputs))
    api.reset()
    given = inputs(configuration={"oauth.api.key": "k"}, provider_data={"code": "c0de-9"})
    assert plain(plugin.check(given, to_engine(bag)).inputs) == bag
    assert plugin.diff(made.id, olds, bag) == Diffed("SOME", [])
    assert plugin.update(made.id, olds, bag) == made.outputs
    assert api.requests == []
    assert plugin.diff(made.id, olds, {**bag, "your_mom": "sfdc"}) == Diffed("SOME", ["your_mom"])


def test_recording_what_appears_sends_nothing(api: Emulator, plugin: Plugin) -> None:
    """If the program of an adopted instance gains a configuration, only the state is updated."""
    made = plugin.create(inputs())
    api.reset()
    news = inputs(configuration={"oauth.api.key": "k"})
    assert plugin.diff(made.id, plain(made.outputs), news) == Diffed("UNKNOWN", [])
    assert plain(plugin.update(made.id, plain(made.outputs), news)) == {**plain(made.outputs), **news}
    assert plugin.update(made.id, {**plain(made.outputs), **news}, inputs()) == made.outputs
    assert api.requests == []


@pytest.mark.parametrize(
    "bag",
    [
        inputs(name="x" * 1_000_000),
        inputs(tags=[f"tag {number:05}" for number in range(10_000)]),
        inputs(name="名前 \U0001f511 e\u0301 \u202e", tags=["é", "\U0001f511"]),
        inputs(name="'; DROP TABLE instances; --", tags=['"', "\\", "%2e%2e/", "${x}", "<b>"]),
        inputs(configuration={'a."b"\\': "c", "ключ": "значение", "n": 1 - 2**53, "f": 1e-9}),
    ],
    ids=["1 MB name", "10000 tags", "unicode", "punctuation", "configuration"],
)
def test_large_and_odd_inputs_make_the_round_trip(api: Emulator, plugin: Plugin, bag: Bag) -> None:
    """They arrive as written, and nothing differs afterwards."""
    checked = plugin.check(bag)
    assert checked.failures == []
    made = plugin.create(checked.inputs)
    instance = api.instance(made.id)
    assert instance["name"] == bag["name"]
    assert sorted(instance["tags"]) == sorted(bag["tags"])
    assert instance["configuration"] == bag.get("configuration", {})
    found = plugin.refresh(made.id, plain(made.outputs))
    assert plugin.diff(made.id, plain(found.outputs), checked.inputs).changes == "NONE"


@pytest.mark.parametrize(
    ("changed", "replaces"),
    [
        ({"your_mom": "box"}, ["your_mom"]),
        ({"configuration": {"a": "other"}}, ["configuration"]),
        ({"provider_data": {"code": "other"}}, ["provider_data"]),
        ({"name": "other"}, []),
        ({"tags": ["other"]}, []),
    ],
)
def test_a_change_is_left_to_the_engine_to_show(plugin: Plugin, changed: Bag, replaces: list[str]) -> None:
    """UNKNOWN makes it compare inputs itself and honour `replace_on_changes`; what replaces is named."""
    olds = inputs(configuration={"a": "b"}, provider_data={"code": "c"}, token="t")
    news = inputs(**{"configuration": {"a": "b"}, "provider_data": {"code": "c"}, **changed})
    # An id that no other test deletes: the process remembers which instances are going to be replaced.
    assert plugin.diff("71", olds, news) == Diffed("UNKNOWN", replaces)


def test_another_pickle_is_no_difference(plugin: Plugin) -> None:
    """Python 3.14 writes another one: no resource changes by that."""
    assert plugin.diff("1", {**inputs(), "token": "t"}, inputs(), PROTOCOL_5) == Diffed("NONE", [])


@pytest.mark.parametrize(
    "unknown",
    [
        {"your_mom": UNKNOWN},
        {"name": UNKNOWN},
        {"tags": UNKNOWN},
        {"tags": ["eu", UNKNOWN]},
        {"configuration": UNKNOWN},
        {"configuration": {"oauth.api.key": UNKNOWN}},
        {"provider_data": {"deep": [{"code": UNKNOWN}]}},
        {"adopt_id": UNKNOWN},
    ],
)
def test_unknown_values_stay_unknown(plugin: Plugin, unknown: Bag) -> None:
    """At any depth, they are unknown in the checked inputs and count as a change of their property."""
    checked = plugin.check(inputs(**unknown))
    assert (plain(checked.inputs), checked.failures) == (inputs(**unknown), [])
    expected = "NONE" if "adopt_id" in unknown else "UNKNOWN"
    assert plugin.diff("1", {**inputs(), "token": "t"}, checked.inputs).changes == expected


def test_bad_inputs_are_check_failures(plugin: Plugin) -> None:
    """Each names its property, and the engine prints one line instead of a traceback."""
    _, failures = plugin.check({"your_mom": 5, "tags": ["a", 1], "provider_data": "code", "nmae": "x"})
    assert sorted(text.partition(" ")[0] for _, text in failures) == [
        "name",
        "nmae",
        "provider_data",
        "tags[1]",
        "your_mom",
    ]
    assert all("\n" not in text for _, text in failures)
    assert {key for key, _ in failures} == {""}, "for a property, the engine would print the value, decrypted"


# refresh and get


def test_what_no_longer_exists_leaves_the_state_on_refresh(api: Emulator, plugin: Plugin) -> None:
    """An empty id tells the engine to drop it."""
    made = plugin.create(inputs())
    api.remove(made.id)
    assert plugin.refresh(made.id, older(made.outputs)) == Found("", {}, {})


def test_get_of_what_is_missing_is_an_error(api: Emulator, plugin: Plugin) -> None:
    """The engine would mistake an empty answer for success."""
    gone = api.add()
    api.remove(gone)
    with pytest.raises(PluginError, match=rf"read instance {gone}: 404.*check the id"):
        plugin.get(str(gone))


def test_get_answers_all_outputs(api: Emulator, plugin: Plugin) -> None:
    """It needs nothing but the id."""
    instance_id = api.add(your_mom="box", name="other", tags=["b", "a"])
    found = plugin.get(str(instance_id)).outputs
    assert found == {
        "your_mom": "box",
        "name": "other",
        "tags": ["a", "b"],
        "token": secret(api.instance(instance_id)["token"]),
        "valid": True,
        "disabled": False,
        "__defaults": ["name", "tags"],
        "__account": found["__account"],
    }


@pytest.mark.parametrize(
    "fault",
    [
        *(Fault.status(status) for status in (400, 401, 403, 405, 409, 429, 500, 502, 503, 504)),
        Fault.status_after(502),
        Fault.status(404).redirect("http://127.0.0.1:9/"),
        Fault.garbage(),
        Fault.truncated(),
        Fault.drop_before(),
        Fault.drop_after(),
        Fault.status(200, body=b""),
        Fault.status(200, body=b"<html>"),
        Fault.status(200, body=b"{}"),
        Fault.status(200, body=b"null"),
        Fault.status(200, body=b'{"id": 1, "name": "of another"}'),
    ],
    ids=lambda fault: f"{fault.kind} {fault.code} {(fault.body or b'')[:9]!r}",
)
def test_a_refresh_that_fails_never_means_gone(api: Emulator, plugin: Plugin, fault: Fault) -> None:
    """Only 404 and 410 do: anything else is an error, and the state keeps the resource."""
    made = plugin.create(inputs())
    api.fail("GET", None, fault, times=9)
    with pytest.raises(PluginError, match=f"read instance {made.id}: "):
        plugin.refresh(made.id, plain(made.outputs))


@pytest.mark.parametrize("status", [404, 410])
def test_gone_is_what_the_api_says_is_gone(api: Emulator, plugin: Plugin, status: int) -> None:
    """That is 404, and 410 for services that remember."""
    made = plugin.create(inputs())
    api.remove(made.id)
    api.fail("GET", "/instances/{id}", Fault.status(status))
    assert plugin.refresh(made.id, older(made.outputs)).id == ""


def test_a_refresh_shows_drift_in_inputs_and_outputs(api: Emulator, plugin: Plugin) -> None:
    """Name and tags are those on the server, so that the next `up` repairs them; a changed `valid` is not drift."""
    bag = inputs(configuration={"a": "b"})
    made = plugin.create(bag)
    api.change(made.id, name="renamed", tags=["x"], valid=False, disabled=True)
    found = plugin.refresh(made.id, plain(made.outputs))
    assert found.inputs == {**bag, "name": "renamed", "tags": ["x"]}
    assert found.outputs == {**made.outputs, "name": "renamed", "tags": ["x"], "valid": False, "disabled": True}
    assert plugin.diff(made.id, plain(found.outputs), found.inputs).changes == "NONE"


def test_a_new_token_is_taken_over(api: Emulator, plugin: Plugin) -> None:
    """The mark proves the instance; the token is marked as a secret again."""
    made = plugin.create({**inputs(), "__line": LINE})
    assert made.outputs["__mark"].startswith(f"{LINE}.")
    api.change(made.id, token="rotated")
    assert plugin.refresh(made.id, plain(made.outputs)).outputs["token"] == secret("rotated")


def test_an_instance_with_neither_token_nor_mark_is_another_one(api: Emulator, plugin: Plugin) -> None:
    """Nothing of it goes into the state, and nothing is written."""
    made = plugin.create(inputs())
    api.change(made.id, token="of-a-str4nger", name="their-n4me")
    for call in (plugin.refresh, plugin.delete, lambda key, olds: plugin.update(key, olds, inputs(name="n"))):
        with pytest.raises(PluginError, match=r"has another instance .*so nothing was done") as caught:
            call(made.id, {**plain(made.outputs), "token": "of-0urs"})
        for value in ("of-a-str4nger", "their-n4me", "of-0urs"):
            assert value not in str(caught.value)
    assert [request.method for request in api.writes] == ["POST"]


def test_every_output_is_there_however_many_are_looked_up(api: Emulator, plugin: Plugin) -> None:
    """Many lookups at once may be answered from one listing, which holds less than the objects themselves."""
    ids = [str(api.add(name=f"n{number}")) for number in range(6)]
    api.fail("GET", None, Fault.delay(0.1), times=2)
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(plugin.get, ids))
    assert [item.id for item in found] == ids
    assert [set(item.outputs) for item in found] == [
        {"your_mom", "name", "tags", "token", "valid", "disabled", "__defaults", "__account"},
    ] * 6


# adopting


def test_adopting_makes_nothing_new(api: Emulator, plugin: Plugin) -> None:
    """The id is that of the object, and `adopt_id` is no output."""
    instance_id = str(api.add(name="old"))
    made = plugin.create(inputs(adopt_id=instance_id))
    assert made.id == instance_id
    assert set(made.outputs) == {"your_mom", "name", "tags", "token", "valid", "disabled", "__defaults", "__account"}
    assert [request.method for request in api.writes] == ["PUT"]
    assert plugin.diff(made.id, plain(made.outputs), inputs(adopt_id=instance_id)).changes == "NONE"


def test_a_replacement_of_what_is_adopted_is_refused(plugin: Plugin) -> None:
    """The new instance would be the old one, which the engine then deletes."""
    olds = inputs(adopt_id="4014")
    _, failures = plugin.check({**olds, "your_mom": "box"}, olds)
    [(_, text)] = failures
    assert text.startswith("your_mom cannot change while adopt_id names the instance")


def test_an_adoption_that_cannot_work_fails_at_the_check(api: Emulator, plugin: Plugin) -> None:
    """A preview shows it. A resource that exists has adopted long ago, and a bad input is reported alone."""
    missing, other = str(api.add()), str(api.add(your_mom="box"))
    api.remove(missing)
    assert plugin.check(inputs(adopt_id=missing, your_mom=5)).failures[1:] == []
    assert plugin.check(inputs(adopt_id=missing), inputs(adopt_id=missing)).failures == []
    assert plugin.check(inputs(adopt_id=UNKNOWN)).failures == []
    for instance_id, problem in ((missing, "which does not exist; "), (other, 'which is of "box"')):
        [(_, text)] = plugin.check(inputs(adopt_id=instance_id)).failures
        assert text.startswith(f"adopt_id names instance {instance_id}, {problem}")


@pytest.mark.usefixtures("api")
def test_what_the_program_declares_is_not_adopted(plugin: Plugin) -> None:
    """What a refresh has read is not either: a state holds it."""
    made = plugin.create(inputs())
    plugin.refresh(made.id, plain(made.outputs))
    [(_, text)] = plugin.check(inputs(adopt_id=made.id)).failures
    assert "which another resource of this stack already manages" in text


# one-time codes


def test_a_replacement_that_would_send_a_used_code_fails_at_the_check(plugin: Plugin) -> None:
    """Nothing is deleted for it."""
    olds = inputs(provider_data={"code": "used-at-creation"})
    [(_, text)] = plugin.check({**olds, "your_mom": "box"}, olds).failures
    assert text.startswith("your_mom cannot change with the same code in provider_data, which works only once; ")


def test_what_a_diff_replaces_with_its_code_is_not_deleted(api: Emulator, plugin: Plugin) -> None:
    """The engine would delete it with what it depends on, before the check that refuses its replacement."""
    made = plugin.create(inputs(provider_data={"code": "of-the-dependent"}))
    state = plain(made.outputs)
    plugin.diff(made.id, state, inputs(provider_data={"code": "of-the-dependent"}, your_mom="box"))
    with pytest.raises(
        PluginError, match=f"delete instance {made.id}: a resource that it depends on is deleted before"
    ):
        plugin.delete(made.id, state)
    assert [str(instance["id"]) for instance in api.instances()] == [made.id]


def test_what_is_replaced_is_deleted_once_its_code_has_served(api: Emulator, plugin: Plugin) -> None:
    """It is kept while the create that sends the code again is still to come."""
    bag = inputs(provider_data={"code": "serves-again"})
    old = str(api.add())
    state = {**bag, "token": api.instance(old)["token"]}
    assert plugin.check(bag).failures == []
    with pytest.raises(PluginError, match="its replacement would send the same code"):
        plugin.delete(old, state)
    made = plugin.create(bag)
    plugin.delete(old, state)
    assert [str(instance["id"]) for instance in api.instances()] == [made.id]


# warnings


@pytest.mark.parametrize("adopt_id", [None, "74"])
def test_what_is_recorded_and_not_sent_is_said(plugin: Plugin, adopt_id: str | None) -> None:
    """How to make it take effect depends on whether the instance was adopted."""
    state, with_it = {**inputs(), "token": "t"}, inputs(configuration={"a": "b"}, adopt_id=adopt_id)
    plugin.diff("72", state, with_it)
    plugin.diff("73", {**state, **inputs(configuration={"a": "b"})}, inputs(adopt_id=adopt_id))
    advice = f"replace the instance: {'remove adopt_id and ' if adopt_id else ''}run `pulumi up --replace <URN>`"
    for instance_id, what in (("72", "recorded in the state"), ("73", "dropped from the state")):
        said = [line for line in plugin.log().splitlines() if f"instance {instance_id}: configuration is " in line]
        assert f"is {what}, and not sent" in said[-1]
        assert said[-1].endswith(advice)


def test_an_instance_that_does_not_work_yet_is_said(api: Emulator, plugin: Plugin) -> None:
    """A line after its create says what is wrong; for one that works there is no such line."""
    works, invalid, unfinished = plugin.create(inputs()).id, str(api.add()), str(api.add())
    for instance_id, said in (
        (invalid, {"valid": False}),
        (unfinished, {"provisionInteractions": [{"type": "login"}]}),
    ):
        body = {"id": int(instance_id), "name": "billing", "token": "t", "valid": True, "disabled": False, **said}
        api.fail("POST", "/instances", Fault.status(200, body=json.dumps(body)))
        assert plugin.create(inputs()).id == instance_id
    lines = [line for line in plugin.log().splitlines() if "does not work yet" in line]
    assert f"instance {invalid} does not work yet: the service reports valid: false; complete" in lines[-2]
    assert f"instance {unfinished} does not work yet: the service waits for further steps (provision" in lines[-1]
    assert not [line for line in lines if f"instance {works} " in line]


# errors


def _created(plugin: Plugin, act: Callable[[str, Bag], object]) -> None:
    """Do something to an instance that exists."""
    made = plugin.create(inputs())
    act(made.id, plain(made.outputs))


@pytest.mark.parametrize(
    ("method", "path", "act"),
    [
        ("POST", "/instances", lambda plugin: plugin.create(inputs())),
        ("GET", None, lambda plugin: plugin.refresh("1", {**inputs(), "token": "t"})),
        ("GET", None, lambda plugin: plugin.get("1")),
        ("PUT", None, lambda plugin: _created(plugin, lambda id_, olds: plugin.update(id_, olds, inputs(name="n")))),
        ("DELETE", None, lambda plugin: _created(plugin, plugin.delete)),
    ],
)
def test_an_error_is_a_short_traceback_that_ends_in_the_message(
    api: Emulator, plugin: Plugin, method: str, path: str | None, act: Any
) -> None:
    """The SDK shows all frames, so ours are removed and no cause is chained."""
    api.fail(method, path, Fault.status(400, "No way"), times=2)
    with pytest.raises(PluginError) as caught:
        act(plugin)
    text = str(caught.value)
    last = text.strip().splitlines()[-1]
    assert '400 "No way" (requestId ' in last
    assert last.endswith("correct what it names, then run again")
    assert text.count('File "') <= 3
    assert "During handling" not in text
    assert "direct cause" not in text


def test_errors_and_the_log_hold_no_secret(api: Emulator, plugin: Plugin) -> None:
    """This holds even if the server repeats them."""
    secrets = ("c0de-of-oauth", "0auth-s3cret", api.user_secret, api.organization_secret)
    api.fail("POST", "/instances", Fault.status(400, " ".join(secrets)))
    with pytest.raises(PluginError) as caught:
        plugin.create(inputs(provider_data={"code": secrets[0]}, configuration={"oauth.api.secret": secrets[1]}))
    made = plugin.create(inputs())
    log = plugin.log()
    assert "POST /instances: 400 in" in log
    for text in (str(caught.value), log):
        for value in (*secrets, made.outputs["token"]["value"], "Authorization"):
            assert value not in text


def test_what_a_check_or_a_diff_was_given_is_not_repeated(api: Emulator, plugin: Plugin) -> None:
    """This covers a name that comes from an Output, which may be a secret, and every secret in the state."""
    bag = inputs(name="n4me-from-output")
    assert plugin.check({**bag, "__outputs": ["name"]}) == Checked(bag, [])
    plugin.diff("75", outputs(token="t0ken-of-state", configuration={"a": "v4lue-of-state"}), inputs())
    api.fail("POST", "/instances", Fault.status(400, "n4me-from-output t0ken-of-state v4lue-of-state"))
    with pytest.raises(PluginError, match=r"create instance \[secret\]: 400 ") as caught:
        plugin.create(bag)
    for value in ("n4me-from-output", "t0ken-of-state", "v4lue-of-state"):
        assert value not in str(caught.value)


@pytest.mark.parametrize("bad", ["", "../1", "1/.."])
def test_no_request_is_built_from_a_crafted_id(api: Emulator, plugin: Plugin, bad: str) -> None:
    """An empty id would address the whole collection."""
    state = {**inputs(), "token": "t"}
    for act in (plugin.refresh, plugin.delete):
        with pytest.raises(PluginError, match=r"the id must be the decimal id of an instance.*nothing was sent"):
            act(bad, state)
    with pytest.raises(PluginError, match="nothing was sent"):
        plugin.update(bad, state, inputs(name="n"))
    assert api.requests == []


def test_many_creates_at_once(api: Emulator, plugin: Plugin) -> None:
    """One provider object serves all threads of the process."""
    with ThreadPoolExecutor(12) as threads:
        made = list(threads.map(lambda number: plugin.create(inputs(name=f"n{number % 6}")), range(24)))
    tokens = {str(instance["id"]): secret(instance["token"]) for instance in api.instances()}
    assert {found.id: found.outputs["token"] for found in made} == tokens
    assert len(tokens) == 24
