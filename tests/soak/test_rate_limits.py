"""Sixty calls at once against an account that allows five, or one, in a second."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pulumi_instances.api.operations import Operations
from pulumi_instances.core.config import Settings
from pulumi_instances.testing.emulator import Emulator

CALLS = 60


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("per_second", [5.0, 1.0])
@pytest.mark.parametrize("retry_after", ["1", "0", None, "Fri, 01 Jan 1999 00:00:00 GMT"])
def test_all_calls_get_through_a_rate_limit(per_second: float, retry_after: str | None) -> None:
    """Whatever the service says about when to come back, all calls succeed in 1.3 times the least possible time."""
    with Emulator() as api:
        ids = [api.add("box", f"n{number}", []) for number in range(CALLS)]
        settings = Settings(api.base_url, api.user_secret, api.organization_secret, batch_reads=False)
        operations = Operations(settings)
        api.limit(per_second, retry_after=retry_after)
        began = time.monotonic()
        with ThreadPoolExecutor(CALLS) as pool:
            found = list(pool.map(operations.look_up, map(str, ids)))
        took = time.monotonic() - began
    assert [each["id"] for each in found] == list(map(str, ids))
    assert took <= 1.3 * CALLS / per_second
