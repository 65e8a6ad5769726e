"""The operations of the API for one account: its requests, their retries, and the errors in which they end."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ..core.codes import holds_code
from ..core.config import Settings, env_prefix
from ..core.errors import InputError, NotFound, UnexpectedAnswer
from ..core.model import normalise_id
from . import limits, responses
from .attempt import Attempt, Clock, Json, backoff
from .breaker import Breaker
from .pace import Pace, jittered
from .responses import AnswerLost

if TYPE_CHECKING:
    from .transport import Transport

log = logging.getLogger("pulumi_instances")

Query = list[tuple[str, str]]
OnPage = Callable[[int, int | None], None]


class Client:
    """The five operations of the API for one account. Safe to share between threads.

    Every method raises a StatusError for an error status, ConnectionFailed without a usable answer and
    UnexpectedAnswer for one that the API document does not allow.
    """

    def __init__(self, settings: Settings, *, account: str | None = None, clock: Clock | None = None) -> None:
        """``account`` is the name given to `account()`, if any: messages name its variables."""
        self.settings = settings
        self.clock = clock or Clock()
        self._opened: Transport | None = None
        self._pace = Pace(self.clock, settings.max_requests_per_second)
        self._breaker = Breaker(self.clock)
        self._slots = threading.Semaphore(settings.parallelism)
        self._env = env_prefix(account)
        self.account_name = f'account "{account}"' if account else "the default account"
        self._lock = threading.Lock()
        self._secrets = {settings.user_secret, settings.organization_secret}

    def variable(self, name: str) -> str:
        """The environment variable of this account for a setting, such as ``TIMEOUT``."""
        return self._env + name

    def hide(self, secrets: Iterable[str]) -> None:
        """Never repeat these in a message: a server's error may quote what it was sent."""
        with self._lock:
            self._secrets.update(secrets)

    # operations

    def get(self, instance_id: str) -> dict[str, Any]:
        """`GET /instances/{id}`."""
        what = f"read instance {instance_id}"
        found = self._one(self._exchange("GET", _path(instance_id), None), what)
        responses.demand_dialect(found, what, self.settings.dialect)
        if (answered := _id_of(found)) is not None and answered != normalise_id(instance_id):
            raise UnexpectedAnswer(f"{what}: the answer is about instance {answered}")
        return found

    def list_all(self, on_page: OnPage | None = None, **filters: str) -> list[dict[str, Any]]:
        """`GET /instances`, every page.

        ``on_page`` is told after each page how many instances there are so far, and of how many, if the API says so.
        ``filters`` are those of `pages`.
        """
        return [instance for page in self.pages(on_page, **filters) for instance in page]

    def pages(self, on_page: OnPage | None = None, **filters: str) -> Iterator[list[dict[str, Any]]]:
        """`GET /instances`, page by page.

        ``filters`` are a ``tag`` that each must have, and a ``text`` of its name, where the dialect has such filters;
        a service may ignore them.

        Raises UnexpectedAnswer for a 404 that does not mean an empty list in this dialect, and for paging that leads
        nowhere: a listing that is not whole must never pass for one that is.
        """
        query = self.settings.dialect.listing_query(**filters)
        what = "list instances"
        so_far = 0
        token: str | None = None
        tokens: set[str] = set()
        ids: set[str] = set()
        least: int | None = None
        for number in itertools.count(1):
            page, headers = self._page(query, token, what if number == 1 else f"{what}: page {number}")
            so_far += len(page)
            token = headers.get("elements-next-page-token") or None
            fresh = {_id_of(instance) for instance in page} - ids - {None}
            # A later page may come empty, at the end. Nothing new and a way to go on would keep us here for ever.
            if token in tokens or (not page and token) or (page and not fresh and number > 1):
                raise UnexpectedAnswer(f"{what}: page {number} has nothing new, so the list would never end")
            total = _count(headers.get("elements-total-count"))
            if on_page is not None:
                on_page(so_far, total)
            ids.update(found for found in fresh if found)
            # Instances may come and go meanwhile: the listing has to have as many as there were at some time.
            least = min((count for count in (least, total) if count is not None), default=None)
            if token is None and not filters and len(ids) < (least or 0):
                raise UnexpectedAnswer(
                    f"{what}: {least} instances are announced, and {len(ids)} shown", "run again later"
                )
            yield page
            if token is None:
                return
            tokens.add(token)

    def _page(self, query: Query, token: str | None, what: str) -> tuple[list[dict[str, Any]], Mapping[str, str]]:
        asked = urlencode([*query, *([("nextPage", token)] if token else [])])
        attempt = self._exchange("GET", f"/instances?{asked}" if asked else "/instances", None)
        if not responses.says_missing(attempt):
            page = responses.several(self._checked(attempt, what), what)
            for instance in page:
                responses.demand_dialect(instance, what, self.settings.dialect)
            return page, attempt.headers
        if token is None and self.settings.dialect.empty_is_404:
            return [], {}
        raise responses.missing_listing(attempt, what, self._known_secrets())

    def put(self, instance_id: str, body: Mapping[str, Json], *, logs_in: bool = False) -> dict[str, Any]:
        """`PUT /instances/{id}`.

        With ``logs_in`` it authenticates the instance anew: that may take as long as a create, and with a one-time code
        it is sent once. Raises AnswerLost where it is then unknown whether the API has acted.
        """
        what = f"update instance {instance_id}"
        once = logs_in and holds_code(body.get("providerData"))
        query = "?reAuthenticate=true" if logs_in else ""
        attempt = self._exchange("PUT", _path(instance_id) + query, body, once=once, slow=logs_in)
        return self._one(attempt, what, once=once)

    def patch(self, instance_id: str, body: Mapping[str, Json]) -> dict[str, Any]:
        """`PATCH /instances/{id}`, which merges: the live services have it, the API document does not."""
        what = f"update instance {instance_id}"
        return self._one(self._exchange("PATCH", _path(instance_id), body), what)

    def set_enabled(self, instance_id: str, enabled: bool) -> None:
        """`PUT` or `DELETE /instances/{id}/enabled`, which the live services have."""
        what = f"{'enable' if enabled else 'disable'} instance {instance_id}"
        attempt = self._exchange("PUT" if enabled else "DELETE", f"{_path(instance_id)}/enabled", None)
        responses.no_page(self._checked(attempt, what), what)

    def delete(self, instance_id: str) -> None:
        """`DELETE /instances/{id}`. Raises NotFound if the instance does not exist.

        The document says nothing of the body. A page of HTML, such as a login, is nobody's answer to it.
        """
        what = f"delete instance {instance_id}"
        attempt = self._exchange("DELETE", _path(instance_id), None)
        try:
            responses.no_page(self._checked(attempt, what), what)
        except NotFound as missing:
            missing.repeated = attempt.repeated
            raise

    def post(self, body: Mapping[str, Json], may_send: Callable[[], bool] = lambda: True) -> dict[str, Any]:
        """`POST /instances`, sent once, unless the API surely did not act (connection refused, 429).

        ``may_send`` is asked before each attempt. Raises AnswerLost when it is unknown whether an instance was made.
        """
        what = f"create instance {body['name']!r}"
        attempt = self._exchange("POST", "/instances", body, once=True, slow=True, may_send=may_send)
        return self._one(attempt, what, once=True)

    # what an outcome means

    def _one(self, attempt: Attempt, what: str, *, once: bool = False) -> dict[str, Any]:
        """Return the instance in an answer. With ``once``, raises AnswerLost where a success holds none."""
        self._checked(attempt, what, once=once)
        try:
            answer = responses.one(attempt, what)
        except UnexpectedAnswer as error:
            if once:
                raise AnswerLost(error.cause, attempt) from None
            raise
        if once and _id_of(answer) is None:
            raise AnswerLost(f"{what}: the answer is an instance without a numeric id", attempt)
        return answer

    def _checked(self, attempt: Attempt, what: str, *, once: bool = False) -> Attempt:
        if attempt.succeeded:
            return attempt
        raise responses.error_of(attempt, what, self._known_secrets(), self._env, once=once)

    def _known_secrets(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._secrets)

    # one request and its retries

    def _exchange(
        self,
        method: str,
        path: str,
        body: Json,
        *,
        once: bool = False,
        slow: bool = False,
        may_send: Callable[[], bool] = lambda: True,
    ) -> Attempt:
        """Send a request until it is answered or another try is pointless. Returns the outcome of the last try.

        With ``once`` it is not sent again where the API may have acted on it. With ``slow`` it may take as long as a
        create, since the service itself calls another one. ``may_send`` is called before each try; nothing more is sent
        once it returns False.
        """
        timeout = self.settings.create_timeout if slow else self.settings.timeout
        begun, retries, perhaps_done = self._breaker.begin(), 0, False
        deadline = None if limits.remaining(self.clock) is None else limits.end(self.clock, timeout)
        attempt: Attempt | None = None
        for number in itertools.count():
            sent_in = self._pace.wait(deadline)
            if limits.is_over(self.clock) or (sent_in is None and limits.remaining(self.clock) is not None):
                return attempt or Attempt(failure=limits.why(), sent=False, timed_out=True, out_of_time=True)
            if attempt is not None and sent_in is None:
                self._breaker.give_up(begun)
                break
            if deadline is None:
                deadline = self.clock.now() + timeout * (self.settings.max_retries + 1)
            attempt = self._attempt(method, path, body, self._try_timeout(timeout, slow=slow), number, may_send)
            throttled = responses.is_rate_limit(attempt)
            if throttled and not self._breaker.is_open:
                self._pace.slow_down(responses.retry_after(attempt.headers.get("Retry-After")), sent_in or 0)
            elif not throttled and not responses.is_down(attempt):
                self._breaker.answered()
                self._pace.accept()
            if attempt.succeeded or attempt.out_of_time:
                return attempt
            attempt = replace(attempt, repeated=perhaps_done)
            perhaps_done = perhaps_done or (attempt.sent and not throttled)
            if not responses.is_retried(attempt, once=once) or not self.settings.max_retries or self._breaker.is_open:
                break
            if throttled:
                continue  # it waits for its turn, however many share the limit
            retries += 1
            wait = self._wait(attempt, retries - 1)
            if retries > self.settings.max_retries or self.clock.now() + wait > deadline:
                if limits.remaining(self.clock) is None:  # a short limit says nothing about the service
                    self._breaker.give_up(begun)
                break
            if self._breaker.sleep(wait):
                break
        return attempt or Attempt()

    def _try_timeout(self, timeout: float, *, slow: bool) -> float:
        """Return the seconds that one try may take. A slow request may take all that is left of customTimeouts."""
        left = limits.remaining(self.clock)
        if left is None:
            return timeout
        return left if slow else min(timeout, left)

    def cancel(self) -> None:
        """Send nothing again: each request that is under way is answered, or fails."""
        self._breaker.stay_open()

    def _attempt(
        self, method: str, path: str, body: Json, timeout: float, number: int, may_send: Callable[[], bool]
    ) -> Attempt:
        transport = self._transport()
        with self._slots:
            if not may_send():
                return Attempt(failure="the engine has ended, so nothing was sent", sent=False, final=True)
            started = time.monotonic()
            attempt = transport.request(method, path, body, timeout)
        if attempt.timed_out and limits.is_over(self.clock):
            attempt = replace(attempt, failure=limits.why(), out_of_time=True)
        outcome = attempt.status if attempt.failure is None else attempt.failure
        milliseconds = (time.monotonic() - started) * 1000
        log.debug("%s %s: %s in %.0f ms, attempt %d", method, path, outcome, milliseconds, number + 1)
        return attempt

    def _transport(self) -> Transport:
        """Opened by the first request: most previews send none, and `requests` costs more than all of this package."""
        with self._lock:
            if self._opened is None:
                from .transport import Transport

                self._opened = Transport(self.settings)
            return self._opened

    def _wait(self, attempt: Attempt, number: int) -> float:
        return jittered(responses.retry_after(attempt.headers.get("Retry-After")), backoff(number), self.clock)


def _path(instance_id: str) -> str:
    return f"/instances/{normalise_id(instance_id)}"


def _count(value: str | None) -> int | None:
    return int(value) if value and value.isdecimal() and len(value) < 20 else None


def _id_of(instance: Mapping[str, Any]) -> str | None:
    try:
        return normalise_id(instance.get("id"))
    except InputError:
        return None
