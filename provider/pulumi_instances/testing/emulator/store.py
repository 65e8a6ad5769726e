"""The accounts, instances and used codes of the emulator, in SQLite: in memory, or in a file.

It knows nothing of HTTP; `api` asks it.
"""

from __future__ import annotations

import base64
import json
import secrets
import sqlite3
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Account", "CodeUsed", "Store", "random_token"]

_FIRST_ID = 4001
_DEFAULT_ACCOUNT = 1

# AUTOINCREMENT: the id of a deleted instance is not given again.
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS accounts (id INTEGER PRIMARY KEY, user_secret TEXT, organization_secret TEXT);
CREATE TABLE IF NOT EXISTS instances (id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER, record TEXT);
CREATE TABLE IF NOT EXISTS deleted (id INTEGER PRIMARY KEY, account INTEGER, record TEXT);
CREATE TABLE IF NOT EXISTS tags (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE IF NOT EXISTS codes (code TEXT PRIMARY KEY);
INSERT INTO sqlite_sequence (name, seq) SELECT 'instances', {_FIRST_ID - 1}
  WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'instances');
"""  # noqa: S608 - the only thing filled in is a constant


class CodeUsed(Exception):
    """An OAuth code was sent a second time."""


@dataclass(frozen=True)
class Account:
    """The two secrets of an account, and the environment variables that make the provider use it."""

    user_secret: str = field(repr=False)
    organization_secret: str = field(repr=False)
    env: dict[str, str] = field(repr=False, compare=False)


def random_token() -> str:
    """Return 32 random bytes in base64, 44 characters, as user secrets and tokens of instances are."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


class Store:
    """Accounts and instances. Safe to share between threads; every method is one transaction.

    An instance is a dict ``{id, name, token, your_mom, tags, configuration, provider_data, valid, disabled}``.
    """

    def __init__(
        self,
        path: Path | None,
        user_secret: str | None,
        organization_secret: str | None,
        codes: Collection[str] = ("code",),
    ) -> None:
        """Open ``path``, or memory. Secrets not given are those of the file, else new ones.

        ``codes`` names the members of ``provider_data`` that work once.

        Raises OSError where the file cannot be opened, and sqlite3.DatabaseError where it is something else.
        """
        if path is not None:
            path.touch(mode=0o600)  # sets the mode of a new file only
        self._codes = codes
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path or ":memory:", check_same_thread=False)
        try:
            self.user_secret, self.organization_secret = self._open(user_secret, organization_secret)
        except sqlite3.DatabaseError:
            self._db.close()
            raise
        if path is not None:
            path.chmod(0o600)

    def _open(self, user_secret: str | None, organization_secret: str | None) -> tuple[str, str]:
        with self._db:
            self._db.executescript(_SCHEMA)
            kept = self._db.execute("SELECT user_secret, organization_secret FROM accounts WHERE id = 1").fetchone()
            found_user, found_organization = kept or (random_token(), secrets.token_hex(16))
            pair = (user_secret or found_user, organization_secret or found_organization)
            self._db.execute("INSERT OR REPLACE INTO accounts VALUES (?, ?, ?)", (_DEFAULT_ACCOUNT, *pair))
            return pair

    def close(self) -> None:
        """Close the database. Nothing else may be called afterwards."""
        with self._lock:
            self._db.close()

    def restart_ids(self) -> None:
        """Let the next instance have the first id again, or the one after the highest that there is."""
        with self._lock, self._db:
            self._db.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'instances'", (_FIRST_ID - 1,))

    def clear(self) -> None:
        """Forget all instances and used codes. Accounts stay, and ids go on rising."""
        with self._lock, self._db:
            self._db.execute("DELETE FROM instances")
            self._db.execute("DELETE FROM deleted")
            self._db.execute("DELETE FROM codes")

    # accounts

    def add_account(self) -> tuple[str, str]:
        """Make an account; return its user secret and organization secret."""
        pair = (random_token(), secrets.token_hex(16))
        with self._lock, self._db:
            self._db.execute("INSERT INTO accounts (user_secret, organization_secret) VALUES (?, ?)", pair)
        return pair

    def account(self, user_secret: str, organization_secret: str) -> int | None:
        """Return the account with these secrets, if there is one."""
        query = "SELECT id FROM accounts WHERE user_secret = ? AND organization_secret = ?"
        with self._lock:
            row = self._db.execute(query, (user_secret, organization_secret)).fetchone()
        return None if row is None else int(row[0])

    # instances

    def add(self, record: Mapping[str, Any], account: int = _DEFAULT_ACCOUNT) -> dict[str, Any]:
        """Keep a new instance; return it with its id. Raises CodeUsed."""
        with self._lock, self._db:
            self._spend(record)
            query = "INSERT INTO instances (account, record) VALUES (?, ?)"
            cursor = self._db.execute(query, (account, json.dumps(dict(record))))
            return {"id": cursor.lastrowid, **record}

    def get(self, instance_id: int, account: int | None = None) -> dict[str, Any] | None:
        """Return one instance, of any account unless one is given."""
        query = "SELECT id, record FROM instances WHERE id = ? AND account = coalesce(?, account)"
        with self._lock:
            row = self._db.execute(query, (instance_id, account)).fetchone()
        return None if row is None else _instance(row)

    def deleted(self, instance_id: int, account: int) -> dict[str, Any] | None:
        """Return an instance of an account that was deleted."""
        query = "SELECT id, record FROM deleted WHERE id = ? AND account = ?"
        with self._lock:
            row = self._db.execute(query, (instance_id, account)).fetchone()
        return None if row is None else _instance(row)

    def all(self, account: int = _DEFAULT_ACCOUNT, after: int = 0, most: int = -1) -> list[dict[str, Any]]:
        """Return the instances of an account by ascending id: all, or at most so many above an id."""
        query = "SELECT id, record FROM instances WHERE account = ? AND id > ? ORDER BY id LIMIT ?"
        with self._lock:
            return [_instance(row) for row in self._db.execute(query, (account, after, most))]

    def count(self, account: int = _DEFAULT_ACCOUNT) -> int:
        """Return how many instances an account has."""
        with self._lock:
            return int(self._db.execute("SELECT count(*) FROM instances WHERE account = ?", (account,)).fetchone()[0])

    def change(self, instance_id: int, changes: Mapping[str, Any], account: int | None = None) -> dict[str, Any] | None:
        """Replace top-level fields of an instance; return it, or None where there is none. Raises CodeUsed."""
        with self._lock, self._db:
            instance = self.get(instance_id, account)
            if instance is None:
                return None
            self._spend(changes)
            instance.update(changes)
            record = {key: value for key, value in instance.items() if key != "id"}
            self._db.execute("UPDATE instances SET record = ? WHERE id = ?", (json.dumps(record), instance_id))
            return instance

    def remove(self, instance_id: int, account: int | None = None) -> bool:
        """Delete an instance, so that only `deleted` finds it. Returns False where there is none."""
        these = "SELECT id, account, record FROM instances WHERE id = ? AND account = coalesce(?, account)"
        with self._lock, self._db:
            if self._db.execute(f"INSERT OR REPLACE INTO deleted {these}", (instance_id, account)).rowcount == 0:
                return False
            self._db.execute("DELETE FROM instances WHERE id = ?", (instance_id,))
            return True

    def tag_ids(self, tags: Iterable[str]) -> dict[str, int]:
        """Return the id of each tag. A tag keeps its id."""
        with self._lock, self._db:
            self._db.executemany("INSERT OR IGNORE INTO tags (name) VALUES (?)", [(tag,) for tag in tags])
            query = "SELECT id FROM tags WHERE name = ?"
            return {tag: int(self._db.execute(query, (tag,)).fetchone()[0]) for tag in tags}

    def _spend(self, record: Mapping[str, Any]) -> None:
        given = record.get("provider_data") or {}
        codes = [(str(given[name]),) for name in self._codes if given.get(name) is not None]
        try:
            self._db.executemany("INSERT INTO codes VALUES (?)", codes)
        except sqlite3.IntegrityError:
            raise CodeUsed from None


def _instance(row: tuple[int, str]) -> dict[str, Any]:
    return {"id": row[0], **json.loads(row[1])}
