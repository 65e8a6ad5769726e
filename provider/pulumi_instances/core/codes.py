"""OAuth codes, which work once: a code is never stored, and never sent again. Pure.

The state holds a digest of a code (`Codes.sealed`); the code itself stays in the memory of the process that checked it,
until a request sends it (`Codes.unsealed`). A replacement that would send a used code is refused: it may delete the
old instance first (`delete_before_replace`), and the API would then refuse the create.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from . import model
from .dialect import Dialect
from .errors import InputError, Problem, StatusError
from .validation import has_unknown
from .words import PYTHON, Words

_ONE_TIME = ("code", "oauth_verifier")
_DIGEST = re.compile(r"used code sha256:[0-9a-f]{64}")


class Codes:
    """Keeps the codes that this process has seen. Safe to share between threads."""

    def __init__(self, words: Words = PYTHON) -> None:
        """Begin without codes. Messages are in these ``words``."""
        self._words = words
        self._advice = f"set a new code, undo the change, or list the property in {words.name('ignore_changes')}"
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}
        self._used: set[tuple[str, str | None]] = set()
        self._planned: set[str] = set()
        self._doomed: set[str] = set()

    def sealed(self, inputs: Mapping[str, Any], olds: Mapping[str, Any]) -> dict[str, Any]:
        """Return the inputs with a digest in place of each code, and remember the codes.

        States of 0.1.0 hold the codes themselves: a code that is equal in ``olds``, the inputs in the state, stays.
        """
        before = _codes_in(olds.get("provider_data"))
        given = {key: code for key, code in _codes_in(inputs.get("provider_data")).items() if before.get(key) != code}
        with self._lock:
            self._known.update({_digest(code): code for code in given.values() if _digest(code) != code})
        return _with_codes(inputs, {key: _digest(code) for key, code in given.items()})

    def unsealed(self, bag: Mapping[str, Any]) -> dict[str, Any]:
        """Return inputs or outputs with the codes in place of their digests, as far as this process has seen them."""
        with self._lock:
            known = {key: self._known.get(code, code) for key, code in _codes_in(bag.get("provider_data")).items()}
        return _with_codes(bag, known)

    def check(self, olds: Mapping[str, Any], inputs: Mapping[str, Any], dialect: Dialect) -> list[Problem]:
        """Return a problem for each change that would send a used code again. ``olds`` are the inputs in the state.

        They are empty for a new resource, and also where the engine replaces one by its own decision
        (`replace_on_changes`): just before, it has checked the resource with its old inputs.
        """
        data = self._words.name("provider_data")
        codes = _codes(inputs)
        name = inputs["name"] if isinstance(inputs.get("name"), str) else None
        with self._lock:
            if not olds:
                self._planned |= codes
                if not any({(code, name), (code, None)} & self._used for code in codes):
                    return []
                fault = "holds a code that was used already, and the replacement would send it again"
                return [Problem(data, fault, self._advice)]
            reused = codes & _codes(olds)
            self._used |= {(code, name) for code in reused}
        if not reused:
            return []
        changed, replaces = model.changes(olds, inputs, dialect)
        if not replaces and "provider_data" in changed and not has_unknown(inputs["provider_data"]):
            fault = "changes, and so logs in again, with the same code, which works only once"
            return [Problem(data, fault, self._advice)]
        fault = f"cannot change with the same code in {data}, which works only once"
        return [
            Problem(self._words.name(key), fault, self._advice)
            for key in replaces
            if not has_unknown(inputs.get(key))  # it may turn out to be the same
        ]

    def note_diff(self, instance_id: str, olds: Mapping[str, Any], news: Mapping[str, Any], *, replaces: bool) -> None:
        """Remember whether an instance is going to be replaced with the same code, for `demand_deletable`.

        The engine deletes an instance together with a resource that it depends on, and that is deleted before it is
        replaced. It then calls diff with the old inputs, and deletes the instance before it calls check with the
        program's inputs, which may hold a new code.
        """
        with self._lock:
            if replaces and _codes(olds) & _codes(news):
                self._doomed.add(str(instance_id))
            else:
                self._doomed.discard(str(instance_id))

    @contextmanager
    def spending(self, what: str, inputs: Mapping[str, Any]) -> Iterator[None]:
        """Let the block send a request with the codes in these inputs, and forget them when it has succeeded.

        Raises InputError where the inputs hold a digest instead of a code. A request that the API refuses may still
        have used its code: the advice of the error says so.
        """
        if any(_DIGEST.fullmatch(code) for code in _codes_in(inputs.get("provider_data")).values()):
            fault = f"{self._words.name('provider_data')} holds a code that was used already; nothing was sent"
            raise InputError(f"{what}: {fault}", "set a new code")
        try:
            yield
        except StatusError as refusal:
            if type(refusal) is StatusError and holds_code(inputs.get("provider_data")):
                refusal.advice = "correct what it names, give a new code if this one was used, then run again"
            raise
        self.note_used(inputs)

    def note_used(self, inputs: Mapping[str, Any]) -> None:
        """Forget the codes in these inputs, since a request has used them. What they replace may then be deleted."""
        with self._lock:
            self._planned -= _codes(inputs)
            for digest in _codes(inputs):
                self._known.pop(digest, None)

    def demand_deletable(self, instance_id: str, outs: Mapping[str, Any]) -> None:
        """Raise InputError where a create with the same code is to follow the deletion of this instance."""
        with self._lock:
            doomed = str(instance_id) in self._doomed
            follows = bool(_codes(outs) & self._planned)
        if doomed:
            option = self._words.name("delete_before_replace")
            raise InputError(
                f"delete instance {instance_id}: a resource that it depends on is deleted before it is replaced, and "
                "the code of this instance works only once; nothing was deleted",
                f"remove {option} there, or first remove this instance from the program in a run of its "
                "own, and add it again with a new code",
            )
        if follows:
            raise InputError(
                f"delete instance {instance_id}: its replacement would send the same code, which works only once; "
                "nothing was deleted",
                "set a new code, or undo the change",
            )


def holds_code(data: object) -> bool:
    """Return whether the data for an authentication holds a code that works once."""
    return bool(_codes_in(data))


def _codes(bag: Mapping[str, Any]) -> set[str]:
    """Return the digest of each code in inputs or outputs, whether they hold the code or its digest."""
    return {_digest(code) for code in _codes_in(bag.get("provider_data")).values()}


def _with_codes(bag: Mapping[str, Any], codes: Mapping[str, str]) -> dict[str, Any]:
    return {**bag, "provider_data": {**bag["provider_data"], **codes}} if codes else dict(bag)


def _codes_in(data: object) -> dict[str, str]:
    members = {key: data.get(key) for key in _ONE_TIME} if isinstance(data, Mapping) else {}
    return {key: value for key, value in members.items() if isinstance(value, str) and value}


def _digest(code: str) -> str:
    """Return the digest of a code, as a state holds it; the digest of a digest is itself."""
    if _DIGEST.fullmatch(code):
        return code
    return f"used code sha256:{hashlib.sha256(code.encode('utf-8', 'surrogatepass')).hexdigest()}"
