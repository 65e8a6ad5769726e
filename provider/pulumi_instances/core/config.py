"""The settings of an account, from the stack's configuration or from variables of the environment, which win.

`load` reads all of them (docs/settings.md); a malformed one is a `Problem`, never a value in a message.

>>> values = {"baseUrl": "https://api.example.com", "userSecret": "u", "organizationSecret": "o", "timeout": "5"}
>>> load(lambda key: values.get(key.removeprefix("instances:")), environ={}).timeout
5.0
"""

from __future__ import annotations

import ipaddress
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pulumi.output import Unknown

from .dialect import DIALECTS, IN_PLACE, Dialect
from .errors import Problem, SettingError, quote
from .state_format import account_of
from .validation import tags_problems
from .words import PYTHON

NAMESPACE = "instances"
ACCOUNT_KEY = f"{NAMESPACE}:account"

ONLY_API = "PULUMI_INSTANCES_ONLY_API"
"""The variable by which the pytest fixture `stack` allows no other host than its emulator in a test."""


@dataclass(frozen=True)
class Settings:
    """The checked settings of one account. Times are in seconds. No repr shows the two secrets."""

    base_url: str
    user_secret: str = field(repr=False)
    organization_secret: str = field(repr=False)
    timeout: float = 30.0
    create_timeout: float = 120.0
    max_retries: int = 4
    max_requests_per_second: float | None = None
    parallelism: int = 32
    batch_reads: bool = True
    ca_bundle: str | None = None
    allow_insecure_http: bool = False
    user_agent_suffix: str | None = None
    dialect: Dialect = DIALECTS["default"]
    confirm_gone: bool = False
    mark: bool = True
    """Whether a create sends a tag that names the resource that manages the instance (`marks`)."""
    take_over: str = "ask"
    """Whether to take over an instance that an interrupted run has made for a resource: ``ask``, ``yes`` or ``no``."""
    default_tags: tuple[str, ...] = ()
    """Tags of every instance whose tags are managed; ``{project}`` and ``{stack}`` stand for where it is declared."""
    configuration_drift: bool = False
    """Whether a refresh compares the values of ``configuration`` that the service shows."""
    update_in_place: bool | None = None
    """Whether the service can change `dialect.IN_PLACE` as well; None where its dialect decides."""
    refresh_before_update: bool = False
    """Whether the engine refreshes each instance of the native package first in a preview, `up` and destroy."""


def is_loopback(host: str) -> bool:
    """Return whether this host is the machine itself, which requests to it never leave."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_and_port(url: str) -> str:
    """Return the host and the port of a base URL, as messages show them."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or {'http': 80, 'https': 443}[parts.scheme]}"


def _base_url(value: Any) -> str:
    expected = "must be an http(s) URL such as https://api.example.com/your_moms/api-v2"
    if not isinstance(value, str) or re.search(r"[\s\x00-\x1f\x7f]", value):
        raise ValueError(expected)
    try:
        parts = urlsplit(value)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError(expected) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
        raise ValueError(expected)
    if "@" in parts.netloc:
        raise ValueError(f"must not contain a user or password, and {expected}")
    if parts.query or parts.fragment:
        raise ValueError(f"must not contain a query or fragment, and {expected}")
    return value.rstrip("/")


def _secret(value: Any) -> str:
    # The value goes into the header `User <secret>, Organization <secret>`: nothing in it may end either part.
    if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x2b\x2d-\x7e]+", value):
        raise ValueError("must be printable ASCII without spaces or commas, as the console shows it")
    return value


def _number(value: Any) -> float:
    """Return a number, given as one or as a string. Anything else is NaN, which is in no range."""
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _seconds(value: Any) -> float:
    seconds = _number(value)
    if not 0 < seconds <= 86_400:
        raise ValueError("must be a number of seconds above 0, at most 86400, such as 30")
    return seconds


def _rate(value: Any) -> float:
    rate = _number(value)
    if not 0 < rate <= 10_000:
        raise ValueError("must be a number of requests per second above 0, at most 10000, such as 10")
    return rate


def _count(value: Any) -> int:
    count = _number(value)
    if not (0 <= count <= 100 and count.is_integer()):
        raise ValueError("must be a whole number from 0 to 100, such as 4")
    return int(count)


MOST_PARALLEL = 256


def _workers(value: Any) -> int:
    workers = _number(value)
    if not (1 <= workers <= MOST_PARALLEL and workers.is_integer()):
        raise ValueError(f"must be a whole number from 1 to {MOST_PARALLEL}, such as 32")
    return int(workers)


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    flags = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if not isinstance(value, str) or value.lower() not in flags:
        raise ValueError("must be true or false")
    return flags[value.lower()]


def _file(value: Any) -> str:
    path = Path(str(value))
    try:
        found = path.is_file()
    except OSError:  # a name that is too long, a directory that may not be read
        found = False
    if not found:
        raise ValueError("must be the absolute path of an existing PEM file")
    return str(path)


def _printable(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[\x20-\x7e]{1,200}", value):
        raise ValueError("must be at most 200 printable ASCII characters, such as acme-deploys/1.4")
    return value


def _tags(value: Any) -> tuple[str, ...]:
    """Return the tags in a list, in JSON of one, or in text with commas."""
    expected = "must be tags separated by commas, in braces only project and stack, such as pulumi,{project}/{stack}"
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.startswith("[") else value.split(",")
        except ValueError:
            raise ValueError(expected) from None
    if not isinstance(value, list) or not all(isinstance(tag, str) and tag.strip() for tag in value):
        raise ValueError(expected)
    if any(set(re.findall(r"{(.*?)}", tag)) - {"project", "stack"} for tag in value):
        raise ValueError(expected)
    tags = tuple(dict.fromkeys(tag.strip() for tag in value))
    filled = [re.sub("{.*?}", "a", tag) for tag in tags]
    if (problem := next(tags_problems(filled, PYTHON), None)) is not None:
        raise ValueError(f"must not have a tag that {problem.fault}")
    return tags


def _take_over(value: Any) -> str:
    answers = {"ask": "ask", "yes": "yes", "true": "yes", "no": "no", "false": "no"}
    answer = answers.get(str(value).lower())
    if answer is None:
        raise ValueError("must be ask, yes or no")
    return answer


def _dialect(value: Any) -> Dialect:
    if not isinstance(value, str) or value not in DIALECTS:
        raise ValueError(f"must be one of {', '.join(DIALECTS)}")
    return DIALECTS[value]


@dataclass(frozen=True)
class Setting:
    """One setting: its configuration key without the namespace, and how its value is read."""

    key: str
    parse: Callable[[Any], Any]
    required: bool = False
    secret: bool = False

    @property
    def attribute(self) -> str:
        """The name of its field in `Settings`; in capitals, the end of its environment variable."""
        return re.sub(r"(?<!^)([A-Z])", r"_\1", self.key).lower()

    def variable(self, account: Any) -> str:
        """Return the environment variable that sets it for an account: ``INSTANCES_EU_TIMEOUT`` for "eu"."""
        return env_prefix(account) + self.attribute.upper()


HowToSet = Callable[[Setting, Any], str]
"""Returns the advice on how to give a setting to an account, which is None for the default one."""

# The keys are part of the contract with users: golden-tested, only ever added to.
SETTINGS = (
    Setting("baseUrl", _base_url, required=True),
    Setting("userSecret", _secret, required=True, secret=True),
    Setting("organizationSecret", _secret, required=True, secret=True),
    Setting("timeout", _seconds),
    Setting("createTimeout", _seconds),
    Setting("maxRetries", _count),
    Setting("maxRequestsPerSecond", _rate),
    Setting("parallelism", _workers),
    Setting("batchReads", _flag),
    Setting("caBundle", _file),
    Setting("allowInsecureHttp", _flag),
    Setting("userAgentSuffix", _printable),
    Setting("dialect", _dialect),
    Setting("confirmGone", _flag),
    Setting("mark", _flag),
    Setting("takeOver", _take_over),
    Setting("updateInPlace", _flag),
    Setting("defaultTags", _tags),
    Setting("configurationDrift", _flag),
    Setting("refreshBeforeUpdate", _flag),
)


def load(
    get: Callable[[str], Any], environ: Mapping[str, str] | None = None, *, how_to_set: HowToSet | None = None
) -> Settings:
    """Return the settings of one account.

    ``get`` reads a configuration key such as ``instances:baseUrl`` and returns None for a missing one. A variable of
    the environment, ``INSTANCES_BASE_URL``, wins over it: destroy and refresh see the configuration of the last `up`,
    so rotated secrets can only come through the environment (docs/engine.md, E20; pulumi/pulumi#4981). The variables of
    an account made by `account("eu")` carry its name, ``INSTANCES_EU_USER_SECRET``, so that the default account's
    never reach another account. ``how_to_set`` writes the advice for other front ends than Python programs.

    Raises SettingError with one problem for each setting that is missing or malformed.
    """
    values, problems = _values(get, environ, how_to_set)
    if problems:
        raise SettingError(problems)
    dialect = values.get("dialect", DIALECTS["default"])
    values.setdefault("batch_reads", not dialect.tells_health)
    if "update_in_place" in values:
        values["dialect"] = replace(dialect, in_place=IN_PLACE if values["update_in_place"] else frozenset())
    return Settings(**values)


def problems(get: Callable[[str], Any], *, how_to_set: HowToSet | None = None) -> list[Problem]:
    """Return the problem of each setting that is missing or malformed. A value that is not known yet has none."""
    return _values(get, None, how_to_set, may_be_unknown=True)[1]


def _values(
    get: Callable[[str], Any],
    environ: Mapping[str, str] | None,
    how_to_set: HowToSet | None,
    *,
    may_be_unknown: bool = False,
) -> tuple[dict[str, Any], list[Problem]]:
    """Return the values that are known, by the fields of `Settings`, and the problems of the others."""
    environ = os.environ if environ is None else environ
    how_to_set = how_to_set or how_to_set_in_python
    account = get(ACCOUNT_KEY)
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for setting in SETTINGS:
        key = f"{NAMESPACE}:{setting.key}"
        variable = setting.variable(account)
        from_variable: Any = environ.get(variable, "").strip()
        raw = from_variable or get(key)
        if isinstance(raw, str):
            raw = raw.strip()
        if may_be_unknown and isinstance(raw, Unknown):
            continue
        if raw is None or raw == "":
            if setting.required:
                problems.append(Problem(key, "is missing", f"{how_to_set(setting, account)}, or set {variable}"))
            continue
        try:
            values[setting.attribute] = setting.parse(raw)
        except ValueError as error:
            advice = f"{how_to_set(setting, account)}, or set {variable}"
            if from_variable:  # as long as it is set, the configuration is not read
                advice = f"correct {variable}, or unset it and {how_to_set(setting, account)}"
            problems.append(Problem(key, f"{error}", advice))
    if not problems and "base_url" in values:
        prefix = env_prefix(account)
        problems = _plain_http(values, prefix) or _not_the_emulator(values, prefix, environ)
    return values, problems


def env_prefix(account: Any) -> str:
    """Return the start of the environment variables of an account: ``INSTANCES_``, or ``INSTANCES_EU_`` for "eu"."""
    prefix = f"{NAMESPACE.upper()}_"
    if not account:
        return prefix
    return prefix + re.sub(r"[^A-Z0-9]", "_", str(account).upper()) + "_"


def variables(account: str | None) -> frozenset[str]:
    """Return the environment variables that `load` reads for an account."""
    return frozenset(setting.variable(account) for setting in SETTINGS)


_OF_THE_ENGINE = ("version", "pluginDownloadURL")
"""Keys that the engine adds to the inputs of a native provider."""
_ALIKE = 0.8
"""The least likeness of a misspelt variable to one of ours: variables of other programs may begin with our prefix."""
_NAMESPACE_ALIKE = 0.7
"""The least likeness of a misspelt namespace or prefix, such as ``pulumi-instances``, to ours."""


def unknown(
    keys: Iterable[str], environ: Mapping[str, str], account: Any = None, project: str | None = None
) -> list[Problem]:
    """Return a problem for each key and variable that resembles a setting and is ignored: ``instances:timout``.

    ``keys`` are those of the configuration, with their namespace; those of the ``project`` are the program's own.
    Variables are compared with those of this account.
    """
    from difflib import get_close_matches  # here, since programs import this module, too

    known = [setting.key for setting in SETTINGS]
    problems = []
    for key in keys:
        namespace, _, setting_key = key.partition(":")
        ours = namespace == NAMESPACE and key != ACCOUNT_KEY and not setting_key.startswith("__")
        if ours and setting_key not in (*known, *_OF_THE_ENGINE):
            near = get_close_matches(setting_key, known, 1)
            advice = f"write {NAMESPACE}:{near[0]}" if near else f"remove it, or use one of {', '.join(known)}"
            problems.append(Problem(quote(key), "is not a setting, and is ignored", advice))
        if namespace in (NAMESPACE, project) or not get_close_matches(namespace, [NAMESPACE], 1, _NAMESPACE_ALIKE):
            continue
        if near := get_close_matches(setting_key, known, 1, _NAMESPACE_ALIKE):
            advice = f"write {NAMESPACE}:{near[0]}"
            problems.append(Problem(quote(key), "is not a setting of this provider, and is ignored", advice))
    for name in sorted(environ):
        if variable := _with_our_prefix(name, account) or _with_our_ending(name, account):
            advice = f"rename it to {variable}, or unset it"
            problems.append(Problem(quote(name), "is not a variable of this provider, and is ignored", advice))
    return problems


def _with_our_prefix(name: str, account: Any) -> str | None:
    """Return the required variable that one such as INSTANCE_USER_SECRET is meant to be; None for other variables."""
    from difflib import get_close_matches

    if name.startswith(f"{NAMESPACE.upper()}_"):
        return None
    prefix = env_prefix(account).removesuffix("_")
    for ending in [f"_{setting.attribute.upper()}" for setting in SETTINGS if setting.required]:
        start = name.removesuffix(ending)
        if start != name and get_close_matches(start, [prefix], 1, _NAMESPACE_ALIKE):
            return prefix + ending
    return None


def _with_our_ending(name: str, account: Any) -> str | None:
    """Return the variable that one such as INSTANCES_TIMOUT is meant to be; None for other variables."""
    from difflib import get_close_matches

    prefix = env_prefix(account)
    endings = {setting.attribute.upper() for setting in SETTINGS}
    if not name.startswith(prefix) or any(name.endswith(f"_{ending}") for ending in endings):  # of another account
        return None
    near = get_close_matches(name.removeprefix(prefix), endings, 1, _ALIKE)
    return prefix + near[0] if near else None


def problem_of_account(name: str) -> Problem | None:
    """Return the problem of an account name whose variables could be those of another account; None where it has none.

    No process knows the names of all accounts, so no two names may have the same prefix of variables.
    """
    subject = f"account name {name!r}"
    if not re.fullmatch(r"[a-z0-9-]+", name):
        advice = "use only lower-case letters, digits and -; a new name leaves the instances as they are"
        return Problem(subject, "is malformed", advice)
    if account_of(name) is None:
        return Problem(
            subject, "is one that the Pulumi engine gives to the account of the stack", "choose another name"
        )
    # The names that this one begins with, and the default account.
    parts = name.split("-")
    for other in (None, *("-".join(parts[:count]) for count in range(1, len(parts)))):
        if shared := variables(name) & variables(other):
            owner = "the default account" if other is None else f"an account {other!r}"
            fault = f"is ambiguous, since the variable {min(shared)} would also belong to {owner}"
            return Problem(subject, fault, "choose a name with another ending")
    return None


def how_to_set_in_python(setting: Setting, account: Any) -> str:
    """Return the advice on how to give a setting in a Python program, or in the stack's configuration."""
    if account:
        where = setting.attribute if setting.required else f'settings={{"{setting.key}": …}}'
        return f'pass {where} to account("{account}", …)'
    # Without a value, which would stay in the shell's history, the CLI asks for it.
    words = f"--secret {NAMESPACE}:{setting.key}" if setting.secret else f"{NAMESPACE}:{setting.key} <value>"
    return f'run "pulumi config set {words}"'


DEFAULT_TAGS = f"{NAMESPACE}:defaultTags"
SECRET_TAGS = Problem(
    DEFAULT_TAGS,
    "is a secret, which no tag can be: the service, and the state, show tags in plain text",
    f"give it without a secret; in the stack's configuration, by `pulumi config set {DEFAULT_TAGS} <tags>`",
)
"""The problem where the configuration keeps the tags of every instance secret."""


def _plain_http(values: Mapping[str, Any], prefix: str) -> list[Problem]:
    """Return the problem of plain HTTP beyond loopback, which shows both secrets and every token to the network."""
    parts = urlsplit(values["base_url"])
    allowed = values.get("allow_insecure_http", False) or is_loopback(parts.hostname or "")
    if parts.scheme == "https" or allowed:
        return []
    advice = f"use https, or set {NAMESPACE}:allowInsecureHttp to true ({prefix}ALLOW_INSECURE_HTTP=true)"
    return [Problem(f"{NAMESPACE}:baseUrl", "is plain http, which exposes the secrets to the network", advice)]


def _not_the_emulator(values: Mapping[str, Any], prefix: str, environ: Mapping[str, str]) -> list[Problem]:
    """Return the problem of another host than the emulator in a test with the fixture `stack`."""
    emulator = environ.get(ONLY_API, "")
    if not emulator or urlsplit(values["base_url"]).netloc == urlsplit(emulator).netloc:
        return []
    advice = (
        f"in the test, set {prefix}BASE_URL to instances_api.base_url, and both secrets ({prefix}USER_SECRET, "
        f"{prefix}ORGANIZATION_SECRET) to those of instances_api or of an instances_api.add_account()"
    )
    return [Problem(f"{NAMESPACE}:baseUrl", "is not the emulator, which a test with the fixture `stack` uses", advice)]
