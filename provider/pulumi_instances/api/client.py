"""The operations of the API for one account: its requests, their retries, and the errors in which they end."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from ..core import model
from ..core.codes import holds_code
from ..core.config import Settings, env_prefix
from ..core.dialect import DIALECTS, spoken_in
from ..core.errors import Cancelled, InputError, InstancesError, NotFound, UnexpectedAnswer
from ..core.model import normalise_id
from ..core.words import PYTHON, Words
from . import retry
from .outcome import AnswerLost, Json, Outcome
from .retry import Breaker, Clock, RateLimit, TooLate, duration

if TYPE_CHECKING:
    from .transport import Transport

log = logging.getLogger("pulumi_instances")

Found = dict[str, Any]
"""What the API says of an instance (`model.from_wire`): always ``id``, and those of the outputs that it holds."""
OnPage = Callable[[int, int | None], None]


class _Request(NamedTuple):
    what: str
    """The operation and its object, as messages begin."""
    method: str
    path: str
    body: Json = None
    once: bool = False
    """Whether it is not sent again where the API may have acted on it."""
    slow: bool = False
    """Whether it may take as long as a create, since the service itself calls another one."""
    may_send: Callable[[], bool] = lambda: True
    """Called before each try; nothing more is sent once it returns False."""


class Client:
    """The operations of the API for one account. Safe to share between threads.

    Every method raises a StatusError for an error status, ConnectionFailed without a usable answer and
    UnexpectedAnswer for one that the API document does not allow.
    """

    def __init__(
        self, settings: Settings, *, account: str | None = None, clock: Clock | None = None, words: Words = PYTHON
    ) -> None:
        """``account`` is the name given to `account()`, if any: messages name its variables.

        ``words`` are those in which messages name what the program writes.
        """
        self.settings = settings
        self.words = words
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

    @contextmanager
    def hiding(self, secrets: Collection[str]) -> Iterator[None]:
        """Never repeat these either, in no error of what runs inside: they are what is asked for."""
        self.hide(secrets)
        try:
            yield
        except InstancesError as error:
            raise error.without(secrets) from None

    # operations

    def get(self, instance_id: str) -> Found:
        """`GET /instances/{id}`."""
        return self._about(instance_id, _Request(f"read instance {instance_id}", "GET", _path(instance_id)))

    def list_all(
        self, on_page: OnPage | None = None, *, lenient: bool = False, tag: str | None = None, text: str | None = None
    ) -> list[Found]:
        """`GET /instances`, every page. The arguments are those of `pages`."""
        return [found for page in self.pages(on_page, lenient=lenient, tag=tag, text=text) for found in page]

    def pages(
        self, on_page: OnPage | None = None, *, lenient: bool = False, tag: str | None = None, text: str | None = None
    ) -> Iterator[list[Found]]:
        """`GET /instances`, page by page. With ``lenient``, malformed instances are left out.

        ``on_page`` is called after each page with the number of instances so far, and of all, if the API says so. A
        service may leave out those without this ``tag`` or ``text`` in the name, where the dialect has such filters.

        Raises UnexpectedAnswer for a 404 that does not mean an empty page in this dialect, and for paging that leads
        nowhere: a listing that is not whole must never pass for one that is.
        """
        query, is_whole = self.settings.dialect.listing_query(tag=tag, text=text), tag is None and text is None
        token: str | None = None
        ids: set[str] = set()
        least: int | None = None
        for number in itertools.count(1):
            what = "list instances" if number == 1 else f"list instances: page {number}"
            page, headers = self._page(what, query, token)
            token = headers.get("elements-next-page-token") or None
            fresh = {found for instance in page if (found := _id_of(instance))} - ids
            # A later page may come empty, at the end. Nothing new and a way to go on would keep us here for ever.
            if (not page and token) or (page and not fresh and number > 1):
                fault = f"list instances: page {number} has nothing new, so the list would never end"
                raise UnexpectedAnswer(fault)
            ids |= fresh
            total = _count(headers.get("elements-total-count"))
            if on_page is not None:
                on_page(len(ids), total)
            # Instances may come and go meanwhile: the listing has to have as many as there were at some time.
            least = min((count for count in (least, total) if count is not None), default=None)
            if token is None and is_whole and len(ids) < (least or 0):
                fault = f"list instances: {least} instances are announced, and {len(ids)} shown"
                raise UnexpectedAnswer(fault, "run again later")
            yield [*self._mapped(page, what, lenient=lenient)]
            if token is None:
                return

    def _page(
        self, what: str, query: list[tuple[str, str]], token: str | None
    ) -> tuple[list[dict[str, Any]], Mapping[str, str]]:
        asked = urlencode([*query, *([("nextPage", token)] if token else [])])
        try:
            outcome = self._exchange(_Request(what, "GET", f"/instances?{asked}" if asked else "/instances"))
        except NotFound as missing:
            if self.settings.dialect.empty_is_404:  # a full last page has a token too
                return [], {}
            raise UnexpectedAnswer(f"{missing.cause}, which is not a list of instances") from None
        return outcome.instances(what), outcome.headers

    def put(self, instance_id: str, body: Mapping[str, Json], *, logs_in: bool = False) -> Found:
        """`PUT /instances/{id}`. The answer may lack tags (API document).

        With ``logs_in`` it authenticates the instance anew: that may take as long as a create, and with a one-time code
        it is sent once. Raises AnswerLost where it is then unknown whether the API has acted.
        """
        what, once = f"update instance {instance_id}", logs_in and holds_code(body.get("providerData"))
        path = _path(instance_id) + ("?reAuthenticate=true" if logs_in else "")
        return self._about(instance_id, _Request(what, "PUT", path, body, once=once, slow=logs_in))

    def patch(self, instance_id: str, body: Mapping[str, Json]) -> Found:
        """`PATCH /instances/{id}`, which merges: the live services have it, the API document does not."""
        request = _Request(f"update instance {instance_id}", "PATCH", _path(instance_id), body)
        return self._about(instance_id, request)

    def set_enabled(self, instance_id: str, enabled: bool) -> None:
        """`PUT` or `DELETE /instances/{id}/enabled`, which the live services have."""
        what = f"{'enable' if enabled else 'disable'} instance {instance_id}"
        request = _Request(what, "PUT" if enabled else "DELETE", f"{_path(instance_id)}/enabled")
        self._exchange(request).demand_no_page(what)

    def delete(self, instance_id: str) -> None:
        """`DELETE /instances/{id}`. Raises NotFound if the instance does not exist.

        The document says nothing of the body. A page of HTML, such as a login, is nobody's answer to it.
        """
        what = f"delete instance {instance_id}"
        self._exchange(_Request(what, "DELETE", _path(instance_id))).demand_no_page(what)

    def post(self, body: Mapping[str, Json], may_send: Callable[[], bool] = lambda: True) -> Found:
        """`POST /instances`, sent once, unless the API surely did not act (connection refused, 429).

        ``may_send`` is asked before each try. Raises AnswerLost when it is unknown whether an instance was made. Where
        the rest of the answer is malformed, the id alone is the result.
        """
        what = f"create instance {body['name']!r}"
        request = _Request(what, "POST", "/instances", body, once=True, slow=True, may_send=may_send)
        answer = _instance_in(self._exchange(request), request)
        try:
            return model.from_wire(answer, self.settings.dialect)
        except UnexpectedAnswer:
            return {"id": normalise_id(answer["id"])}

    # answers

    def _about(self, instance_id: str, request: _Request) -> Found:
        """Send a request about an instance, and return what the answer says of it: its id where a write has no body."""
        outcome = self._exchange(request)
        if request.method != "GET" and not outcome.body.strip():
            return {"id": normalise_id(instance_id)}
        [found] = self._mapped([_instance_in(outcome, request)], request.what)
        if found["id"] != normalise_id(instance_id):  # a cache or a proxy may have mixed them up
            raise UnexpectedAnswer(f"{request.what}: the answer is about instance {found['id']}")
        return found

    def _mapped(self, answers: Iterable[Mapping[str, Any]], what: str, *, lenient: bool = False) -> Iterator[Found]:
        dialect = self.settings.dialect
        for answer in answers:
            if (other := spoken_in(answer, dialect)) is not None:
                fault = f'{what}: the answer has "{DIALECTS[other].connector}" instead of "{dialect.connector}"'
                raise UnexpectedAnswer(fault, f"set instances:dialect to {other}")
            try:
                yield model.from_wire(answer, dialect)
            except UnexpectedAnswer as error:
                if not lenient:
                    raise UnexpectedAnswer(f"{what}: the answer holds {error.cause}") from None

    # one request and its retries

    def _exchange(self, request: _Request) -> Outcome:
        """Send a request until it is answered or another try is pointless. Raises the error in which it ends."""
        longest = self._timeout(request) * (self.settings.max_retries + 1)
        limit, begun, retries, was_done = retry.limit(), self._breaker.answers, 0, False
        end = limit and limit.end
        outcome: Outcome | None = None
        try:
            for number in itertools.count(1):
                sent_in = self._rate.wait(end, longest)
                end = retry.deadline(self.clock, longest) if end is None else end
                outcome = replace(self._send(request, number), repeated=was_done)
                was_done = was_done or (request.method == "DELETE" and outcome.sent and not outcome.is_rate_limit)
                self._note(outcome, sent_in)
                if not outcome.is_retried(once=request.once) or not self.settings.max_retries or self._breaker.is_open:
                    break
                if not outcome.is_rate_limit:  # or else it waits for its turn, however many share the limit
                    self._pause(request.what, outcome, retries, end)
                    retries += 1
        except Cancelled:
            if outcome is None:
                raise
        except TooLate as late:
            if outcome is None:
                outcome = self._not_sent(late)
            elif limit is None:  # a short one says nothing about the service
                self._breaker.give_up(begun)
        if outcome is None or not outcome.succeeded:
            raise (outcome or Outcome()).error(request.what, self._known_secrets(), self._env, once=request.once)
        return outcome

    def _timeout(self, request: _Request) -> float:
        return self.settings.create_timeout if request.slow else self.settings.timeout

    def _send(self, request: _Request, number: int) -> Outcome:
        """Send a request once. What is slow may take all the time that customTimeouts give."""
        timeout, limit, transport = self._timeout(request), retry.limit(), self._transport()
        with retry.taken(self._slots, limit and limit.end, self.clock):
            if limit is not None:
                left = limit.end - self.clock.now()
                timeout = left if request.slow else min(timeout, left)
            if timeout <= 0:
                raise TooLate
            if not request.may_send():
                return Outcome(failure="the engine has ended, so nothing was sent", sent=False, final=True)
            started = time.monotonic()
            outcome = transport.request(request.method, request.path, request.body, timeout)
        if outcome.timed_out and limit is not None and retry.is_over(self.clock):
            outcome = replace(outcome, failure=limit.is_over, advice=_MORE_TIME, final=True)
        came, took = outcome.failure or outcome.status, (time.monotonic() - started) * 1000
        log.debug("%s %s: %s in %.0f ms, attempt %d", request.method, request.path, came, took, number)
        return outcome

    def _note(self, outcome: Outcome, sent_in: int) -> None:
        """Note what an outcome says about the service, for all calls of the account."""
        if outcome.is_rate_limit:
            self._rate.refused(outcome.retry_after, sent_in)
        elif not outcome.is_down:
            self._breaker.answered()
            self._rate.accepted()

    def _pause(self, what: str, outcome: Outcome, retries: int, end: float) -> None:
        """Wait before a retry. Raises TooLate where none is left, or it would begin after ``end``, or is pointless."""
        seconds = retry.backoff(retries, outcome.retry_after, self.clock)
        if retries == self.settings.max_retries or self.clock.now() + seconds > end:
            raise TooLate
        if seconds > retry.LONG:
            said = outcome.said(self._known_secrets())
            log.warning("%s: %s; trying again in %s", what, said, duration(seconds))
        self.clock.sleep(seconds)
        if self._breaker.is_open:
            raise TooLate

    def _not_sent(self, late: TooLate) -> Outcome:
        """The outcome of a request that was not sent, since its turn would come too late."""
        limit = retry.limit()
        if limit is None or self.clock.now() + late.held > limit.end:
            failure = f"nothing was sent, since the service has answered 429 and asks to wait {duration(late.held)}"
            return Outcome(failure=failure, advice="run again after that", sent=False)
        return Outcome(failure=limit.is_over, advice=_MORE_TIME, sent=False, timed_out=True)

    def _known_secrets(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._secrets)

    def _transport(self) -> Transport:
        """Opened by the first request: most previews send none, and `requests` costs more than all of this package."""
        with self._lock:
            if self._opened is None:
                from .transport import Transport

                self._opened = Transport(self.settings)
            return self._opened


_MORE_TIME = "increase it, then run again"


def _instance_in(outcome: Outcome, request: _Request) -> dict[str, Any]:
    """The instance in an answer. Raises AnswerLost where the request must act once, and its success holds none."""
    try:
        answer = outcome.instance(request.what)
    except UnexpectedAnswer as error:
        if request.once:
            raise AnswerLost(error.cause, outcome) from None
        raise
    if request.once and _id_of(answer) is None:
        raise AnswerLost(f"{request.what}: the answer is an instance without a numeric id", outcome)
    return answer


def _path(instance_id: str) -> str:
    return f"/instances/{normalise_id(instance_id)}"


def _count(value: str | None) -> int | None:
    return int(value) if value and value.isdecimal() and len(value) < 20 else None


def _id_of(instance: Mapping[str, Any]) -> str | None:
    try:
        return normalise_id(instance.get("id"))
    except InputError:
        return None
