"""`pulumi-instances import-file --native` on the CLI: from existing instances to a program with an empty preview."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.native import test_moving
from tests.native.test_moving import MovingStack, sdk
from tests.support.processes import COMMAND

__all__ = ["sdk"]

pytestmark = test_moving.pytestmark

NAMES = ("QA Box", "box", "class", "instances", "漢字 'q' \"x\"", "${crm.token}", "1st: yes", "Class", "cl-ass")
"""As people choose them: no identifiers, words of languages, one variable in some of them, one a connector too."""

EVALUATED = ("$${box.token}", "a $$ b", "~", "null", "0x1F", ".inf", "True")
"""What a program in YAML would evaluate, or read as something else: the CLI escapes `${` only, and puts no quotes."""


class ImportingStack(MovingStack):
    """A stack of the native package, without resources."""

    def __init__(self, directory: Path, api: Emulator, dialect: str) -> None:
        super().__init__(directory, api, api.add_account(), dialect)
        api.remove(str(self.values["adopted"]))
        self.unconfigure(["instances:defaultTags"])
        self.resources_are("")

    def import_all(self) -> tuple[str, str]:
        """Run the two commands as they are printed. Returns the generated code, and what was noted."""
        done = self.command(*COMMAND, "import-file", "--native", "--stack", "dev", "--out", "resources.json")
        assert done.returncode == 0, done.stderr
        command = done.stdout.splitlines()[1].split()
        assert command[0] == "pulumi"
        self.run(*command[1:], "--yes", "--skip-preview", "--non-interactive")
        return (self.directory / "generated").read_text(), done.stderr

    def add_to_program(self, code: str) -> None:
        """Add what was generated to the program in YAML."""
        project = self.directory / "Pulumi.yaml"
        project.write_text(project.read_text() + code)

    def assert_holds(self, api: Emulator) -> None:
        """The stack manages every instance, a preview is empty, tokens are secret, and nothing was written."""
        assert self.changes() == {"same"}
        assert set(self.ids().values()) == {str(each["id"]) for each in api.instances()}
        state = json.dumps(self.checkpoint().deployment)
        written = (self.directory / "resources.json").read_text() + (self.directory / "generated").read_text()
        assert [each["name"] for each in api.instances() if each["token"] in state + written] == []
        assert api.writes == []


@pytest.fixture
def stack(tmp_path: Path, instances_api: Emulator, instances_dialect: str) -> ImportingStack:
    return ImportingStack(tmp_path / "stack", instances_api, instances_dialect)


def fill(api: Emulator) -> None:
    for number, name in enumerate(NAMES):
        api.add(your_mom=("dropbox", "box")[number % 2], name=name, tags=["QA", "eu"][: number % 3])


def test_instances_become_a_program_in_yaml(stack: ImportingStack, instances_api: Emulator) -> None:
    """What the generator takes for a reference was told, and is written as a text instead.

    What the language would evaluate is left out: the next `up` would publish the token of another instance as a name.
    """
    fill(instances_api)
    left_out = [instances_api.add("dropbox", name) for name in EVALUATED]
    left_out += [instances_api.add("dropbox", f"tagged {number}", [name]) for number, name in enumerate(EVALUATED)]
    code, note = stack.import_all()
    assert [id for id in left_out if f"instance {id} left out: its name or a tag " not in note] == []
    for id in left_out:
        instances_api.remove(id)
    references = set(re.findall(r" \$\{.*\}$", code, re.MULTILINE))
    assert references == {" ${box.name}"}
    assert "references to other instances for box, since" in note
    stack.add_to_program(code.replace(" ${box.name}", " box"))
    stack.assert_holds(instances_api)
    stack.up()
    stack.refresh()
    stack.assert_holds(instances_api)


def test_instances_become_a_program_in_python(stack: ImportingStack, instances_api: Emulator, sdk: Path) -> None:
    """The CLI generates it in the language of the project."""
    fill(instances_api)
    for name in EVALUATED:
        instances_api.add("dropbox", name, [name])
    stack.import_from("", sdk, "pass")
    code, _ = stack.import_all()
    stack.import_from("", sdk, code)
    stack.assert_holds(instances_api)


@pytest.mark.parametrize(
    ("runtime", "declaration"), [("nodejs", "new instances.Instance("), ("go", "NewInstance(ctx, ")]
)
def test_the_language_is_that_of_the_project(
    stack: ImportingStack, instances_api: Emulator, runtime: str, declaration: str
) -> None:
    """Each instance is declared under its name."""
    if shutil.which(f"pulumi-language-{runtime}") is None:
        pytest.skip(f"no `pulumi-language-{runtime}` on PATH: it comes with the releases of the Pulumi CLI")
    fill(instances_api)
    project = stack.directory / "Pulumi.yaml"
    project.write_text(project.read_text().replace("runtime: yaml", f"runtime: {runtime}"))
    (stack.directory / "package.json").write_text("{}")
    (stack.directory / "go.mod").write_text("module acceptance\n")
    code, _ = stack.import_all()
    assert {f"{declaration}{json.dumps(name, ensure_ascii=False)}" in code for name in stack.ids()} == {True}
