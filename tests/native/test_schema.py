"""What the SDKs of all languages are made from. A change here changes them: add, never alter."""

from __future__ import annotations

import json
import re
from pathlib import Path

from pulumi_instances.core import model
from pulumi_instances.core.model import INPUTS, OUTPUTS, camel, to_native
from pulumi_instances.core.state_format import INSTANCE_TYPE, NATIVE_TYPE
from pulumi_instances.native import schema

GOLDEN = Path(__file__).with_name("schema.json")
OF_A_VERSION = {"version": "", "pluginDownloadURL": ""}
"""What differs in each version."""
ROOT = Path(__file__).parents[2]


def golden() -> str:
    """The text of the golden schema."""
    return json.dumps({**schema.document(), **OF_A_VERSION}, indent=1) + "\n"


def test_the_schema_is_the_golden_one() -> None:
    """Run `python -m tests.native.test_schema` to write it anew."""
    assert golden() == GOLDEN.read_text()


def test_the_plugin_is_downloaded_from_the_releases_of_the_repository() -> None:
    """Without a URL the engine would take another package of the same name."""
    [repository] = re.findall(r'^Repository = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert schema.document()["repository"] == repository  # Go's import path begins with it
    assert schema.document()["pluginDownloadURL"] == f"{repository}/releases/download/v{schema.version_of_plugin()}"


def test_the_pages_for_the_registry_are_there() -> None:
    """Each begins with what the Pulumi Registry asks for, and its programs and commands are those that tests run."""
    tested = (ROOT / "docs/native.md").read_text() + (ROOT / "docs/getting-started.md").read_text()
    for name in ("_index", "installation-configuration"):
        front, text = (ROOT / f"docs/{name}.md").read_text().removeprefix("---\n").split("\n---\n", 1)
        assert [line.partition(": ")[0] for line in front.splitlines()] == ["title", "meta_desc", "layout"]
        code = re.findall(r"^```\w+\n.*?^```$", text, re.MULTILINE | re.DOTALL)
        assert code
        assert [block for block in code if block not in tested] == []


def test_every_property_is_described() -> None:
    instance = schema.document()["resources"][NATIVE_TYPE]
    assert instance["inputProperties"].keys() == {camel(key) for key in INPUTS}
    assert instance["properties"].keys() == {camel(key) for key in OUTPUTS}
    assert instance["aliases"] == [{"type": INSTANCE_TYPE}]
    assert '"replaceOnChanges"' not in schema.text()


def test_names_go_there_and_back() -> None:
    ours = dict.fromkeys((*INPUTS, *OUTPUTS, "__defaults"), 1)
    assert model.from_native(to_native(ours)) == ours
    assert model.from_native({**ours, "__provider": 1, "__imported": 1}) == ours
    assert {"yourMom", "retrieveObjectsAfterInstantiation", "__defaults"} <= to_native(ours).keys()


if __name__ == "__main__":
    GOLDEN.write_text(golden())
