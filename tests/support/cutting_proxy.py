"""An HTTP proxy on loopback that cuts connections after a request: the service has acted, and nobody hears of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import requests

from pulumi_instances.testing.emulator import Emulator

Cuts = Callable[[str, str], bool]
"""Whether the connection of a request, by its method and path, is closed instead of the answer."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body waits 40 ms otherwise
    target: str
    cuts: staticmethod[[str, str], bool]

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = urlsplit(self.path)
        headers = {name: value for name, value in self.headers.items() if name not in ("Host", "Proxy-Connection")}
        url = f"{self.target}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.request(
                    self.command, url, data=body, headers=headers, timeout=60, allow_redirects=False
                )
        except requests.RequestException:  # the service has cut it
            self.close_connection = True
            return
        if self.cuts(self.command, parts.path):
            self.close_connection = True
            return
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815  the names of the base class

    def log_message(self, format: str, *_: object) -> None:
        """Print nothing."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay quiet when a client leaves in the middle."""


@contextmanager
def cutting_proxy(api: Emulator, cuts: Cuts) -> Iterator[dict[str, str]]:
    """The environment that leads to a service through the proxy; no proxy is used on loopback."""
    address, path = api.base_url.removeprefix("http://").split("/", 1)
    members = {"target": f"http://{address}", "cuts": staticmethod(cuts)}
    with _Server(("127.0.0.1", 0), type("_Cutting", (_Handler,), members)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield {
                "INSTANCES_BASE_URL": f"http://api.example.com/{path}",
                "INSTANCES_ALLOW_INSECURE_HTTP": "true",
                **dict.fromkeys(("HTTP_PROXY", "http_proxy"), f"http://127.0.0.1:{server.server_port}"),
                **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
            }
        finally:
            server.shutdown()
            thread.join()
