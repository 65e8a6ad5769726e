"""The emulator in a process of its own, so that it shares no interpreter lock with what is measured."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from pulumi_instances.testing.emulator import Emulator


class Api:
    """The API for as long as the ``with`` block runs; ``latency`` is in seconds per request."""

    def __init__(self, latency: float) -> None:
        """Start nothing yet."""
        self._latency = latency

    def __enter__(self) -> Api:
        """Start the process."""
        command = [sys.executable, "-m", "bench.api", str(self._latency)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.env: dict[str, str] = json.loads(self._process.stdout.readline())
        self._address = urlsplit(self.env["INSTANCES_BASE_URL"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it: it runs until its standard input closes."""
        self._process.communicate()

    def log(self) -> list[dict[str, Any]]:
        """All requests so far."""
        log: list[dict[str, Any]] = self._control("GET", "requests")
        return log

    def delay_creates(self, seconds: float, times: int) -> None:
        """Let each of the next creates take so many seconds longer; nothing else waits for them."""
        if seconds:
            fault = {"kind": "delay", "seconds": seconds}
            self._control("POST", "faults", {"method": "POST", "path": "/instances", "times": times, "fault": fault})

    def _control(self, method: str, what: str, fields: Mapping[str, Any] | None = None) -> Any:
        """The answer of a control endpoint of the emulator."""
        connection = http.client.HTTPConnection(self._address.netloc, timeout=60)
        try:
            body = None if fields is None else json.dumps(fields)
            connection.request(method, f"/_emulator/{what}", body, {"Content-Type": "application/json"})
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def rate(self, seconds: float = 2.0, connections: int = 4) -> float:
        """Requests per second that it surely can answer: those of a few busy clients in this process."""
        headers = {
            "Authorization": f"User {self.env['INSTANCES_USER_SECRET']}, "
            f"Organization {self.env['INSTANCES_ORGANIZATION_SECRET']}"
        }
        end = time.monotonic() + seconds

        def ask(_number: int) -> int:
            connection = http.client.HTTPConnection(self._address.netloc, timeout=60)
            answers = 0
            while time.monotonic() < end:
                connection.request("GET", f"{self._address.path}/instances/1", headers=headers)
                connection.getresponse().read()
                answers += 1
            connection.close()
            return answers

        with ThreadPoolExecutor(connections) as pool:
            return sum(pool.map(ask, range(connections))) / seconds


def peak(log: Sequence[dict[str, Any]]) -> int:
    """The most of these requests that were in flight at once."""
    ends = [(request["started"], 1) for request in log]
    ends += [(request["finished"], -1) for request in log if request["finished"] is not None]
    highest = now = 0
    for _, change in sorted(ends):
        now += change
        highest = max(highest, now)
    return highest


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt), Emulator(latency=float(sys.argv[1])) as emulator:
        print(json.dumps(emulator.env), flush=True)
        sys.stdin.read()
