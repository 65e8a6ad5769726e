"""What a 404 is worth: whether an instance has been deleted, or we ask the wrong API or the wrong account."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from pulumi_instances.api.proof import is_young
from pulumi_instances.core import identity, model
from pulumi_instances.core.errors import AnotherInstance, InstancesError, NotFound, UnexpectedAnswer
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support import account
from tests.support.account import operations, settings_of
from tests.support.clock import FakeClock

Known = tuple[str, dict[str, Any]]
"""The id of an instance, and what a state holds of it."""
DROPPED, KEPT = NotFound, UnexpectedAnswer


def state(api: Emulator, instance_id: str, **changed: Any) -> dict[str, Any]:
    """What the state of an older run of this account holds of an instance."""
    older = {model.ACCOUNT: identity.account_of(settings_of(api)), model.CREATED: int(time.time()) - 100_000}
    return account.state_of(api, instance_id, **{**older, **changed})


@pytest.fixture
def missing(api: Emulator) -> Known:
    """An instance that no longer exists, and its state."""
    instance_id = str(api.add(name="billing"))
    outputs = state(api, instance_id)
    api.remove(instance_id)
    return instance_id, outputs


YOUNG = {model.CREATED: time.time() + 86_400}  # by a clock that is ahead
ROWS: dict[str, tuple[dict[str, Any], dict[str, Any], Fault | None, type[InstancesError], str]] = {
    "the account of the state": ({}, {}, None, DROPPED, "404"),
    "a state that says no account": ({model.ACCOUNT: None}, {}, None, KEPT, "was not the account of this instance"),
    "another account": ({model.ACCOUNT: "x"}, {}, None, KEPT, "check instances:baseUrl and the secrets"),
    "another account, confirmed": ({model.ACCOUNT: "x"}, {"confirm_gone": True}, None, DROPPED, "404"),
    "a young instance": (YOUNG, {}, None, KEPT, "created less than 60 s ago and may not be visible yet"),
    "a young instance of another account": (
        {**YOUNG, model.ACCOUNT: "x"},
        {},
        None,
        KEPT,
        "check instances:baseUrl and the secrets, which were others then",
    ),
    "a young instance, confirmed": (YOUNG, {"confirm_gone": True}, None, DROPPED, "404"),
    "older than a short createTimeout": (
        {model.CREATED: time.time() - 9},
        {"create_timeout": 5.0},
        None,
        DROPPED,
        "404",
    ),
    "no listing": ({}, {}, Fault.status(403), KEPT, "without a listing that lacks it"),
    "no listing, confirmed": ({}, {"confirm_gone": True}, Fault.status(403), DROPPED, "404"),
    "a listing of a proxy": ({}, {}, Fault.status(200, body="<html>"), KEPT, "without a listing that lacks it"),
}


@pytest.mark.parametrize("operation", ["read", "delete"])
@pytest.mark.parametrize("row", ROWS)
def test_what_it_takes_to_drop_an_instance(api: Emulator, missing: Known, row: str, operation: str) -> None:
    """Account, age and a listing besides the API's own 404; or the user's confirmation."""
    changed, given, fault, expected, words = ROWS[row]
    instance_id, outputs = missing
    outputs = {key: value for key, value in {**outputs, **changed}.items() if value is not None}
    if fault is not None:
        api.fail("GET", "/instances", fault, times=9)
    every = operations(api, max_retries=0, **given)
    if operation == "delete" and expected is DROPPED:
        every.delete(instance_id, outputs)
        return
    with pytest.raises(InstancesError) as caught:
        every.read(instance_id, outputs) if operation == "read" else every.delete(instance_id, outputs)
    assert type(caught.value) is expected
    assert getattr(caught.value, "status", 404) == 404
    assert words in str(caught.value)
    if expected is KEPT:  # to confirm is offered only where a listing has shown that it is not there
        assert ("INSTANCES_CONFIRM_GONE=true" in str(caught.value)) == (fault is None and model.CREATED not in changed)


def test_an_instance_that_is_listed_exists(api: Emulator) -> None:
    """A 404 to the GET of it alone is about something else."""
    instance_id = str(api.add(name="billing"))
    api.fail("GET", f"/instances/{instance_id}", Fault.status(404), times=9)
    for call in (operations(api).read, operations(api).delete):
        with pytest.raises(UnexpectedAnswer, match="but the API lists it, so nothing is dropped"):
            call(instance_id, state(api, instance_id))
    assert api.writes == []


@pytest.mark.parametrize("account_of_other", ["of older secrets", "this one"])
@pytest.mark.parametrize("proven", ["read", "listed", "created", "by nobody"])
def test_another_instance_of_the_state_proves_the_account(
    api: Emulator, missing: Known, proven: str, account_of_other: str
) -> None:
    """Its token is shown, by a read of this run or by the listing: the secrets were rotated, no more.

    An instance that was always here proves no other account: what a resource has that was given the provider of another
    account still exists.
    """
    instance_id, outputs = missing
    other, every = str(api.add(name="other")), operations(api)
    theirs = state(api, other, **({} if account_of_other == "this one" else {model.ACCOUNT: account_of_other}))
    if proven == "created":
        every.create({"your_mom": "dropbox", "name": "new"})
    elif proven == "read":
        every.read(other, theirs)
    elif proven == "listed":
        every.note_state(other, theirs)
    if proven in ("read", "listed") and account_of_other == "of older secrets":
        with pytest.raises(NotFound):
            every.read(instance_id, {**outputs, model.ACCOUNT: "of older secrets"})
        return
    for call in (every.read, every.delete):
        with pytest.raises(UnexpectedAnswer, match="shows no other instance of that account, so nothing is dropped"):
            call(instance_id, {**outputs, model.ACCOUNT: "of older secrets"})


@pytest.mark.parametrize(("confirmed", "looks"), [(False, 3), (True, 2)])
def test_a_young_instance_is_looked_for_again(api: Emulator, confirmed: bool, looks: int) -> None:
    """A service may show it some seconds late. A user who confirms that one is gone may mean another one."""
    instance_id = str(api.add(name="billing"))
    api.fail("GET", f"/instances/{instance_id}", Fault.status(404), times=looks)
    clock = FakeClock()
    every = operations(api, clock, confirm_gone=confirmed)
    assert every.read(instance_id, state(api, instance_id, **YOUNG))["name"] == "billing"
    assert clock.slept == [0.5, 1.0, 2.0][:looks]


def test_a_listing_from_before_an_instance_was_seen_proves_nothing(api: Emulator) -> None:
    """It was made since: a false 404 to it then needs a new listing."""
    every = operations(api)
    every.check_new_adoption({"adopt_id": "1", "your_mom": "dropbox"}, None)  # lists the account
    instance_id = str(api.add(name="billing"))
    every.read(instance_id, state(api, instance_id))
    api.fail("GET", f"/instances/{instance_id}", Fault.status(404), times=9)
    with pytest.raises(UnexpectedAnswer, match="but the API lists it, so nothing is dropped"):
        every.read(instance_id, state(api, instance_id))


def test_an_old_instance_is_not_waited_for(api: Emulator, missing: Known) -> None:
    """One GET and one listing prove it."""
    clock = FakeClock()
    with pytest.raises(NotFound):
        operations(api, clock).read(*missing)
    assert clock.slept == []
    assert [request.path for request in api.requests] == [f"/instances/{missing[0]}", "/instances"]


def test_a_delete_that_was_repeated_needs_no_age(api: Emulator) -> None:
    """An earlier try of it was cut off after the API had acted on it: the 404 is the answer to that."""
    instance_id = str(api.add(name="billing"))
    outputs = state(api, instance_id, **YOUNG)
    api.fail("DELETE", None, Fault.drop_after())
    operations(api).delete(instance_id, outputs)
    assert api.instances() == []


@pytest.mark.parametrize(
    ("created", "young"), [(0.0, False), (1.0, True), (None, False), ("1", False), (99.0, True)], ids=str
)
def test_the_age_of_an_instance(created: object, young: bool) -> None:
    """What says nothing of it is old; so is an instance that was not created by this package."""
    value = time.time() - 100 + created if isinstance(created, float) else created
    assert is_young({model.CREATED: value}, 99.5) is young


# another instance under the id


@pytest.fixture
def stranger(api: Emulator) -> Known:
    """An instance of this account, and the state of one that had its id in another account."""
    instance_id = str(api.add(name="theirs", tags=["th3ir-tag"]))
    return instance_id, state(api, instance_id, token="of-ours", **{model.ACCOUNT: "elsewhere"})


def test_nothing_is_done_to_another_instance(api: Emulator, stranger: Known, caplog: pytest.LogCaptureFixture) -> None:
    """It is neither read into the state, nor changed, nor deleted; no value of it is shown."""
    instance_id, outputs = stranger
    every = operations(api)
    calls: dict[str, Callable[[], object]] = {
        "read": lambda: every.read(instance_id, outputs),
        "enable": lambda: every.set_enabled(instance_id, True, outputs),
        "delete": lambda: every.delete(instance_id, outputs),
    }
    for verb, call in calls.items():
        with pytest.raises(AnotherInstance) as caught:
            call()
        text = str(caught.value)
        assert text.startswith(f"{verb} instance {instance_id}: under this id {api.base_url} with the secrets of")
        assert "(another token), so nothing was done" in text
        assert "INSTANCES_CONFIRM_GONE=true pulumi refresh" in text
        for value in ("theirs", "th3ir-tag", api.instance(instance_id)["token"], outputs["token"]):
            assert value not in text
    assert api.writes == []
    assert caplog.records == []


def test_a_new_token_is_taken_over_where_mark_account_and_connector_fit(
    api: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """The service has renewed it."""
    mark = "pulumi:shop/dev/crm#abcdefghijklmn.0001"
    instance_id = str(api.add(name="billing", tags=[mark]))
    outputs = state(api, instance_id, token="of-before", **{model.MARK: mark})
    found = operations(api).read(instance_id, outputs)
    assert found["token"] == api.instance(instance_id)["token"]
    assert f"instance {instance_id} has a new token, which the state takes over" in caplog.text
