"""The only HTTP: one pooled session per account, retries that never repeat a POST, errors that tell what to do."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from . import answers
from .answers import AnswerLost
from .attempt import Attempt, Clock, Json
from .config import Settings, env_prefix
from .errors import InstancesError, NotFound
from .model import normalise_id
from .pace import Pace

if TYPE_CHECKING:
    from .transport import Transport

log = logging.getLogger("pulumi_instances")

OnPage = Callable[[int, int | None], None]

_LONGEST_WAIT = 20.0


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
        self._slots = threading.Semaphore(settings.parallelism)
        self._env = env_prefix(account)
        self._lock = threading.Lock()
        self._secrets = {settings.user_secret, settings.organization_secret}

    def hide(self, secrets: Iterable[str]) -> None:
        """Never repeat these in a message: a server's error may quote what it was sent."""
        with self._lock:
            self._secrets.update(secrets)

    # operations

    def get(self, instance_id: str) -> dict[str, Any]:
        """`GET /instances/{id}`."""
        return self._one("GET", instance_id, f"read instance {instance_id}")

    def list_all(self, on_page: OnPage | None = None) -> list[dict[str, Any]]:
        """`GET /instances`, every page.

        ``on_page`` is told after each page how many instances there are so far, and of how many, if the API says so.
        """
        return [instance for page in self.pages(on_page) for instance in page]

    def pages(self, on_page: OnPage | None = None) -> Iterator[list[dict[str, Any]]]:
        """`GET /instances`, page by page. The live services answer 404 for an empty list: that is empty."""
        what = "list instances"
        so_far = 0
        token: str | None = None
        seen: set[str] = set()
        while True:
            query = f"?{urlencode({'nextPage': token})}" if token else ""
            try:
                attempt = self._send("GET", f"/instances{query}", None, what)
            except NotFound:
                return
            page = answers.several(attempt, what)
            so_far += len(page)
            if on_page is not None:
                on_page(so_far, _count(attempt.headers.get("elements-total-count")))
            yield page
            token = attempt.headers.get("elements-next-page-token")
            # A service that repeats a page's token would keep us here for ever.
            if not token or not page or token in seen:
                return
            seen.add(token)

    def put(self, instance_id: str, body: Mapping[str, Json]) -> dict[str, Any]:
        """`PUT /instances/{id}`."""
        return self._one("PUT", instance_id, f"update instance {instance_id}", body)

    def delete(self, instance_id: str) -> None:
        """`DELETE /instances/{id}`. Raises NotFound when there is no such instance. The body does not matter."""
        self._send("DELETE", f"/instances/{normalise_id(instance_id)}", None, f"delete instance {instance_id}")

    def post(self, body: Mapping[str, Json]) -> dict[str, Any]:
        """`POST /instances`, sent once, unless the API surely did not act (connection refused, 429).

        Raises AnswerLost when it is unknown whether an instance was made.
        """
        what = f"create instance {body['name']!a}"
        attempt = self._send("POST", "/instances", body, what)
        try:
            answer = answers.one(attempt, what)
            normalise_id(answer.get("id"))
        except InstancesError as error:
            raise AnswerLost(str(error).removesuffix(f"; {answers.CHECK_URL}"), attempt) from None
        return answer

    # one request, and its repetitions

    def _one(self, method: str, instance_id: str, what: str, body: Json = None) -> dict[str, Any]:
        path = f"/instances/{normalise_id(instance_id)}"
        return answers.one(self._send(method, path, body, what), what)

    def _send(self, method: str, path: str, body: Json, what: str) -> Attempt:
        timeout = self.settings.create_timeout if method == "POST" else self.settings.timeout
        deadline = self.clock.now() + timeout * (self.settings.max_retries + 1)
        for number in range(self.settings.max_retries + 1):
            attempt = self._attempt(method, path, body, timeout, number)
            if attempt.status is not None and 200 <= attempt.status < 300 and attempt.failure is None:
                return attempt
            if method == "DELETE" and number and attempt.status in (404, 410):
                return attempt  # an earlier try was acted on, and only its answer was lost
            wait = self._wait(attempt, number)
            if (
                not answers.is_retried(method, attempt)
                or number == self.settings.max_retries
                or self.clock.now() + wait > deadline
            ):
                break
            if attempt.status == 429:
                self._pace.pause(wait)  # all calls of this account, this one included
            else:
                self.clock.sleep(wait)
        with self._lock:
            secrets = frozenset(self._secrets)
        raise answers.error_of(method, attempt, what, secrets, self._env)

    def _attempt(self, method: str, path: str, body: Json, timeout: float, number: int) -> Attempt:
        transport = self._transport()
        self._pace.wait()
        with self._slots:
            started = time.monotonic()
            attempt = transport.request(method, path, body, timeout)
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
        asked = answers.retry_after(attempt.headers.get("Retry-After"))
        if asked is not None:
            return asked
        ceiling = min(_LONGEST_WAIT, 0.5 * float(2**number))
        return ceiling * (0.5 + 0.5 * self.clock.jitter())


def _count(value: str | None) -> int | None:
    return int(value) if value and value.isdecimal() else None
