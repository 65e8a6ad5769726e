"""What an error says of the API, the account and the settings that it comes from."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_instances.core import origin
from pulumi_instances.core.errors import (
    AnotherInstance,
    Cancelled,
    ConnectionFailed,
    InputError,
    InstancesError,
    ServerError,
    Unauthorized,
)

URL = "https://api.example.com/v2"
BOTH = {"INSTANCES_USER_SECRET": "u", "INSTANCES_ORGANIZATION_SECRET": "o"}
LAST_UP = (
    "if the stack's configuration has changed since the last `pulumi up`, first run `pulumi refresh --run-program`"
)


@pytest.mark.parametrize(
    ("error", "account", "environ", "changed", "said"),
    [
        (
            Unauthorized("read: 401", 401, advice="check"),
            None,
            {},
            [],
            f"read: 401 (asked {URL} with the secrets of the default account, from the stack's configuration); check",
        ),
        (
            ServerError("read: 500", 500, advice="later"),
            "eu",
            {"INSTANCES_EU_USER_SECRET": "u"},
            None,
            f'read: 500 (asked {URL} from the program, with the secrets of account "eu" from '
            "INSTANCES_EU_USER_SECRET and the program); later",
        ),
        (
            Unauthorized("read: 401", 401, advice="check"),
            "eu",
            {},
            [],
            f'read: 401 (asked {URL} with the secrets of account "eu", from the program); check',
        ),
        (
            Unauthorized("delete: 401", 401, advice="check instances:userSecret"),
            "eu",
            {"INSTANCES_EU_BASE_URL": URL},
            None,
            f'delete: 401 (asked {URL} from INSTANCES_EU_BASE_URL, with the secrets of account "eu" from the program); '
            'if the program gives account "eu" other settings since the last `pulumi up`, first run `pulumi refresh '
            "--run-program`; if it has no such account any more, set INSTANCES_EU_USER_SECRET, "
            "INSTANCES_EU_ORGANIZATION_SECRET; otherwise check instances:userSecret",
        ),
        (
            ConnectionFailed("read: connection refused"),
            None,
            {"INSTANCES_BASE_URL": URL},
            None,
            "read: connection refused (api.example.com:443, from INSTANCES_BASE_URL); "
            f"{LAST_UP}; otherwise {ConnectionFailed.advice}",
        ),
        (
            ConnectionFailed("read: connection refused"),
            None,
            {"INSTANCES_BASE_URL": URL, **BOTH},
            None,
            f"read: connection refused (api.example.com:443, from INSTANCES_BASE_URL); {ConnectionFailed.advice}",
        ),
        (
            AnotherInstance(f"read: {URL} has another instance", "check instances:baseUrl, or confirm"),
            None,
            {},
            ["instances:baseUrl"],
            f"read: {URL} has another instance; instances:baseUrl is another one in the stack's configuration by now: "
            "first run `pulumi refresh --run-program`",
        ),
        (
            AnotherInstance(f"read: {URL} has another instance", "check instances:baseUrl, or confirm"),
            None,
            {},
            ["instances:batchReads"],
            f"read: {URL} has another instance; check instances:baseUrl, or confirm",
        ),
        (Cancelled("cancelled", "run again"), None, {}, None, "cancelled; run again"),
        (InputError("the id is bad", "write it"), None, {}, None, "the id is bad; write it"),
    ],
)
def test_an_error_says_what_was_asked_and_where_that_came_from(
    error: InstancesError, account: str | None, environ: dict[str, str], changed: list[str] | None, said: str
) -> None:
    """So far as other settings could have avoided it, it also says how to use those of now."""
    where = origin.of({"instances:account": account}.get, environ, URL)
    where.place(error, changed)
    where.advise(error, changed)
    assert str(error) == said


@pytest.mark.parametrize(
    ("used", "stack", "environ", "changed"),
    [
        ({"instances:timeout": "60"}, {"instances:timeout": 60.0}, {}, []),
        ({"instances:baseUrl": f"{URL}/"}, {"instances:baseUrl": URL, "instances:other": "x"}, {}, []),
        ({"instances:baseUrl": URL}, {"instances:baseUrl": f"{URL}x"}, {}, ["instances:baseUrl"]),
        ({"instances:userSecret": "u"}, {}, {}, ["instances:userSecret"]),
        ({"instances:userSecret": "u"}, {"instances:userSecret": "v"}, {"INSTANCES_USER_SECRET": "w"}, []),
        ({"instances:timeout": "soon"}, {"instances:timeout": "later"}, {}, ["instances:timeout"]),
    ],
)
def test_what_the_stack_has_otherwise(
    used: dict[str, Any], stack: dict[str, Any], environ: dict[str, str], changed: list[str]
) -> None:
    """Values are compared as they are meant; a variable wins over both."""
    assert origin.changed(used.get, stack, environ) == changed
