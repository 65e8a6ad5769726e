"""Secrets show nowhere: not in output, not in an error, not in any file beside the stack."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.harness import Harness, settings

PLANTED = {
    "user secret": "planted/User+Secret/31415926535=",
    "organization secret": "planted-organization-secret-2718281828",
    "code": "planted/code+1618033988/749894=",
    "oauth.api.secret": "planted?oauth&api=secret/1414213562",
    "token": "planted+Token/57721566490153286060651209=",
}

BOX = """
    code = pulumi.Config("acceptance").require_secret("code")
    box = Instance(
        "box",
        your_mom="dropbox",
        name="first",
        configuration={
            "oauth.callback.url": "https://shown",
            "oauth.api.secret": bytes.fromhex("HEX").decode(),
        },
        provider_data={"code": code},
    )
    pulumi.export("token", box.token)
    pulumi.export("header", pulumi.Output.concat("Element ", box.token))
""".replace("HEX", PLANTED["oauth.api.secret"].encode().hex())  # not in plain: the program's file is searched, too


@pytest.fixture
def api() -> Iterator[Emulator]:
    with Emulator(user_secret=PLANTED["user secret"], organization_secret=PLANTED["organization secret"]) as emulator:
        yield emulator


@pytest.fixture
def stack(stack: Harness, api: Emulator) -> Harness:
    """A stack that uses the emulator with the planted secrets, at its most talkative."""
    stack.configure(
        {
            **settings(api),
            "acceptance:code": auto.ConfigValue(PLANTED["code"], secret=True),
        }
    )
    stack.env["INSTANCES_LOG"] = "debug"
    return stack


def test_no_secret_is_ever_shown(stack: Harness, api: Emulator) -> None:
    """Each secret is looked for in plain, in base64 and URL-encoded, after every operation, failures included."""
    stack.program(BOX)
    said = [stack.preview(diff=True).stdout]
    up = stack.up(diff=True)
    said += [up.stdout, up.stderr]
    [made] = api.instances()
    assert made["configuration"]["oauth.api.secret"] == PLANTED["oauth.api.secret"]
    assert made["provider_data"] == {"code": PLANTED["code"]}
    api.change(made["id"], token=PLANTED["token"])

    said.append(stack.refresh().stdout)
    said.append(stack.up(diff=True).stdout)
    assert stack.instances()["box"]["outputs"]["token"]["plaintext"] == json.dumps(PLANTED["token"])
    api.fail("DELETE", None, Fault.status(400, " ".join(PLANTED.values())))
    with pytest.raises(auto.CommandError) as failure:
        stack.destroy()
    said += [str(failure.value)]

    said.append(json.dumps(stack.checkpoint().deployment))
    texts = {f"output {number}": text for number, text in enumerate(said)} | dict(_files(stack.directory))
    found = [(secret, place) for secret in PLANTED for place, text in texts.items() if _shows(text, PLANTED[secret])]
    assert found == []
    assert _shows(json.dumps(stack.export().deployment), PLANTED["token"]), "the search finds what is there"
    assert "https://shown" in texts["output 0"], "what is no secret stays readable"


def test_a_create_that_fails_tells_no_secret(stack: Harness, api: Emulator) -> None:
    """The service's answer may quote what it was sent: the message must not."""
    stack.program(BOX)
    api.fail("POST", None, Fault.status(400, f"bad: {PLANTED['code']} {PLANTED['oauth.api.secret']}"))

    with pytest.raises(auto.CommandError) as failure:
        stack.up()

    assert "bad: [secret] [secret]" in str(failure.value)
    for secret in PLANTED.values():
        assert not _shows(str(failure.value), secret)


def _shows(text: str, secret: str) -> bool:
    raw = secret.encode()
    # The ends of a base64 text hang on what is beside it: only its middle is looked for, at each of the three offsets.
    encoded = [base64.b64encode(b"\0" * shift + raw).decode()[4:-4] for shift in range(3)]
    forms = [secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1], *encoded]
    return any(form in text for form in forms)


def _files(directory: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(directory)), path.read_bytes().decode("utf-8", "replace")
