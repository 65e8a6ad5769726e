"""A scenario that uses every kind of secret leaks none of them, whatever leaves the processes."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pulumi.automation as auto
import pytest

from pulumi_instances.core.config import SETTINGS
from pulumi_instances.core.state_format import SECRET
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.harness import Harness, settings
from tests.support.watching import Watch, forms, leaks

# Each has something that URLs, JSON or base64 spell in another way.
SECRETS = {
    "user secret": "planted/User+Secret/3141592653589793=",
    "organization secret": "planted-Organization-Secret-2718281828459",
    "code": "planted/code+1618033988/\u00e9749894=",
    "oauth.api.secret": 'planted"oauth&api=secret/\\1414213562373',
    "token": "planted+Token/577215664901532860606512=",
    "user.pin": "1442695040888963",
    "line of tls.cert": "plantedLine7182818284590452353602874713526624977572",
}

PROGRAM = """
    import os

    config = pulumi.Config("acceptance")
    code = config.require_secret("code")
    main = Instance(
        "main",
        your_mom="dropbox",
        name="{name}",
        tags=["x"],
        configuration={{
            "oauth.callback.url": "https://shown",
            "oauth.api.secret": config.require_secret("apiSecret"),
            "user.pin": int(os.environ["PLANTED_PIN"]),
            "tls.cert": os.environ["PLANTED_CERT"],
        }},
        provider_data={{"code": code}},
    )
    Instance("adopted", your_mom="dropbox", adopt_id="{adopted}")
    Instance("given", your_mom="dropbox", configuration={{"secret.of.another": main.token}})
    pulumi.export("token", Instance.get("again", main.id).token)
    pulumi.export("header", pulumi.Output.concat("Element ", main.token))
    pulumi.export("masked", pulumi.Output.unsecret(main.token.apply(lambda token: len(token))))
"""


@pytest.fixture
def api() -> Iterator[Emulator]:
    """An API of its own, with the planted secrets."""
    with Emulator(user_secret=SECRETS["user secret"], organization_secret=SECRETS["organization secret"]) as emulator:
        yield emulator


@pytest.fixture
def talkative(stack: Harness, api: Emulator) -> Harness:
    """A stack that uses the planted secrets and says all that it can."""
    stack.configure(
        {
            **settings(api),
            "acceptance:code": auto.ConfigValue(SECRETS["code"], secret=True),
            "acceptance:apiSecret": auto.ConfigValue(SECRETS["oauth.api.secret"], secret=True),
        }
    )
    temporary = stack.directory / "tmp"
    temporary.mkdir()
    lines = ["-----BEGIN CERTIFICATE-----", SECRETS["line of tls.cert"], "-----END CERTIFICATE-----"]
    stack.env.update({"PLANTED_PIN": SECRETS["user.pin"], "PLANTED_CERT": "\n".join(lines)})
    stack.env.update({"INSTANCES_LOG": "debug", "TMPDIR": str(temporary), "INSTANCES_BATCH_READS": "no"})
    return stack


def echo(status: int, *others: str) -> Fault:
    """An error that repeats every secret that the service knows of the object: the token once there is one.

    It does so in plain text and, as a proxy may with the header, in base64.
    """
    told = " ".join(SECRETS[name] for name in SECRETS if name != "token" or "token" in others)
    return Fault.status(status, f"{told} {base64.b64encode(told.encode()).decode()}")


@pytest.mark.needs_engine("differences in what is printed")
def test_nothing_that_leaves_the_processes_holds_a_secret(talkative: Harness, api: Emulator) -> None:
    """The test searches output, events, errors, logs, state, backups, notes, files, arguments and requests."""
    stack, said = talkative, dict[str, str]()
    adopted = api.add(name="by hand")
    api.change(adopted, token=SECRETS["token"] + "adopted")

    def run(operation: str, **options: Any) -> None:
        events: list[str] = []
        if stack.engine != "local":
            options["on_event"] = lambda event: events.append(repr(vars(event)))
        try:
            result = getattr(stack, operation)(**options)
            said[f"{len(said)} {operation}"] = f"{result.stdout} {result.stderr} {result!r}"
        except auto.CommandError as error:
            said[f"{len(said)} {operation} fails"] = f"{error} {error!r}"
        said[f"{len(said)} events"] = "\n".join(events)

    with Watch(stack.directory) as watch:  # state, backups, notes and temporary files are all in there
        stack.program(PROGRAM.format(name="first", adopted=adopted))
        api.fail("POST", "/instances", echo(400))
        run("up")
        api.fail("POST", "/instances", Fault.drop_after())
        run("up", diff=True)
        [made] = [instance for instance in api.instances() if instance["name"] == "first"]
        main = f"/instances/{made['id']}"
        assert made["provider_data"] == {"code": SECRETS["code"]}
        assert made["configuration"]["oauth.api.secret"] == SECRETS["oauth.api.secret"]
        api.change(made["id"], token=SECRETS["token"])
        run("refresh")
        api.fail("GET", main, echo(500, "token"))
        run("refresh")
        stack.program(PROGRAM.format(name="second", adopted=adopted))
        api.fail("PUT", main, echo(409, "token"))
        run("up")
        run("up", diff=True)
        state = stack.instances()
        api.fail("DELETE", main, echo(403, "token"))
        run("destroy")

    said["log of the API"] = repr([(request.path, request.query, request.user_agent) for request in api.requests])
    for name, resource in state.items() if stack.engine != "cli-native" else ():
        said[f"pickle of {name}"] = base64.b64decode(resource["outputs"]["__provider"]).decode("latin-1")
    assert leaks(said, SECRETS) == []
    assert leaks(watch.texts, SECRETS) == []
    assert "[secret]" in said["0 up fails"], "what the service repeats is blotted out"

    # The search would find it: in the decrypted state it is.
    assert json.loads(state["main"]["outputs"]["token"]["plaintext"]) == SECRETS["token"]
    held = {secret for secret, _ in leaks({"state": json.dumps(state)}, SECRETS)}
    assert "token" in held
    assert "code" not in held, "a state holds a digest of a code"
    assert [text for text in said.values() if "https://shown" in text], "what is no secret stays readable"
    assert [text for text in said.values() if "pulumi_instances: POST /instances" in text], "the log was on"


def _provider(stack: Harness) -> dict[str, Any]:
    """The inputs of the default provider in the state, ciphertext as such."""
    resources = (stack.checkpoint().deployment or {})["resources"]
    [found] = [resource["inputs"] for resource in resources if resource["type"] == stack.provider_type]
    return {key.removeprefix("instances:"): value for key, value in found.items()}


TRANSFORMED = """
    def add(args):
        members = {{"password": "{0}-2", "pins": [{{"pin": 3}}]}}
        more = {{
            "configuration": {{"api.secret": "{0}-1", "deep": members, "url": "https://shown"}},
            "provider_data": {{"a": {{"b": ["{0}-3"]}}}},
        }}
        return pulumi.ResourceTransformationResult({{**args.props, **more}}, args.opts)

    def change(args):
        more = {{"extra": {{"x": {{"token": "{0}-4"}}}}, "tags": [pulumi.Output.secret("{0}-5")]}}
        return pulumi.ResourceTransformResult({{**args.props, **more}}, args.opts)

    own = pulumi.ResourceOptions(transformations=[add], transforms=[change])
    box = Instance("box", your_mom="dropbox", name="{1}", opts=own)
    pulumi.export("told", box.configuration)
"""


@pytest.mark.needs_engine("transforms")
def test_what_a_transformation_adds_is_as_secret_as_what_the_program_gives(talkative: Harness, api: Emulator) -> None:
    """It comes after the resource has marked its secrets, and the engine drops marks of objects that were none."""
    stack, hidden = talkative, "planted-by-transformation-1202056903159594"
    for name in ("first", "second"):
        stack.program(TRANSFORMED.format(hidden, name))
        stack.preview(diff=True)
        stack.up(diff=True)
        for _ in range(2):  # as the up has left it, and as a refresh does
            state = json.dumps(stack.checkpoint().deployment)
            assert leaks({"state": state}, {"secret": hidden}) == []
            assert "https://shown" in state
            stack.refresh(diff=True)
        assert set(stack.preview(diff=True).change_summary) == {"same"}
    assert leaks({str(number): said for number, said in enumerate(stack.said)}, {"secret": hidden}) == []
    [there] = api.instances()
    assert there["configuration"]["deep"] == {"password": f"{hidden}-2", "pins": [{"pin": 3}]}
    assert there["provider_data"] == {"a": {"b": [f"{hidden}-3"]}}
    assert there["tags"] == [f"{hidden}-5"]
    assert hidden in json.dumps(stack.instances()), "the search would find it"


OTHERS = """
    kept = Instance("kept", your_mom="box", configuration={{"db.url": pulumi.Output.secret("{url}")}})
    Instance("new", your_mom="dropbox", name="{name}", opts=pulumi.ResourceOptions(depends_on=[kept]))
"""


def test_an_answer_about_one_instance_does_not_show_the_secrets_of_another(talkative: Harness, api: Emulator) -> None:
    """Secrets that are only in the state, because the program has changed them, are not shown either.

    The provider learns of them when the engine has it compare the instance that they belong to, which comes first here.
    """
    url = "planted-url-6931471805599453"
    talkative.program(OTHERS.format(name="before", url=url))
    talkative.up()
    token = next(each["token"] for each in api.instances() if each["name"] == "kept")
    api.fail("PUT", None, Fault.status(400, f"not like {token} or {url}"))
    talkative.program(OTHERS.format(name="after", url="planted-url-of-late"))
    with pytest.raises(auto.CommandError, match=r"not like \[secret\] or \[secret\]"):
        talkative.up()


LATER = """
    deep = {{"keys": {{"of": "{value}"}}, "list": ["{value}"]}}
    Instance("box", your_mom="box", configuration={{"url": {made}("{value}"), "deep": {whole}(deep)}}{opts})
"""


@pytest.mark.needs_engine("ciphertext")
def test_what_becomes_a_secret_is_encrypted_without_a_request(stack: Harness, instances_api: Emulator) -> None:
    """The engine keeps the outputs of what does not differ (pulumi/pulumi#3772). The diff does not show the old value.

    The dynamic provider is not told what is secret: the program says it, as docs/resource.md has it.
    """
    value, opts = "planted-value-1729", ""
    if stack.engine != "cli-native":
        opts = ', opts=pulumi.ResourceOptions(additional_secret_outputs=["configuration"])'
    stack.program(LATER.format(value=value, made="", whole="", opts=""))
    stack.up()
    assert value in json.dumps(stack.checkpoint().deployment)
    stack.program(LATER.format(value=value, made="pulumi.Output.secret", whole="pulumi.Output.secret", opts=opts))

    said = stack.preview(diff=True).stdout + stack.up(diff=True).stdout

    assert value not in said
    stack.up(expect_no_changes=True)
    stack.refresh(expect_no_changes=True)
    assert value not in json.dumps(stack.checkpoint().deployment)
    assert [request.method for request in instances_api.writes] == ["POST"]


def test_credentials_are_ciphertext_in_the_state_or_not_there_at_all(talkative: Harness, api: Emulator) -> None:
    """Destroy and refresh need those of the configuration. Those of the environment are not there, even encrypted."""
    talkative.program('Instance("box", your_mom="dropbox")')
    talkative.up()
    held = _provider(talkative)
    for key in ("userSecret", "organizationSecret"):
        assert SECRET.items() <= held[key].items()
        assert set(held[key]) == {*SECRET, "ciphertext"}
    assert leaks({"state": json.dumps(talkative.checkpoint().deployment)}, SECRETS) == []

    talkative.unconfigure(settings(api))
    talkative.env.update(api.env)
    talkative.up()
    assert {setting.key for setting in SETTINGS}.isdisjoint(_provider(talkative))
    decrypted = json.dumps(talkative.export().deployment)
    credentials = {name: SECRETS[name] for name in ("user secret", "organization secret")}
    assert leaks({"decrypted state": decrypted}, credentials) == []
    assert api.instances()[0]["token"] in decrypted


@pytest.mark.parametrize("secret", SECRETS.values())
def test_a_secret_is_found_in_every_form(secret: str) -> None:
    """The search finds it at any offset of a base64 text, in a URL, in JSON, and in JSON inside JSON."""
    header = base64.b64encode(f"User {secret}, Organization".encode()).decode()
    for text in (
        f"x{secret}x",
        header,
        json.dumps({"a": secret}),
        json.dumps(json.dumps({"a": secret})),
    ):
        assert any(form in text for form in forms(secret))
