"""What the SDKs of all languages are made from. A change here changes them: add, never alter."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pulumi_instances.core import spelling
from pulumi_instances.core.errors import Problem
from pulumi_instances.core.model import INPUTS, OUTPUTS
from pulumi_instances.core.spelling import camel
from pulumi_instances.core.state_format import INSTANCE_TYPE, NATIVE_TYPE
from pulumi_instances.native import schema
from pulumi_instances.native.names import in_words, problem_in_words, to_engine

GOLDEN = Path(__file__).with_name("schema.json")
OF_A_VERSION = {"version": "", "pluginDownloadURL": ""}
"""What differs in each version."""
ROOT = Path(__file__).parents[2]


def test_the_schema_is_the_golden_one() -> None:
    """Run `python -m tests.native.test_schema` to write it anew."""
    assert {**schema.document(), **OF_A_VERSION} == json.loads(GOLDEN.read_text())


def test_the_plugin_is_downloaded_from_the_releases_of_the_repository() -> None:
    """Without a URL the engine would take another package of the same name."""
    [repository] = re.findall(r'^Repository = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert schema.document()["repository"] == repository  # Go's import path begins with it
    assert schema.document()["pluginDownloadURL"] == f"{repository}/releases/download/v{schema.version_of_plugin()}"


def test_every_property_is_described() -> None:
    instance = schema.document()["resources"][NATIVE_TYPE]
    assert instance["inputProperties"].keys() == {camel(key) for key in INPUTS}
    assert instance["properties"].keys() == {camel(key) for key in OUTPUTS}
    assert instance["aliases"] == [{"type": INSTANCE_TYPE}]
    assert '"replaceOnChanges"' not in schema.text()


def test_names_go_there_and_back() -> None:
    ours = dict.fromkeys((*INPUTS, *OUTPUTS, "__defaults"), 1)
    assert spelling.ours(to_engine(ours)) == ours
    assert spelling.ours({**ours, "__provider": 1, "__imported": 1}) == ours
    assert {"yourMom", "retrieveObjectsAfterInstantiation", "__defaults"} <= to_engine(ours).keys()


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ('write tags=["billing"]', 'write tags: ["billing"]'),
        ("write enabled=True or enabled=False", "write enabled: true or enabled: false"),
        ('run again with adopt_id="4001"', 'run again with adoptId: "4001"'),
        ("the provider_data and your_mom.", "the providerData and yourMom."),
        ("https://api.example.com/your_moms/api-v2", "https://api.example.com/your_moms/api-v2"),
        ("set INSTANCES_ALLOW_INSECURE_HTTP=true", "set INSTANCES_ALLOW_INSECURE_HTTP=true"),
        ("get_instance: no instance", "getInstance: no instance"),
    ],
)
def test_messages_are_in_the_words_of_the_package(message: str, said: str) -> None:
    assert in_words(message) == said


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (Problem("your_mom", "is missing", "write your_mom"), "yourMom is missing; write yourMom"),
        (Problem('extra["your_mom"]', "is set by the service", "remove it"), 'extra["your_mom"] is set by the service'),
        (Problem("provider_data.adopt_id", "is bytes", "write a string"), "providerData.adopt_id is bytes"),
        (Problem("tags[0]", "is empty", 'write tags=["a"]'), 'tags[0] is empty; write tags: ["a"]'),
        (Problem("the provider", 'is named "your_mom"', "rename it"), 'the provider is named "your_mom"; rename it'),
    ],
)
def test_a_problem_names_its_property_as_the_package_does(problem: Problem, said: str) -> None:
    """Only the property itself is translated: what stands inside it is the user's own."""
    assert str(problem_in_words(problem)).startswith(said)


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps({**schema.document(), **OF_A_VERSION}, indent=1) + "\n")
