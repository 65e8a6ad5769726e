"""Instances that survive a restart, and where the emulator listens."""

from __future__ import annotations

import re
import socket
import sqlite3
import stat
from pathlib import Path

import pytest

from pulumi_instances.testing.emulator import Emulator

from .conftest import Http


def test_instances_secrets_and_ids_survive_a_restart(tmp_path: Path) -> None:
    """A stack goes on after the emulator was started again with the same file."""
    data = tmp_path / "api.db"
    with Emulator(data=data) as api:
        kept, gone = api.add(name="kept", tags=["a"], configuration={"k": "v"}), api.add()
        api.remove(gone)
        before = (api.user_secret, api.organization_secret, api.instances())
    with Emulator(data=str(data)) as api:
        assert (api.user_secret, api.organization_secret, api.instances()) == before
        assert api.instance(kept)["configuration"] == {"k": "v"}
        assert api.add() > gone


def test_a_used_code_stays_used_after_a_restart(tmp_path: Path) -> None:
    """The provider behind the API does not forget either."""
    statuses = []
    for _ in range(2):
        with Emulator(data=tmp_path / "api.db") as api:
            http = Http(api)
            with http.session:
                statuses.append(http.post(providerData={"code": "c"}).status_code)
    assert statuses == [200, 400]


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """It holds secrets and tokens."""
    data = tmp_path / "api.db"
    with Emulator(data=data):
        assert stat.S_IMODE(data.stat().st_mode) == 0o600


def test_secrets_that_are_given_replace_those_of_the_file(tmp_path: Path) -> None:
    """Like a rotation, this keeps the instances, and the old secrets stop working."""
    data = tmp_path / "api.db"
    with Emulator(data=data) as api:
        made, old = api.add(), f"User {api.user_secret}, Organization {api.organization_secret}"
    with Emulator(data=data, user_secret="u", organization_secret="o") as api:
        http = Http(api)
        with http.session:
            assert http("GET").json()[0]["id"] == made
            assert http("GET", headers={"Authorization": old}).status_code == 401


def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    """Neither its content nor its mode changes."""
    data = tmp_path / "notes.txt"
    data.write_text("something else, long enough to be looked at" * 50)
    data.chmod(0o644)
    content = data.read_bytes()
    with pytest.raises(sqlite3.DatabaseError), Emulator(data=data):
        pass
    assert (data.read_bytes(), stat.S_IMODE(data.stat().st_mode)) == (content, 0o644)


def test_secrets_have_the_shapes_of_the_live_services() -> None:
    """They are base64 of 32 bytes and 32 hex digits, and new for each emulator."""
    with Emulator() as one, Emulator() as two:
        assert re.fullmatch(r"[A-Za-z0-9+/]{43}=", one.user_secret)
        assert re.fullmatch(r"[0-9a-f]{32}", one.organization_secret)
        assert one.user_secret != two.user_secret
        assert one.organization_secret != two.organization_secret
        assert one.base_url != two.base_url


def test_env_is_what_the_provider_reads(api: Emulator) -> None:
    """It contains the three settings under the names of their environment variables."""
    assert api.env == {
        "INSTANCES_BASE_URL": api.base_url,
        "INSTANCES_USER_SECRET": api.user_secret,
        "INSTANCES_ORGANIZATION_SECRET": api.organization_secret,
    }
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/your_moms/api-v2", api.base_url)


def test_a_port_that_is_taken_is_an_os_error() -> None:
    """The error is raised on entering the block."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        Emulator(port=taken.getsockname()[1]).__enter__()


def test_texts_are_altered(api: Emulator, http: Http) -> None:
    """Those that requests send, until that ends."""
    api.alter(str.upper)
    made = http.post(name="a", tags=["b"], configuration={"c": ["d", 1]}).json()["id"]
    http("PUT", f"/instances/{made}", json={"name": "e"})
    found = api.instance(made)
    assert (found["name"], found["tags"], found["configuration"]) == ("E", ["B"], {"c": ["D", 1]})
    api.reset()
    assert http.post(name="a").json()["name"] == "a"
