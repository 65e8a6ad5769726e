"""The native package on the real CLI, with programs in YAML: no program of ours starts, only the plugin."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi.automation as auto
import pytest

from pulumi_instances.core.state_format import NATIVE_TYPE
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.harness import ROOT, CliHarness, settings
from tests.support.processes import until
from tests.support.watching import Issued, files, leaks

_HOST = "pulumi-language-yaml"

pytestmark = pytest.mark.skipif(
    shutil.which("pulumi") is None or shutil.which(_HOST) is None,
    reason=f"no `pulumi` or no `{_HOST}` on PATH: go install github.com/pulumi/pulumi-yaml/cmd/{_HOST}@latest",
)

CRM = """
    crm:
      type: instances:Instance
      properties:
        yourMom: dropbox
        tags: [a, b]
        configuration: {oauth.api.key: k3y-that-nobody-sees, url: "https://a"}
        providerData: {user: us3r-that-nobody-sees}
"""
TOKEN = "outputs:\n  token: ${crm.token}"
UNCHANGED = {"same"}


class NativeStack(CliHarness):
    """A stack whose program is YAML and whose plugin is this very package."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        plugin = directory / "plugin" / "pulumi-resource-instances"
        plugin.parent.mkdir()
        plugin.write_text(f"#!{sys.executable}\nfrom pulumi_instances.native.server import main\nmain()\n")
        plugin.chmod(0o755)
        self.resources_are("")

    def resources_are(self, resources: str, rest: str = "") -> None:
        """Make this the program."""
        head = "name: acceptance\nruntime: yaml\nplugins: {providers: [{name: instances, path: ./plugin}]}\n"
        body = f"resources:\n{textwrap.indent(textwrap.dedent(resources), '  ')}\n" if resources else ""
        (self.directory / "Pulumi.yaml").write_text(head + body + rest + "\n")

    def run(self, *arguments: str) -> str:
        """Run the CLI. Returns all that it prints."""
        done = auto.PulumiCommand().run([*arguments, "--stack", "dev"], str(self.directory), self.env)
        self.said.append(f"{done.stdout}\n{done.stderr}")
        return done.stdout

    def changes(self) -> set[str]:
        """What a preview is going to do."""
        return {str(getattr(operation, "value", operation)) for operation in self.preview().change_summary}

    def held(self) -> dict[str, dict[str, Any]]:
        """The instances of the state by their names in the program."""
        found = [resource for resource in self.resources() if resource["type"] == NATIVE_TYPE]
        return {resource["urn"].rpartition("::")[2]: resource for resource in found}


@pytest.fixture
def issued(monkeypatch: pytest.MonkeyPatch) -> Issued:
    """The secrets of this test."""
    return Issued(monkeypatch)


@pytest.fixture
def stack(tmp_path: Path, instances_api: Emulator, issued: Issued) -> Iterator[NativeStack]:
    """A stack of the native package, which may never show a secret."""
    issued.note(instances_api.user_secret, instances_api.organization_secret)
    stack = NativeStack(tmp_path / "stack")
    stack.configure(settings(instances_api))
    yield stack
    said = {f"operation {number}": text for number, text in enumerate(stack.said)}
    written = files(stack.directory)
    del written["Pulumi.yaml"]  # the program, which holds the secrets that it gives
    assert leaks({**said, **written}, issued.secrets) == []


def test_import_by_id_gives_a_program_that_changes_nothing(stack: NativeStack, instances_api: Emulator) -> None:
    """With all that can be given, and with what is left to the server. A missing one is an error in one line."""
    with pytest.raises(auto.CommandError, match="read instance 99: 404 "):
        stack.run("import", NATIVE_TYPE, "old", "99", "--yes", "--non-interactive")
    instance_id = str(instances_api.add(your_mom="box", name="Old One", tags=["eu"]))
    code = stack.run("import", NATIVE_TYPE, "old", instance_id, "--yes", "--non-interactive", "--protect=false")
    generated = textwrap.dedent(code.partition("resources:\n")[2].partition("\n\n")[0])
    assert "name: Old One" in generated
    stack.resources_are(generated)
    assert stack.changes() == UNCHANGED
    stack.resources_are("old: {type: instances:Instance, properties: {yourMom: box}}")
    assert stack.changes() == UNCHANGED
    stack.up()
    stack.refresh()
    assert stack.changes() == UNCHANGED
    stack.resources_are("old: {type: instances:Instance, properties: {yourMom: box, tags: [us]}}")
    stack.up()
    stack.resources_are("old: {type: instances:Instance, properties: {yourMom: box}}")
    stack.up()
    [there] = instances_api.instances()
    assert (there["name"], there["tags"]) == ("Old One", [])
    assert [request.method for request in instances_api.writes] == ["PUT", "PUT"]


def test_drift_is_shown_and_repaired_unasked(stack: NativeStack, instances_api: Emulator) -> None:
    """With the setting, a preview and an `up` send two requests for all instances, and see what a refresh would see.

    Where that fails, nothing is done. The setting takes effect with the next refresh or `up` of an existing stack.
    """

    def flagged() -> set[bool]:
        return {each.get("refreshBeforeUpdate", False) for each in stack.held().values()}

    def is_on(value: str) -> None:
        stack.configure({"instances:refreshBeforeUpdate": auto.ConfigValue(value)})

    stack.configure({"instances:maxRetries": auto.ConfigValue("0")})
    stack.resources_are(
        "\n".join(f"i{n}: {{type: instances:Instance, properties: {{yourMom: box}}}}" for n in range(5))
    )
    stack.up()
    is_on("true")
    stack.refresh()
    assert flagged() == {True}

    renamed, removed, *_ = instances_api.instances()
    instances_api.change(renamed["id"], name="by hand")
    before = len(instances_api.requests)
    assert stack.changes() == {"same", "update"}
    assert [request.method for request in instances_api.requests[before:]] == ["GET", "GET"]
    stack.up()
    assert instances_api.instance(renamed["id"])["name"] == renamed["name"]
    assert [request.method for request in instances_api.writes[5:]] == ["PUT"]

    def ids() -> dict[str, str]:
        return {name: each["id"] for name, each in stack.held().items()}

    held = ids()
    stranger = instances_api.add_account()
    stack.env.update(
        INSTANCES_USER_SECRET=stranger.user_secret, INSTANCES_ORGANIZATION_SECRET=stranger.organization_secret
    )
    with pytest.raises(auto.CommandError, match=r"so nothing is dropped .*; check instances:baseUrl and the secrets"):
        stack.up()
    del stack.env["INSTANCES_USER_SECRET"], stack.env["INSTANCES_ORGANIZATION_SECRET"]
    for path in ("/instances", "/instances/{id}"):
        instances_api.fail("GET", path, Fault.status(503))
    with pytest.raises(auto.CommandError, match=r"error: Preview failed: read instance \d+: 503 .*; run again later"):
        stack.preview()
    assert ids() == held

    instances_api.remove(removed["id"])
    stack.env["INSTANCES_CONFIRM_GONE"] = "true"
    assert stack.changes() == {"same", "create"}
    is_on("false")
    assert stack.up().summary.resource_changes == {"same": 5, "create": 1}
    assert (len(instances_api.instances()), flagged()) == (5, {False})
    before = len(instances_api.requests)
    assert stack.changes() == UNCHANGED
    assert instances_api.requests[before:] == []


def test_custom_timeouts_bound_a_create(stack: NativeStack, instances_api: Emulator) -> None:
    """What it may have created is found by the next `up`. What YAML gives in plain is secret, as the provider says."""
    instances_api.fail("POST", "/instances", Fault.delay(3))
    timeouts = "      options: {customTimeouts: {create: 1s}}\n"
    stack.resources_are(CRM.rstrip(" ") + timeouts, TOKEN)
    assert stack.changes() == {"create"}
    assert instances_api.writes == []
    with pytest.raises(auto.CommandError, match="the timeout of 1 s in customTimeouts is over"):
        stack.up()
    until(instances_api.instances)
    stack.resources_are(CRM, TOKEN)
    stack.env["INSTANCES_TAKE_OVER"] = "yes"
    token = stack.up().outputs["token"]
    [there] = instances_api.instances()
    assert (there["name"], token.value, token.secret) == ("crm", there["token"], True)
    assert stack.changes() == UNCHANGED
    stack.destroy()
    assert instances_api.instances() == []


def test_a_provider_with_a_name_of_the_engine_is_refused(stack: NativeStack, instances_api: Emulator) -> None:
    """It would get the variables of the default account, and send those secrets to the given host."""
    stack.env.update(instances_api.env)
    del stack.env["INSTANCES_BASE_URL"]
    stack.resources_are("""
        eu:
          type: pulumi:providers:instances
          name: default
          properties: {baseUrl: "http://127.0.0.1:9/evil", userSecret: u, organizationSecret: o}
        crm:
          type: instances:Instance
          properties: {yourMom: dropbox}
          options: {provider: "${eu}"}
    """)
    with pytest.raises(auto.CommandError, match="account name 'default' is one that the Pulumi engine gives"):
        stack.preview()
    assert instances_api.requests == []


@pytest.mark.skipif(shutil.which("pulumi-language-python") is None, reason="no `pulumi-language-python` on PATH")
def test_a_program_is_converted_as_the_document_says(stack: NativeStack) -> None:
    """The CLI imports two packages under one name; if a later one does not, the document has a line too many."""
    document = (ROOT / "docs" / "native.md").read_text()
    [command] = [line for line in document.splitlines() if line.startswith("pulumi convert ")]
    look_up = "variables: {found: {fn::invoke: {function: instances:getInstance, arguments: {name: crm}}}}"
    stack.resources_are(CRM, look_up)
    try:
        auto.PulumiCommand().run(command.split()[1:], str(stack.directory), stack.env)
    except auto.CommandError as error:
        if "method GenerateProject not implemented" not in str(error):
            raise
        pytest.skip("the language host of `make cli` writes no projects: it needs the official one")
    converted = stack.directory.parent / "converted"
    assert "pulumi_instances_native==" in (converted / "requirements.txt").read_text()
    lines = (converted / "__main__.py").read_text().splitlines()
    assert lines[1:3] == ["import pulumi_instances as instances", "import pulumi_instances_native as instances"]
    assert [line for line in lines[1:3] if f"`{line}`" not in document] == []
    assert "path: ./plugin" in (converted / "Pulumi.yaml").read_text()
