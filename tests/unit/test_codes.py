"""One-time codes, without an engine."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from pulumi.output import UNKNOWN as U

from pulumi_instances.core.codes import Codes
from pulumi_instances.core.dialect import DIALECTS
from pulumi_instances.core.errors import InputError, ServerError, StatusError
from tests.support.values import inputs, outputs

DEFAULT = DIALECTS["default"]
CODE = {"code": "c0de"}
DIGEST = f"used code sha256:{hashlib.sha256(b'c0de').hexdigest()}"


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [
        pytest.param(CODE, {"your_mom": "box"}, ["your_mom"], id="unchanged"),
        pytest.param({"oauth_verifier": "v"}, {"your_mom": "box"}, ["your_mom"], id="a verifier"),
        pytest.param(CODE, {"your_mom": "box", "provider_data": {"code": "other"}}, [], id="a new code"),
        pytest.param(CODE, {"your_mom": "box", "provider_data": {"code": U}}, [], id="an unknown code"),
        pytest.param(CODE, {"your_mom": "box", "provider_data": U}, [], id="unknown data"),
        pytest.param(CODE, {"your_mom": U}, [], id="it may turn out to be the same"),
        pytest.param(CODE, {"name": "other", "tags": []}, [], id="nothing replaces"),
        pytest.param(CODE, {"provider_data": {**CODE, "x": 1}}, ["provider_data"], id="beside it"),
        pytest.param(CODE, {"provider_data": None, "your_mom": "box"}, [], id="dropped"),
        pytest.param({"user": "u"}, {"your_mom": "box"}, [], id="no code"),
        pytest.param(None, {"your_mom": "box", "provider_data": CODE}, [], id="adopted: it was never sent"),
    ],
)
def test_a_replacement_with_a_used_code_is_refused(old: Any, new: dict[str, Any], refused: list[str]) -> None:
    """It is refused only where the same code would certainly be sent again."""
    problems = Codes().check(inputs(provider_data=old), inputs(**{"provider_data": old, **new}), DEFAULT)
    assert [problem.property for problem in problems] == refused
    assert "c0de" not in repr(problems)


def test_the_second_check_of_a_replacement_is_refused_and_a_first_create_is_not() -> None:
    """The engine gives no old inputs then, so the resource is recognised by its name and its code."""
    codes, bag = Codes(), inputs(provider_data=CODE)
    assert codes.check({}, bag, DEFAULT) == []
    assert codes.check(bag, {**bag, "tags": []}, DEFAULT) == []
    assert [problem.property for problem in codes.check({}, {**bag, "tags": []}, DEFAULT)] == ["provider_data"]
    assert codes.check({}, {**bag, "name": "another resource"}, DEFAULT) == []


def test_nothing_is_deleted_whose_code_is_about_to_be_sent_again() -> None:
    """Once a create has used the code, the instance that it replaces may be deleted."""
    codes, bag, state = Codes(), inputs(provider_data=CODE), outputs(provider_data=CODE)
    codes.demand_deletable("7", state)
    codes.check({}, bag, DEFAULT)
    with pytest.raises(InputError, match="delete instance 7: its replacement would send the same code"):
        codes.demand_deletable("7", state)
    codes.demand_deletable("8", outputs())
    codes.note_used(bag)
    codes.demand_deletable("7", state)


def test_a_used_code_is_forgotten() -> None:
    """Another resource that gives the same code is refused before a request."""
    codes = Codes()
    sealed = codes.sealed(inputs(provider_data=CODE), {})
    codes.note_used(sealed)
    assert codes.unsealed(sealed) == sealed


def test_what_is_replaced_with_what_it_depends_on_is_not_deleted() -> None:
    """A later diff that replaces nothing cancels this."""
    codes, bag, state = Codes(), inputs(provider_data=CODE), outputs(provider_data=CODE)
    codes.note_diff("7", state, bag, replaces=True)
    with pytest.raises(InputError, match="remove delete_before_replace there"):
        codes.demand_deletable("7", state)
    codes.note_diff("7", state, bag, replaces=False)
    codes.demand_deletable("7", state)


def test_a_code_is_sealed_and_opened_by_the_same_process_only() -> None:
    """What stands beside the code stays as it is, and no other process can find the code again."""
    codes, bag = Codes(), inputs(provider_data={**CODE, "oauth_verifier": "v", "state": "x"})
    sealed = codes.sealed(bag, {})

    assert "c0de" not in repr(sealed)
    assert sealed["provider_data"] == {
        "code": DIGEST,
        "oauth_verifier": sealed["provider_data"]["oauth_verifier"],
        "state": "x",
    }
    assert codes.unsealed(sealed) == bag
    assert Codes().unsealed(sealed) == sealed
    assert (
        sealed
        == Codes().sealed(bag, sealed)
        == codes.sealed(sealed, sealed)
        == Codes().sealed(bag, {})
        == Codes().sealed(sealed, {})
    )


@pytest.mark.parametrize("data", [None, U, {}, {"code": U}, {"code": 7}, {"code": ""}, {"user": "c0de"}])
def test_what_is_not_a_code_is_not_sealed(data: Any) -> None:
    """Unknown values, other types and other members."""
    bag = inputs(provider_data=data)
    assert Codes().sealed(bag, {}) == bag


def test_a_state_that_holds_the_code_itself_stays() -> None:
    """It was written by 0.1.0, and must show no difference; a new code is sealed there, too."""
    old = inputs(provider_data=CODE)
    assert Codes().sealed(old, old) == old
    assert Codes().sealed(old, inputs(provider_data={"code": "another"})) == inputs(provider_data={"code": DIGEST})


@pytest.mark.parametrize(("old", "new"), [("c0de", DIGEST), (DIGEST, "c0de"), (DIGEST, DIGEST)])
def test_a_digest_and_its_code_are_the_same_code(old: str, new: str) -> None:
    """A replacement with it is refused, however the two sides hold it."""
    before, after = inputs(provider_data={"code": old}), inputs(provider_data={"code": new}, your_mom="box")
    problems = Codes().check(before, after, DEFAULT)
    assert "your_mom" in [problem.property for problem in problems]


def test_a_digest_is_not_sent() -> None:
    """A request that needs the code is refused where only its digest is known."""
    with Codes().spending("create instance 'crm'", inputs(provider_data=CODE)):
        pass
    with (
        pytest.raises(InputError, match="create instance 'crm': provider_data holds a code that was used already"),
        Codes().spending("create instance 'crm'", inputs(provider_data={"code": DIGEST})),
    ):
        pytest.fail("nothing is sent")


@pytest.mark.parametrize(
    ("error", "data", "advised"),
    [
        (StatusError("400", 400), CODE, True),
        (StatusError("400", 400), {"user": "u"}, False),
        (ServerError("500", 500), CODE, False),
    ],
)
def test_a_refused_request_may_have_used_its_code(error: StatusError, data: dict[str, str], advised: bool) -> None:
    """Then the advice says so."""
    with pytest.raises(StatusError) as caught, Codes().spending("create instance 'crm'", inputs(provider_data=data)):
        raise error
    assert ("give a new code if this one was used" in str(caught.value)) is advised
