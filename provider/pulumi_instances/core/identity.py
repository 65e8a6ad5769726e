"""The rules by which an instance of the API is the one of a resource. Pure.

An id proves nothing, since another account, or a restored service, has other instances under the same numbers. Its
token, which the state holds, or its mark (`marks`) proves that an instance is ours. `api` applies these rules before it
reads into the state, changes, deletes, adopts or imports.

>>> state = {"token": "t1", "your_mom": "box"}
>>> judge(state, {"id": "7", "token": "t1"}, account="any").name, judge(state, {"id": "7"}, account="any").name
('OURS', 'ANOTHER')
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from .config import Settings
from .marks import Mark, parse
from .model import ACCOUNT, MARK, MARKS, MASK


def marks_on(found: Mapping[str, Any]) -> Sequence[Mark]:
    """Return the marks on an instance, given as the result of `model.from_wire`."""
    marks: Sequence[Mark] = found.get(MARKS, ())
    return marks


def managed_by(found: Mapping[str, Any]) -> str | None:
    """Return the names of the resources that manage an instance, by its marks, for people; None where it has none."""
    return ", ".join(sorted({mark.managed_by for mark in marks_on(found)})) or None


def line_in(outputs: Mapping[str, Any]) -> str | None:
    """Return the line of the mark in a state, which stays the same with an alias or a renamed stack."""
    mark = outputs.get(MARK)
    return mark.rpartition(".")[0] if isinstance(mark, str) else None


def token_in(outputs: Mapping[str, Any]) -> str:
    """Return the token in a state; an empty one, which no answer shows, where there is none."""
    token = outputs.get("token")
    return token if isinstance(token, str) else ""


def carries(found: Mapping[str, Any], mark: object) -> bool:
    """Return whether an instance carries exactly this mark."""
    return any(each.text == mark for each in marks_on(found))


def of_others(found: Mapping[str, Any], *lines: str | None) -> list[Mark]:
    """Return the marks on an instance that belong to none of these lines."""
    return [mark for mark in marks_on(found) if mark.line not in lines]


def displaced(found: Mapping[str, Any], outputs: Mapping[str, Any], line: str | None = None) -> list[Mark]:
    """Return the marks on an instance that show that it no longer belongs to the state with these outputs.

    They are those of other lines. Where the state's mark is missing, one of its line counts, too: another machine has
    set it to take the instance over. ``line`` is that of the resource in the program, if there is one.
    """
    others = of_others(found, line_in(outputs) if carries(found, outputs.get(MARK)) else None, line)
    return [mark for mark in others if not _is_renamed(mark, outputs)]


def _is_renamed(mark: Mark, outputs: Mapping[str, Any]) -> bool:
    """Return whether this is the state's mark with another line: an update sets it, and may then be cut off."""
    ours = parse(str(outputs.get(MARK)))
    return ours is not None and (ours.stack, ours.end) == (mark.stack, mark.end)


def is_of_our_stack(marks: Sequence[Mark], outputs: Mapping[str, Any]) -> bool:
    """Return whether all of these marks belong to other resources of the stack in the state's mark."""
    ours = parse(str(outputs.get(MARK)))
    return ours is not None and all(mark.stack == ours.stack and mark.line != ours.line for mark in marks)


def may_be_renamed(marks: Sequence[Mark], outputs: Mapping[str, Any]) -> bool:
    """Return whether a rename that was cut off may have put these marks on the instance of the state.

    All then belong to its stack, or to a resource of the same parents and name in a stack or project of another name.
    """
    ours = parse(str(outputs.get(MARK)))
    return ours is not None and all(
        mark.line != ours.line and (mark.stack == ours.stack or _place_in_stack(mark) == _place_in_stack(ours))
        for mark in marks
    )


def _place_in_stack(mark: Mark) -> str:
    """Return the digest of parents and name, which stays the same when the stack is renamed."""
    return mark.line.partition("#")[2].removeprefix(mark.stack)


def own_mark(found: Mapping[str, Any], line: str | None) -> str | None:
    """Return the mark of this line on an instance; None where it has none."""
    return next((mark.text for mark in marks_on(found) if mark.line == line), None)


def account_of(settings: Settings) -> str:
    """Return the digest of an account, from its URL and both secrets.

    A 404 from another account than the one in the state does not prove that an instance no longer exists. The user's
    secret counts, since an instance can be hidden from another user of the same organization.
    """
    account = json.dumps([canonical_url(settings.base_url), settings.organization_secret, settings.user_secret])
    return hashlib.sha256(account.encode()).hexdigest()[:32]


def canonical_url(url: str) -> str:
    """Return a base URL in the form that is compared: host in lower case, no default port, no slash at the end."""
    parts = urlsplit(url)
    port = "" if parts.port in (None, {"http": 80, "https": 443}.get(parts.scheme)) else f":{parts.port}"
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"


class Verdict(Enum):
    """The result of `judge`."""

    OURS = "its token is that of the state"
    RENEWED = "account, connector and mark are those of the state, and the token is a new one"
    ANOTHER = "nothing proves that it is ours"


def judge(outputs: Mapping[str, Any], found: Mapping[str, Any], account: str) -> Verdict:
    """Decide whether ``found`` (`model.from_wire`) is the instance of the state with these outputs.

    An equal token proves it in any account. Without one, the account of the state and that of the settings in use
    (``account``) have to be the same, since stacks of one name in two accounts have equal marks. Where a token is
    masked, the mark of another resource in place of the state's shows that it is another instance.
    """
    ours, theirs = token_in(outputs), shown_token(found)
    if ours and theirs and hmac.compare_digest(ours.encode(), theirs.encode()):
        return Verdict.OURS
    if not _is_same_connector(outputs, found) or outputs.get(ACCOUNT) != account:
        return Verdict.ANOTHER
    if carries(found, outputs.get(MARK)) or any(_is_renamed(mark, outputs) for mark in marks_on(found)):
        return Verdict.RENEWED if ours and theirs else Verdict.OURS
    is_of_another = MARK in outputs and bool(marks_on(found))
    return Verdict.ANOTHER if (ours and theirs) or is_of_another else Verdict.OURS


def differences(outputs: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Return the reasons why an instance is another one, for a message: they show nothing of that instance."""
    ours, theirs = token_in(outputs), shown_token(found)
    reasons = ["no token to compare"] if not (ours and theirs) else ["another token"]
    reasons += [] if _is_same_connector(outputs, found) else ["another connector"]
    reasons += ["the mark of another resource"] if of_others(found, line_in(outputs)) else []
    return ", ".join(reasons)


def shown_token(found: Mapping[str, Any]) -> str | None:
    """Return the token in an answer; None where there is none, or where the service masks it."""
    token = found.get("token")
    return None if token in (None, "", MASK) else str(token)


def _is_same_connector(outputs: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    ours, theirs = outputs.get("your_mom"), found.get("your_mom")
    return theirs is None or (isinstance(ours, str) and ours.casefold() == str(theirs).casefold())
