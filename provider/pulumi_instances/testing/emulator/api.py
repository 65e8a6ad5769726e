"""The routes of the Instances API."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from .store import CodeUsed, Store
from .wire import (
    Refused,
    answer_to_get,
    answer_to_list,
    answer_to_post,
    answer_to_put,
    error,
    wanted_changes,
    wanted_record,
)

__all__ = ["BASE_PATH", "Api", "answer", "application", "json_body"]

BASE_PATH = "/your_moms/api-v2"

_UNAUTHORIZED = "Invalid Organization or User secret, or invalid Element token provided."
_CODE_USED = "providerData.code was already used; an OAuth code works once"

Handler = Callable[[Request, int], Awaitable[Response]]


class Api:
    """The operations of the API document on a store."""

    def __init__(self, store: Store, page_size: int, *, empty_list_404: bool) -> None:
        """``page_size`` is the most instances in one answer to a list."""
        self._store = store
        self._page_size = page_size
        self._empty_list_404 = empty_list_404

    def routes(self) -> list[BaseRoute]:
        """Return the routes below the base path."""
        return [
            self._route("/instances", {"GET": self._list, "POST": self._post}),
            self._route("/instances/{id}", {"GET": self._get, "PUT": self._put, "DELETE": self._delete}),
        ]

    def _route(self, path: str, handlers: dict[str, Handler]) -> Route:
        async def dispatch(request: Request) -> Response:
            account = self._store.account(*_secrets(request.headers.get("authorization", "")))
            if account is None:
                raise Refused(401, _UNAUTHORIZED)
            # Starlette lets HEAD in wherever there is a GET.
            handler = handlers.get(request.method, handlers["GET"])
            return await handler(request, account)

        return Route(BASE_PATH + path, dispatch, methods=list(handlers))

    async def _post(self, request: Request, account: int) -> Response:
        record = wanted_record(await json_body(request))
        try:
            instance = self._store.add(record, account)
        except CodeUsed:
            raise Refused(400, _CODE_USED) from None
        return answer(answer_to_post(instance, self._store.tag_ids(instance["tags"])))

    async def _list(self, request: Request, account: int) -> Response:
        after = _after(request.query_params.get("nextPage"))
        size = _page_size(request.query_params.get("pageSize"), self._page_size)
        if {"tags[]", "searchText"}.isdisjoint(request.query_params):  # a page costs no more in a large account
            total, rest = self._store.count(account), self._store.all(account, after, size + 1)
        else:
            found = [each for each in self._store.all(account) if _matches(each, request)]
            total, rest = len(found), [each for each in found if each["id"] > after]
        if not total and self._empty_list_404:
            raise Refused(404, "No instances found")
        headers = {"elements-total-count": str(total)}
        if len(rest) > size:
            last = str(rest[size - 1]["id"])
            headers["elements-next-page-token"] = base64.urlsafe_b64encode(last.encode()).decode()
        return answer([answer_to_list(each) for each in rest[:size]], headers=headers)

    async def _get(self, request: Request, account: int) -> Response:
        instance = self._store.get(_id(request), account)
        if instance is None:
            raise _missing(request)
        return answer(answer_to_get(instance))

    async def _put(self, request: Request, account: int) -> Response:
        changes = wanted_changes(await json_body(request))
        try:
            instance = self._store.change(_id(request), changes, account)
        except CodeUsed:
            raise Refused(400, _CODE_USED) from None
        if instance is None:
            raise _missing(request)
        return answer(answer_to_put(instance))

    async def _delete(self, request: Request, account: int) -> Response:
        if not self._store.remove(_id(request), account):
            raise _missing(request)
        return Response()


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
    return answer(error(refused.message), refused.status)


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
