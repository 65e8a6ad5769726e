"""The proxy and the certificate authorities for requests to the API, as the environment names them.

`transport` uses them for every request; the advice of its errors is made here.
"""

from __future__ import annotations

import os
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies, prepend_scheme_if_needed, select_proxy
from urllib3.util import parse_url

from ..core.config import Settings, is_loopback


class Environment:
    """Proxy and authorities for one base URL, as the variables were at the first request."""

    def __init__(self, settings: Settings) -> None:
        """Read the variables."""
        self._url = urlsplit(settings.base_url)
        # No proxy may see a request to loopback: it would get both secrets in plain text.
        proxies = {} if is_loopback(self._url.hostname or "") else get_environ_proxies(settings.base_url)
        variables = {name: os.environ.get(name) for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")}
        bundles = {"instances:caBundle": settings.ca_bundle, **variables}
        self._bundle_source, bundle = next(((name, path) for name, path in bundles.items() if path), ("", None))
        self.options: dict[str, Any] = {"proxies": proxies, "verify": bundle or True}
        """Keyword arguments of `requests.Session.send`."""
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
        default_port = 443 if self._url.scheme == "https" else 80
        host = f"{self._host}:{self._url.port or default_port}"
        return host if self.proxy is None else f"{host} through the proxy {_parsed(self.proxy)[1]}"

    @property
    def _host(self) -> str:
        host = self._url.hostname or ""
        return f"[{host}]" if ":" in host else host

    def how_to_reach(self) -> str | None:
        """Return what to do where a request was not sent; None where there is no proxy."""
        return None if self.proxy is None else f"check {self.proxy_source} and the network, then run again"

    def how_to_pass(self, status: int) -> str | None:
        """Return what to do where the proxy has answered with this status; None where there is no proxy."""
        if self.proxy is None:
            return None
        if status == 407:
            return f"write user and password into {self.proxy_source}: http://user:password@{_parsed(self.proxy)[1]}"
        return f"ask for access to {self._host} through it, correct {self.proxy_source}, or name the host in NO_PROXY"

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
