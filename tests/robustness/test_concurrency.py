"""One provider object serves many threads."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from pulumi_instances.core.model import URN
from pulumi_instances.core.state_format import INSTANCE_TYPE
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.robustness.test_bad_input import configured
from tests.support.values import inputs, plain

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
