"""One emulator for all tests of a process, empty at the start of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from pulumi_instances.testing.emulator import Emulator


class Http:
    """Requests to an emulator, with the secrets of its default account, over real sockets."""

    def __init__(self, api: Emulator) -> None:
        self.base_url = api.base_url
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"User {api.user_secret}, Organization {api.organization_secret}"

    def __call__(self, method: str, path: str = "/instances", **options: Any) -> requests.Response:
        options = {"timeout": 20, "allow_redirects": False, **options}
        return self.session.request(method, self.base_url + path, **options)

    def post(self, **changed: Any) -> requests.Response:
        """POST a small instance; None for a field leaves it out."""
        body = {"your_mom": {"key": "dropbox"}, "name": "billing", **changed}
        return self("POST", json={key: value for key, value in body.items() if value is not None})


@pytest.fixture(scope="session")
def running() -> Iterator[Emulator]:
    with Emulator() as api:
        yield api


@pytest.fixture
def api(running: Emulator) -> Emulator:
    running.reset()
    return running


@pytest.fixture
def http(api: Emulator) -> Iterator[Http]:
    http = Http(api)
    with http.session:
        yield http
