"""The routes of the Instances API, each a method of `Api`: it checks the request, asks the store, and answers.

`Variant` says what differs between the document and the live services; the bodies are made in its ``bodies``.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from .bodies import Refused, error
from .elements import demand_code, logged_in, properties, wanted_property
from .store import CodeUsed, Store
from .variants import Variant

__all__ = ["EXISTING", "Api", "answer", "application", "json_body"]

_UNAUTHORIZED = "Invalid Organization or User secret, or invalid Element token provided."

EXISTING = "instances.existing"
"""Where the scope of a POST names the instance that is to be its answer (`Fault.answer_existing`)."""

Handler = Callable[[Request, int], Awaitable[Response]]


class Api:
    """The operations of the API on a store, as a variant has them."""

    def __init__(self, store: Store, page_size: int, variant: Variant) -> None:
        """Serve this store. ``page_size`` is the most instances in one answer to a list."""
        self._store = store
        self._page_size = page_size
        self._variant = variant
        self._bodies = variant.bodies
        self.lag = 0.0
        """Seconds after its POST for which no answer shows an instance."""
        self.alters: Callable[[str], str] | None = None
        """Changes each text that is sent, as a service may: names, tags, and values of the configuration."""
        self.made: dict[int, float] = {}
        """When a POST has made each instance, by its id: `lag` counts from then."""

    def routes(self) -> list[BaseRoute]:
        """Return the routes below the base path."""
        one: dict[str, Handler] = {"GET": self._get, "PUT": self._put, "DELETE": self._delete}
        every = self._route("/instances", {"GET": self._list, "POST": self._post})
        if not self._variant.more_routes:
            return [every, self._route("/instances/{id}", one)]
        return [
            every,
            self._route("/instances/{id}", {**one, "PATCH": self._put}),
            self._route("/instances/{id}/enabled", {"PUT": self._enable, "DELETE": self._disable}),
            self._route("/instances/{id}/configuration", {"GET": self._properties}),
            self._route(
                "/instances/{id}/configuration/{property}", {"GET": self._property, "PATCH": self._change_property}
            ),
        ]

    def _route(self, path: str, handlers: dict[str, Handler]) -> Route:
        async def dispatch(request: Request) -> Response:
            account = self._store.account(*_secrets(request.headers.get("authorization", "")))
            if account is None:
                raise Refused(401, _UNAUTHORIZED)
            # Starlette lets HEAD in wherever there is a GET.
            handler = handlers["GET" if request.method == "HEAD" else request.method]
            return await handler(request, account)

        return Route(self._variant.base_path + path, dispatch, methods=list(handlers))

    async def _post(self, request: Request, account: int) -> Response:
        existing = self._store.get(request.scope.get(EXISTING, 0), account)
        if existing is not None:
            return answer(self._bodies.answer_to_post(existing, self._store.tag_ids(existing["tags"])))
        record = self._altered(self._bodies.wanted_record(await json_body(request)))
        if self._variant.logs_in:
            record.update(self._login(record))
        try:
            instance = self._store.add(record, account)
        except CodeUsed:
            raise self._bodies.code_used() from None
        self.made[instance["id"]] = time.monotonic()
        return answer(self._bodies.answer_to_post(instance, self._store.tag_ids(instance["tags"])))

    async def _list(self, request: Request, account: int) -> Response:
        after = _after(request.query_params.get("nextPage"))
        size = _page_size(request.query_params.get("pageSize"), self._page_size)
        if {"tags[]", "searchText"}.isdisjoint(request.query_params):  # a page costs no more in a large account
            hidden = [key for key in [*self.made] if self._hides(key) and self._store.get(key, account)]
            total, rest = self._store.count(account) - len(hidden), self._store.all(account, after, size + 1)
        else:
            found = [
                each for each in self._store.all(account) if _matches(each, request) and not self._hides(each["id"])
            ]
            total, rest = len(found), [each for each in found if each["id"] > after]
        if not total and self._variant.empty_list_404:
            raise Refused(404, "No instances found")
        headers = {"elements-total-count": str(total)}
        if len(rest) > size:
            last = str(rest[size - 1]["id"])
            headers["elements-next-page-token"] = base64.urlsafe_b64encode(last.encode()).decode()
        shown = [self._bodies.answer_to_list(self._seen(each)) for each in rest[:size] if not self._hides(each["id"])]
        if request.query_params.get("hydrate") == "false":
            for each in shown:
                each.pop("configuration", None)
        return answer(shown, headers=headers)

    async def _get(self, request: Request, account: int) -> Response:
        instance = self._shown(request, account)
        if instance is None and self._variant.more_routes and _is_true(request, "includeDeleted"):
            instance = self._store.deleted(_id(request), account)
        if instance is None:
            raise _missing(request)
        return answer(self._bodies.answer_to_get(self._seen(instance)))

    async def _put(self, request: Request, account: int) -> Response:
        changes = self._altered(self._bodies.wanted_changes(await json_body(request)))
        instance = self._found(request, account)
        changes = self._variant.merge(instance, changes)
        if self._variant.logs_in and ("provider_data" in changes or _is_true(request, "reAuthenticate")):
            # A code that the instance was made with is no longer one.
            changes.update(self._login({**instance, "provider_data": {}, **changes}))
        try:
            changed = self._store.change(instance["id"], changes, account)
        except CodeUsed:
            raise self._bodies.code_used() from None
        return answer(self._bodies.answer_to_put(changed or instance))

    async def _delete(self, request: Request, account: int) -> Response:
        self._store.remove(self._found(request, account)["id"], account)
        return Response()

    async def _enable(self, request: Request, account: int) -> Response:
        instance = self._found(request, account)
        self._store.change(instance["id"], {"disabled": False, **_counted_anew(instance)}, account)
        return Response()

    async def _disable(self, request: Request, account: int) -> Response:
        self._store.change(self._found(request, account)["id"], {"disabled": True}, account)
        return Response()

    async def _properties(self, request: Request, account: int) -> Response:
        return answer(list(properties(self._found(request, account)).values()))

    async def _property(self, request: Request, account: int) -> Response:
        return answer(_property(request, self._found(request, account)))

    async def _change_property(self, request: Request, account: int) -> Response:
        value = wanted_property(await json_body(request))
        instance = self._found(request, account)
        key = _property(request, instance)["key"]
        configuration = {**instance["configuration"], key: value}
        self._store.change(instance["id"], {"configuration": configuration}, account)
        return answer(_property(request, {**instance, "configuration": configuration}))

    def _found(self, request: Request, account: int) -> dict[str, Any]:
        instance = self._shown(request, account)
        if instance is None:
            raise _missing(request)
        return instance

    def _shown(self, request: Request, account: int) -> dict[str, Any] | None:
        instance = self._store.get(_id(request), account)
        return None if instance is None or self._hides(instance["id"]) else instance

    def _hides(self, instance_id: int) -> bool:
        return self.lag > 0 and time.monotonic() - self.made.get(instance_id, -math.inf) < self.lag

    def _altered(self, fields: dict[str, Any]) -> dict[str, Any]:
        shown = ("name", "tags", "configuration")
        return {key: _altered(value, self.alters) if key in shown else value for key, value in fields.items()}

    def _login(self, record: Mapping[str, Any]) -> dict[str, Any]:
        if self._variant.demands_codes:
            demand_code(record)
        return logged_in(record)

    def _seen(self, instance: dict[str, Any]) -> dict[str, Any]:
        """Return an instance to be shown. Where its login is broken, each read counts as one refresh that fails."""
        broken = instance.get("broken")
        if not broken or instance["disabled"]:
            return instance
        left = broken["left"] - 1
        changes = {"broken": {**broken, "left": left}, "disabled": left <= 0}
        return self._store.change(instance["id"], changes) or instance


def application(routes: list[BaseRoute]) -> Starlette:
    """Return an application that answers every error as ``{requestId, message}``."""
    handlers: Any = {Refused: _refused, HTTPException: _http_error}  # Starlette types handlers by the base exception
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return app


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return an answer with a JSON body."""
    content = json.dumps(body, ensure_ascii=False)
    return Response(content, status, headers, media_type="application/json")


async def json_body(request: Request) -> object:
    """Return the parsed body. Raises Refused for another content type (415) and for what is not JSON (400)."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise Refused(415, "Content-Type must be application/json")
    try:
        body = json.loads(await request.body())
        json.dumps(body, ensure_ascii=False).encode()  # an unpaired surrogate passes json.loads, but is no text
    except (ValueError, RecursionError):
        raise Refused(400, "The body is not valid JSON") from None
    return body


async def _refused(_request: Request, refused: Refused) -> Response:
    return answer(error(refused.message, refused.provider_message), refused.status)


async def _http_error(_request: Request, problem: HTTPException) -> Response:
    return answer(error(problem.detail), problem.status_code, dict(problem.headers or {}))


def _secrets(header: str) -> tuple[str, str]:
    parts = [part.strip().partition(" ") for part in header.split(",")]
    by_kind = {kind: secret.strip() for kind, _, secret in parts}
    if len(parts) != 2 or by_kind.keys() != {"User", "Organization"}:
        return "", ""
    return by_kind["User"], by_kind["Organization"]


def _id(request: Request) -> int:
    text = request.path_params["id"]
    # 18 digits always fit SQLite's integers.
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise _missing(request)
    return int(text)


def _altered(value: Any, alter: Callable[[str], str] | None) -> Any:
    if isinstance(value, str):
        return value if alter is None else alter(value)
    if isinstance(value, list):
        return [_altered(item, alter) for item in value]
    return {key: _altered(item, alter) for key, item in value.items()} if isinstance(value, dict) else value


def _is_true(request: Request, parameter: str) -> bool:
    return request.query_params.get(parameter) == "true"


def _counted_anew(instance: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes by which a broken login may fail as often as at first before it disables the instance."""
    broken = instance.get("broken")
    return {"broken": {**broken, "left": broken["of"]}} if broken else {}


def _property(request: Request, instance: Mapping[str, Any]) -> dict[str, Any]:
    text = request.path_params["property"]
    found = properties(instance).get(int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else -1)
    if found is None:
        raise Refused(404, f"No configuration found with ID {text}")
    return found


def _missing(request: Request) -> Refused:
    return Refused(404, f"No instance found with ID {request.path_params['id']}")


def _matches(instance: dict[str, Any], request: Request) -> bool:
    tags = request.query_params.getlist("tags[]")
    text = request.query_params.get("searchText", "").lower()
    words = (instance["name"].lower(), instance["your_mom"])
    return set(tags) <= set(instance["tags"]) and any(text in word for word in words)


def _page_size(text: str | None, most: int) -> int:
    if text is None:
        return most
    if not (text.isascii() and text.isdecimal() and int(text[:9]) > 0):
        raise Refused(400, "pageSize must be a positive integer")
    return min(int(text[:9]), most)


def _after(token: str | None) -> int:
    if token is None:
        return 0
    try:
        return min(int(base64.urlsafe_b64decode(token)), 2**62)  # more than SQLite can compare
    except (ValueError, binascii.Error):
        raise Refused(400, "nextPage is not a token of this API") from None
