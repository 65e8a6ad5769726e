from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi.output import UNKNOWN as U

from pulumi_instances.core.errors import quote
from pulumi_instances.core.model import INPUTS
from pulumi_instances.core.state_format import SIGNATURE_KEY
from pulumi_instances.core.validation import check
from tests.support.values import ANYTHING, KEYS, Inputs, inputs

# what check fills


def test_good_inputs_pass_as_they_are() -> None:
    """Every property is given, and there is no problem."""
    bag = inputs(configuration={"oauth.api.key": "k", "n": 3, "on": True}, provider_data={"code": "c"}, adopt_id="4014")
    assert check(bag) == (bag, [])


def test_inputs_have_one_spelling() -> None:
    """Check accepts its own answer unchanged, and never changes what the engine passed in."""
    bag = inputs(tags=["b", "a", "b"], configuration={"n": 3.0, "x": None}, provider_data={"a": None}, adopt_id=4014.0)
    before = copy.deepcopy(bag)
    made, problems = check(bag)
    assert problems == []
    assert repr(made) == repr(inputs(tags=["a", "b"], configuration={"n": 3}, provider_data={}, adopt_id="4014"))
    assert bag == before
    assert check(made) == (made, [])


def test_absent_properties_stay_absent() -> None:
    """Absent tags are left to the server, which differs from an empty list."""
    assert check({"your_mom": "dropbox", "name": "n"}) == ({"your_mom": "dropbox", "name": "n"}, [])
    assert check(inputs(tags=[])) == (inputs(tags=[]), [])


DEFAULT = {"your_mom": "dropbox", "name": "billing", "__defaults": ["name"]}
NAMED = {"your_mom": "dropbox", "name": "billing"}
ADOPTING = {"adopt_id": "7"}


@pytest.mark.parametrize(
    ("news", "olds", "name"),
    [
        pytest.param(DEFAULT, {}, "billing", id="a new instance gets the default"),
        pytest.param({**DEFAULT, **ADOPTING}, {}, None, id="an adopted one keeps its own"),
        pytest.param({**NAMED, **ADOPTING}, {}, "billing", id="an adopted one gets the name that is given"),
        pytest.param(DEFAULT, {"your_mom": "dropbox"}, None, id="not managed before, adopt_id removed"),
        pytest.param({**DEFAULT, **ADOPTING}, {"your_mom": "dropbox"}, None, id="not managed before"),
        pytest.param(NAMED, {"your_mom": "dropbox"}, "billing", id="given from now on"),
        pytest.param(DEFAULT, {"name": "x"}, "billing", id="dropped: the default again"),
        pytest.param({**DEFAULT, **ADOPTING}, {"name": "x"}, None, id="dropped where the instance was adopted"),
        pytest.param({**DEFAULT, **ADOPTING}, {"name": "billing"}, "billing", id="adopted by 0.1.0 with the default"),
        pytest.param({"your_mom": "b", "__defaults": ["name"]}, {"your_mom": "b"}, None, id="ignored, not managed"),
    ],
)
def test_a_name_that_is_not_given(news: Inputs, olds: Inputs, name: str | None) -> None:
    """It is the default, or left to the server if the program did not create the instance."""
    made, problems = check(news, olds)
    assert problems == []
    assert made.get("name") == name
    assert not any(key.startswith("__") for key in made)


@pytest.mark.parametrize("key", ["tags", "configuration", "provider_data", "adopt_id"])
def test_none_is_absent(key: str) -> None:
    """A property given as None counts as not given."""
    without = {name: value for name, value in inputs().items() if name != key}
    assert check({**without, key: None}) == check(without)


def test_the_pickle_is_no_property() -> None:
    """`__provider` belongs to the SDK: it is never among the inputs and never a problem."""
    assert check({**inputs(), "__provider": "gASV"}) == (inputs(), [])


# unknown values


@pytest.mark.parametrize(
    ("given_inputs", "path"),
    [
        ({"your_mom": U}, ["your_mom"]),
        ({"name": U}, ["name"]),
        ({"tags": U}, ["tags"]),
        ({"tags": [U]}, ["tags", 0]),
        ({"tags": ["b", U, "a"]}, ["tags", 2]),
        ({"configuration": U}, ["configuration"]),
        ({"configuration": {"oauth.api.secret": U}}, ["configuration", "oauth.api.secret"]),
        ({"provider_data": U}, ["provider_data"]),
        ({"provider_data": {"code": U}}, ["provider_data", "code"]),
        ({"provider_data": {"a": {"b": [1, {"c": U}]}}}, ["provider_data", "a", "b", 1, "c"]),
        ({"adopt_id": U}, ["adopt_id"]),
    ],
)
def test_unknown_values_pass_through_at_any_depth(given_inputs: Inputs, path: list[Any]) -> None:
    """In a preview a value may be unknown: this is not a problem, and it stays unknown where it was."""
    made, problems = check(inputs(**given_inputs))
    assert problems == []
    value: Any = made
    for step in path:
        value = value[step]
    assert value is U


# bad inputs

DEEP: Any = {"a": {"b": [{"c": float("nan")}]}}


@pytest.mark.parametrize(
    ("bad", "key", "says"),
    [
        # missing and empty
        ({"your_mom": None}, "your_mom", "is missing"),
        ({"name": None}, "name", "is missing"),
        ({"your_mom": ""}, "your_mom", "is empty"),
        ({"name": " \t"}, "name", "is empty"),
        # types
        *(
            ({key: value}, key, f"must be a string, not {kind}")
            for key in ("your_mom", "name")
            for value, kind in (
                (1, "a number"),
                (1.5, "a number"),
                (True, "a boolean"),
                ([], "a list"),
                ({}, "an object"),
            )
        ),
        ({"name": b"x"}, "name", "must be a string, not a bytes"),
        ({"tags": "eu"}, "tags", "must be a list of strings, not a string"),
        ({"tags": {"a": 1}}, "tags", "must be a list of strings, not an object"),
        ({"tags": True}, "tags", "must be a list of strings, not a boolean"),
        ({"tags": ["a", 1]}, "tags", "tags[1] must be a string, not a number"),
        ({"tags": ["a", None]}, "tags", "tags[1] must be a string, not a NoneType"),
        ({"tags": [{"name": "a"}]}, "tags", "tags[0] must be a string, not an object"),
        ({"tags": ["a", ""]}, "tags", "tags[1] is empty"),
        ({"tags": ["a", " PULUMI:shop/dev/crm#abcdefghijklmn.0001"]}, "tags", "tags[1] is the mark of a resource"),
        ({"tags": ["a\nb"]}, "tags", "tags[0] contains a control character"),
        ({"configuration": "x"}, "configuration", "must be an object, not a string"),
        ({"configuration": ["x"]}, "configuration", "must be an object, not a list"),
        (
            {"configuration": {"a": {"b": b"x"}}},
            "configuration",
            'configuration["a"]["b"] is a bytes; write a string, a number',
        ),
        ({"configuration": {"a": [2**54]}}, "configuration", 'configuration["a"][0] is too large to stay exact'),
        ({"configuration": {"a": {"": 1}}}, "configuration", 'configuration["a"] has a key that is empty'),
        ({"extra": []}, "extra", 'must be an object, not a list; write extra={"oauthProxy": {…}}'),
        ({"extra": {"providerData": {}}}, "extra", '["providerData"] has an argument of its own; write provider_data='),
        ({"extra": {"element": {}}}, "extra", '["element"] has an argument of its own; write your_mom=… instead'),
        ({"extra": {"token": "t"}}, "extra", 'extra["token"] is set by the service; remove it'),
        ({"enabled": "yes"}, "enabled", "must be a boolean, not a string; write enabled=True or enabled=False"),
        ({"events_enabled": 1}, "events_enabled", "must be a boolean, not a number"),
        ({"require_valid": 30}, "require_valid", "must be a boolean, not a number"),
        ({"external_authentication": "Inital"}, "external_authentication", 'services know; write "initial"'),
        ({"external_authentication": True}, "external_authentication", 'a string, not a boolean; write "initial"'),
        ({"configuration": {"": 1}}, "configuration", "has a key that is empty"),
        (
            {"configuration": {"a\x00": 1}},
            "configuration",
            "has a key that is empty, not a string, or contains a control",
        ),
        ({"configuration": {1: 1}}, "configuration", "has a key that is empty, not a string"),
        ({"configuration": {"a": b"x"}}, "configuration", '["a"] is a bytes'),
        ({"provider_data": "code"}, "provider_data", "must be an object, not a string"),
        ({"provider_data": [{"code": "c"}]}, "provider_data", "must be an object, not a list"),
        ({"provider_data": {"a": {"": 1}}}, "provider_data", "has a key that is empty"),
        ({"provider_data": {"a": [{"b": {1, 2}}]}}, "provider_data", '["a"][0]["b"] is a set'),
        # what stands for something else
        ({"configuration": {"api.key": "********"}}, "configuration", '["api.key"] is what services show instead of'),
        ({"provider_data": {"a": ["********"]}}, "provider_data", '["a"][0] is what services show instead of a secret'),
        ({"extra": {"file": {SIGNATURE_KEY: "c44067f5952c0a294b673a41bacd8c17"}}}, "extra", '["file"] is an asset'),
        (
            {"provider_data": {SIGNATURE_KEY: "0def7320c3a5731c473e5ecbe6d01bc7"}},
            "provider_data",
            "is an asset, an arch",
        ),
        # numbers that would not arrive as written
        *(
            ({key: {"n": value}}, key, f'["n"] {says}')
            for key in ("configuration", "provider_data")
            for value, says in (
                (float("nan"), "is not a finite number"),
                (float("inf"), "is not a finite number"),
                (2**53, "is too large to stay exact"),
                (-(2**53), "is too large to stay exact"),
                (-(2**60), "is too large to stay exact"),
                (10**400, "is too large to stay exact"),
                (1e300, "is too large to stay exact"),
            )
        ),
        ({"provider_data": DEEP}, "provider_data", '["a"]["b"][0]["c"] is not a finite number'),
        # control characters
        ({"your_mom": "drop\nbox"}, "your_mom", "contains a control character"),
        ({"name": "a\x7fb"}, "name", "contains a control character"),
        ({"name": "a\ud800"}, "name", "contains a control character"),
        # ids
        ({"adopt_id": "../x"}, "adopt_id", "must be the decimal id of an instance, not another string; write an id"),
        # strangers
        ({"nmae": "x"}, "nmae", "is not a property of an Instance; remove it"),
        ({"token": "x"}, "token", "is not a property of an Instance; remove it"),
        ({"id": "x"}, "id", "is not a property of an Instance; remove it"),
    ],
    ids=lambda value: ascii(value)[:60],
)
def test_a_bad_input_is_one_problem_of_its_property(bad: Inputs, key: str, says: str) -> None:
    """The problem names it, says what is wrong in one line, and says what to write instead."""
    _, problems = check(inputs(**bad))
    [problem] = problems
    assert problem.property.startswith(key)
    assert says in str(problem)
    assert "\n" not in str(problem)
    assert problem.advice


def test_every_problem_is_reported_at_once() -> None:
    """One run of the program shows everything that is wrong with it."""
    bad: Inputs = {"tags": [1, ""], "configuration": {"a": b"", "b": float("nan")}, "provider_data": 1, "y": 1}
    _, problems = check(bad)
    assert sorted(problem.property for problem in problems) == sorted(
        ["your_mom", "name", "tags[0]", "tags[1]", 'configuration["a"]', 'configuration["b"]', "provider_data", "y"]
    )


@pytest.mark.parametrize("key", ["name", "your_mom", "provider_data", "configuration", "adopt_id"])
def test_a_problem_never_repeats_the_value(key: str) -> None:
    """A value may be a secret, so the message gives its kind only."""
    secret = "s3cr3t-value"
    for value in ([secret], {"a": {"b": {secret}}}, {"a": [secret]}, f"{secret}\x00"):
        _, problems = check(inputs(**{key: value}))
        assert secret not in repr(problems)


@given(st.dictionaries(st.sampled_from([*INPUTS, "__provider", "stranger"]) | KEYS, ANYTHING, max_size=8))
def test_anything_gets_an_answer(bag: Inputs) -> None:
    """Whatever a program passes, the answer is inputs and one-line problems that each name a property, never a
    traceback.
    """
    made, problems = check(bag)
    assert set(made) <= set(INPUTS)
    for problem in problems:
        assert problem.property.startswith((*INPUTS, *map(quote, bag)))
        assert problem.fault
        assert problem.advice
        assert "\n" not in str(problem)
