"""Our log as the engine shows it: beside the resource that it is about."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from .. import process
from .names import in_words

_LOGGER = "pulumi_instances"
_PATIENCE = 5.0
"""Seconds for the engine to take one line."""

_urn: ContextVar[str] = ContextVar("urn", default="")


@contextmanager
def about(urn: str) -> Iterator[None]:
    """What is logged inside is about this resource."""
    token = _urn.set(urn)
    try:
        yield
    finally:
        _urn.reset(token)


class _Handler(logging.Handler):
    def __init__(self, address: str) -> None:
        super().__init__(logging.WARNING)
        self._stub = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))

    def emit(self, record: logging.LogRecord) -> None:
        severity = engine_pb2.ERROR if record.levelno >= logging.ERROR else engine_pb2.WARNING
        line = in_words(record.getMessage())
        try:
            request = engine_pb2.LogRequest(severity=severity, message=line, urn=_urn.get())
            self._stub.Log(request, timeout=_PATIENCE)
        except grpc.RpcError:
            print(f"warning: {line}", file=sys.stderr)  # the engine has gone, or is another one


def connect(address: str) -> None:
    """Send warnings to the engine at this address, unless `INSTANCES_LOG` shows the log on stderr. Once suffices."""
    process.switch_logging_on()
    logger = logging.getLogger(_LOGGER)
    if address and not logger.handlers:
        logger.addHandler(_Handler(address))
        logger.propagate = False
