"""Where what has to outlive a process is kept: below `PULUMI_HOME`. `crash_notes`, `records` and `keepers` say what.

No file contains a secret: a keyed digest identifies inputs, names and accounts.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import logging
import os
import secrets
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core import codes, model
from ..core.config import Settings
from ..core.state_format import PROVIDER
from . import disk

log = logging.getLogger("pulumi_instances")

LONGEST_MEMORY = 7 * 86_400.0
"""Seconds. What a create of longer ago has left is not taken over."""


class Home:
    """The files of one account. Safe to share between threads and processes."""

    def __init__(self, settings: Settings, directory: Path | None = None) -> None:
        """``directory`` is where Pulumi keeps its own files: `PULUMI_HOME`, else ``~/.pulumi``. Nothing is written."""
        self.stack: str | None = None
        """``organization/project/stack`` of this process, once it is known: what other stacks left is not ours."""
        self._settings = settings
        self._directory = _directory() if directory is None else directory / "pulumi-instances"
        self._lock = threading.Lock()
        self._key: bytes | None = None

    def folder(self, kind: str) -> Path | None:
        """The folder of this API for one kind of file; None where there can be none."""
        name = hashlib.sha256(self._settings.base_url.encode()).hexdigest()[:32]
        return None if self._directory is None else self._directory / kind / name

    def folder_of_creates(self, kind: str) -> Path | None:
        """The same for what is kept of creates, which needs to know whether a process still lives."""
        return self.folder(kind) if disk.HAS_LOCKS else None

    def account(self) -> list[str]:
        """The digests of both secrets: either may be rotated."""
        return [self.digest(self._settings.user_secret), self.digest(self._settings.organization_secret)]

    def is_ours(self, account: list[str]) -> bool:
        """Whether these digests are of the same account."""
        return bool(set(account) & set(self.account()))

    def digest_of(self, inputs: Mapping[str, Any]) -> str:
        """What identifies these inputs: it is the same whether a code is sealed or not."""
        compared = {**codes.without_codes(inputs), PROVIDER: None, "adopt_id": None}
        return self.digest(json.dumps(model.plain(compared), sort_keys=True, default=str))

    def digest(self, text: str) -> str:
        """What identifies a text, and reveals nothing of it to those who cannot read this home."""
        with self._lock:
            if self._key is None:
                self._key = _shared_key(self._directory)
        return hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]


def _directory() -> Path | None:
    try:
        return Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "pulumi-instances"
    except RuntimeError as error:  # no HOME, and no such user
        log.warning("Notes of creates in progress cannot be kept (%s); set PULUMI_HOME", error)
        return None


def _shared_key(directory: Path | None) -> bytes:
    """A random key for the digests of this home: they cover short secrets, and outlive a rotation of the account's."""
    if directory is None:
        return secrets.token_bytes(32)
    path = directory / "key"
    with disk.tolerating(path):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            new = directory / f"{uuid.uuid4().hex}.new"
            with disk.created(new) as file:
                file.write(secrets.token_hex(32))
            with contextlib.suppress(FileExistsError):  # another process was first
                os.link(new, path)
            new.unlink()
        return path.read_bytes()
    return secrets.token_bytes(32)
