"""Rules for every test: no network but loopback, and nothing from the developer's own environment."""

from __future__ import annotations

import os

import pytest

LOOPBACK = ["127.0.0.1", "::1", "localhost"]

# At import, so that fixtures of any scope and the processes they start see none of it.
for _name in [name for name in os.environ if name.startswith(("INSTANCES_", "PULUMI_"))]:
    del os.environ[_name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let no test reach beyond loopback (pytest-socket)."""
    for item in items:
        item.add_marker(pytest.mark.allow_hosts(LOOPBACK))
