"""Many existing instances brought into a stack: `pulumi-instances import-file` and `import`."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.docs.markdown import blocks
from tests.support.harness import CliHarness, Harness
from tests.support.processes import COMMAND

from .conftest import needs_cli

CONNECTORS = ("dropbox", "box", "sfdc")

on_the_cli = pytest.mark.parametrize("engine", [pytest.param("cli", marks=needs_cli)], indirect=True)


def fill(api: Emulator, count: int) -> None:
    """Instances as people make them: names that are used twice, or are no resource names."""
    names = ("QA Box", "crm", "Team files {}", "漢字 'q' \"x\"")
    for number in range(count):
        tags = ["QA", f"tag {number % 5}"][: number % 3]
        api.add(your_mom=CONNECTORS[number % 3], name=names[number % 4].format(number), tags=tags)


def run(stack: Harness, *arguments: object, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A command of ours in the project's directory, with the environment of the stack."""
    return stack.command(*COMMAND, *arguments, env=env)


def assert_holds_all(stack: Harness, api: Emulator) -> None:
    """The state has every instance, with its token as a secret; program and state agree; nothing was written."""
    assert {held["id"] for held in stack.instances().values()} == {str(each["id"]) for each in api.instances()}
    assert set(stack.preview().change_summary) == {"same"}
    written = json.dumps(stack.checkpoint().deployment)
    assert [each["id"] for each in api.instances() if each["token"] in written] == []
    assert api.writes == []


@on_the_cli
def test_a_thousand_instances_are_imported(stack: Harness, instances_api: Emulator) -> None:
    """After one run, a preview is empty and nothing was written to the API."""
    fill(instances_api, 1000)
    temporary = stack.directory / "tmp"
    temporary.mkdir()
    (stack.directory / "__main__.py").unlink()

    done = run(stack, "import", "--stack", "dev", "--program", "__main__.py", "--yes", env={"TMPDIR": str(temporary)})

    assert (done.returncode, done.stderr) == (0, "")
    assert "Imported into the stack dev: 1000 instances, declared in __main__.py." in done.stdout
    assert list(temporary.iterdir()) == [], "the file with the tokens is gone"
    saved = list((stack.directory / ".pulumi" / "backups").rglob("*.json"))
    assert len(saved) < 10, "the state is saved once, not for each instance: that would be quadratic"
    assert_holds_all(stack, instances_api)


@on_the_cli
def test_the_documents_lead_from_three_hundred_instances_to_an_empty_preview(
    stack: Harness, instances_api: Emulator, instances_dialect: str, tmp_path: Path
) -> None:
    """Each line runs in a fresh directory, and nothing is written to the API until the program changes something."""
    fill(instances_api, 300)
    block = next(block for block in blocks("docs/command-line.md", "sh") if "pulumi stack init" in block)
    # These tests run in an environment that holds the package already.
    lines = [line for line in block.splitlines() if line and not line.startswith(("python3 -m venv", "pip install"))]
    assert len(lines) == 9
    answers = {
        "userSecret": instances_api.user_secret,
        "organizationSecret": instances_api.organization_secret,
    }
    env = {**stack.env, "INSTANCES_DIALECT": instances_dialect}
    said = ""
    for line in lines:
        command = line.replace("https://api.example.com/your_moms/api-v2", instances_api.base_url)
        # A reader answers its question at a terminal.
        command = command.replace("pulumi-instances import ", "pulumi-instances import --yes ")
        stdin = next((answer for words, answer in answers.items() if words in line), "")
        done = _shell(command, tmp_path, env, stdin)
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        said = done.stdout

    assert "301 unchanged" in said
    assert instances_api.writes == []
    assert "301 unchanged" in _shell("pulumi refresh --yes --stack dev", tmp_path, env).stdout
    program = tmp_path / "__main__.py"
    program.write_text(program.read_text().replace('tags=["QA"]', 'tags=["QA", "new"]', 1))
    _shell("pulumi up --yes --stack dev", tmp_path, env)
    assert [request.method for request in instances_api.writes] == ["PUT"]


def _shell(line: str, directory: Path, env: Mapping[str, str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line],
        cwd=directory,
        env={**os.environ, **env},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


@on_the_cli
def test_the_written_file_is_what_pulumi_import_takes(stack: Harness, instances_api: Emulator) -> None:
    """The test runs the two steps by hand, as `import-file` says to."""
    fill(instances_api, 9)
    done = run(stack, "import-file", "--stack", "dev", "--out", "resources.json", "--program", "__main__.py")
    assert done.returncode == 0
    file = stack.directory / "resources.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    command = done.stdout.splitlines()[-1].partition(" && ")[0]

    assert stack.command(*command.split(), "--yes", "--non-interactive").returncode == 0

    file.unlink()  # as the message says, too: the tokens are in it

    assert set(stack.refresh().summary.resource_changes or {}) == {"same"}
    assert_holds_all(stack, instances_api)


HALFWAY = """\
import json, os, subprocess, sys
words = sys.argv[1:]
if words[0] == "import":
    file = words[words.index("--file") + 1]
    document = json.load(open(file))
    del document["resources"][2:]
    json.dump(document, open(file, "w"))
    subprocess.run(["{pulumi}", *words], check=True)
    sys.exit(1)
os.execv("{pulumi}", ["{pulumi}", *words])
"""


def in_front_of_pulumi(stack: Harness, directory: Path, script: str) -> dict[str, str]:
    """An environment in which this Python script is called for `pulumi`."""
    tool = directory / "bin" / "pulumi"
    tool.parent.mkdir()
    tool.write_text(f"#!{sys.executable}\n{script.format(pulumi=shutil.which('pulumi'))}")
    tool.chmod(0o755)
    temporary = directory / "tmp"
    temporary.mkdir()
    return {"PATH": os.pathsep.join([str(tool.parent), stack.env["PATH"]]), "TMPDIR": str(temporary)}


@on_the_cli
def test_an_import_that_stops_halfway_is_declared_as_far_as_it_went(
    stack: Harness, instances_api: Emulator, tmp_path: Path
) -> None:
    """Otherwise the next `up` would delete what was imported, or create what was not a second time."""
    fill(instances_api, 5)
    (stack.directory / "__main__.py").unlink()
    env = in_front_of_pulumi(stack, tmp_path, HALFWAY)

    done = run(stack, "import", "--stack", "dev", "--program", "__main__.py", "--yes", env=env)

    assert done.returncode == 1
    assert "failed after 2 of 5, and __main__.py declares those; run again with another --program" in done.stderr
    assert set(stack.preview().change_summary) == {"same"}
    rest = run(stack, "import", "--stack", "dev", "--program", "rest.py", "--yes")
    assert (rest.returncode, rest.stderr) == (0, "2 instances left out: already in a state\n")
    assert "Import rest.py in your program" in rest.stdout
    with (stack.directory / "__main__.py").open("a") as program:
        program.write("import rest  # noqa\n")
    assert_holds_all(stack, instances_api)


@on_the_cli
def test_a_stack_is_audited(stack: CliHarness, instances_api: Emulator) -> None:
    """`list`, `drift`, `orphans` and `doctor` accept `--stack`, which asks the CLI for settings and state.

    So does `import`, whose JSON is all of stdout: what the CLI says goes to stderr.
    """
    stack.program('Instance("box", your_mom="dropbox")')
    stack.up()
    left = instances_api.add(name="left over")
    instances_api.change(left - 1, name="renamed", token="another-token")
    writes = len(instances_api.writes)

    assert json.loads(run(stack, "list", "--stack", "dev", "--json").stdout)[1]["name"] == "left over"
    drift = run(stack, "drift", "--stack", "dev", "--json")
    told = [(each["field"], each["state"], each["api"]) for each in json.loads(drift.stdout)["differences"]]
    assert told == [("name", "box", "renamed"), ("token", "[secret]", "[secret]")]
    assert (drift.returncode, drift.stderr) == (2, "1 compared, 1 differs\n")
    orphans = run(stack, "orphans", "--all", "--stack", "dev", "--json")
    assert (orphans.returncode, json.loads(orphans.stdout)[0]["id"]) == (2, str(left))
    doctor = run(stack, "doctor", "--stack", "dev", "--json")
    assert doctor.returncode == 0, doctor.stdout
    settings = {finding["subject"]: finding["found"] for finding in json.loads(doctor.stdout)}
    assert settings["instances:userSecret"] == "set, from the stack"
    imported = run(stack, "import", "--stack", "dev", "--program", "more.py", "--json", "--yes")
    assert json.loads(imported.stdout)["instances"] == 1
    assert "1 imported" in imported.stderr
    assert len(instances_api.writes) == writes
    unknown = run(stack, "drift", "--stack", "nope")
    assert (unknown.returncode, unknown.stderr.count("\n")) == (1, 1)
    assert "no stack named 'nope'" in unknown.stderr
