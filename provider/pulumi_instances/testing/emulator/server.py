"""The server of the emulator: uvicorn in a thread of its own.

It lets the application close or reset a connection, as faults need it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from .wrapper import log

__all__ = ["Server"]


class _Protocol(H11Protocol):
    """Gives the application two functions in ``scope["state"]``: ``close`` and ``reset`` the connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = log
        self.access_log = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        super().connection_made(transport)
        # asyncio does this only for sockets that name their protocol, which those of `create_server` do not. Without
        # it an answer's body waits 40 ms for the client to acknowledge its headers.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.app_state = {**self.app_state, "close": transport.close, "reset": self._reset}

    def _reset(self) -> None:
        if self.transport.is_closing():
            return  # the client has closed it
        # Lingering for zero seconds makes the kernel send RST instead of FIN.
        raw = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


class _Uvicorn(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Nobody waits for answers here: requests that still sleep in a fault must not hold up the exit.
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        self.force_exit = True
        await super().shutdown(sockets)


class Server:
    """An application served by a thread of its own, from construction until `stop`."""

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        """Bind and listen. Raises OSError where the address is in use or not this machine's."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=512)
        self.port: int = self._listener.getsockname()[1]
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            proxy_headers=False,  # or any client could claim to come from loopback
            timeout_keep_alive=600,  # an idle connection of a client's pool is never cut in the middle of a test
        )
        self._uvicorn = _Uvicorn(config)
        run = self._uvicorn.run
        self._thread = threading.Thread(target=run, args=([self._listener],), name=f"emulator:{self.port}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Cut all connections, stop and join the thread."""
        self._uvicorn.should_exit = True
        self._thread.join()
        # uvicorn does this too, but not its older versions when they were stopped while starting.
        self._listener.close()
