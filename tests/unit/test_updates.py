"""What an update sends, in each dialect: one request, and only what differs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pulumi_instances.core import model
from pulumi_instances.core.dialect import DIALECTS, IN_PLACE
from pulumi_instances.core.model import Update
from tests.support.values import Inputs, inputs, outputs

DOCUMENT = DIALECTS["default"]
SILENT = replace(DOCUMENT, in_place=IN_PLACE)
"""The API document, where a setting says that the service takes more than it says."""
LIVE = DIALECTS["elements"]

CONFIG = {"url": "u1", "user": "a", "nested": {"p": [1, {"q": True}]}}
LOGIN = {"user": "u", "password": "p"}
NEW_URL, NEW_LOGIN = {**CONFIG, "url": "u2"}, {**LOGIN, "password": "p2"}
NOT_1 = {"nested": {"p": [1, {"q": 1}]}}


def put(logs_in: bool = False, **body: Any) -> Update:
    """A PUT, which has name and tags in any case."""
    return Update("PUT", {"name": "billing", "tags": ["eu"], **body}, logs_in)


def patch(**body: Any) -> Update:
    return Update("PATCH", body)


UPDATES: dict[str, tuple[Inputs, Inputs, Update | None, Update | None, Update | None]] = {
    "nothing": ({}, {}, None, None, None),
    "a name": ({}, {"name": "n"}, put(name="n"), put(name="n"), put(name="n")),
    "one key": (
        {"configuration": CONFIG},
        {"configuration": NEW_URL},
        None,
        put(configuration=NEW_URL),
        patch(configuration={"url": "u2"}),
    ),
    "True is not 1, at any depth": (
        {"configuration": CONFIG},
        {"configuration": {**CONFIG, **NOT_1}},
        None,
        put(configuration={**CONFIG, **NOT_1}),
        patch(configuration=NOT_1),
    ),
    "one key and a name": (
        {"configuration": CONFIG},
        {"configuration": NEW_URL, "name": "n"},
        put(name="n"),
        put(name="n", configuration=NEW_URL),
        patch(name="n", configuration={"url": "u2"}),
    ),
    "dropped keys: a service that merges keeps them": (
        {"configuration": CONFIG},
        {"configuration": {"url": "u1"}},
        None,
        put(configuration={"url": "u1"}),
        None,
    ),
    "all dropped": ({"configuration": CONFIG}, {"configuration": None}, None, None, None),
    "given to an instance that exists": (
        {},
        {"configuration": {"url": "u1"}},
        None,
        put(configuration={"url": "u1"}),
        patch(configuration={"url": "u1"}),
    ),
    "a new login": (
        {"provider_data": LOGIN},
        {"provider_data": NEW_LOGIN},
        None,
        put(logs_in=True, providerData=NEW_LOGIN),
        put(logs_in=True, providerData=NEW_LOGIN),
    ),
    "a new login and a key, in one request": (
        {"provider_data": LOGIN, "configuration": CONFIG},
        {"provider_data": {"code": "c"}, "configuration": NEW_URL},
        None,
        put(logs_in=True, configuration=NEW_URL, providerData={"code": "c"}),
        put(logs_in=True, configuration={"url": "u2"}, providerData={"code": "c"}),
    ),
    "enabled has a request of its own": ({}, {"enabled": False}, None, None, None),
    "require_valid is only recorded": ({}, {"require_valid": True}, None, None, None),
}
"""What the state holds, what the program gives, and the update in each dialect."""


@pytest.mark.parametrize("what", UPDATES)
def test_an_update_is_one_request(what: str) -> None:
    old, new, *expected = UPDATES[what]
    made = [model.update(outputs(**old), inputs(**{**old, **new}), each) for each in (DOCUMENT, SILENT, LIVE)]
    assert made == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 1, "b": 2}, {"b": 2}, ["a"]),
        ({"a": 1}, {"a": 2, "b": 1}, []),
        ({"a": 1}, None, []),
        (None, {"a": 1}, []),
    ],
)
def test_dropped_keys_are_named_where_the_service_keeps_them(old: Any, new: Any, expected: list[str]) -> None:
    olds, news = outputs(configuration=old), inputs(configuration=new)
    assert model.dropped_keys(olds, news, LIVE) == expected
    assert model.dropped_keys(olds, news, SILENT) == []


@pytest.mark.parametrize("key", sorted(IN_PLACE - {"enabled"}))
def test_what_changes_in_place_does_not_replace(key: str) -> None:
    olds, news = outputs(**{key: {"a": "1"}}), inputs(**{key: {"a": "2"}})
    assert model.changes(olds, news, DOCUMENT) == ([key], [key])
    assert model.changes(olds, news, LIVE) == model.changes(olds, news, SILENT) == ([key], [])


@pytest.mark.parametrize(
    ("old", "new", "document", "live"),
    [
        ({}, {"name": "n"}, [], []),
        ({}, {"configuration": CONFIG}, ["configuration"], []),
        ({"configuration": CONFIG}, {"configuration": None}, ["configuration"], ["configuration"]),
        ({}, {"extra": {"a": 1}}, ["extra"], ["extra"]),
        ({}, {"extra": {"a": 1}, "your_mom": "box"}, [], []),
    ],
)
def test_what_is_recorded_without_being_sent(old: Inputs, new: Inputs, document: list[str], live: list[str]) -> None:
    """Nothing is where the instance is replaced."""
    olds, news = outputs(**old), inputs(**new)
    assert [model.recorded_only(olds, news, dialect) for dialect in (DOCUMENT, LIVE)] == [document, live]


CREATED: Inputs = {"name": " N", "tags": ["A", "b"], "configuration": {"url": "U", "nested": {"p": "P"}, "x": 1}}
SHOWN = {"name": "n", "tags": ["a", "b"], "configuration": {"url": "u", "nested": {"p": "p"}, "x": 1}}
MADE = {"name": "n", "tags": ["a", "b"], "configuration.url": "u", "configuration.nested": {"p": "p"}}


@pytest.mark.parametrize(
    ("sent", "found", "before", "expected"),
    [
        pytest.param(CREATED, SHOWN, None, MADE, id="a create"),
        pytest.param(CREATED, CREATED, None, {}, id="as it was sent"),
        pytest.param(CREATED, {"tags": ["b", "A"]}, None, {}, id="tags are a set"),
        pytest.param({"configuration": {"x": 1}}, {"configuration": {"x": 1.0}}, None, {}, id="a number"),
        pytest.param({"configuration": {"url": "V"}}, {"name": "m"}, MADE, {**MADE, "configuration.url": None}, id="-"),
        pytest.param({"name": "M"}, {"name": "m"}, MADE, {**MADE, "name": "m"}, id="a part"),
        pytest.param({"name": "M"}, {"name": "M"}, MADE, {**MADE, "name": None}, id="a part, as it was sent"),
        pytest.param({"tags": ["b", "A"]}, {}, MADE, MADE, id="sent again, and not answered"),
        pytest.param({"tags": ["C"]}, {}, MADE, {**MADE, "tags": None}, id="changed, and not answered"),
    ],
)
def test_what_a_write_has_made(sent: Inputs, found: Inputs, before: Inputs | None, expected: Inputs) -> None:
    """Of what it has not sent, what was known is kept."""
    olds = None if before is None else outputs(**CREATED, **{model.MADE: before})
    assert model.made(sent, found, olds) == {part: value for part, value in expected.items() if value is not None}


@pytest.mark.parametrize(
    ("found", "gone"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"name": "n", "tags": ["a", "b"]}, {}, id="as it was made"),
        pytest.param({"name": " N"}, {"name": " N"}, id="as it was sent"),
        pytest.param({"name": "y"}, {"name": "y"}, id="renamed by hand"),
        pytest.param({"tags": ["a"]}, {"tags": ["a"]}, id="another tag"),
        pytest.param({"configuration": {"url": "u", "nested": {"p": "p"}, "x": 1}}, {}, id="a configuration"),
        pytest.param(
            {"configuration": {"url": "w", "nested": {"p": "p"}, "x": 1}},
            {"configuration": {**CREATED["configuration"], "url": "w"}},
            id="a key by hand",
        ),
    ],
)
def test_what_the_service_has_made_of_a_value_is_no_difference(found: Inputs, gone: Inputs) -> None:
    """The outputs hold what was declared, until the service shows something else, which counts from then on."""
    known = outputs(**CREATED, **{model.MADE: MADE})
    outs = model.outputs({"id": "7", **found}, known, [])
    assert {key: outs[key] for key in CREATED} == {**CREATED, **gone}
    lost = {"configuration.url" if key == "configuration" else key for key in gone}
    assert outs[model.MADE] == {part: value for part, value in MADE.items() if part not in lost}
    assert model.outputs({"id": "7"}, {**known, "configuration": None}, ["name", "tags"]).get(model.MADE) is None


@pytest.mark.parametrize(
    ("declared", "shown", "drifted"),
    [
        pytest.param("a", "a", False, id="the same"),
        pytest.param("a", "b", True, id="another text"),
        pytest.param(True, "true", False, id="a boolean as text"),
        pytest.param(True, "false", True, id="another boolean"),
        pytest.param("true", True, True, id="text that is a boolean now"),
        pytest.param(1, "1", False, id="a number as text"),
        pytest.param(1.0, "1", False, id="a whole float"),
        pytest.param({"a": [1, True]}, '{"a": [1, true]}', False, id="JSON of what is nested"),
        pytest.param({"a": 1}, "no JSON", True, id="no JSON"),
        pytest.param({"a": [{"b": 1}]}, '{"a": [{"b": "1", "c": 2}], "d": 3}', False, id="members that are added"),
        pytest.param({"a": {"b": "p"}}, {"a": {"b": "********"}}, False, id="a mask inside"),
        pytest.param("p", "********", False, id="a mask says nothing"),
        pytest.param("p", None, False, id="nor does null"),
    ],
)
def test_drift_is_what_the_service_shows_otherwise(declared: Any, shown: Any, drifted: bool) -> None:
    bag = {"key": declared, "other": "x"}
    assert model.as_shown(bag, {"key": shown, "added": "y"}) == ({**bag, "key": shown} if drifted else bag)
    assert model.as_shown(bag, None) == bag


def test_drift_inside_of_a_value_is_that_of_its_declared_members() -> None:
    declared = {"a": [1, True], "b": {"c": 1, "d": 2}}
    assert model.as_shown(declared, '{"a": [1, true, 2], "b": {"c": 2, "e": 3}}') == {
        "a": [1, True, 2],
        "b": {"c": 2, "d": 2},
    }
