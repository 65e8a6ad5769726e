"""The properties of an instance: which there are, when two bags of them differ, and how they map to bodies of the API.

Inputs, as `check` fills them, hold ``your_mom: str`` always, ``name: str`` unless it is not managed, and the others
where the program gives them. Outputs are all of these but ``adopt_id``, name and tags always, ``token: str``,
``valid: bool``, ``disabled: bool`` and the keys of HIDDEN. All keys are frozen, since state files hold them. Pure.

>>> from pulumi_instances.core.dialect import DIALECTS
>>> changes({"your_mom": "sfdc", "name": "crm"}, {"your_mom": "box", "name": "crm"}, DIALECTS["default"])
(['your_mom'], ['your_mom'])
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple

from pulumi.output import Unknown

from .dialect import Dialect
from .errors import InputError, UnexpectedAnswer
from .marks import parse
from .state_format import PROVIDER

# The properties, once. A new one begins here (CONTRIBUTING.md, "How to add a property").

INPUTS = (
    "your_mom",
    "name",
    "tags",
    "configuration",
    "provider_data",
    "enabled",
    "external_authentication",
    "events_enabled",
    "retrieve_objects_after_instantiation",
    "extra",
    "require_valid",
    "adopt_id",
)
"""What a program may give: the arguments of `Instance`. `changes` decides which changes replace an instance."""
UPDATABLE = ("name", "tags")
"""Inputs that a PUT changes. Where the program gives none, the server's value is left alone: it is not managed."""
WIRE_NAMES = {
    "configuration": "configuration",
    "provider_data": "providerData",
    "external_authentication": "externalAuthentication",
    "events_enabled": "eventsEnabled",
    "retrieve_objects_after_instantiation": "retrieveObjectsAfterInstantiation",
}
"""The names in the body of a create, for inputs that it sends as they are."""
CREATE_ONLY = (*WIRE_NAMES, "extra")
"""Inputs that only a POST sends, unless `Dialect.in_place` says otherwise. The state holds them as declared."""
SWITCHED = ("enabled",)
"""Inputs that have a request of their own."""
UNSENT = ("require_valid",)
"""Inputs that say what is expected of an instance. They are kept in the state, and never sent."""
REPLACING = tuple(key for key in INPUTS if key not in (*UPDATABLE, *SWITCHED, *UNSENT, "adopt_id"))
"""Inputs of which a change can replace an instance (`changes`)."""
QUOTED = ("your_mom", *UPDATABLE)
"""Inputs that messages repeat, unless the program says that they are secret (`core.errors`)."""
MAY_HOLD_SECRETS = ("configuration", "provider_data", "extra")
"""Inputs of which no message repeats a text or a number."""
OUTPUT_ONLY = ("token", "valid", "disabled")
"""Outputs that no program can give as inputs."""
HEALTH = ("valid", "disabled")
"""Outputs that the server changes by itself: they never cause a diff, and a listing may leave them out."""
SECRET_OUTPUTS = ("token",)
"""Outputs that are secret whatever the inputs are."""

OUTPUTS = tuple(key for key in (*INPUTS, *OUTPUT_ONLY) if key != "adopt_id")
"""What a program can read of a resource, and what the state holds."""
ANSWERED = tuple(key for key in OUTPUTS if key not in (*CREATE_ONLY, *SWITCHED, *UNSENT))
"""The outputs that `from_wire` reads from an answer about one instance."""
LISTED = tuple(key for key in ANSWERED if key not in HEALTH)
"""The outputs that a listing has of each instance."""

DEFAULTS = "__defaults"
"""In the state: which of UPDATABLE are not managed. As an input: which of them the program has not given."""
MARK = "__mark"
"""In the state: the tag by which the instance says whose it is (`identity`)."""
ACCOUNT = "__account"
"""In the state, secret: a digest of the account in which the instance was last proven to be ours (`identity`)."""
CREATED = "__created"
"""In the state: when our create was answered, in seconds since 1970. A young instance may not be visible yet."""
MADE = "__made"
"""In the state, secret: the values that the service shows in place of those that we sent (`made`)."""
ENABLED = "__enabled"
"""In the state: ``enabled`` as the program has declared it. It is there only where the instance is otherwise."""
HIDDEN = (DEFAULTS, MARK, ACCOUNT, CREATED, MADE)
"""Keys of the state that no program writes. The engine does not display keys that begin with two underscores."""
SECRET_STATE = (*SECRET_OUTPUTS, ACCOUNT, MADE)
"""Keys of the state whose values are secret whatever the inputs are."""
ALWAYS_SECRET = (*SECRET_STATE, "provider_data")
"""Keys of inputs and outputs whose whole value is always secret."""
CONCEALED = "__concealed"
"""A hidden input: which of QUOTED are secret, so that no message shows them."""
URN = "__urn"
"""A hidden input: where the resource is declared, as in its URN."""
IGNORED = "__ignored"
"""A hidden input: the paths in the option `ignore_changes`."""
ASKED = "__asked"
"""A hidden input, secret: the digest of the account that look-ups of the program use (`identity.account_of`)."""
LINE = "__line"
"""A checked input: the part of MARK that all instances of the resource have in common."""
HIDDEN_INPUTS = (DEFAULTS, CONCEALED, URN, IGNORED, ASKED, LINE)
"""Inputs of `check` that no program writes. With ``ignore_changes=["*"]``, LINE is that of the state."""

STEPS_LEFT = "__steps_left"
"""In the result of `from_wire`: the service waits for further steps, such as a login. It is never kept."""
SHOWN = "__shown"
"""In the result of `from_wire`: the ``configuration`` as the service shows it. It is never kept."""
MARKS = "__marks"
"""In the result of `from_wire`: those of its tags that are marks, parsed. They are not among its ``tags``."""
CREATED_AT = "__created_at"
"""In the result of `from_wire`: when the instance was created, as a datetime. It is never kept."""

MASK = "********"
"""What services show instead of a secret. It is never sent to them, and never compared."""

# The engine carries every number as a double (pulumi/pulumi#13830): whole numbers are exact up to here only.
EXACT = 2**53 - 1

_SECRET_WORDS = re.compile(
    r"secret|password|passwd|passphrase|pwd|token|key|code|credential|private|signature|bearer|cookie|session"
    r"|authorization|assertion"
)
# These are parts of harmless words (mapping, certain): they count only where they are a whole part of the key.
_SHORT_SECRET_WORDS = frozenset({"pass", "pin", "otp", "jwt", "pem", "cert", "hmac", "dsn"})
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def is_secret_key(key: object) -> bool:
    """Return whether a value under this configuration key is to be secret: `oauth.api.secret`, but not a URL."""
    if _SECRET_WORDS.search(str(key).lower()):
        return True
    return not _SHORT_SECRET_WORDS.isdisjoint(part.lower() for part in _PARTS.findall(str(key)))


def with_secrets(value: Any, mark: Callable[[Any], Any]) -> Any:
    """Return the value, with ``mark`` applied to each value under a secret-looking key, at any depth."""
    if isinstance(value, Mapping):
        return {
            key: mark(item) if is_secret_key(key) and item is not None else with_secrets(item, mark)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [with_secrets(item, mark) for item in value]
    return value


def marked(bag: Mapping[str, Any], mark: Callable[[Any], Any]) -> dict[str, Any]:
    """Return inputs or outputs, with ``mark`` applied to all that is secret, whether or not the program marks it."""
    answer = {**bag}
    for key, value in bag.items():
        if key in ALWAYS_SECRET:
            answer[key] = mark(value)
        elif key in MAY_HOLD_SECRETS:
            answer[key] = with_secrets(value, mark)
    return answer


def kind_of(value: object) -> str:
    """Return the kind of a value for a message, such as ``a number``."""
    kinds = {
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "an object",
    }
    return kinds.get(type(value), f"a {type(value).__name__}")


def normalise_tags(tags: Any) -> Any:
    """Return tags in the order in which two sets are compared: sorted, without repeats, unknown ones last.

    An unknown set stays as it is, and so does what is not a list of texts, which an edited state may hold.
    """
    if not _are_tags(tags):
        return tags
    unknown = [tag for tag in tags if isinstance(tag, Unknown)]
    return sorted({tag for tag in tags if not isinstance(tag, Unknown)}) + unknown


def _are_tags(tags: Any) -> bool:
    return isinstance(tags, (list, tuple)) and all(isinstance(tag, (str, Unknown)) for tag in tags)


def in_order(tags: Any, olds: Any) -> Any:
    """Return ``tags`` in the order of ``olds``: new tags take the places of removed ones, and then the end.

    The engine compares lists by position, so it then shows one changed tag as one changed line. Where more tags were
    removed than are new, the last ones take the places that are left.
    """
    tags = normalise_tags(tags)
    if not (_are_tags(tags) and _are_tags(olds)):
        return tags
    kept = [tag if tag in tags else None for tag in dict.fromkeys(olds)]
    new = (tag for tag in tags if tag not in kept)
    ordered = [next(new, None) if tag is None else tag for tag in kept]
    ordered += new
    while None in ordered:
        if (last := ordered.pop()) is not None:
            ordered[ordered.index(None)] = last
    return ordered


def normalise_id(value: Any) -> str:
    """Return an id as decimal text, from text, a number, or the float that the engine makes of a number.

    Raises InputError for anything else: an empty or crafted id must never become part of a URL.
    """
    if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**30:  # else str() itself may fail
        value = str(value)
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,30}", value):
        # The value itself may be a secret that was put into the wrong place.
        kind = kind_of(value)
        if isinstance(value, str):
            kind = "another string" if value else "an empty string"
        raise InputError(f"must be the decimal id of an instance, not {kind}", 'write an id such as "4014"')
    return value.lstrip("0") or "0"


def plain(value: Any) -> Any:
    """Return a copy in which whole floats are ints again (pulumi/pulumi#13830), without members that are None."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT:
        return int(value)
    return value


# diff


def changes(olds: Mapping[str, Any], news: Mapping[str, Any], dialect: Dialect) -> tuple[list[str], list[str]]:
    """Return the inputs in which ``news`` differs from the outputs ``olds``, and those of them that replace it.

    Those of CREATE_ONLY replace only where the service cannot change them in place, and only where both sides hold
    them: the API never shows them again, so a side without them (adopted, imported, dropped from the program) says
    nothing about the instance.
    """
    changed = [key for key in INPUTS if key in OUTPUTS and _differs(key, olds, news)]
    held_by_both = [key for key in changed if _is_given(olds.get(key)) and _is_given(news.get(key))]
    may_replace = [key for key in changed if key in REPLACING and key not in dialect.in_place]
    replaces = [key for key in may_replace if key not in CREATE_ONLY or key in held_by_both]
    return changed, replaces


def _differs(key: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
    if key not in UPDATABLE:
        return not same(key, olds.get(key), news.get(key))
    was_managed = key not in unmanaged(olds)
    if key not in news:  # not managed from now on: a difference only where it was managed
        return was_managed and (key == "tags" or DEFAULTS in olds)
    # That management begins is recorded even where the values are equal: dropping tags later has to clear them.
    return not same(key, olds.get(key), news[key]) or (not was_managed and DEFAULTS in olds and bool(news[key]))


def unmanaged(outs: Mapping[str, Any]) -> list[str]:
    """Return those of UPDATABLE that the program leaves to the server, by the outputs in a state.

    States of 0.1.0 have no DEFAULTS: they always manage the name, and hold no tags where the program gave none. A
    property that came after the version of a state is not in its outputs, and is not managed.
    """
    defaults = outs.get(DEFAULTS)
    if isinstance(defaults, (list, tuple)):
        return sorted(key for key in UPDATABLE if key in defaults or key not in outs)
    return sorted(key for key in UPDATABLE if key != "name" and not outs.get(key))


def not_given(inputs: Mapping[str, Any]) -> list[str]:
    """Return those of UPDATABLE that the program leaves to the server, by the checked inputs."""
    return sorted(key for key in UPDATABLE if key not in inputs)


def recorded_only(olds: Mapping[str, Any], news: Mapping[str, Any], dialect: Dialect) -> list[str]:
    """Return the changed inputs that `update` writes to the state without sending them."""
    changed, replaces = changes(olds, news, dialect)
    if replaces:
        return []
    sent = [key for key in dialect.in_place if _is_given(news.get(key))]
    return [key for key in changed if key in CREATE_ONLY and key not in sent]


def ignores_tags(paths: Collection[str]) -> bool:
    """Return whether the option `ignore_changes` with these paths leaves the tags as they are."""
    return not {"tags", '["tags"]', "*", "[*]"}.isdisjoint(paths)


def ignores_a_tag(paths: Iterable[str]) -> str | None:
    """Return the first of these paths of `ignore_changes` that names a part of the tags, such as ``tags[0]``."""
    return next((path for path in paths if path.startswith(("tags[", "tags.", '["tags"][', '["tags"].'))), None)


def without_ignored_tags(olds: Mapping[str, Any], news: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs ``news`` with the tags of the outputs ``olds``; without tags where those are not managed."""
    others = {key: value for key, value in news.items() if key != "tags"}
    return others if "tags" in unmanaged(olds) else {**others, "tags": olds.get("tags", [])}


def _is_given(value: Any) -> bool:
    """Return whether a program gives this value: an empty object counts as none."""
    return isinstance(value, (bool, Unknown)) or bool(value)


def same(key: str, old: Any, new: Any) -> bool:
    """Return whether two values of an input mean the same. An unknown value is never the same as anything."""
    if key == "tags":
        return _equal(normalise_tags(old or []), normalise_tags(new or []))
    if key in CREATE_ONLY and not _is_given(old):
        return not _is_given(new)
    return _equal(plain(old), plain(new))


def changed_members(old: Any, new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of ``new`` that ``old`` lacks or holds with another value."""
    before = plain(old) if isinstance(old, Mapping) else {}
    return {key: value for key, value in plain(new).items() if key not in before or not _equal(before[key], value)}


def _equal(old: Any, new: Any) -> bool:
    """Return whether two JSON values are equal: True is not 1, as it is in Python, and 3.0 is 3."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return old.keys() == new.keys() and all(_equal(old[key], new[key]) for key in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_equal, old, new))
    if isinstance(old, Unknown) or isinstance(new, Unknown) or isinstance(old, bool) != isinstance(new, bool):
        return False
    return bool(old == new)


# bodies of the API


def to_create(inputs: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """Return the body of `POST /instances`."""
    body = {dialect.connector: {"key": inputs["your_mom"]}, **to_update(inputs)}
    given = {wire: plain(inputs[key]) for key, wire in WIRE_NAMES.items() if _is_given(inputs.get(key))}
    return {**plain(inputs.get("extra") or {}), **body, **given}


def to_update(inputs: Mapping[str, Any], olds: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the body of `PUT /instances/{id}`: those of UPDATABLE that are managed.

    Tags that the outputs ``olds`` manage, and that the program no longer gives, are cleared.
    """
    body = {key: plain(inputs[key]) for key in UPDATABLE if key in inputs}
    if "tags" not in body and olds is not None and "tags" not in unmanaged(olds):
        body["tags"] = []
    return body


def is_met(body: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Return whether a PUT with this body would change nothing of the instance that was ``found``."""
    return all(same(key, found.get(key), body[key]) for key in body)


class Update(NamedTuple):
    """One request to `/instances/{id}`."""

    method: str
    """``PUT``, or ``PATCH`` for single keys of ``configuration``."""
    body: dict[str, Any]
    logs_in: bool = False
    """Whether it authenticates the instance anew, with ``provider_data``."""


def update(olds: Mapping[str, Any], news: Mapping[str, Any], dialect: Dialect) -> Update | None:
    """Return the one request that makes the instance with the outputs ``olds`` as ``news``; None where nothing differs.

    The service keeps keys that the program no longer gives in ``configuration`` (`dropped_keys`).
    """
    managed = to_update(news, olds)
    differing = {key: value for key, value in managed.items() if not is_met({key: value}, olds)}
    sent = {key: _sent(key, olds, news, dialect) for key in ("configuration", "provider_data")}
    body = {WIRE_NAMES[key]: value for key, value in sent.items() if value}
    if not differing and not body:
        return None
    logs_in = "providerData" in body
    if body and not logs_in and dialect.merges:
        return Update("PATCH", {**differing, **body})
    return Update("PUT", {**managed, **body}, logs_in)


def _sent(key: str, olds: Mapping[str, Any], news: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """Return what an update sends of this property; nothing where it is as before, or does not change in place."""
    old, new = olds.get(key), news.get(key) or {}
    if key not in dialect.in_place or same(key, old, new):
        return {}
    return changed_members(old, new) if key == "configuration" and dialect.merges else dict(plain(new))


def dropped_keys(olds: Mapping[str, Any], news: Mapping[str, Any], dialect: Dialect) -> list[str]:
    """Return the keys of ``configuration`` that the program no longer gives, and whose values the service keeps."""
    before, now = olds.get("configuration"), news.get("configuration")
    if not dialect.merges or not isinstance(before, Mapping) or not isinstance(now, Mapping):
        return []
    return sorted(key for key in before if key not in now)


def from_wire(answer: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """Return the ``id`` and the outputs that an answer of the API holds, under our keys.

    Tags come as ``{id, name}``, as text in any order, or not at all (API document: POST, GET, PUT). Half a surrogate
    pair, which JSON may have, becomes a question mark, since UTF-8 cannot hold it.

    Raises UnexpectedAnswer where a documented field has another type.
    """
    try:
        found: dict[str, Any] = {"id": normalise_id(answer.get("id"))}
    except InputError:
        raise UnexpectedAnswer("an instance without a numeric id") from None
    for key, kind in _MEMBERS.items():
        if (value := _wire_member(answer, key, kind)) not in (None, ""):
            found[key] = value
    if (connector := _wire_member(answer, dialect.connector, dict)) is not None:
        found["your_mom"] = _wire_member(connector, "key", str)
    if "tags" in answer:  # null stands for no tags, and for no tag
        texts = [_wire_tag(tag) for tag in _wire_member(answer, "tags", list) or () if tag is not None]
        marks = {text: mark for text in texts if (mark := parse(text)) is not None}
        found[MARKS] = [*marks.values()]
        found["tags"] = sorted({*texts} - marks.keys())
    if isinstance(answer.get("provisionInteractions"), list) and answer["provisionInteractions"]:
        found[STEPS_LEFT] = True
    if isinstance(answer.get("configuration"), dict):
        found[SHOWN] = answer["configuration"]
    found[CREATED_AT] = _wire_moment(answer.get("createdDate"))
    return {key: value for key, value in found.items() if value is not None}


_MEMBERS = {"name": str, "token": str, "valid": bool, "disabled": bool}
"""Fields of an answer that are as in the state. Its connector and its tags are not."""


def _wire_member(answer: Mapping[str, Any], key: str, kind: type) -> Any:
    value = answer.get(key)
    if value is not None and not isinstance(value, kind):
        raise UnexpectedAnswer(f"an instance whose `{key}` is {kind_of(value)}")
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _wire_tag(tag: Any) -> str:
    name = tag.get("name") if isinstance(tag, Mapping) else tag
    if not isinstance(name, str):
        raise UnexpectedAnswer(f"an instance with a tag that is {kind_of(name)}")
    return name.encode("utf-8", "replace").decode()


def _wire_moment(value: Any) -> datetime | None:
    """Return a time, sent as ``2017-05-22T04:12:16Z``, or as milliseconds since 1970; None for anything else."""
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
            return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, timezone.utc)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def outputs(found: Mapping[str, Any], known: Mapping[str, Any], not_managed: Sequence[str]) -> dict[str, Any]:
    """Return the outputs after an operation: ``found`` in an answer, over those ``known`` from the inputs or the state.

    A token that an answer omits stays as it is known. ``your_mom``, ``configuration`` and ``provider_data`` stay as
    declared: a service that writes a connector's key in another way must never make a refresh end in a replacement.
    A value that the service still shows as after our own write (MADE) stays as declared, too. A ``configuration`` in
    ``found`` is the declared one with its drift (`as_shown`). ``not_managed`` are those of the inputs that the program
    leaves to the server.
    """
    merged = {key: known[key] for key in (*OUTPUTS, *HIDDEN) if known.get(key) is not None}
    left_out = {"id", STEPS_LEFT, SHOWN, MARKS, CREATED_AT}
    if "your_mom" in merged:
        left_out.add("your_mom")
    merged.update({key: value for key, value in found.items() if key not in left_out})
    declared, shown = _parts(known), _parts(found)
    made = {
        part: value
        for part, value in (merged.pop(MADE, None) or {}).items()
        if part in declared and part not in not_managed and (part not in shown or _same_part(part, shown[part], value))
    }
    merged.update({part: declared[part] for part in made if part in UPDATABLE})
    if "configuration" in found:
        unchanged = {key: value for key, value in known["configuration"].items() if _PART + key in made}
        merged["configuration"] = {**found["configuration"], **unchanged}
    if made:
        merged[MADE] = made
    if "enabled" in merged and "disabled" in found:
        merged["enabled"] = not found["disabled"]
    if (enabled := declared_enabled(known)) != merged.get("enabled"):
        merged[ENABLED] = enabled
    merged.setdefault("tags", [])
    merged["tags"] = in_order(merged["tags"], known.get("tags"))
    merged.update({key: plain(merged[key]) for key in CREATE_ONLY if key in merged})
    merged[DEFAULTS] = sorted(not_managed)
    return merged


def declared_enabled(props: Mapping[str, Any]) -> Any:
    """Return ``enabled`` as the program declares it, whatever a refresh has found since; None where it does not."""
    return props.get(ENABLED, props.get("enabled"))


_PART = "configuration."
"""The start of each key of ``configuration`` among the parts of a bag (`_parts`)."""


def made(sent: Mapping[str, Any], found: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the values in the answer to a write that differ from those it ``sent``, by part (`_parts`).

    A ``configuration`` in ``found`` is as `as_shown` returns it. ``before`` are the outputs before the write: MADE in
    them still holds for each part that was not sent, or that was sent unchanged and is not in the answer.
    """
    given, shown, old = _parts(sent), _parts(found), _parts(before or {})
    kept = {
        part: value
        for part, value in ((before or {}).get(MADE) or {}).items()
        if part not in given or (part not in shown and part in old and _same_part(part, old[part], given[part]))
    }
    new = {
        part: shown[part] for part, value in given.items() if part in shown and not _same_part(part, shown[part], value)
    }
    return {**kept, **new}


def _parts(bag: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a bag that are compared with an answer: UPDATABLE, and each key of ``configuration``."""
    parts = {key: bag[key] for key in UPDATABLE if key in bag}
    configuration = bag.get("configuration")
    members = configuration if isinstance(configuration, Mapping) else {}
    return {**parts, **{_PART + key: value for key, value in members.items()}}


def _same_part(part: str, old: Any, new: Any) -> bool:
    return same(part, old, new) if part in UPDATABLE else _equal(plain(old), plain(new))


def as_shown(declared: Any, shown: Any) -> Any:
    """Return the declared configuration, with the shown value in place of each that the service shows otherwise.

    Only declared members are compared, at each depth. Services show other values than strings as JSON, and `********`
    for a secret, which is not compared.
    """
    if shown in (None, MASK):
        return declared
    parsed = _parsed(shown) if isinstance(shown, str) and not isinstance(declared, str) else shown
    if isinstance(declared, Mapping) and isinstance(parsed, Mapping):
        return {key: as_shown(value, parsed.get(key)) for key, value in declared.items()}
    if isinstance(declared, (list, tuple)) and isinstance(parsed, list) and len(declared) == len(parsed):
        return [as_shown(*pair) for pair in zip(declared, parsed, strict=True)]
    return declared if _equal(plain(declared), plain(parsed)) else shown


def _parsed(text: str) -> Any:
    """Return the value of this text as JSON; the text itself where it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def inputs_of(outs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs that mirror outputs, with just the keys that `check` fills: a refresh then shows only drift."""
    left_out = unmanaged(outs)
    inputs = {key: outs[key] for key in INPUTS if key in outs and key not in left_out}
    if isinstance(outs.get(MARK), str):
        inputs[LINE] = outs[MARK].rpartition(".")[0]
    return inputs


def secret_values(bag: Mapping[str, Any]) -> list[str]:
    """Return the texts that no message may repeat: any text or number of `configuration` may be a secret."""
    return [text for key in (*MAY_HOLD_SECRETS, *SECRET_OUTPUTS, MADE) for text in texts(bag.get(key))]


def texts(value: Any) -> Iterator[str]:
    """Yield every text and every number in a value, at any depth, as text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield str(plain(value))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts(item)


def unmet(outs: Mapping[str, Any]) -> str | None:
    """Return why the connection does not work, if ``require_valid`` in these outputs asks for it; None where it may."""
    valid = outs.get("valid")
    if not outs.get("require_valid") or outs.get("enabled") is False or valid is True or isinstance(valid, Unknown):
        return None
    if valid is None:
        return "the service does not say that its connection works (it sends no `valid`)"
    return "its connection does not work (valid: false)"


def is_lookup(props: Mapping[str, Any]) -> bool:
    """Return whether `read` was called by `.get`: its properties hold nothing that only an answer of the API has."""
    return not any(key in props for key in (*OUTPUT_ONLY, ACCOUNT, CREATED))


# A state has the keys of the front end that wrote it. Each front end reads the states of the other one, since a
# resource that moves brings its state along (docs/moving.md).

IMPORTED = "__imported"
"""In the state of the native package: True after an import, until a program says which of UPDATABLE it manages.
Where the import was refused, since another resource manages the instance: the name of that resource."""


def camel(key: str) -> str:
    """Return the key of the native package for one of ours: ``yourMom`` for ``your_mom``."""
    first, *rest = key.split("_")
    return first + "".join(word.capitalize() for word in rest)


NATIVE_NAMES = {key: camel(key) for key in dict.fromkeys((*INPUTS, *OUTPUTS))}
"""The key of the native package for each property."""
_OURS = {name: key for key, name in NATIVE_NAMES.items()}
_OTHERS = {name for key, name in NATIVE_NAMES.items() if name != key}


def is_native(bag: Mapping[str, Any]) -> bool:
    """Return whether these inputs or outputs are under the keys of the native package."""
    return not _OTHERS.isdisjoint(bag)


def to_native(bag: Mapping[str, Any]) -> dict[str, Any]:
    """Return properties under the keys of the native package. Hidden keys of the state are the same in both."""
    return {NATIVE_NAMES.get(key, key): value for key, value in bag.items()}


def from_native(bag: Mapping[str, Any]) -> dict[str, Any]:
    """Return properties under our keys, whichever front end has written them, without what only that one reads."""
    return {_OURS.get(key, key): value for key, value in bag.items() if key not in (PROVIDER, IMPORTED)}


def old_inputs(bag: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs in a state. Those of an import do not count as what a program has given."""
    return {key: value for key, value in from_native(bag).items() if IMPORTED not in bag or key not in UPDATABLE}


def old_outputs(bag: Mapping[str, Any], given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the outputs in a state. Those of an import manage what the program has ``given``."""
    outputs = from_native(bag)
    return {**outputs, DEFAULTS: not_given(given or {})} if IMPORTED in bag else outputs
