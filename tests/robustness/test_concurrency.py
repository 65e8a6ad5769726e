"""One provider object serves many threads; a limit for one account does not affect another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from pulumi_instances.api.operations import Operations
from pulumi_instances.core.config import Settings
from pulumi_instances.core.model import URN
from pulumi_instances.core.state_format import INSTANCE_TYPE
from pulumi_instances.testing.emulator import Account, Emulator, Fault, Request
from tests.robustness.test_bad_input import configured
from tests.support.values import inputs, outputs, plain

pytestmark = pytest.mark.usefixtures("home")


def test_one_provider_object_serves_thirty_two_threads(api: Emulator) -> None:
    """Each thread runs the whole life of its own instances, with 429s and lost answers in between."""
    api.fail(None, None, Fault.status(429, headers={"retry-after": "0"}), probability=0.05, times=2, seed=1)
    api.fail("POST", None, Fault.drop_after(), probability=0.2, seed=2)
    api.fail("PUT", None, Fault.drop_after(), probability=0.1, seed=3)
    api.fail("DELETE", None, Fault.drop_after(), probability=0.1, seed=4)
    provider = configured(
        baseUrl=api.base_url, userSecret=api.user_secret, organizationSecret=api.organization_secret, maxRetries="9"
    )

    def live(number: int) -> str:
        urn = f"urn:pulumi:dev::acceptance::{INSTANCE_TYPE}::box-{number}"
        bag = inputs(name=f"n{number % 8}", provider_data={"code": f"c0de-{number}"}, **{URN: urn})
        checked = plain(provider.check({}, bag).inputs)
        made = provider.create(checked)
        state = plain(made.outs or {})
        news = {**checked, "tags": [f"tag-{number}"]}
        assert provider.diff(made.id, state, news).changes is None
        outs = provider.update(made.id, state, news).outs
        assert outs is not None
        outs = plain(outs)
        read = provider.read(made.id, outs)
        assert (read.inputs or {})["tags"] == [f"tag-{number}"]
        if number % 2:
            provider.delete(made.id, outs)
        return str(made.id)

    with ThreadPoolExecutor(32) as threads:
        ids = list(threads.map(live, range(64)))

    assert len(set(ids)) == 64
    left = {str(instance["id"]): instance for instance in api.instances()}
    assert left.keys() == {ids[number] for number in range(0, 64, 2)}
    for number in range(0, 64, 2):
        instance = left[ids[number]]
        assert instance["provider_data"] == {"code": f"c0de-{number}"}
        assert instance["tags"] == [f"tag-{number}"]
    acted = Counter(request.method for request in api.writes if request.status == 200)
    assert acted["POST"] < 64, "answers were lost indeed"


def _operations(account: Account, **changed: Any) -> Operations:
    env = account.env
    given = Settings(env["INSTANCES_BASE_URL"], account.user_secret, account.organization_secret, batch_reads=False)
    return Operations(replace(given, **changed))


def test_a_429_holds_back_one_account_and_not_another(api: Emulator) -> None:
    """The first sends no request before the time that the API asked for has passed; the second continues meanwhile."""
    accounts = {name: api.add_account() for name in ("slow", "other")}
    ids = {name: str(api.add(account=account)) for name, account in accounts.items()}
    slow, other = (_operations(account) for account in accounts.values())
    tokens = {name: api.instance(instance_id)["token"] for name, instance_id in ids.items()}

    def read(operations: Operations, name: str) -> None:
        operations.read(ids[name], outputs(token=tokens[name]))

    api.fail("GET", f"/instances/{ids['slow']}", Fault.status(429, headers={"retry-after": "1"}))

    read(slow, "slow")  # meets the 429, waits, and is answered
    [limited, repeated] = _reads(api, ids["slow"])
    assert limited.finished is not None
    assert repeated.started - limited.finished >= 1.0

    api.fail("GET", f"/instances/{ids['slow']}", Fault.status(429, headers={"retry-after": "1"}))

    def others() -> None:
        while len(_reads(api, ids["slow"])) < 4:
            read(other, "other")

    with ThreadPoolExecutor(9) as threads:
        busy = threads.submit(others)
        first = threads.submit(read, slow, "slow")
        while len(_reads(api, ids["slow"])) < 3 or _reads(api, ids["slow"])[2].status is None:
            pass
        # The client learns of the 429 when it has read it: one more exchange of the other account is later than that.
        read(other, "other")
        rest = [threads.submit(read, slow, "slow") for _ in range(7)]
        busy.result()
        for future in (first, *rest):
            future.result()

    limited = _reads(api, ids["slow"])[2]
    assert limited.finished is not None
    over = limited.finished + 1.0
    assert [request.status for request in _reads(api, ids["slow"])].count(429) == 2
    assert [request for request in _reads(api, ids["slow"])[3:] if request.started < over] == []
    assert [request for request in _reads(api, ids["other"]) if limited.finished < request.started < over]


def _reads(api: Emulator, instance_id: str) -> list[Request]:
    return [request for request in api.requests if request.path == f"/instances/{instance_id}"]


@pytest.mark.parametrize(("rate", "spaced"), [("20", True), (None, False)])
def test_requests_per_second_are_an_account_wide_limit(api: Emulator, rate: str | None, spaced: bool) -> None:
    """Eight threads together stay within it; without it they do not wait for each other."""
    ids = [str(api.add()) for _ in range(8)]
    changed: Mapping[str, Any] = {"max_requests_per_second": float(rate) if rate else None}
    account = Account(api.user_secret, api.organization_secret, api.env)
    operations = _operations(account, **changed)

    def read(instance_id: str) -> None:
        operations.read(instance_id, outputs(token=api.instance(instance_id)["token"]))

    read(ids[0])  # the first request loads what sends it
    before = len(api.requests)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(read, ids))
    begun = sorted(request.started for request in api.requests[before:])
    assert len(begun) == 8
    # A request may be late, and then the next one seems early: the whole is what counts.
    assert (begun[-1] - begun[0] >= 0.9 * 7 / 20) is spaced
