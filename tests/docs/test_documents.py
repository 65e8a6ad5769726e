"""What the documents claim: tables, programs, commands and links."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pulumi.automation as auto
import pytest

from pulumi_instances.core.config import NAMESPACE, SETTINGS, Settings, env_prefix
from pulumi_instances.core.dialect import DIALECTS, Dialect
from pulumi_instances.core.model import CREATE_ONLY, INPUTS, OUTPUT_ONLY, OUTPUTS
from pulumi_instances.testing.emulator import Emulator
from pulumi_instances.testing.plugin import StackFactory
from tests.support.recipes import forgotten

from .markdown import DOCUMENTS, ROOT, blocks, document, headings, table

PROGRAMS = [
    *blocks("README.md", "python"),
    *blocks("docs/getting-started.md", "python")[:-1],  # the last one is for the native package
    *blocks("docs/resource.md", "python"),
    blocks("docs/moving.md", "python")[0],
]
TESTS = blocks("docs/testing.md", "python")
EMULATOR, FIXTURE = blocks("docs/emulator.md", "python")
[LIVE] = blocks("docs/live-services.md", "python")
TEST_OF_LIVE = """
from pathlib import Path
from pulumi.automation import ConfigValue

def test_the_program_of_live_services(stack, instances_dialect):
    config = {f"live:{key}": ConfigValue("s3cret", secret=True) for key in ("key", "apiSecret", "code")}
    if instances_dialect == "elements":
        stack(Path(__file__).parent / "live", config=config).up()
"""


def test_the_settings_table_lists_exactly_the_settings() -> None:
    """Each setting has its environment variable and its default."""
    defaults = {field.name: field.default for field in fields(Settings)}
    expected = [
        {
            "stack setting": f"{NAMESPACE}:{setting.key}",
            "environment": env_prefix(None) + setting.attribute.upper(),
            "default": "required" if setting.required else _shown(defaults[setting.attribute]),
        }
        for setting in SETTINGS
    ]
    rows = [{key: row[key] for key in expected[0]} for row in table("docs/settings.md", "stack setting")]
    assert rows == expected, forgotten("docs/settings.md")


def _shown(default: Any) -> str:
    if default in (None, ()):
        return "none"
    if isinstance(default, Dialect):
        return next(name for name, dialect in DIALECTS.items() if dialect == default)
    if isinstance(default, str):
        return default
    return str(default).lower() if isinstance(default, bool) else f"{default:g}"


def test_the_property_table_lists_exactly_the_properties() -> None:
    """Each input and output has the name that state files contain, and the table says what a change of it does."""
    rows = {row["property"]: (row["direction"], row["on change"]) for row in table("docs/resource.md", "property")}
    kept = {
        key: ("in, out", "replace" if key in ("your_mom", *CREATE_ONLY) else "update")
        for key in INPUTS
        if key in OUTPUTS
    }
    assert rows == {**kept, "adopt_id": ("in", ""), **dict.fromkeys((*OUTPUT_ONLY, "id"), ("out", ""))}, forgotten(
        "docs/resource.md"
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_programs_deploy(program: str, stack: StackFactory, instances_api: Emulator, tmp_path: Path) -> None:
    """Each program runs as it stands, with the ids that it names replaced by ones that exist."""
    second = instances_api.add_account()
    program = program.replace("4014", str(instances_api.add(your_mom="box", name="QA Box")))
    program = program.replace("2535", str(instances_api.add(your_mom="sfdcservicecloud", name="QA")))
    (tmp_path / "Pulumi.yaml").write_text("name: readme\nruntime: python\n")
    (tmp_path / "__main__.py").write_text(program)
    config = {
        "readme:euBaseUrl": auto.ConfigValue(instances_api.base_url),
        "readme:euUserSecret": auto.ConfigValue(second.user_secret, secret=True),
        "readme:euOrganizationSecret": auto.ConfigValue(second.organization_secret, secret=True),
    }
    project = stack(tmp_path, config=config)
    project.up()
    project.preview(expect_no_changes=True)


def test_the_tests_for_users_pass_in_both_dialects(tmp_path: Path) -> None:
    """Those of docs/testing.md need nothing but the plugin. docs/emulator.md says how each runs in two dialects."""
    (tmp_path / "conftest.py").write_text(FIXTURE)
    (tmp_path / "test_program.py").write_text("\n\n".join([*TESTS, TEST_OF_LIVE]))
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "Pulumi.yaml").write_text("name: live\nruntime: python\n")
    (tmp_path / "live" / "__main__.py").write_text(LIVE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert f"{2 * (len(TESTS) + 1)} passed" in done.stdout


def test_the_emulator_runs_inside_the_process(tmp_path: Path) -> None:
    """The program of docs/emulator.md is whole."""
    (tmp_path / "try.py").write_text(EMULATOR)
    subprocess.run([sys.executable, "-W", "error", "try.py"], cwd=tmp_path, timeout=60, check=True)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_exist(name: str) -> None:
    """Each `make` target, setting, variable and subcommand that a document names exists."""
    makefile = document("Makefile")
    keys = {f"{NAMESPACE}:{setting.key}" for setting in SETTINGS}
    text = document(name)
    for target in re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"
    for key in re.findall(rf"{NAMESPACE}:[a-z]\w+\b(?!:)", text):
        assert key in keys, key
    for variable in re.findall(r"\bINSTANCES_[A-Z_]+\b", text):
        attribute = variable.removeprefix("INSTANCES_").removeprefix("EU_").lower()
        assert attribute in {"", "log"} | {setting.attribute for setting in SETTINGS}, variable
    for block in blocks(name, "sh"):
        for line in block.splitlines():
            if line.startswith("pulumi-instances "):
                words = [*shlex.split(line, comments=True)[:2], "--help"]
                subprocess.run([Path(sys.executable).parent / words[0], *words[1:]], check=True, capture_output=True)


def test_the_command_table_lists_exactly_the_commands() -> None:
    """The help of `pulumi-instances` lists the same names."""
    command = Path(sys.executable).parent / "pulumi-instances"
    help_text = subprocess.run([command, "--help"], check=True, capture_output=True, text=True).stdout
    listed = re.findall(r"^  ([a-z][a-z-]+) ", help_text.partition("Commands:")[2], re.MULTILINE)
    assert sorted(
        row["command"].split(" ")[0].strip("`") for row in table("docs/command-line.md", "command")
    ) == sorted(listed)


def test_the_parts_of_how_it_works_are_modules() -> None:
    """Those of the table, and those of the picture, whose boxes have the same names."""
    rows = table("docs/how-it-works.md", "part")
    named = set(
        re.findall(r"\b[a-z]+(?:_[a-z]+)*\b", " ".join(row["part"] for row in rows if row["part"][0].islower()))
    )
    titles = set(re.findall(r'class="title">([a-z_]+)<', document("docs/how-it-works.svg")))
    package = ROOT / "provider" / "pulumi_instances"
    inside = set(re.findall(r"`([a-z]+)`", next(row["what it does"] for row in rows if row["part"] == "api")))
    assert titles == named - {"core"}
    assert {name for name in named if not (package / name).exists() and not (package / f"{name}.py").exists()} == {
        "program"
    }
    assert [name for name in inside if not (package / "api" / f"{name}.py").exists()] == []


def test_the_shells_complete() -> None:
    """The line for each shell loads what that shell understands; a bash that has loaded it completes commands."""
    commands = Path(sys.executable).parent
    env = {**os.environ, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}

    def printed(script: str) -> str:
        command = ["bash", "--norc", "-c", script]
        return subprocess.run(command, env=env, text=True, capture_output=True, check=True).stdout

    lines = {row["shell"].split()[0]: row["line"].strip("`") for row in table("docs/command-line.md", "shell")}
    assert "#compdef pulumi-instances" in printed(lines["zsh"].replace("eval", "echo"))
    assert "complete --no-files --command pulumi-instances" in printed(lines["fish"].partition(" > ")[0])
    press_tab = """
        COMP_WORDS=(pulumi-instances {word}) COMP_CWORD=1
        $(complete -p pulumi-instances | sed 's/.* -F \\([^ ]*\\).*/\\1/') pulumi-instances {word} pulumi-instances
        echo "${{COMPREPLY[@]}}"
    """
    for word, completed in {"fl": "fleet", "dr": "drift"}.items():
        assert printed(lines["bash"] + press_tab.format(word=word)).split() == [completed]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    """Links to files and headings, and paths in backticks that look like ones of this repository, exist."""
    text = document(name)
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("https://"):
            continue
        path, _, heading = target.partition("#")
        file = (ROOT / name).parent.joinpath(path) if path else ROOT / name
        assert file.exists(), target
        assert not heading or heading in headings(file.read_text()), target
    for path in re.findall(r"`((?:provider|tests|examples|tools|requirements|docs|\.ci)/[\w./-]*)`", text):
        assert (ROOT / path).exists(), path
