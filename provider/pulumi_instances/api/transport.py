"""The only HTTP of the package: one request over a pooled connection, and its outcome. Nothing is raised.

`client` decides what an `Outcome` means and whether the request is sent again; it imports this module with the first
request, since `requests` takes longer to import than the rest of the package. The API has no idempotency key, so each
outcome says whether the API can have received the request.
"""

from __future__ import annotations

import http.client
import io
import math
import os
import re
import socket
import ssl
import threading
import time
import zlib
from functools import cache, cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.utils import default_headers, get_environ_proxies, prepend_scheme_if_needed, select_proxy
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import LocationValueError
from urllib3.util import parse_url

from ..core.config import Settings, host_and_port, is_loopback
from .outcome import Json, Outcome

LARGEST_BODY = 64 * 1024 * 1024
"""Bytes. A page of 200 instances with their connectors is below 1 MiB."""


class Transport:
    """The connections of one account. Safe to share between threads: nothing in it changes once it is built."""

    def __init__(self, settings: Settings) -> None:
        """Open no connection yet."""
        self._settings = settings
        self._headers = {**default_headers(), "Accept": "application/json", "User-Agent": user_agent(settings)}
        self._auth = _SecretsAuth(settings)
        # Without a session, nothing follows a redirect, sends a cookie, or reads a .netrc.
        self._adapter = _Adapter(pool_connections=2, pool_maxsize=settings.parallelism)

    @cached_property
    def _environment(self) -> _Environment:
        return _Environment(self._settings)

    def request(self, method: str, path: str, body: Json, timeout: float) -> Outcome:
        """Send one request; ``timeout`` (seconds) bounds connecting, each silence, and the whole answer."""
        if (problem := self._environment.problem) is not None:
            return Outcome(failure=problem[0], advice=problem[1], sent=False, final=True)
        _this_thread.may_have_left = False
        response, received = None, bytearray()
        try:
            request = requests.Request(
                method, self._settings.base_url + path, headers=self._headers, json=body, auth=self._auth
            ).prepare()
            with self._adapter.send(request, stream=True, timeout=timeout, **self._environment.options) as response:
                # After an interim answer, http.client leaves the answer itself to the next request of the connection,
                # which is closed where nothing was read.
                while response.status_code >= 200 and len(received) <= LARGEST_BODY:
                    if not (part := response.raw.read1(65536, decode_content=True)):
                        break
                    received += part
        except Exception as error:  # after an unforeseen one, too, the caller must learn whether a POST may have left
            return self._failed(error, response, sent=_this_thread.may_have_left)
        return self._answered(response, bytes(received))

    def _answered(self, response: requests.Response, body: bytes) -> Outcome:
        """Return the outcome of a request with an answer."""
        status, headers = response.status_code, response.headers
        if status < 200:
            failure = f"{self._environment.where}: it sent {status} before the answer, which is not supported"
            return Outcome(failure=failure, final=True)
        if len(body) > LARGEST_BODY:
            failure = f"the answer is larger than {LARGEST_BODY // 1024**2} MiB"
            return Outcome(status, headers=headers, failure=failure, final=True)
        advice = self._environment.how_to_pass(status) if status == 407 else None
        return Outcome(status, body, headers, advice=advice)

    def _failed(self, error: Exception, response: requests.Response | None, *, sent: bool) -> Outcome:
        """Return the outcome of a request without an answer, or with one whose body is not whole."""
        cause, environment = _cause(error), self._environment
        if response is not None:
            is_late, reason = isinstance(cause, _Late), _reason(error)
            return Outcome(
                response.status_code,
                headers=response.headers,
                failure=f"{environment.where}: {reason if is_late else f'the answer broke off ({reason})'}",
                final=is_late,
                timed_out=isinstance(cause, _TIMEOUTS),
            )
        if refusal := re.match(r"Tunnel connection failed: (\d{3})", str(cause)):
            status = int(refusal[1])
            failure, advice = f"{environment.where}, which answers {status}", environment.how_to_pass(status)
            return Outcome(failure=failure, advice=advice, sent=sent, final=status < 500)
        if isinstance(error, requests.exceptions.SSLError):
            advice = environment.how_to_trust() if isinstance(cause, ssl.SSLCertVerificationError) else None
            failure = f"{environment.where}: TLS failed ({_reason(error)})"
            return Outcome(failure=failure, advice=advice, sent=sent, final=True)
        failure = f"{environment.where}: {_reason(error)}"
        advice = None if sent else environment.how_to_reach()
        return Outcome(failure=failure, advice=advice, sent=sent, timed_out=isinstance(cause, _TIMEOUTS))


class _SecretsAuth(AuthBase):
    """Sets the header per request, so that no repr holds it."""

    def __init__(self, settings: Settings) -> None:
        self._header = f"User {settings.user_secret}, Organization {settings.organization_secret}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._header
        return request


def user_agent(settings: Settings) -> str:
    """Return ``pulumi-instances/<version> pulumi/<sdk version>``, and the user's own suffix."""
    parts = [f"{name}/{version(name)}" for name in ("pulumi-instances", "pulumi")]
    return " ".join([*parts, settings.user_agent_suffix or ""]).strip()


def _cause(error: BaseException) -> BaseException:
    """Return the innermost error: requests, urllib3 and http.client wrap it up to four times, each in another way."""
    for inner in (getattr(error, "reason", None), *error.args, error.__cause__):
        if isinstance(inner, BaseException):  # the `reason` of an ssl.SSLError is a word
            return _cause(inner)
    return error


class _Late(TimeoutError):
    """The deadline of an answer is over."""


_TIMEOUTS = (TimeoutError, requests.exceptions.Timeout, urllib3.exceptions.TimeoutError)
_UNUSABLE_URL = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, LocationValueError)

_REASONS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (socket.gaierror, "the host name cannot be resolved"),
    (ConnectionRefusedError, "connection refused"),
    (_Late, "the answer did not end in time"),
    (_TIMEOUTS, "timed out"),
    (http.client.RemoteDisconnected, "connection closed without an answer"),  # a ConnectionResetError as well
    (ConnectionResetError, "connection reset"),
    (http.client.IncompleteRead, "fewer bytes than announced"),
    (http.client.HTTPException, "the answer is not HTTP"),  # and the two above
    ((zlib.error, urllib3.exceptions.DecodeError), "it cannot be decompressed"),
    (_UNUSABLE_URL, "the URL cannot be used"),
)


def _reason(error: BaseException) -> str:
    """Return why there is no answer, in a few words that contain neither URL nor header."""
    cause = _cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"certificate not trusted: {cause.verify_message}"
    return next((words for kinds, words in _REASONS if isinstance(cause, kinds)), type(cause).__name__)


# Proxy and certificate authorities


class _Environment:
    """Proxy and authorities for one base URL, as the variables were at the first request."""

    def __init__(self, settings: Settings) -> None:
        """Read the variables."""
        self._base_url = settings.base_url
        self._url = urlsplit(settings.base_url)
        # No proxy may see a request to loopback: it would get both secrets in plain text.
        proxies = {} if is_loopback(self._url.hostname or "") else get_environ_proxies(settings.base_url)
        variables = {name: os.environ.get(name) for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")}
        bundles = {"instances:caBundle": settings.ca_bundle, **variables}
        self._bundle_source, bundle = next(((name, path) for name, path in bundles.items() if path), ("", None))
        self.options: dict[str, Any] = {"proxies": proxies, "verify": bundle or True}
        """Keyword arguments of `HTTPAdapter.send`."""
        self.proxy = select_proxy(settings.base_url, proxies)

    @cached_property
    def problem(self) -> tuple[str, str] | None:
        """What is wrong with proxy or authorities, so that no request can be sent, and what to do."""
        bundle = self.options["verify"]
        if self._url.scheme == "https" and bundle is not True and not Path(bundle).exists():
            fault = f"{self._bundle_source} names {bundle}, which does not exist"
            return fault, f"set {self._bundle_source} to the PEM file of the authorities to trust, or unset it"
        if self.proxy is None:
            return None
        scheme, _ = _parsed(self.proxy)
        if scheme not in ("http", "https", "socks4", "socks4a", "socks5", "socks5h"):
            fault = f"{self.proxy_source} is not the URL of a proxy"
            return fault, "write it as http://proxy.example.com:3128, or unset it"
        if scheme.startswith("socks") and find_spec("socks") is None:
            fault = f"{self.proxy_source} names a SOCKS proxy, for which a package is missing"
            return fault, 'run pip install "requests[socks]" in the environment of the provider'
        return None

    @cached_property
    def proxy_source(self) -> str:
        """The variable that names the proxy, as `urllib.request.getproxies` chooses it."""
        kinds = (f"{self._url.scheme}_proxy", "all_proxy")
        names = [name for kind in kinds for name in (kind, kind.upper()) if os.environ.get(name)]
        return names[0] if names else "the system's setting of a proxy"

    @cached_property
    def where(self) -> str:
        """Host and port of the API, and those of the proxy, for messages."""
        host = host_and_port(self._base_url)
        return host if self.proxy is None else f"{host} through the proxy {_parsed(self.proxy)[1]}"

    def how_to_reach(self) -> str | None:
        """Return what to do where a request was not sent; None where there is no proxy."""
        return None if self.proxy is None else f"check {self.proxy_source} and the network, then run again"

    def how_to_pass(self, status: int) -> str | None:
        """Return what to do where the proxy has answered with this status; None where there is no proxy."""
        if self.proxy is None:
            return None
        if status == 407:
            return f"write user and password into {self.proxy_source}: http://user:password@{_parsed(self.proxy)[1]}"
        return f"ask for access to the API through it, correct {self.proxy_source}, or name the host in NO_PROXY"

    def how_to_trust(self) -> str:
        """Return what to do where the certificate is not trusted."""
        unread = "; SSL_CERT_FILE is not read" if os.environ.get("SSL_CERT_FILE") and not self._bundle_source else ""
        return f"check the server's certificate, or set instances:caBundle to the PEM file of its authority{unread}"


def _parsed(proxy: str) -> tuple[str, str]:
    """Return the scheme of a proxy, and its host and port without password. Both are empty where it is malformed."""
    try:
        url = parse_url(prepend_scheme_if_needed(proxy, "http"))  # type: ignore[no-untyped-call]
    except ValueError:
        return "", ""
    if not url.scheme or not url.host:
        return "", ""
    return url.scheme, url.host if url.port is None else f"{url.host}:{url.port}"


# The connections
#
# The timeouts of http.client and urllib3 limit each silence: a server that sends its headers byte by byte could keep us
# waiting for ever. Nor do their errors say whether the server can have received the request: behind a proxy, urllib3
# reports a connection that was cut after it as a ProxyError.


class _ThisThread(threading.local):
    may_have_left = False
    """Whether any part of the request that this thread has sent last may have reached the API.

    It has not where there was no connection to the API, or to a proxy that had accepted a tunnel to it.
    """


_this_thread = _ThisThread()


class _Reader(socket.SocketIO):
    """Reads an answer from a socket up to a deadline. The socket itself only bounds each silence."""

    deadline: float

    def readinto(self, buffer: Any) -> int | None:
        if time.monotonic() > self.deadline:
            raise _Late
        return super().readinto(buffer)


class _Answer(http.client.HTTPResponse):
    """An answer, or that of a proxy to a request for a tunnel, which has to end within the timeout of its socket."""

    fp: io.BufferedReader

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        reader: Any = self.fp.raw
        reader.__class__ = _Reader  # `makefile` of a socket makes a SocketIO, and takes no other class
        reader.deadline = time.monotonic() + (sock.gettimeout() or math.inf)


class _Bounded:
    """Changes to a class of connections of urllib3: `_bounded` combines the two."""

    response_class = _Answer
    sock: Any
    _connecting = False

    def connect(self) -> None:
        """Open a connection, for urllib3 or `send`. What is sent meanwhile asks a proxy for a tunnel."""
        self._connecting = True
        try:
            super().connect()  # type: ignore[misc]
        finally:
            self._connecting = False

    def send(self, data: Any) -> None:
        """Send one part of a request, for http.client."""
        if self.sock is None:
            self.connect()
        if not self._connecting:
            _this_thread.may_have_left = True
        super().send(data)  # type: ignore[misc]


@cache
def _bounded(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    """Return a class of pools with connections that `_Bounded` changes. urllib3 has another class for a SOCKS proxy."""
    connection = type(f"Bounded{pool.ConnectionCls.__name__}", (_Bounded, pool.ConnectionCls), {})
    return type(f"Bounded{pool.__name__}", (pool,), {"ConnectionCls": connection})


class _Adapter(HTTPAdapter):
    """An adapter whose timeout limits the whole head of an answer, also through a proxy."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools, for requests, which calls it once per adapter."""
        super().init_poolmanager(*args, **kwargs)
        _bound(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Return the pools of a proxy, for requests, which asks for each request through it."""
        manager = super().proxy_manager_for(*args, **kwargs)
        _bound(manager)
        return manager


def _bound(manager: Any) -> None:
    """Have a manager of pools open such connections only."""
    pools = manager.pool_classes_by_scheme
    if not all(issubclass(pool.ConnectionCls, _Bounded) for pool in pools.values()):
        manager.pool_classes_by_scheme = {scheme: _bounded(pool) for scheme, pool in pools.items()}
