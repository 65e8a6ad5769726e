"""Everything that leaves a process, gathered while it runs, and the ways in which a secret may show in it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from urllib.parse import quote, quote_plus


def forms(secret: str) -> list[str]:
    """A secret in plain, URL-encoded, JSON-escaped, in hex, and in base64 wherever it begins in a longer text."""
    raw = secret.encode()
    # The ends of a base64 text hang on what is beside it: only its middle is looked for, at each of three offsets.
    inside = [base64.b64encode(b"\0" * shift + raw).decode()[4:-4] for shift in range(3)]
    in_urls = [base64.urlsafe_b64encode(b"\0" * shift + raw).decode()[4:-4] for shift in range(3)]
    escaped = [json.dumps(secret)[1:-1], json.dumps(json.dumps(secret))[3:-3], secret.replace("/", "\\/")]
    return [secret, quote(secret), quote(secret, safe=""), quote_plus(secret), raw.hex(), *escaped, *inside, *in_urls]


def leaks(texts: Mapping[str, str], secrets: Mapping[str, str]) -> list[tuple[str, str]]:
    """Which secret shows in which text."""
    return [
        (name, place)
        for name, secret in secrets.items()
        for place, text in texts.items()
        if any(form in text for form in forms(secret))
    ]


class Watch:
    """Reads, again and again, the files below a stack's directory and the command lines of its processes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._seen: dict[Path, tuple[int, int]] = {}
        self.texts: dict[str, str] = {}

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._look()

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self._look()

    def _look(self) -> None:
        for path in self._paths():
            with contextlib.suppress(OSError):  # gone, or not ours
                status = path.stat()
                version = (status.st_mtime_ns, status.st_ino)
                if self._seen.get(path) != version:
                    self.texts[f"{path} {version}"] = path.read_bytes().decode("utf-8", "replace")
                    self._seen[path] = version

    def _paths(self) -> Iterator[Path]:
        for directory, _, names in os.walk(self._directory):
            yield from (Path(directory) / name for name in names)
        # The environment of its processes names the directory. (It holds secrets, but only their owner reads it.)
        mark = str(self._directory).encode()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (process / "environ").read_bytes():
                    yield process / "cmdline"
