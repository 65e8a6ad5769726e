"""Everything that leaves a process, collected while it runs, and the forms that a secret may have in it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from pulumi_instances.core.model import is_secret_key, secret_values
from pulumi_instances.testing.emulator.store import Store

_SHORTEST = 8
_ENOUGH = 20


def forms(secret: str) -> list[str]:
    """A secret in plain text, URL-encoded, JSON-escaped, in hex, and in base64 wherever it begins in a longer text."""
    raw = secret.encode()
    # The ends of a base64 text hang on what is beside it: only its middle is looked for, at each of three offsets.
    inside = [base64.b64encode(b"\0" * shift + raw).decode()[4:-4] for shift in range(3)]
    in_urls = [base64.urlsafe_b64encode(b"\0" * shift + raw).decode()[4:-4] for shift in range(3)]
    escaped = [json.dumps(secret)[1:-1], json.dumps(json.dumps(secret))[3:-3], secret.replace("/", "\\/")]
    return [secret, quote(secret), quote(secret, safe=""), quote_plus(secret), raw.hex(), *escaped, *inside, *in_urls]


def leaks(texts: Mapping[str, str], secrets: Mapping[str, str]) -> list[tuple[str, str]]:
    """The secrets that occur, each with the text that it occurs in."""
    return [
        (name, place)
        for name, secret in secrets.items()
        for place, text in texts.items()
        if any(form in text for form in forms(secret))
    ]


def kept_secret(record: Mapping[str, Any]) -> list[str]:
    """The secrets of an instance that no file may contain in plain text. Messages hide all of the configuration."""
    configuration = record.get("configuration") or {}
    secret = {key: value for key, value in configuration.items() if is_secret_key(key)}
    return secret_values({**record, "configuration": secret})


class Issued:
    """The secrets that the emulators of this process hand out or are given; the first twenty are enough."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.secrets: dict[str, str] = {}
        add, change, add_account = Store.add, Store.change, Store.add_account

        def noting_add(store: Store, record: Mapping[str, Any], *account: int) -> dict[str, Any]:
            self.note(*kept_secret(record))
            return add(store, record, *account)

        def noting_change(store: Store, of: int, changes: Mapping[str, Any], *account: int) -> dict[str, Any] | None:
            self.note(*kept_secret(changes))
            return change(store, of, changes, *account)

        def noting_add_account(store: Store) -> tuple[str, str]:
            pair = add_account(store)
            self.note(*pair)
            return pair

        monkeypatch.setattr(Store, "add", noting_add)
        monkeypatch.setattr(Store, "change", noting_change)
        monkeypatch.setattr(Store, "add_account", noting_add_account)

    def note(self, *secrets: str) -> None:
        """Search for these too. Short ones would be found in ordinary words."""
        for secret in secrets:
            if len(secret) >= _SHORTEST and len(self.secrets) < _ENOUGH:
                self.secrets[secret] = secret


def files(directory: Path) -> dict[str, str]:
    """What is in the files below a directory, programs aside: tests write their secrets into those."""
    found = {}
    for path in directory.rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            found[str(path.relative_to(directory))] = path.read_bytes().decode("utf-8", "replace")
    return found


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

    def __exit__(self, *_raised: object) -> None:
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
