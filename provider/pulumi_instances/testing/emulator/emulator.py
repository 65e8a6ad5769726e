"""`Emulator`, the class that tests use: it starts the server, and reads and changes what it holds.

The methods of `Emulator` that add or change instances send no request, so the log does not have them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from ...core.marks import is_mark, parse
from .api import Api, application
from .control import Control
from .faults import Fault, Faults
from .page import Page
from .request_log import Request, RequestLog
from .server import Server
from .store import Account, Store
from .variants import VARIANTS
from .wrapper import Wrapper

__all__ = ["Emulator"]


class Emulator:
    """The Instances API on loopback, as its document or the live services have it, while the ``with`` block runs.

    >>> with Emulator() as api:
    ...     api.base_url, api.env  # to reach it
    ...     api.add(your_mom="dropbox", name="mine")  # without a request
    ...     api.fail("POST", "/instances", Fault.drop_after())

    Its methods may be called from any thread, inside the block only.
    """

    def __init__(
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        data: str | Path | None = None,
        user_secret: str | None = None,
        organization_secret: str | None = None,
        latency: float = 0.0,
        page_size: int = 200,
        *,
        empty_list_404: bool = False,
        dialect: str = "default",
        demand_codes: bool = True,
    ) -> None:
        """Set up an emulator; the block opens it.

        ``port`` 0 takes a free one. ``data`` is a SQLite file that keeps instances and secrets. Secrets that are not
        given are those of that file, or else random. ``latency`` is in seconds per request. With ``empty_list_404``
        an empty list is answered with 404, as the live services do. ``dialect`` is ``"default"``, the API of the
        document, or ``"elements"``, that of the live services. In the latter, ``demand_codes=False`` lets OAuth
        connectors be without a code. Raises ValueError for another dialect.
        """
        if dialect not in VARIANTS:
            raise ValueError(f"dialect must be one of {', '.join(VARIANTS)}, not {dialect!r}")
        variant = VARIANTS[dialect]
        self._variant = replace(
            variant,
            empty_list_404=variant.empty_list_404 or empty_list_404,
            demands_codes=variant.demands_codes and demand_codes,
        )
        self._address = (host, port)
        self._data = Path(data) if data is not None else None
        self._secrets = (user_secret, organization_secret)
        self._latency = latency
        self._page_size = page_size
        self._faults = Faults()
        self._request_log = RequestLog()

    def __enter__(self) -> Emulator:
        """Open the data and serve. Raises OSError where the address is taken."""
        self._store = Store(self._data, *self._secrets, self._variant.codes)
        self._api = Api(self._store, self._page_size, self._variant)
        app = application([*self._api.routes(), *Control(self).routes(), *Page(self, self._faults).routes()])
        wrapped = Wrapper(app, self._variant.base_path, self._request_log, self._faults, self._latency)
        try:
            self._server = Server(wrapped, *self._address)
        except OSError:
            self._store.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cut all connections and close the data."""
        self._server.stop()
        self._store.close()

    # how to reach it

    @property
    def base_url(self) -> str:
        """The base URL of the API, without a slash at its end."""
        return f"{self.page_url.removesuffix('/')}{self._variant.base_path}"

    @property
    def page_url(self) -> str:
        """The URL of the page for a browser on this machine."""
        host = self._address[0]
        return f"http://{f'[{host}]' if ':' in host else host}:{self._server.port}/"

    @property
    def user_secret(self) -> str:
        """The user secret of the default account."""
        return self._store.user_secret

    @property
    def organization_secret(self) -> str:
        """The organization secret of the default account."""
        return self._store.organization_secret

    @property
    def env(self) -> dict[str, str]:
        """The environment variables that make the provider use the default account."""
        return self._account(self.user_secret, self.organization_secret).env

    def add_account(self) -> Account:
        """Make another account, with instances of its own."""
        return self._account(*self._store.add_account())

    def _account(self, user_secret: str, organization_secret: str) -> Account:
        env = {
            "INSTANCES_BASE_URL": self.base_url,
            "INSTANCES_USER_SECRET": user_secret,
            "INSTANCES_ORGANIZATION_SECRET": organization_secret,
            **self._variant.env,
        }
        return Account(user_secret, organization_secret, env)

    # the instances, read and changed without a request

    def instances(self, account: Account | None = None) -> list[dict[str, Any]]:
        """Return the instances of an account, the default one unless given, by ascending id.

        Each is ``{id, name, token, your_mom, tags, managed_by, configuration, provider_data, valid, disabled}``, in
        every dialect; other keys are the emulator's own. ``configuration`` is as it was sent, not as answers
        show it. The mark is not among the ``tags``: ``managed_by`` shows which resource manages the instance.
        """
        return [_presented(instance) for instance in self._store.all(self._account_id(account))]

    def instance(self, instance_id: int | str) -> dict[str, Any]:
        """Return one instance of any account. Raises KeyError where there is none."""
        return _presented(self._stored(instance_id))

    def _stored(self, instance_id: int | str) -> dict[str, Any]:
        instance = self._store.get(int(instance_id))
        if instance is None:
            raise KeyError(instance_id)
        return instance

    def add(
        self,
        your_mom: str = "dropbox",
        name: str = "instance",
        tags: list[str] | None = None,
        configuration: dict[str, Any] | None = None,
        account: Account | None = None,
        **others: Any,
    ) -> int:
        """Make an instance and return its id. Raises ValueError for what a POST would refuse.

        ``others`` are further fields that a POST takes. Raises TypeError for one that is not kept under its name.
        An OAuth connector needs no code here.
        """
        bodies = self._variant.bodies
        body = {
            bodies.CONNECTOR: {"key": your_mom},
            "name": name,
            "tags": tags or [],
            "configuration": configuration or {},
        }
        record = bodies.wanted_record({**body, **others})
        if unknown := [key for key, value in others.items() if record.get(key) != value]:
            raise TypeError(f"cannot add {', '.join(sorted(unknown))}")
        added: int = self._store.add(record, self._account_id(account))["id"]
        self._api.made.pop(added, None)  # of an instance that had this id before
        return added

    def change(self, instance_id: int | str, **changes: Any) -> None:
        """Replace fields of an instance: those that a PUT can change, and valid, disabled and token.

        The mark of the instance stays, whatever ``tags`` are given.

        Raises KeyError where there is no such instance, ValueError for what a PUT would refuse and TypeError for other
        fields.
        """
        wanted = self._variant.bodies.wanted_changes(changes)
        unknown = changes.keys() - wanted.keys() - {"valid", "disabled", "token"}
        if unknown:
            raise TypeError(f"cannot change {', '.join(sorted(unknown))}")
        instance = self._stored(instance_id)
        if "tags" in wanted:
            wanted["tags"] = [*wanted["tags"], *(tag for tag in instance["tags"] if is_mark(tag))]
        if changes.get("valid") and "broken" in instance:
            wanted["broken"] = None
        self._store.change(int(instance_id), self._variant.merge(instance, {**changes, **wanted}))

    def break_authentication(self, instance_id: int | str, *, refreshes: int = 5) -> None:
        """Let the login of an instance at its service stop working, so that the instance is not valid any more.

        After ``refreshes`` failed refreshes the service disables it; each read of the instance, alone or in a list,
        counts as one. With 0 it is disabled at once. An instance that is enabled again without a new login fails the
        same way again. A new login ends this, and so does ``change(id, valid=True)``. Raises KeyError where there is
        no such instance.
        """
        if refreshes < 0:
            raise ValueError("refreshes must not be negative")
        broken = {"left": refreshes, "of": refreshes}
        if self._store.change(int(instance_id), {"valid": False, "disabled": not refreshes, "broken": broken}) is None:
            raise KeyError(instance_id)

    def remove(self, instance_id: int | str) -> None:
        """Delete an instance. Raises KeyError where there is none."""
        if not self._store.remove(int(instance_id)):
            raise KeyError(instance_id)

    def _account_id(self, account: Account | None) -> int:
        if account is None:
            account = self._account(self.user_secret, self.organization_secret)
        found = self._store.account(account.user_secret, account.organization_secret)
        if found is None:
            raise KeyError("no such account")
        return found

    def restart_ids(self) -> None:
        """Let the next instance have the first id again, or the one after the highest that there is.

        A service that was set up anew does so too: the ids in a state are then those of other instances.
        """
        self._store.restart_ids()

    def lag(self, seconds: float) -> None:
        """From now on show an instance only so many seconds after the POST that has made it; 0 ends the delay.

        Until then, requests about it are answered with 404, and no list has it. `reset` ends it.
        """
        self._api.lag = seconds

    def alter(self, change: Callable[[str], str] | None) -> None:
        """From now on store ``change(text)`` of each name, tag and text of a configuration that is sent; None ends it.

        Some services strip, cut or escape text, or change its case. `reset` ends it.
        """
        self._api.alters = change

    def reset(self) -> None:
        """Forget instances, used codes, faults and the log. Accounts stay, and ids go on rising."""
        self._api.lag = 0.0
        self._api.made.clear()
        self._api.alters = None
        self._store.clear()
        self._faults.clear()
        self._request_log.clear()

    # what was asked, and what goes wrong

    @property
    def requests(self) -> list[Request]:
        """A copy of the log of requests, in the order of their arrival."""
        return self._request_log.requests()

    @property
    def writes(self) -> list[Request]:
        """The log without the GETs."""
        return [request for request in self.requests if request.method != "GET"]

    def peak(self, method: str | None = None) -> int:
        """Return the most requests in flight at once since the last reset, of one method or of all."""
        return self._request_log.peak(method)

    def fail(
        self,
        method: str | None,
        path: str | None,
        fault: Fault,
        *,
        times: int | None = None,
        probability: float | None = None,
        seed: int | None = None,
    ) -> None:
        """Let the next ``times`` matching requests, one by default, fail in the way of a fault.

        ``path`` is relative to the base URL, with ``{id}`` for any id; None matches every method or path. With a
        ``probability`` each matching request may fail, without a limit unless ``times`` sets one. A ``seed`` makes
        that repeatable. If several faults match a request, the one that was added first is used.
        """
        self._faults.add(method, path, fault, times, probability, seed)

    def limit(self, per_second: float, *, retry_after: str | None = "1") -> None:
        """From now on serve so many requests a second, and answer 429 to the others.

        A burst may use up the allowance of one second. ``retry_after`` is the value of that header: seconds, a date,
        or None for none. `reset` ends it.
        """
        self._faults.limit(per_second, retry_after)


def _presented(instance: dict[str, Any]) -> dict[str, Any]:
    """Return an instance as tests look at it: with ``managed_by`` in place of the tag that marks it."""
    marks = [mark for tag in instance["tags"] if (mark := parse(tag)) is not None]
    tags = [tag for tag in instance["tags"] if not is_mark(tag)]
    return {**instance, "tags": tags, "managed_by": marks[0].managed_by if marks else None}
