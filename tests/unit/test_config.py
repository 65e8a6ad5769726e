from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from pulumi_instances.core import config
from pulumi_instances.core.config import ACCOUNT_KEY, NAMESPACE, SETTINGS, Settings, env_prefix, load
from pulumi_instances.core.dialect import DIALECTS
from pulumi_instances.core.errors import SettingError
from tests.support.recipes import forgotten
from tests.support.values import ANYTHING

USER, ORGANIZATION = "us3r-s3cret=", "0rg-s3cret="
COMPLETE = {
    "instances:baseUrl": "https://api.example.com/your_moms/api-v2",
    "instances:userSecret": USER,
    "instances:organizationSecret": ORGANIZATION,
}


def loaded(config: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Settings:
    """Settings of a complete configuration with these entries changed, and no environment but this."""
    return load({**COMPLETE, **config}.get, environ or {})


def problems(config: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> list[str]:
    """The problems of a complete configuration with these entries changed."""
    with pytest.raises(SettingError) as caught:
        loaded(config, environ)
    return list(map(str, caught.value.problems))


def nothing(_key: str) -> None:
    """A configuration without any entry."""


def attribute(key: str) -> str:
    """The attribute of Settings for a configuration key."""
    return next(setting.attribute for setting in SETTINGS if setting.key == key)


def variable(key: str) -> str:
    """The environment variable for a configuration key."""
    return f"INSTANCES_{attribute(key).upper()}"


# where settings come from


def test_the_three_required_settings_are_enough() -> None:
    """Everything else has a default. The environment alone will do: then nothing secret gets into the state."""
    environ = {
        "INSTANCES_BASE_URL": COMPLETE["instances:baseUrl"],
        "INSTANCES_USER_SECRET": USER,
        "INSTANCES_ORGANIZATION_SECRET": ORGANIZATION,
    }
    expected = Settings("https://api.example.com/your_moms/api-v2", USER, ORGANIZATION)
    assert load(COMPLETE.get, {}) == load(nothing, environ) == expected


VALUES: dict[str, list[tuple[object, object]]] = {
    "baseUrl": [
        ("https://h/v2", "https://h/v2"),
        ("https://h/v2/", "https://h/v2"),
        ("https://h:8443", "https://h:8443"),
        ("https://[::1]:8443/v2", "https://[::1]:8443/v2"),
    ],
    "userSecret": [("a+b/c=", "a+b/c=")],
    "organizationSecret": [("0123456789abcdef", "0123456789abcdef")],
    "timeout": [("0.5", 0.5), ("86400", 86_400.0), (5, 5.0)],
    "createTimeout": [("600", 600.0)],
    "maxRetries": [("0", 0), ("100", 100), (3.0, 3)],
    "maxRequestsPerSecond": [("0.5", 0.5), ("10000", 10_000.0)],
    "parallelism": [("1", 1), ("256", 256)],
    "batchReads": [("false", False), (False, False)],
    "allowInsecureHttp": [
        *((word, True) for word in ("true", "True", "1", "yes")),
        *((word, False) for word in ("false", "0", "no")),
    ],
    "caBundle": [(__file__, __file__)],
    "userAgentSuffix": [("acme-deploys/1.4 (ci)", "acme-deploys/1.4 (ci)"), ("x" * 200, "x" * 200)],
    "dialect": [(name, DIALECTS[name]) for name in ("default", "elements")],
    "confirmGone": [("true", True)],
    "mark": [("false", False)],
    "takeOver": [("ask", "ask"), ("YES", "yes"), ("true", "yes"), ("no", "no"), ("False", "no")],
    "updateInPlace": [("true", True)],
    "configurationDrift": [("true", True)],
    "refreshBeforeUpdate": [("true", True)],
    "defaultTags": [("a,{project}/{stack}", ("a", "{project}/{stack}")), ('["a b", "a b"]', ("a b",))],
}


@pytest.mark.parametrize("key", VALUES)
def test_a_setting_comes_from_the_configuration_or_the_environment(key: str) -> None:
    """Surrounding blanks do not matter. The inputs of an explicit provider may be numbers and booleans."""
    for raw, expected in VALUES[key]:
        for value in (raw, str(raw), f" {raw}\n"):
            assert getattr(loaded({f"instances:{key}": value}), attribute(key)) == expected
        for text in (str(raw), f" {raw}\n"):
            assert getattr(loaded({}, {variable(key): text}), attribute(key)) == expected


def test_every_setting_is_in_the_table_above() -> None:
    """A new setting needs a row."""
    expected = {setting.key for setting in SETTINGS}
    assert {*VALUES} == expected, forgotten("core/config.py", "tests/unit/test_config.py")


def test_every_setting_is_read() -> None:
    """The package has code that asks for each field of `Settings`."""
    code = "".join(file.read_text() for file in Path(config.__file__).parents[1].rglob("*.py"))
    names = [field.name for field in fields(Settings)]
    assert [name for name in names if not re.search(rf'\.{name}\b|values(\[|\.get\()"{name}"', code)] == []


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_the_environment_wins(empty: str) -> None:
    """Rotated secrets reach destroy and refresh through it only. CI systems leave a missing secret empty."""
    emptied = {"INSTANCES_ORGANIZATION_SECRET": empty, "INSTANCES_TIMEOUT": empty}
    rotated = loaded({}, {"INSTANCES_USER_SECRET": "rotated-user", **emptied})
    assert rotated == loaded({"instances:userSecret": "rotated-user"})


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without another mapping the variables of the process count."""
    monkeypatch.setenv("INSTANCES_TIMEOUT", "7")
    assert load(COMPLETE.get).timeout == 7


# what is wrong with them


def test_every_missing_setting_is_named_with_both_ways_to_give_it() -> None:
    """Each has one line; the command for a secret encrypts it."""
    with pytest.raises(SettingError) as caught:
        load(nothing, {})
    assert list(map(str, caught.value.problems)) == [
        'instances:baseUrl is missing; run "pulumi config set instances:baseUrl <value>", or set INSTANCES_BASE_URL',
        'instances:userSecret is missing; run "pulumi config set --secret instances:userSecret", '
        "or set INSTANCES_USER_SECRET",
        "instances:organizationSecret is missing; "
        'run "pulumi config set --secret instances:organizationSecret", or set INSTANCES_ORGANIZATION_SECRET',
    ]
    assert str(caught.value) == "; ".join(map(str, caught.value.problems))


def test_a_setting_of_an_account_is_set_where_the_account_is_made() -> None:
    """The stack's configuration belongs to the default account. The variables named are those that would be read."""
    given = {ACCOUNT_KEY: "eu", f"{NAMESPACE}:baseUrl": "https://h", f"{NAMESPACE}:timeout": "soon"}
    assert (
        "INSTANCES_EU_ALLOW_INSECURE_HTTP=true" in problems({ACCOUNT_KEY: "eu", "instances:baseUrl": "http://far"})[0]
    )
    with pytest.raises(SettingError) as caught:
        load(given.get, {})
    missing, _, malformed = map(str, caught.value.problems)
    assert missing == (
        'instances:userSecret is missing; pass user_secret to account("eu", …), or set INSTANCES_EU_USER_SECRET'
    )
    assert malformed.endswith('; pass settings={"timeout": …} to account("eu", …), or set INSTANCES_EU_TIMEOUT')


SECRETS = ["sec ret", "a,Organization", "a\r\nX: y", "s\u00e9cret", "a\x00b", "a\tb"]
SECONDS = ["0", "-1", "soon", "nan", "inf", "86400.5", "30s"]
MALFORMED = {
    "baseUrl": [
        "api.example.com",
        "ftp://api.example.com",
        "https://",
        "https:///v2",
        *(f"https://h{port}" for port in (":0", ":99999", ":port")),
        "https://[::1",
        "https://h/a b",
        "https://h/\r\nX: y",
        "https://user:pass@h/v2",
        *(f"https://h/v2{end}" for end in ("?x=1", "#x")),
    ],
    "userSecret": SECRETS,
    "organizationSecret": SECRETS,
    "timeout": SECONDS,
    "createTimeout": SECONDS,
    "maxRetries": ["-1", "1.5", "many", "101", "nan", "inf"],
    "allowInsecureHttp": ["maybe", "2", "on!"],
    "caBundle": ["/does/not/exist.pem", "/", "a\x00b", "x" * 5000],
    "userAgentSuffix": ["a\r\nX: y", "\u00e9", "x" * 201],
    "maxRequestsPerSecond": ["0", "-1", "fast", "nan", "inf", "10001"],
    "parallelism": ["0", "257", "1.5", "all", "nan"],
    "batchReads": ["perhaps"],
    "dialect": ["klingon"],
    "defaultTags": [",", "[1]", "[", "{user}", "a\tb", f"pulumi:shop/{{stack}}/files#{'a' * 14}.2345"],
    "takeOver": ["maybe"],
}


@pytest.mark.parametrize("key", MALFORMED)
def test_a_malformed_setting_is_one_line_that_names_both_ways_to_give_it(key: str) -> None:
    """A bad value of the environment has to be corrected there, since the environment wins."""
    for raw in MALFORMED[key]:
        (from_config,) = problems({f"instances:{key}": raw})
        (from_environ,) = problems({}, {variable(key): raw})
        assert f", or set {variable(key)}" in from_config
        assert f"; correct {variable(key)}, or unset it and run " in from_environ
        for line in (from_config, from_environ):
            assert line.startswith(f"instances:{key} must ")
            assert '"pulumi config set ' in line
            assert "\n" not in line


@pytest.mark.parametrize("key", ["userSecret", "organizationSecret", "timeout", "baseUrl", "dialect", "caBundle"])
def test_a_secret_in_the_wrong_place_is_not_repeated(key: str) -> None:
    """It may have been given to any setting by mistake."""
    secret = "s3cret, with blanks"
    assert "s3cret" not in str(problems({f"instances:{key}": secret}))


@given(ANYTHING)
def test_any_value_is_taken_or_refused(value: Any) -> None:
    """Whatever a configuration holds, the outcome is Settings or SettingError."""
    for setting in SETTINGS:
        try:
            loaded({f"instances:{setting.key}": value})
        except SettingError as error:
            found = error.problems
        else:
            continue
        assert [problem.property for problem in found] == [f"instances:{setting.key}"]
        assert "\n" not in str(found[0])


# plain http


@pytest.mark.parametrize(
    "host", ["localhost:80", "LOCALHOST", "api.localhost", "127.0.0.1:80", "127.8.9.10", "[::1]:80"]
)
def test_plain_http_is_fine_on_loopback(host: str) -> None:
    """There is no network on which somebody could listen."""
    assert loaded({"instances:baseUrl": f"http://{host}/v2"}).base_url == f"http://{host}/v2"


@pytest.mark.parametrize(
    "url",
    [
        *(f"http://{host}" for host in ("api.example.com", "10.0.0.1", "[::]", "[2001:db8::1]:8080")),
        *(f"http://{host}" for host in ("127.0.0.1.example.com", "localhost.example.com", "notlocalhost")),
        "http://0.0.0.0",
        "HTTP://api.example.com",
    ],
)
def test_plain_http_elsewhere_must_be_asked_for(url: str) -> None:
    """It would show the secrets to the network, so the refusal names the setting that allows it."""
    (line,) = problems({"instances:baseUrl": url})
    assert "instances:allowInsecureHttp" in line
    assert "INSTANCES_ALLOW_INSECURE_HTTP=true" in line
    assert loaded({"instances:baseUrl": url, "instances:allowInsecureHttp": "true"}).allow_insecure_http
    assert loaded({"instances:baseUrl": url}, {"INSTANCES_ALLOW_INSECURE_HTTP": "true"}).allow_insecure_http


@pytest.mark.parametrize("emulator", ["", "https://api.example.com/elsewhere"])
def test_a_test_with_the_fixture_reaches_no_real_service(emulator: str) -> None:
    """What names another host than the emulator of the test is refused, and the message says what to set."""
    assert loaded({}, {config.ONLY_API: emulator}).base_url == COMPLETE["instances:baseUrl"]
    [line] = problems({}, {"PULUMI_INSTANCES_ONLY_API": "http://127.0.0.1:9"})
    assert line.startswith("instances:baseUrl is not the emulator, which a test with the fixture `stack` uses; in the ")
    assert "set INSTANCES_BASE_URL to instances_api.base_url" in line


# several accounts


def test_the_variables_of_one_account_never_reach_another() -> None:
    """The default account's secrets are not sent to an explicit account's host, nor the other way round."""
    assert [env_prefix(account) for account in (None, "", "eu-west_1")] == [*["INSTANCES_"] * 2, "INSTANCES_EU_WEST_1_"]
    environ = {
        "INSTANCES_USER_SECRET": "of-the-default",
        "INSTANCES_EU_USER_SECRET": "of-eu",
        "INSTANCES_EU_BASE_URL": "https://eu",
    }
    eu = loaded({"instances:account": "eu"}, environ)
    us = loaded({"instances:account": "us"}, environ)
    default = loaded({}, environ)
    assert [s.user_secret for s in (eu, us, default)] == ["of-eu", USER, "of-the-default"]
    assert [s.base_url for s in (eu, us)] == ["https://eu", COMPLETE["instances:baseUrl"]]


@pytest.mark.parametrize(
    ("keys", "environ", "account", "said"),
    [
        (["instances:timout"], {}, None, "instances:timout is not a setting, and is ignored; write instances:timeout"),
        (
            ["instances:zzz"],
            {},
            None,
            "instances:zzz is not a setting, and is ignored; remove it, or use one of baseUrl",
        ),
        (
            ["instance:baseUrl"],
            {},
            None,
            "instance:baseUrl is not a setting of this provider, and is ignored; write instances:baseUrl",
        ),
        (["pulumi-instances:baseURL"], {}, None, "write instances:baseUrl"),
        (["instances:timeout", "instances:account", "shop:timout", "instances:version"], {}, None, None),
        (["my-instances:timeout", "instance:zone"], {}, None, None),
        (
            [],
            {"INSTANCES_TIMOUT": "3"},
            None,
            "INSTANCES_TIMOUT is not a variable of this provider, and is ignored; rename it to INSTANCES_TIMEOUT",
        ),
        (
            [],
            {"INSTANCE_USER_SECRET": "x"},
            None,
            "INSTANCE_USER_SECRET is not a variable of this provider, and is ignored; rename it to INSTANCES_USER_S",
        ),
        ([], {"INSTANCE_EU_USER_SECRET": "x"}, "eu", "rename it to INSTANCES_EU_USER_SECRET, or unset it"),
        ([], {"INSTANCE_TIMEOUT": "3", "OTHER_USER_SECRET": "x", "INSTANCES_US_USER_SECRET": "x"}, None, None),
        ([], {"INSTANCES_EU_BASEURL": "x"}, "eu", "rename it to INSTANCES_EU_BASE_URL, or unset it"),
        ([], {"INSTANCES_EU_BASE_URL": "x", "INSTANCES_LOG": "debug", "INSTANCES_TIMEOUT": "3", "X": ""}, None, None),
    ],
)
def test_what_is_nearly_a_setting_is_told(
    keys: list[str], environ: dict[str, str], account: str | None, said: str | None
) -> None:
    """With the nearest one. What may be another account's variable is left alone."""
    problems = config.unknown(keys, environ, account, "my-instances")
    assert [said in str(problem) for problem in problems if said] == [True] * bool(said)
    assert bool(problems) == bool(said)


# secrets


def test_the_repr_of_settings_holds_no_secret() -> None:
    """A log line or a traceback that shows settings shows no secret."""
    shown = f"{loaded({})!r} {loaded({})}"
    assert "api.example.com" in shown
    assert USER not in shown
    assert ORGANIZATION not in shown
