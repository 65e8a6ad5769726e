"""The results of operations, in the classes of the Automation API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, cast

from pulumi import automation as auto
from pulumi.automation.events import OpMap

from .values import Properties, Secret, contains, is_secret, unwrap


@dataclass(frozen=True)
class Outcome:
    """What an operation came to."""

    kind: str
    started: datetime
    message: str
    stdout: str
    counts: Mapping[str, int]
    succeeded: bool

    @property
    def changes(self) -> OpMap:
        """The counts by operation; the Automation API's operations are strings too."""
        return cast("OpMap", dict(self.counts))

    def summary(self, config: Properties) -> auto.UpdateSummary:
        """What the CLI would put into the stack's history."""
        return auto.UpdateSummary(
            kind=self.kind,
            start_time=self.started,
            end_time=datetime.now(timezone.utc),
            message=self.message,
            environment={},
            config={key: {"value": unwrap(value), "secret": is_secret(value)} for key, value in config.items()},
            result="succeeded" if self.succeeded else "failed",
            resource_changes=self.changes,
        )


def output_map(outputs: Properties) -> dict[str, auto.OutputValue]:
    """Stack outputs, secrets in plain."""
    return {key: auto.OutputValue(unwrap(value), contains(value, is_secret)) for key, value in outputs.items()}


def config_map(config: Properties) -> dict[str, auto.ConfigValue]:
    """Stack configuration, secrets in plain."""
    return {key: auto.ConfigValue(unwrap(value), secret=is_secret(value)) for key, value in config.items()}


def config_value(value: Any) -> str | Secret:
    """Take a plain string or a ConfigValue."""
    if isinstance(value, auto.ConfigValue):
        return Secret(value.value) if value.secret else value.value
    return str(value)
