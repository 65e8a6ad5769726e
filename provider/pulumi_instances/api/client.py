"""The requests of one account to the API: each method sends one, with its retries, and maps the answer.

A POST is sent again only where the API has surely not acted on it: it has no idempotency key (`creation`). What the
live services answer otherwise than the API document says stands in docs/live-services.md.
"""

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
from ..core.errors import Cancelled, ConnectionFailed, InputError, InstancesError, NotFound, UnexpectedAnswer
from ..core.model import normalise_id
from ..core.words import PYTHON, Words
from . import retry
from .outcome import AnswerLost, Json, Outcome
from .retry import Breaker, Clock, RateLimit, TooLate, duration, runs_at_once

if TYPE_CHECKING:
    from .transport import Transport

log = logging.getLogger("pulumi_instances")

Found = dict[str, Any]
"""What the API says of an instance (`model.from_wire`): always ``id``, and those of the outputs that it holds."""
OnPage = Callable[[int, int | None], None]


class _Request(NamedTuple):
    """One request, and how it may be sent."""

    what: str
    """The operation and its object, as messages begin."""
    method: str
    path: str
    body: Json = None
    once: bool = False
    """Whether it must not be acted on twice: it is sent again only where the API has surely not acted on it."""
    slow: bool = False
    """Whether it may take as long as a create, since the service itself calls another one."""
    may_send: Callable[[], bool] = lambda: True
    """Called before each try; nothing more is sent once it returns False."""


class Client:
    """The requests of one account. Safe to share between threads.

    Every method raises a StatusError for an error status, ConnectionFailed without a usable answer and
    UnexpectedAnswer for one that the API document does not allow.
    """

    def __init__(
        self, settings: Settings, *, account: str | None = None, clock: Clock | None = None, words: Words = PYTHON
    ) -> None:
        """Send nothing yet. ``account`` is the name given to `account()`, if any: messages name its variables.

        ``words`` are those in which messages name what the program writes.
        """
        self.settings = settings
        self.words = words
        self.clock = clock or Clock()
        self._opened: Transport | None = None
        self._rate = RateLimit(self.clock, settings.max_requests_per_second, runs_at_once())
        self._breaker = Breaker()
        self._slots = threading.Semaphore(settings.parallelism)
        self._env = env_prefix(account)
        self.account_name = f'account "{account}"' if account else "the default account"
        self._lock = threading.Lock()
        self._secrets = {settings.user_secret, settings.organization_secret}

    def variable(self, name: str) -> str:
        """Return the environment variable of this account for a setting, such as ``TIMEOUT``."""
        return self._env + name

    def hide(self, secrets: Iterable[str]) -> None:
        """Keep these out of every message from now on: a server's error may quote what it was sent."""
        with self._lock:
            self._secrets.update(secrets)

    @contextmanager
    def hiding(self, secrets: Collection[str]) -> Iterator[None]:
        """Keep these out of the errors of the block as well, in words of ours too: they are what is looked for."""
        self.hide(secrets)
        try:
            yield
        except InstancesError as error:
            raise error.without(secrets) from None

    # operations

    def get(self, instance_id: str) -> Found:
        """Return what `GET /instances/{id}` shows. Raises NotFound."""
        request = _Request(f"read instance {instance_id}", "GET", _path(instance_id))
        return self._mapped(_raw_instance(self._exchange(request), request, instance_id), request.what)

    def list_all(
        self, on_page: OnPage | None = None, *, tag: str | None = None, text: str | None = None
    ) -> list[Found]:
        """Return what `GET /instances` shows on all its pages. The arguments are those of `pages`."""
        return [found for page in self.pages(on_page, tag=tag, text=text) for found in page]

    def pages(
        self, on_page: OnPage | None = None, *, lenient: bool = False, tag: str | None = None, text: str | None = None
    ) -> Iterator[list[Found]]:
        """Yield what `GET /instances` shows, page by page. With ``lenient``, malformed instances are left out.

        ``on_page`` is called after each page with the number of instances so far, and of all, if the API says so. A
        service may leave out those without this ``tag`` or ``text`` in the name, where the dialect has such filters.

        Raises UnexpectedAnswer for a 404 that does not mean an empty page in this dialect, and for pages that never
        end: a listing that is not whole must never pass for one that is.
        """
        query = self.settings.dialect.listing_query(tag=tag, text=text)
        is_whole = tag is None and text is None
        token: str | None = None
        ids: set[str] = set()
        totals: list[int] = []
        for number in itertools.count(1):
            what = "list instances" if number == 1 else f"list instances: page {number}"
            page, headers = self._page(what, query, token)
            token = headers.get("elements-next-page-token") or None
            new = {instance_id for instance in page if (instance_id := _id_of(instance))} - ids
            # A later page may be empty, at the end. With nothing new and a next page, the listing might never end.
            if (not page and token) or (page and not new and number > 1):
                fault = f"list instances: page {number} has nothing new, so the list would never end"
                raise UnexpectedAnswer(fault)
            ids |= new
            total = _count(headers.get("elements-total-count"))
            if total is not None:
                totals.append(total)
            if on_page is not None:
                on_page(len(ids), total)
            # Instances may come and go meanwhile: the listing has to have as many as there were at some time.
            if token is None and is_whole and len(ids) < min(totals, default=0):
                fault = f"list instances: {min(totals)} instances are announced, and {len(ids)} shown"
                raise UnexpectedAnswer(fault, "run again later")
            yield [found for answer in page if (found := self._mapped(answer, what, lenient=lenient))]
            if token is None:
                return

    def _page(
        self, what: str, query: list[tuple[str, str]], token: str | None
    ) -> tuple[list[dict[str, Any]], Mapping[str, str]]:
        """Return the instances of the page with this token, as the API sends them, and the headers of the answer."""
        parameters = urlencode([*query, *([("nextPage", token)] if token else [])])
        try:
            outcome = self._exchange(_Request(what, "GET", f"/instances?{parameters}" if parameters else "/instances"))
        except NotFound as missing:
            if self.settings.dialect.empty_is_404:  # a full last page has a token too
                return [], {}
            raise UnexpectedAnswer(f"{missing.cause}, which is not a list of instances") from None
        return outcome.instances(what), outcome.headers

    def put(self, instance_id: str, body: Mapping[str, Json], *, logs_in: bool = False) -> Found:
        """Send `PUT /instances/{id}`. Return what the answer shows, which may lack tags (API document).

        With ``logs_in`` it authenticates the instance anew: that may take as long as a create, and with a one-time code
        it is sent once. Raises AnswerLost where it is then unknown whether the API has acted.
        """
        path = _path(instance_id) + ("?reAuthenticate=true" if logs_in else "")
        once = logs_in and holds_code(body.get("providerData"))
        request = _Request(f"update instance {instance_id}", "PUT", path, body, once=once, slow=logs_in)
        return self._mapped(_raw_instance(self._exchange(request), request, instance_id), request.what)

    def patch(self, instance_id: str, body: Mapping[str, Json]) -> Found:
        """Send `PATCH /instances/{id}`, which merges. Only the live services have it (docs/live-services.md)."""
        request = _Request(f"update instance {instance_id}", "PATCH", _path(instance_id), body)
        return self._mapped(_raw_instance(self._exchange(request), request, instance_id), request.what)

    def set_enabled(self, instance_id: str, enabled: bool) -> None:
        """Send `PUT` or `DELETE /instances/{id}/enabled`. Only the live services have it (docs/live-services.md)."""
        what = f"{'enable' if enabled else 'disable'} instance {instance_id}"
        request = _Request(what, "PUT" if enabled else "DELETE", f"{_path(instance_id)}/enabled")
        self._exchange(request).demand_no_page(what)

    def delete(self, instance_id: str) -> None:
        """Send `DELETE /instances/{id}`. Raises NotFound if the instance does not exist.

        The API document does not say what the answer holds. A page of HTML, such as a login, is not from the API.
        """
        what = f"delete instance {instance_id}"
        self._exchange(_Request(what, "DELETE", _path(instance_id))).demand_no_page(what)

    def post(self, body: Mapping[str, Json], may_send: Callable[[], bool] = lambda: True) -> Found:
        """Send `POST /instances`; again only where the API surely did not act (connection refused, 429).

        ``may_send`` is called before each try. Raises AnswerLost where it is unknown whether an instance was made.
        Return the instance in the answer, or its id alone where the rest is malformed.
        """
        what = f"create instance {body['name']!r}"
        request = _Request(what, "POST", "/instances", body, once=True, slow=True, may_send=may_send)
        answer = _raw_instance(self._exchange(request), request)
        try:
            return model.from_wire(answer, self.settings.dialect)
        except UnexpectedAnswer:
            return {"id": normalise_id(answer["id"])}

    def _mapped(self, answer: Mapping[str, Any], what: str, *, lenient: bool = False) -> Found:
        """Return the instance in an answer as `model.from_wire` maps it.

        Raises UnexpectedAnswer for a malformed one; with ``lenient``, the result is then empty.
        """
        dialect = self.settings.dialect
        if (other := spoken_in(answer, dialect)) is not None:
            fault = f'{what}: the answer has "{DIALECTS[other].connector}" instead of "{dialect.connector}"'
            raise UnexpectedAnswer(fault, f"set instances:dialect to {other}")
        try:
            return model.from_wire(answer, dialect)
        except UnexpectedAnswer as error:
            if lenient:
                return {}
            raise UnexpectedAnswer(f"{what}: the answer holds {error.cause}") from None

    # one request and its retries

    def _exchange(self, request: _Request) -> Outcome:
        """Send a request until it is answered or another try is pointless. Raises the error in which it ends."""
        longest = self._timeout(request) * (self.settings.max_retries + 1)
        limit, answers_before, transport = retry.limit(), self._breaker.answers, self._transport()
        end = None if limit is None else limit.end
        retries, may_have_acted = 0, False
        outcome: Outcome | None = None
        try:
            for number in itertools.count(1):
                sent_in = self._rate.wait(end, longest)
                end = self.clock.now() + longest if end is None else end
                with self._slot(request) as timeout:
                    started = time.monotonic()
                    outcome = transport.request(request.method, request.path, request.body, timeout)
                came, took = outcome.failure or outcome.status, (time.monotonic() - started) * 1000
                log.debug("%s %s: %s in %.0f ms, attempt %d", request.method, request.path, came, took, number)
                outcome = replace(outcome, repeated=may_have_acted)
                if request.method == "DELETE" and outcome.sent and not outcome.is_rate_limit:
                    may_have_acted = True
                self._note(outcome, sent_in)
                if not outcome.is_retried(once=request.once) or not self.settings.max_retries or self._breaker.is_open:
                    break
                if not outcome.is_rate_limit:  # after a 429, `RateLimit.wait` waits for the turn of the request
                    self._pause(request.what, outcome, retries, end)
                    retries += 1
        except Cancelled:
            if outcome is None:
                raise
        except TooLate as late:
            if outcome is None:
                outcome = self._not_sent(late)
            elif limit is None:  # customTimeouts may be too short to say anything about the service
                self._breaker.give_up(answers_before)
        if outcome is not None and outcome.timed_out and limit is not None and retry.is_over(self.clock):
            outcome = replace(outcome, failure=limit.why_ended, advice=_MORE_TIME)
        if outcome is None or not outcome.succeeded:
            raise (outcome or Outcome()).error(request.what, self._known_secrets(), self._env, once=request.once)
        return outcome

    def _timeout(self, request: _Request) -> float:
        """Return the seconds that the settings give to one try of a request."""
        return self.settings.create_timeout if request.slow else self.settings.timeout

    @contextmanager
    def _slot(self, request: _Request) -> Iterator[float]:
        """Hold one of the slots of `instances:parallelism` while the block sends a request, and yield its timeout.

        One that is ``slow`` may take all the time that customTimeouts give. Raises TooLate where none is left, and
        ConnectionFailed where the request is not to be sent any more.
        """
        timeout, limit = self._timeout(request), retry.limit()
        with retry.held(self._slots, None if limit is None else limit.end, self.clock):
            if limit is not None:
                left = limit.end - self.clock.now()
                timeout = left if request.slow else min(timeout, left)
            if timeout <= 0:
                raise TooLate
            if not request.may_send():
                raise ConnectionFailed(f"{request.what}: the engine has ended, so nothing was sent")
            yield timeout

    def _note(self, outcome: Outcome, sent_in: int) -> None:
        """Note what an outcome says about the service, for all calls of the account."""
        if outcome.is_rate_limit:
            self._rate.refused(outcome.retry_after, sent_in)
        elif not outcome.is_down:
            self._breaker.answered()
            self._rate.accepted()

    def _pause(self, what: str, outcome: Outcome, retries: int, end: float) -> None:
        """Wait before a retry. Raises TooLate where no retry is left, it would begin after ``end``, or is pointless."""
        seconds = retry.backoff(retries, outcome.retry_after, self.clock)
        if retries == self.settings.max_retries or self.clock.now() + seconds > end:
            raise TooLate
        if seconds > retry.LONG:
            cause = outcome.cause(self._known_secrets())
            log.warning("%s: %s; trying again in %s", what, cause, duration(seconds))
        self.clock.sleep(seconds)
        if self._breaker.is_open:
            raise TooLate

    def _not_sent(self, late: TooLate) -> Outcome:
        """Return the outcome of a request that was not sent, since its turn would come too late."""
        limit = retry.limit()
        if limit is None or (late.blocked > 0 and self.clock.now() + late.blocked > limit.end):
            failure = f"nothing was sent, since the service has answered 429 and asks to wait {duration(late.blocked)}"
            return Outcome(failure=failure, advice="run again after that", sent=False)
        return Outcome(failure=limit.why_ended, advice=_MORE_TIME, sent=False, timed_out=True)

    def _known_secrets(self) -> frozenset[str]:
        """Return what no message may show."""
        with self._lock:
            return frozenset(self._secrets)

    def _transport(self) -> Transport:
        """Return the transport, which the first request opens.

        Most previews send none, and `requests` takes longer to import than the rest of this package.
        """
        with self._lock:
            if self._opened is None:
                from .transport import Transport

                self._opened = Transport(self.settings)
            return self._opened


_MORE_TIME = "increase it, then run again"


def _raw_instance(outcome: Outcome, request: _Request, instance_id: str | None = None) -> dict[str, Any]:
    """Return the instance in an answer, as the API sends it: its id alone where a write has no body.

    Raises UnexpectedAnswer for another one than that of ``instance_id``, and AnswerLost where the request is to act
    once, and a good answer to it does not hold an instance.
    """
    if request.method != "GET" and instance_id is not None and not outcome.body.strip():
        return {"id": instance_id}
    try:
        answer = outcome.json_object(request.what, "an instance")
    except UnexpectedAnswer as error:
        if request.once:
            raise AnswerLost(error.cause, outcome) from None
        raise
    found = _id_of(answer)
    if request.once and found is None:
        raise AnswerLost(f"{request.what}: the answer is an instance without a numeric id", outcome)
    if None not in (instance_id, found) and found != normalise_id(instance_id):  # a cache may have mixed them up
        raise UnexpectedAnswer(f"{request.what}: the answer is about instance {found}")
    return answer


def _path(instance_id: str) -> str:
    """Return the path of an instance."""
    return f"/instances/{normalise_id(instance_id)}"


def _count(value: str | None) -> int | None:
    """Return the number in a header; None where it is missing or malformed."""
    return int(value) if value and value.isdecimal() and len(value) < 20 else None


def _id_of(instance: Mapping[str, Any]) -> str | None:
    """Return the id of an instance, as the API sends it; None where it is not numeric."""
    try:
        return normalise_id(instance.get("id"))
    except InputError:
        return None
