"""The warnings about an instance, in the words of the program.

`engine_calls` gives them in a create, a diff and a refresh; the engine shows each beside its resource.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from .core import model
from .core.errors import quote
from .core.words import Words

log = logging.getLogger("pulumi_instances")


class Notices:
    """Writes warnings to the log. All methods but `recorded` write nothing where there is nothing to warn of."""

    def __init__(self, words: Words) -> None:
        """Keep the words of the program."""
        self._words = words

    def recorded(self, instance_id: str, key: str, news: Mapping[str, Any]) -> None:
        """Warn that a new value of a property is only written to the state, since only a create sends it."""
        log.warning(
            "instance %s: %s is %s, and not sent, since this provider sends it at creation only; to make it take "
            "effect, replace the instance: %srun `pulumi up --replace <URN>`",
            instance_id,
            self._words.name(key),
            "recorded in the state" if news.get(key) else "dropped from the state",
            f"remove {self._words.name('adopt_id')} and " if news.get("adopt_id") else "",
        )

    def dropped(self, instance_id: str, keys: Sequence[str]) -> None:
        """Warn of the keys of the configuration that the service keeps, though the program no longer gives them."""
        if keys:
            log.warning(
                "instance %s: the service keeps the configuration of %s, which the program no longer gives; to be rid "
                "of it, replace the instance: run `pulumi up --replace <URN>`",
                instance_id,
                ", ".join(map(quote, keys)),
            )

    def dead(self, found: Mapping[str, Any], props: Mapping[str, Any]) -> None:
        """Warn in a refresh that a connection no longer works."""
        if found.get("disabled") is True and model.declared_enabled(props) is not False:
            fault, where = "is disabled at the service", "there"
        elif found.get("valid") is False:
            fault, where = "reports valid: false: its connection does not work", "at the service"
        else:
            return
        data = self._words.name("provider_data")
        log.warning("instance %s %s; log in again %s, or give new %s", found["id"], fault, where, data)

    def unusable(self, found: Mapping[str, Any]) -> None:
        """Warn that an instance which was just made or adopted does not work yet."""
        faults = ["reports valid: false"] if found.get("valid") is False else []
        faults += ["waits for further steps (provisionInteractions)"] if model.STEPS_LEFT in found else []
        if faults:
            log.warning(
                "instance %s does not work yet: the service %s; complete the steps or log in again there, then look "
                "with `pulumi-instances show %s`",
                found["id"],
                " and ".join(faults),
                found["id"],
            )

    def plain_secrets(self, found: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        """Warn of values that the service masks in its answer, under keys that do not look secret."""
        shown, given = found.get(model.SHOWN) or {}, inputs.get("configuration") or {}
        masked = [key for key in given if shown.get(key) == model.MASK and given[key] != model.MASK]
        if plain := [key for key in masked if not model.is_secret_key(key)]:
            log.warning(
                "instance %s: the service treats the configuration of %s as secret; make it a secret in the program, "
                "or else the state holds it in plain text",
                found["id"],
                ", ".join(map(quote, plain)),
            )
