"""The plugin process: `pulumi-resource-instances`, which the engine starts once per provider of a program.

It prints the port that it listens on, and ends when the engine interrupts it or has died.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from .. import process
from ..core.config import MOST_PARALLEL
from . import schema
from .provider import InstancesServicer

_LARGEST_MESSAGE = 400 * 1024**2
"""Bytes: as many as the engine allows (pulumi/pulumi: sdk/go/common/util/rpcutil)."""

_WORKERS = MOST_PARALLEL + process.SPARE
"""Threads at most. One starts for a call that finds none idle. Calls that send requests wait in the client for
`instances:parallelism`."""

_LOOK_EVERY = 0.5
"""Seconds. The engine kills a process that has not ended five seconds after its signal."""


_HELP = """\
pulumi-resource-instances [--help | --version]

The plugin of the Pulumi package `instances`. The Pulumi CLI starts it by itself; there is nothing to run by hand. Where
the CLI looks for it: docs/native.md. To look at an account, run pulumi-instances (the extra [cli])."""


def main() -> None:
    """Serve until the engine ends. The engine gives its own address as the last argument.

    With ``--help`` and ``--version``, print what the program is.
    """
    asked = {*sys.argv[1:]} & {"-h", "--help", "--version"}
    if asked:
        print(schema.version_of_plugin() if asked == {"--version"} else _HELP)
        return
    end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.set())
    logging.getLogger("grpc").addHandler(logging.NullHandler())
    address = sys.argv[-1] if len(sys.argv) > 1 else ""
    process.connect_log(address, warnings=True)
    pool = ThreadPoolExecutor(_WORKERS)
    options = [
        ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
        ("grpc.max_send_message_length", _LARGEST_MESSAGE),
    ]
    server = grpc.server(pool, options=options)
    servicer = InstancesServicer()
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)

    def abandoned() -> None:
        servicer.cancel()
        end.set()

    process.watch(address, abandoned)
    while not end.wait(_LOOK_EVERY):  # a signal that the system gives to another thread does not wake this one
        pass
    process.leave()
    server.stop(None)
    # Calls that run go on until they are done, or the engine kills the process: fewer creates are cut off.
    pool.shutdown(wait=True, cancel_futures=True)
