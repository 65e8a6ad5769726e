"""A stack moves from the dynamic provider to the native package and back: docs/moving.md on the real CLI."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pulumi.automation as auto
import pytest

from pulumi_instances.core.model import HEALTH
from pulumi_instances.core.state_format import INSTANCE_TYPE, NATIVE_TYPE
from pulumi_instances.testing.emulator import Account, Emulator
from tests.docs.markdown import blocks
from tests.native import test_cli
from tests.native.test_cli import NativeStack
from tests.support.checks import assert_settled
from tests.support.harness import HEADER, settings
from tools.native_sdk import generate_sdk

pytestmark = test_cli.pytestmark

PYTHON = """
    secrets = pulumi.Config("eu")
    eu = account(
        "eu",
        base_url="{url}",
        user_secret=secrets.require_secret("userSecret"),
        organization_secret=secrets.require_secret("organizationSecret"),
        settings={{"dialect": "{dialect}"}},
    )
    crm = Instance(
        "crm",
        your_mom="dropbox",
        tags=["b", "a"],
        configuration={{"oauth.api.key": pulumi.Output.secret("k3y"), "deep": {{"url": "https://a", "size": 3}}}},
        provider_data={{"code": "c0de-number-1"}},
    )
    Instance("adopted", your_mom="box", adopt_id="{adopted}")
    Instance("kept", your_mom="box", name="kept", opts=pulumi.ResourceOptions(protect={protect}))
    Instance("left", your_mom="box", opts=pulumi.ResourceOptions(retain_on_delete={protect}))
    Instance("far", your_mom="sfdc", tags=[], opts=pulumi.ResourceOptions(provider=eu))
    pulumi.export("token", crm.token)
"""
YAML = """
    eu:
      type: pulumi:providers:instances
      properties:
        baseUrl: {url}
        userSecret: ${{eu:userSecret}}
        organizationSecret: ${{eu:organizationSecret}}
        dialect: {dialect}
    crm:
      type: instances:Instance
      properties:
        yourMom: dropbox
        tags: [a, b]
        configuration: {{oauth.api.key: {{fn::secret: k3y}}, deep: {{url: "https://a", size: 3}}}}
        providerData: {{code: c0de-number-1}}
    adopted:
      type: instances:Instance
      properties: {{yourMom: box, adoptId: "{adopted}"}}
    kept:
      type: instances:Instance
      properties: {{yourMom: box, name: kept}}
      options: {{protect: {protect}}}
    left:
      type: instances:Instance
      properties: {{yourMom: box}}
      options: {{retainOnDelete: {protect}}}
    far:
      type: instances:Instance
      properties: {{yourMom: sfdc, tags: []}}
      options: {{provider: "${{eu}}"}}
"""
CONFIGURATION = """\
configuration:
  eu:userSecret: {type: string, secret: true}
  eu:organizationSecret: {type: string, secret: true}
outputs:
  token: ${crm.token}
"""
NATIVE_HEADER = """\
import pulumi
from pulumi_instances_native import Instance, Provider


def account(name, settings, **secrets):
    return Provider(name, **secrets, **settings)


"""
"""The import line of the native package's SDK, and an account as a `Provider`."""


class MovingStack(NativeStack):
    """A project that is written in Python or YAML, for the dynamic provider or the native package."""

    def __init__(self, directory: Path, api: Emulator, eu: Account, dialect: str) -> None:
        super().__init__(directory)
        self.values = {"url": api.base_url, "dialect": dialect, "adopted": api.add(your_mom="box", tags=["old"])}
        self.configure(
            {
                **settings(api),
                "instances:defaultTags": auto.ConfigValue("of-{stack}"),
                "eu:userSecret": auto.ConfigValue(eu.user_secret, secret=True),
                "eu:organizationSecret": auto.ConfigValue(eu.organization_secret, secret=True),
            }
        )

    def write_python(self, *, protect: bool = True) -> None:
        """Use the dynamic provider."""
        (self.directory / "Pulumi.yaml").write_text("name: acceptance\nruntime: python\n")
        self.program(PYTHON.format(**self.values, protect=protect))

    def write_yaml(self) -> None:
        """Use the native package."""
        self.resources_are(YAML.format(**self.values, protect="true"), CONFIGURATION)

    def import_from(self, header: str, sdk: Path | None, program: str = "") -> None:
        """Use what this import line names. All else of the program stays as it is, unless there is a new one."""
        self.resources_are("")
        project = self.directory / "Pulumi.yaml"
        project.write_text(project.read_text().replace("runtime: yaml", "runtime: python"))
        file = self.directory / "__main__.py"
        body = file.read_text().removeprefix(HEADER).removeprefix(NATIVE_HEADER)
        file.write_text(header + (textwrap.dedent(program) or body))
        self.env["PYTHONPATH"] = str(sdk or "")

    def of_either_type(self) -> list[dict[str, Any]]:
        """The instances of the state, whichever package has them."""
        return [resource for resource in self.resources() if resource["type"] in (INSTANCE_TYPE, NATIVE_TYPE)]

    def raw(self) -> dict[str, dict[str, Any]]:
        """What the state says of each instance, as it spells it, without what an answer may leave out."""
        kept = ("id", "inputs", "outputs", "protect", "retainOnDelete", "additionalSecretOutputs")
        found = self.of_either_type()
        for resource in found:
            resource["outputs"] = {key: value for key, value in resource["outputs"].items() if key not in HEALTH}
        return {each["urn"].rpartition("::")[2]: {key: each.get(key) for key in kept} for each in found}

    def types(self) -> set[str]:
        """The types of the instances in the state."""
        return {resource["type"] for resource in self.of_either_type()}

    def ids(self) -> dict[str, str]:
        """The ids of the instances in the state."""
        return {resource["urn"].rpartition("::")[2]: resource["id"] for resource in self.of_either_type()}


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the generated SDK for Python can be imported from."""
    return generate_sdk(tmp_path_factory.mktemp("sdk"))


@pytest.fixture
def empty(tmp_path: Path, instances_api: Emulator, instances_dialect: str) -> MovingStack:
    """A stack without resources."""
    return MovingStack(tmp_path / "stack", instances_api, instances_api.add_account(), instances_dialect)


@pytest.fixture
def stack(empty: MovingStack, instances_api: Emulator) -> MovingStack:
    """A stack of the dynamic provider, with everything that may get in the way of a move."""
    empty.write_python()
    empty.up()
    assert_settled(empty, instances_api)
    return empty


def test_a_stack_moves_there_and_back_without_a_write(stack: MovingStack, instances_api: Emulator) -> None:
    """There nothing is shown either. On the way back the state is rewritten; nothing is ever replaced.

    A move and a change at once are one PUT, and no other write.
    """
    ids, writes, token = stack.ids(), len(instances_api.writes), stack.up().outputs["token"].value

    stack.write_yaml()
    assert stack.preview().change_summary == {"same": 6, "create": 1, "delete": 1}, "the provider eu is another one"
    assert stack.up().outputs["token"].value == token
    assert (stack.types(), stack.ids()) == ({NATIVE_TYPE}, ids)
    assert_settled(stack, instances_api)

    stack.write_python()
    assert stack.preview().change_summary == {"same": 1, "update": 5, "create": 1, "delete": 1}
    assert stack.up().outputs["token"].value == token
    assert (stack.types(), stack.ids()) == ({INSTANCE_TYPE}, ids)
    assert_settled(stack, instances_api)
    assert len(instances_api.writes) == writes

    for write, file, old in (
        (stack.write_yaml, "Pulumi.yaml", "name: kept"),
        (stack.write_python, "__main__.py", 'name="kept"'),
    ):
        before = len(instances_api.writes)
        write()
        program = stack.directory / file
        program.write_text(program.read_text().replace(old, old.replace("kept", f"in {file}")))
        stack.up()
        assert [request.method for request in instances_api.writes[before:]] == ["PUT"]
        assert_settled(stack, instances_api)
    assert stack.ids() == ids

    stack.write_python(protect=False)
    stack.up()
    stack.destroy()
    assert stack.resources() == []
    assert instances_api.instances() == []


def test_a_program_in_python_moves_by_its_import_line(stack: MovingStack, instances_api: Emulator, sdk: Path) -> None:
    """What the native package has only declared goes back unseen; what it has read is rewritten, by no request."""
    stack.up()  # it gives adopt_id again, which a refresh has dropped
    before, writes = stack.raw(), len(instances_api.writes)
    for is_read, back in ((False, {"same": 6}), (True, {"same": 1, "update": 5})):
        stack.import_from(NATIVE_HEADER, sdk)
        assert stack.preview().change_summary == {"same": 6, "create": 1, "delete": 1}
        stack.up()
        if is_read:
            stack.refresh()
        assert stack.changes() == {"same"}
        assert ("yourMom" in stack.raw()["crm"]["outputs"]) is is_read
        stack.import_from(HEADER, None)
        assert stack.preview().change_summary == {**back, "create": 1, "delete": 1}
        stack.up()
        assert stack.raw() == before
        assert_settled(stack, instances_api)
    assert len(instances_api.writes) == writes


def test_the_programs_of_the_document_are_one(
    empty: MovingStack, instances_api: Emulator, instances_dialect: str, sdk: Path
) -> None:
    """Those of docs/moving.md: nothing is written after the first of them."""
    in_python, in_native_python = blocks("docs/moving.md", "python")
    [in_yaml] = blocks("docs/moving.md", "yaml")
    account = instances_api.add_account()
    empty.env["INSTANCES_EU_DIALECT"] = instances_dialect
    empty.configure(
        {
            "acceptance:euBaseUrl": auto.ConfigValue(instances_api.base_url),
            "acceptance:euUserSecret": auto.ConfigValue(account.user_secret, secret=True),
            "acceptance:euOrganizationSecret": auto.ConfigValue(account.organization_secret, secret=True),
        }
    )
    empty.import_from(in_python, None, "pass")
    empty.up()
    [there], writes = instances_api.instances(account), len(instances_api.writes)
    moved = {"same": 2, "create": 1, "delete": 1}

    empty.import_from(in_native_python, sdk, "pass")
    assert empty.preview().change_summary == moved
    empty.up()
    empty.resources_are("")
    project = empty.directory / "Pulumi.yaml"
    project.write_text(project.read_text().replace("runtime: yaml\n", in_yaml))
    assert empty.changes() == {"same"}
    empty.up()
    assert_settled(empty, instances_api)
    empty.import_from(in_python, None, "pass")
    assert empty.preview().change_summary == {"same": 1, "update": 1, "create": 1, "delete": 1}
    empty.up()
    assert_settled(empty, instances_api)
    assert instances_api.instances(account) == [there]
    assert len(instances_api.writes) == writes


def test_a_resource_is_not_declared_through_both(empty: MovingStack, instances_api: Emulator, sdk: Path) -> None:
    """By the same name: each is an alias of the other."""
    dynamic = 'Instance("crm", your_mom="box")\n'
    empty.import_from(HEADER, sdk, dynamic)
    empty.up()
    native = 'import pulumi_instances_native as native\nnative.Instance("crm", your_mom="box")\n'
    for program in (dynamic + native, native + dynamic):
        empty.import_from(HEADER, sdk, program)
        with pytest.raises(auto.CommandError, match=r"[Dd]uplicate resource|conflicting with alias"):
            empty.up()
    assert len(instances_api.writes) == 1


BORN_NATIVE = """
    opts = pulumi.ResourceOptions
    Instance("made", your_mom="box", tags=["{tag}"], provider_data={{"code": "c0de-number-2"}})
    Instance("imported", your_mom="box", opts=opts({imports}))
    pinned = opts(ignore_changes=["provider_data"], replace_on_changes=["your_mom"])
    Instance("pinned", your_mom="dropbox", provider_data={{"user": "{user}"}}, opts=pinned)
    Instance("moved", your_mom="{connector}")
"""


def test_what_the_native_package_has_made_moves_as_well(empty: MovingStack, instances_api: Emulator, sdk: Path) -> None:
    """What the program changes on the way is done, and no more; what it no longer declares is deleted."""
    imported = instances_api.add(your_mom="box", name="imported", tags=["of-dev"])
    given = {"tag": "a", "user": "one", "connector": "box"}
    made = BORN_NATIVE.format(**given, imports=f'import_="{imported}"') + '    Instance("gone", your_mom="box")\n'
    empty.import_from(NATIVE_HEADER, sdk, made)
    empty.up()
    ids, writes = empty.ids(), len(instances_api.writes)

    changed = {"tag": "b", "user": "two", "connector": "sfdc"}
    empty.import_from(HEADER, None, BORN_NATIVE.format(**changed, imports=""))
    assert empty.preview().change_summary == {"same": 1, "update": 3, "replace": 1, "delete": 1}
    empty.up()
    sent = sorted(request.method for request in instances_api.writes[writes:])
    assert sent == ["DELETE", "DELETE", "POST", "PUT"], "of gone, of moved (twice), and of the tags of made"
    stay = {"made", "imported", "pinned"}
    assert {name for name, each in empty.ids().items() if each == ids[name]} == stay
    assert_settled(empty, instances_api)
    empty.destroy()
    assert [each["id"] for each in instances_api.instances()] == [empty.values["adopted"]], "which nobody has adopted"


BOXES = """
    for number in range({count}):
        Instance(f"box-{{number}}", your_mom="box")
"""


def test_a_part_of_a_stack_does_not_move(empty: MovingStack, instances_api: Emulator, sdk: Path) -> None:
    """The engine refuses a target where the others would change their provider. No instance notices.

    It may have recorded the targeted resource, which is unchanged, before it comes to the others and refuses.
    """
    doors: list[tuple[str, Path | None]] = [(HEADER, None), (NATIVE_HEADER, sdk)]
    for old, new in (doors, doors[::-1]):
        empty.import_from(*old, BOXES.format(count=3))
        empty.up()
        ids, writes = empty.ids(), len(instances_api.writes)
        empty.import_from(*new)
        with pytest.raises(auto.CommandError, match=r"change of providers mixed with --target"):
            empty.up(target=["**box-1"])
        assert (empty.ids(), len(instances_api.writes)) == (ids, writes)
        empty.up()
        assert (empty.ids(), len(instances_api.writes)) == (ids, writes)
        assert_settled(empty, instances_api)
