"""The API and the account that an error is about, and the sources of their settings. Pure.

An error names them, because refresh and destroy without a program get the settings of the last `up` (docs/engine.md,
E20).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .config import ACCOUNT_KEY, NAMESPACE, SETTINGS, Setting, env_prefix, host_and_port
from .errors import (
    Cancelled,
    ConnectionFailed,
    CreateLost,
    InstancesError,
    LookupFailed,
    Problem,
    StatusError,
    UnexpectedAnswer,
)

_OF_THE_API = (ConnectionFailed, CreateLost, LookupFailed, StatusError, UnexpectedAnswer)
"""The errors that a wrong URL or wrong secrets can cause."""

_RENEW = "`pulumi refresh --run-program`"
"""What writes the settings of now into the state, also where `up` and `destroy` refresh with those of the state."""


@dataclass(frozen=True)
class Origin:
    """The sources of an account's settings, for its errors."""

    base_url: str
    account: str | None
    variables: Mapping[str, str]
    """The environment variable that gave a setting, by the key of the setting."""

    def place(self, error: InstancesError, changed: Sequence[str] | None = ()) -> None:
        """Name the URL and the account in an error that comes from the API.

        ``changed`` is that of `advise`: if it is not empty, the configuration is that of the last `pulumi up`.
        """
        if not isinstance(error, _OF_THE_API) or isinstance(error, Cancelled) or self.base_url in error.cause:
            return
        given = "the program" if self.account else "the stack's configuration"
        if changed:
            given = "the last `pulumi up`"
        url, *secrets = [self.variables.get(setting.key, given) for setting in SETTINGS if setting.required]
        if isinstance(error, ConnectionFailed):
            error.cause += f" ({host_and_port(self.base_url)}, from {url})"
            return
        whose = f"with the secrets of {self._name}"
        sources = " and ".join(dict.fromkeys(secrets))
        asked = f"{self.base_url} {whose}," if sources == url else f"{self.base_url} from {url}, {whose}"
        error.cause += f" (asked {asked} from {sources})"

    def problem_of_lookups(self) -> Problem:
        """Return the problem of a resource in a program whose look-ups use another account than this one."""
        required = [self.variables.get(setting.key) for setting in SETTINGS if setting.required]
        ours = [variable for variable in required if variable]
        process = "in the process that runs the program"
        advice = f"unset the variables {env_prefix(self.account)}… {process}, or set them for `pulumi` as well"
        if ours:
            advice = (
                f"set {' and '.join(ours)} {process}, too (env_vars of an Automation API workspace do not reach an "
                "inline program), or give all of it in the program or the stack's configuration"
            )
        return Problem(
            "look-ups of this program",
            f"ask another account than that of its resources ({self.base_url}, {self._name})",
            advice,
        )

    def advise(self, error: InstancesError, changed: Sequence[str] | None) -> None:
        """Say how to use what the stack's configuration has by now, in an error whose advice is about settings.

        ``changed`` are the settings that differ; None where the provider does not know them, and no program
        has run yet.
        """
        if f"{NAMESPACE}:" not in error.advice or changed == []:
            return
        if changed:
            # Another setting has not caused it, and the advice stays as it is.
            required = {f"{NAMESPACE}:{setting.key}" for setting in SETTINGS if setting.required}
            causes = [key for key in changed if key in required or key in error.advice]
            if not causes:
                return
            differ = "are others" if len(causes) > 1 else "is another one"
            error.advice = f"{', '.join(causes)} {differ} in the stack's configuration by now: first run {_RENEW}"
        elif missing := [setting for setting in SETTINGS if setting.required and setting.key not in self.variables]:
            error.advice = f"{self._how_to_renew(missing)}; otherwise {error.advice}"

    def _how_to_renew(self, missing: Sequence[Setting]) -> str:
        """Return what to do where these settings may be those of the last `pulumi up`."""
        if self.account is None:
            return f"if the stack's configuration has changed since the last `pulumi up`, first run {_RENEW}"
        names = ", ".join(setting.variable(self.account) for setting in missing)
        return (
            f"if the program gives {self._name} other settings since the last `pulumi up`, first run {_RENEW}; "
            f"if it has no such account any more, set {names}"
        )

    @property
    def _name(self) -> str:
        return f'account "{self.account}"' if self.account else "the default account"


def of(get: Callable[[str], Any], environ: Mapping[str, str], base_url: str) -> Origin:
    """Return the origin of the settings that `config.load` reads with these."""
    account = get(ACCOUNT_KEY)
    variables = {setting.key: setting.variable(account) for setting in SETTINGS}
    return Origin(base_url, account, {key: name for key, name in variables.items() if environ.get(name, "").strip()})


def changed(used: Callable[[str], Any], stack: Mapping[str, Any], environ: Mapping[str, str]) -> list[str]:
    """Return the configuration keys of settings whose values in ``stack`` differ from those that ``used`` reads.

    Settings that a variable of the environment gives are left out: the configuration does not change them.
    """
    from_configuration = [setting for setting in SETTINGS if not environ.get(setting.variable(None), "").strip()]
    keys = {f"{NAMESPACE}:{setting.key}": setting for setting in from_configuration}
    return [key for key, setting in keys.items() if _value(setting, used(key)) != _value(setting, stack.get(key))]


def _value(setting: Setting, raw: Any) -> Any:
    raw = raw.strip() if isinstance(raw, str) else raw
    if raw in (None, ""):
        return None
    try:
        return setting.parse(raw)
    except ValueError:
        return raw
