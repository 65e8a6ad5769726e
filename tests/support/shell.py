"""A terminal of a user of the native package, where each attempt to download something fails and is counted."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_OURS = Path(sys.executable).parent
PLUGIN = _OURS / "pulumi-resource-instances"


class Shell:
    """Runs commands in a project's directory. Python is on PATH, and nothing else of the tests' environment."""

    def __init__(self, directory: Path, env: Mapping[str, str], proxy: str, wheels: Path) -> None:
        """``env`` joins the environment; pip takes everything from ``wheels``, npm and Go from what they have kept."""
        self.directory = directory
        self._tools = directory.parent / f"{directory.name}-tools"
        self._tools.mkdir()
        for name in ("python", "python3"):
            self._put_on_path(name, f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        others = [entry for entry in os.environ["PATH"].split(os.pathsep) if Path(entry) != _OURS]
        self.env = {
            **{key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"},
            **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
            "PATH": os.pathsep.join([str(self._tools), *others]),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(wheels),
            "PIP_NO_COMPILE": "1",
            "PIP_NO_CACHE_DIR": "1",
            "npm_config_offline": "true",
            "GOPROXY": "off",
            "GOSUMDB": "off",
            "GOTOOLCHAIN": "local",
            "PULUMI_HOME": str(self._tools / "home"),
            "PULUMI_BACKEND_URL": self._tools.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "shell",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            **env,
        }
        self.use_proxy(proxy)

    def share_environment(self) -> None:
        """Each virtual environment is that of the tests, in which pip finds all that it is told to install."""
        script = f'case "$1 $2" in "-m venv") exec ln -s "{sys.prefix}" "$3";; *) exec "{sys.executable}" "$@";; esac'
        self._put_on_path("python3", f"#!/bin/sh\n{script}\n")

    def use_proxy(self, url: str) -> None:
        """All but loopback is reached through it."""
        self.env.update(dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), url))

    def put_plugin_on_path(self) -> None:
        """As `pip install pulumi-instances` does in an active environment."""
        self._put_on_path(PLUGIN.name, f'#!/bin/sh\nexec "{PLUGIN}" "$@"\n')

    def take_plugin_from_path(self) -> None:
        """As another terminal is, in which the environment is not active."""
        (self._tools / PLUGIN.name).unlink()

    def _put_on_path(self, name: str, script: str) -> None:
        (self._tools / name).write_text(script)
        (self._tools / name).chmod(0o755)

    def run(self, script: str) -> str:
        """Run what somebody types. Returns all that it prints."""
        done = self.try_to(script)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def try_to(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run what may fail."""
        return subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script],
            cwd=self.directory,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


class Server(ThreadingHTTPServer):
    """A server on loopback that keeps what it was asked for."""

    def __init__(self, handler: type[Handler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked: list[str] = []

    @contextmanager
    def running(self) -> Iterator[Server]:
        thread = threading.Thread(target=self.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


class Handler(BaseHTTPRequestHandler):
    """What all servers here have in common: every method is answered alike."""

    server: Server

    def answer(self) -> None:
        """Answer a request."""
        raise NotImplementedError

    def do_GET(self) -> None:
        self.answer()

    do_POST = do_HEAD = do_CONNECT = do_GET  # noqa: N815  the names of the base class

    def send(self, content: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Send an answer."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def parse_request(self) -> bool:
        """Keep what was asked for."""
        parsed = super().parse_request()
        if parsed:
            self.server.asked.append(self.path)
        return parsed

    def log_message(self, format: str, *_: object) -> None:
        """Print nothing."""


class Refusing(Handler):
    """A proxy that lets nothing through."""

    def answer(self) -> None:
        self.send(b"", 503)


class Tunnel(Handler):
    """A proxy that leads every host to one server on loopback."""

    port: int

    def answer(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as there:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pump, args=[there, self.connection])
            back.start()
            _pump(self.connection, there)
            back.join()
        self.close_connection = True


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
