"""A program under the SDK's mocks, with its requests to the engine as they are on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from typing import Any

import pulumi
from google.protobuf.json_format import MessageToDict
from pulumi.runtime import mocks

from pulumi_instances.core.model import URN
from pulumi_instances.core.state_format import SECRET


def secret(value: object) -> dict[str, Any]:
    """The secret ``value`` on the wire."""
    return {**SECRET, "value": value}


class _Api(mocks.Mocks):
    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], None]:  # noqa: ARG002  the SDK's signature
        return {}, None

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        read = {"your_mom": "box", "name": "read"} if args.resource_id else {}
        outs = {"tags": [], **read, **args.inputs, "token": "t0ken", "valid": True, "disabled": False}
        return args.resource_id or "27", outs


class Monitor(mocks.MockMonitor):
    """The SDK's mock monitor, which keeps the requests."""

    def __init__(self) -> None:
        super().__init__(_Api())
        self.registered: list[Any] = []
        self.read: list[Any] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  the SDK's name
        if request.type != "pulumi:pulumi:Stack":
            self.registered.append(request)
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]

    def ReadResource(self, request: Any) -> Any:  # noqa: N802  the SDK's name
        self.read.append(request)
        return super().ReadResource(request)  # type: ignore[no-untyped-call]

    def inputs(self) -> dict[str, Any]:
        """The inputs of the only resource that the program registered, as `without_pickle` makes them."""
        (request,) = self.registered
        return without_pickle(request.object)

    def places(self) -> list[str]:
        """What each resource that the program registered says of where it is declared."""
        return [MessageToDict(request.object)[URN] for request in self.registered if URN in request.object.fields]


def without_pickle(struct: Any) -> dict[str, Any]:
    """A protobuf struct as a dict, without ``__provider`` and ``__urn``, which no program gives."""
    return {key: value for key, value in MessageToDict(struct).items() if key not in ("__provider", URN)}


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """The loop that the SDK asks for before it makes its own. From Python 3.12 on, none is there by itself."""
    return asyncio.new_event_loop()


def declare(program: Callable[[], Any], *, preview: bool = False) -> Monitor:
    """Run a program to its end: what it returns, an Output perhaps, is awaited. Raises what it raises."""
    monitor = Monitor()
    asyncio.set_event_loop(_loop())
    pulumi.runtime.set_mocks(monitor.mocks, monitor=monitor, preview=preview)
    pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]
    return monitor
