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

from ..core import model
from ..core.codes import holds_code
from ..core.config import Settings, env_prefix
from ..core.dialect import DIALECTS
from ..core.errors import Cancelled, InputError, NotFound, UnexpectedAnswer
from ..core.model import normalise_id
from . import retry
from .outcome import AnswerLost, Json, Outcome
from .retry import Breaker, Clock, RateLimit, TooLate, duration

if TYPE_CHECKING:
    from .transport import Transport

log = logging.getLogger("pulumi_instances")

Found = dict[str, Any]
"""What the API says of an instance (`model.from_wire`): always ``id``, and those of the outputs that it holds."""
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
        self._rate = RateLimit(self.clock, settings.max_requests_per_second)
        self._breaker = Breaker()
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

    def get(self, instance_id: str) -> Found:
        """`GET /instances/{id}`."""
        what = f"read instance {instance_id}"
        outcome = self._exchange(what, "GET", _path(instance_id))
        return self._instance(self._checked(outcome, what).instance(what), what, instance_id)

    def list_all(
        self, on_page: OnPage | None = None, *, lenient: bool = False, tag: str | None = None, text: str | None = None
    ) -> list[Found]:
        """`GET /instances`, every page.

        ``on_page`` is told after each page how many instances there are so far, and of how many, if the API says so.
        The other arguments are those of `pages`.
        """
        return [found for page in self.pages(on_page, lenient=lenient, tag=tag, text=text) for found in page]

    def pages(
        self, on_page: OnPage | None = None, *, lenient: bool = False, tag: str | None = None, text: str | None = None
    ) -> Iterator[list[Found]]:
        """`GET /instances`, page by page. With ``lenient``, malformed instances are left out.

        A service may leave out those without this ``tag`` or ``text`` in the name, where the dialect has such filters.

        Raises UnexpectedAnswer for a 404 that does not mean an empty list in this dialect, and for paging that leads
        nowhere: a listing that is not whole must never pass for one that is.
        """
        query, is_whole = self.settings.dialect.listing_query(tag=tag, text=text), tag is None and text is None
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
            if token is None and is_whole and len(ids) < (least or 0):
                raise UnexpectedAnswer(
                    f"{what}: {least} instances are announced, and {len(ids)} shown", "run again later"
                )
            yield [*self._listed(page, what, lenient=lenient)]
            if token is None:
                return
            tokens.add(token)

    def _page(
        self, query: list[tuple[str, str]], token: str | None, what: str
    ) -> tuple[list[dict[str, Any]], Mapping[str, str]]:
        asked = urlencode([*query, *([("nextPage", token)] if token else [])])
        outcome = self._exchange(what, "GET", f"/instances?{asked}" if asked else "/instances")
        if not outcome.says_missing:
            return self._checked(outcome, what).instances(what), outcome.headers
        if token is None and self.settings.dialect.empty_is_404:
            return [], {}
        raise outcome.missing_listing(what, self._known_secrets())

    def _listed(self, page: Iterable[Mapping[str, Any]], what: str, *, lenient: bool) -> Iterator[Found]:
        for answer in page:
            self._demand_dialect(answer, what)
            try:
                yield model.from_wire(answer, self.settings.dialect)
            except UnexpectedAnswer as error:
                if not lenient:
                    raise UnexpectedAnswer(f"{what}: the answer holds {error.cause}") from None

    def put(self, instance_id: str, body: Mapping[str, Json], *, logs_in: bool = False) -> Found:
        """`PUT /instances/{id}`. The answer may lack tags (API document).

        With ``logs_in`` it authenticates the instance anew: that may take as long as a create, and with a one-time code
        it is sent once. Raises AnswerLost where it is then unknown whether the API has acted.
        """
        what = f"update instance {instance_id}"
        once = logs_in and holds_code(body.get("providerData"))
        query = "?reAuthenticate=true" if logs_in else ""
        outcome = self._exchange(what, "PUT", _path(instance_id) + query, body, once=once, slow=logs_in)
        answer = self._acted_once(outcome, what) if once else self._checked(outcome, what).instance(what)
        return self._instance(answer, what, instance_id)

    def patch(self, instance_id: str, body: Mapping[str, Json]) -> Found:
        """`PATCH /instances/{id}`, which merges: the live services have it, the API document does not."""
        what = f"update instance {instance_id}"
        outcome = self._exchange(what, "PATCH", _path(instance_id), body)
        return self._instance(self._checked(outcome, what).instance(what), what, instance_id)

    def set_enabled(self, instance_id: str, enabled: bool) -> None:
        """`PUT` or `DELETE /instances/{id}/enabled`, which the live services have."""
        what = f"{'enable' if enabled else 'disable'} instance {instance_id}"
        outcome = self._exchange(what, "PUT" if enabled else "DELETE", f"{_path(instance_id)}/enabled")
        self._checked(outcome, what).demand_no_page(what)

    def delete(self, instance_id: str) -> None:
        """`DELETE /instances/{id}`. Raises NotFound if the instance does not exist.

        The document says nothing of the body. A page of HTML, such as a login, is nobody's answer to it.
        """
        what = f"delete instance {instance_id}"
        outcome = self._exchange(what, "DELETE", _path(instance_id))
        try:
            self._checked(outcome, what).demand_no_page(what)
        except NotFound as missing:
            missing.repeated = outcome.repeated
            raise

    def post(self, body: Mapping[str, Json], may_send: Callable[[], bool] = lambda: True) -> Found:
        """`POST /instances`, sent once, unless the API surely did not act (connection refused, 429).

        ``may_send`` is asked before each try. Raises AnswerLost when it is unknown whether an instance was made. Where
        the rest of the answer is malformed, the id alone is the result.
        """
        what = f"create instance {body['name']!a}"
        outcome = self._exchange(what, "POST", "/instances", body, once=True, slow=True, may_send=may_send)
        answer = self._acted_once(outcome, what)
        try:
            return model.from_wire(answer, self.settings.dialect)
        except UnexpectedAnswer:
            return {"id": normalise_id(answer["id"])}

    # what an outcome means

    def _checked(self, outcome: Outcome, what: str, *, once: bool = False) -> Outcome:
        if outcome.succeeded:
            return outcome
        raise outcome.error(what, self._known_secrets(), self._env, once=once)

    def _acted_once(self, outcome: Outcome, what: str) -> dict[str, Any]:
        """The instance in the answer to what must be sent once. Raises AnswerLost where a success holds none."""
        self._checked(outcome, what, once=True)
        try:
            answer = outcome.instance(what)
        except UnexpectedAnswer as error:
            raise AnswerLost(error.cause, outcome) from None
        if _id_of(answer) is None:
            raise AnswerLost(f"{what}: the answer is an instance without a numeric id", outcome)
        return answer

    def _instance(self, answer: Mapping[str, Any], what: str, instance_id: str) -> Found:
        """What an answer says of the instance that was asked for: a cache or a proxy may have mixed them up."""
        self._demand_dialect(answer, what)
        try:
            found = model.from_wire(answer, self.settings.dialect)
        except UnexpectedAnswer as error:
            raise UnexpectedAnswer(f"{what}: the answer is {error.cause}") from None
        if found["id"] != normalise_id(instance_id):
            raise UnexpectedAnswer(f"{what}: the answer is about instance {found['id']}")
        return found

    def _demand_dialect(self, answer: Mapping[str, Any], what: str) -> None:
        """Raise UnexpectedAnswer where an instance names its connector as another dialect does."""
        ours = self.settings.dialect.connector
        if ours in answer:  # as nearly always: a listing may hold tens of thousands
            return
        for name, other in DIALECTS.items():
            if isinstance(answer.get(other.connector), dict):
                raise UnexpectedAnswer(
                    f'{what}: the answer has "{other.connector}" instead of "{ours}"',
                    f"set instances:dialect to {name}",
                )

    def _known_secrets(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._secrets)

    # one request and its retries

    def _exchange(
        self,
        what: str,
        method: str,
        path: str,
        body: Json = None,
        *,
        once: bool = False,
        slow: bool = False,
        may_send: Callable[[], bool] = lambda: True,
    ) -> Outcome:
        """Send a request until it is answered or another try is pointless. Returns the outcome of the last try.

        With ``once`` it is not sent again where the API may have acted on it. With ``slow`` it may take as long as a
        create, since the service itself calls another one. ``may_send`` is called before each try; nothing more is sent
        once it returns False.
        """
        timeout = self.settings.create_timeout if slow else self.settings.timeout
        longest = timeout * (self.settings.max_retries + 1)
        end, begun, retries, may_be_done = retry.end_of_operation(), self._breaker.begin(), 0, False
        outcome: Outcome | None = None
        try:
            for number in itertools.count(1):
                sent_in = self._rate.wait(end, longest)
                end = retry.deadline(self.clock, longest) if end is None else end
                outcome = self._send(method, path, body, number, timeout, slow=slow, may_send=may_send)
                outcome = replace(outcome, repeated=may_be_done)
                may_be_done = may_be_done or (outcome.sent and not outcome.is_rate_limit)
                self._note(outcome, sent_in)
                if not outcome.is_retried(once=once) or not self.settings.max_retries or self._breaker.is_open:
                    return outcome
                if not outcome.is_rate_limit:  # or else it waits for its turn, however many share the limit
                    self._pause(outcome, what, retries, end)
                    retries += 1
        except Cancelled:
            if outcome is None:
                raise
        except TooLate as late:
            if outcome is None:
                return self._not_sent(late)
            if retry.end_of_operation() is None:  # a short limit says nothing about the service
                self._breaker.give_up(begun)
        return outcome or Outcome()

    def _send(
        self,
        method: str,
        path: str,
        body: Json,
        number: int,
        timeout: float,
        *,
        slow: bool,
        may_send: Callable[[], bool],
    ) -> Outcome:
        """Send a request once. What is slow may take all the time that customTimeouts give."""
        transport, end = self._transport(), retry.end_of_operation()
        with retry.taken(self._slots, end, self.clock):
            if end is not None:
                left = end - self.clock.now()
                if left <= 0:
                    raise TooLate
                timeout = left if slow else min(timeout, left)
            if not may_send():
                return Outcome(failure="the engine has ended, so nothing was sent", sent=False, final=True)
            started = time.monotonic()
            outcome = transport.request(method, path, body, timeout)
        if outcome.timed_out and retry.is_over(self.clock):
            outcome = replace(outcome, failure=retry.what_is_over(), advice=_MORE_TIME, final=True)
        came = outcome.status if outcome.failure is None else outcome.failure
        milliseconds = (time.monotonic() - started) * 1000
        log.debug("%s %s: %s in %.0f ms, attempt %d", method, path, came, milliseconds, number)
        return outcome

    def _note(self, outcome: Outcome, sent_in: int) -> None:
        """Note what an outcome says about the service, for all calls of the account."""
        if outcome.is_rate_limit:
            self._rate.refused(outcome.retry_after, sent_in)
        elif not outcome.is_down:
            self._breaker.answered()
            self._rate.accepted()

    def _pause(self, outcome: Outcome, what: str, retries: int, end: float) -> None:
        """Wait before a retry. Raises TooLate where there is none: all are used up, or it would begin after ``end``."""
        seconds = retry.backoff(retries, outcome.retry_after, self.clock)
        if retries == self.settings.max_retries or self.clock.now() + seconds > end:
            raise TooLate
        if seconds > retry.LONG:
            log.warning("%s: %s; trying again in %s", what, outcome.said(self._known_secrets()), duration(seconds))
        self.clock.sleep(seconds)
        if self._breaker.is_open:
            raise TooLate

    def _not_sent(self, late: TooLate) -> Outcome:
        """The outcome of a request that was not sent, since its turn would come too late."""
        end = retry.end_of_operation()
        if end is None or self.clock.now() + late.held > end:
            failure = f"nothing was sent, since the service has answered 429 and asks to wait {duration(late.held)}"
            return Outcome(failure=failure, advice="run again after that", sent=False)
        return Outcome(failure=retry.what_is_over(), advice=_MORE_TIME, sent=False, timed_out=True)

    def _transport(self) -> Transport:
        """Opened by the first request: most previews send none, and `requests` costs more than all of this package."""
        with self._lock:
            if self._opened is None:
                from .transport import Transport

                self._opened = Transport(self.settings)
            return self._opened


_MORE_TIME = "increase it, then run again"


def _path(instance_id: str) -> str:
    return f"/instances/{normalise_id(instance_id)}"


def _count(value: str | None) -> int | None:
    return int(value) if value and value.isdecimal() and len(value) < 20 else None


def _id_of(instance: Mapping[str, Any]) -> str | None:
    try:
        return normalise_id(instance.get("id"))
    except InputError:
        return None
