"""`pulumi-instances emulator`, as a process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.cli.conftest import demand_valid
from tests.support.processes import COMMAND


class Running:
    def __init__(self, process: subprocess.Popen[str], settings: int, *, with_page: bool) -> None:
        assert process.stdout
        self.process = process
        self.headline = process.stdout.readline()
        lines = [process.stdout.readline().strip() for _ in range(settings)]
        self.env = dict(line.removeprefix("export ").split("=", 1) for line in lines)
        self.page = re.findall(r"http://\S+/", process.stdout.readline()) if with_page else []

    def request(self, method: str, path: str, body: object = None) -> requests.Response:
        secrets = self.env["INSTANCES_USER_SECRET"], self.env["INSTANCES_ORGANIZATION_SECRET"]
        headers = {"Authorization": "User {}, Organization {}".format(*secrets)}
        return requests.request(method, self.env["INSTANCES_BASE_URL"] + path, headers=headers, json=body, timeout=20)

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Return the exit code and what was written to stderr."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


@contextmanager
def emulator(*arguments: str, settings: int = 3) -> Iterator[Running]:
    command = [*COMMAND, "emulator", "--port", "0", *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield Running(process, settings, with_page={"--host", "--json"}.isdisjoint(arguments))
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_the_settings_serves_and_stops_with_0(number: int) -> None:
    """Each request is one line with method, path, status and milliseconds, and never a header or a body.

    Views of the page are no such requests.
    """
    with emulator() as running:
        assert running.env["INSTANCES_BASE_URL"] in running.headline
        made = running.request("POST", "/instances?x=hidden", {"your_mom": {"key": "box"}, "name": "hidden"}).json()
        running.request("GET", "/instances/nope")
        assert "Emulator" in requests.get(*running.page, timeout=20).text
        code, errors = running.stop(number)
    assert code == 0
    first, second = errors.splitlines()
    assert re.fullmatch(r"POST /your_moms/api-v2/instances 200 \d+ ms", first)
    assert re.fullmatch(r"GET /your_moms/api-v2/instances/nope 404 \d+ ms", second)
    hidden = [
        "hidden",
        made["token"],
        running.env["INSTANCES_USER_SECRET"],
        running.env["INSTANCES_ORGANIZATION_SECRET"],
    ]
    assert not any(word in errors for word in hidden)


def test_data_keeps_instances_and_secrets(tmp_path: Path) -> None:
    """They survive a stop and a start. The latency of each request is in milliseconds."""
    data = ("--data", str(tmp_path / "api.db"), "--latency", "200")
    with emulator(*data) as first:
        made = first.request("POST", "/instances", {"your_mom": {"key": "box"}, "name": "kept"}).json()
        assert first.request("GET", "/instances").elapsed.total_seconds() >= 0.2
        first.stop()
    with emulator(*data) as second:
        assert second.env["INSTANCES_USER_SECRET"] == first.env["INSTANCES_USER_SECRET"]
        assert second.request("GET", f"/instances/{made['id']}").json()["token"] == made["token"]


def test_the_dialect_of_the_live_services_is_served_and_is_one_more_setting() -> None:
    """The provider that takes all that is printed speaks the same dialect."""
    with emulator("--dialect", "elements", settings=4) as running:
        assert running.env["INSTANCES_DIALECT"] == "elements"
        assert running.env["INSTANCES_BASE_URL"].endswith("/elements/api-v2")
        made = running.request("POST", "/instances", {"element": {"key": "sfdc"}, "name": " x "}).json()
        assert (made["name"], made["tags"]) == ("x", ["x"])


def test_another_host_is_served_when_allowed() -> None:
    """The flag allows it."""
    with emulator("--host", "0.0.0.0", "--allow-remote") as running:  # noqa: S104 - what the flag is for
        assert "0.0.0.0" in running.env["INSTANCES_BASE_URL"]  # noqa: S104
        running.env["INSTANCES_BASE_URL"] = running.env["INSTANCES_BASE_URL"].replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        assert running.request("GET", "/instances").status_code == 200


REFUSED = {
    "an unknown dialect": (["--dialect", "klingon"], "'default', 'elements'"),
    "another host than loopback": (["--host", "0.0.0.0"], "--allow-remote"),  # noqa: S104 - what is refused here
    "a folder that is not there": (["--data", "missing/api.db"], "directory; choose another --data"),
    "an address of another machine": (["--host", "192.0.2.1", "--allow-remote"], "; choose another --port or --host"),
    "a file of another kind": (["--data", "notes.txt"], "notes.txt"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_used_is_refused(what: str, tmp_path: Path) -> None:
    """It names what may be used, or the option that allows it, or the file."""
    (tmp_path / "notes.txt").write_text("not a database, and long enough to be looked at" * 50)
    options, said = REFUSED[what]
    command = [*COMMAND, "emulator", "--port", "0", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("dialect", ["default", "elements"])
def test_json_is_one_line_of_settings(dialect: str) -> None:
    """Scripts read them; the keys are the environment variables of the provider."""
    with emulator("--json", "--dialect", dialect, settings=0) as running:
        demand_valid("emulator", running.headline)
        running.env = json.loads(running.headline)
        answer = running.request("GET", "/instances")
        assert answer.status_code == {"default": 200, "elements": 404}[dialect]  # there is no instance
