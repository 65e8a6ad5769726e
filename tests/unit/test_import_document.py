"""Names, the import file and the program for existing instances."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pulumi.dynamic.dynamic import serialize_provider

from pulumi_instances.cli import import_document
from pulumi_instances.cli.import_document import program
from pulumi_instances.core import validation
from pulumi_instances.core.state_format import INSTANCE_TYPE, SECRET
from pulumi_instances.lifecycle import InstanceProvider

RUFF = shutil.which("ruff", path=str(Path(sys.executable).parent))


def found(instance_id: int, name: str, tags: list[str] | None = None, your_mom: str = "box") -> dict[str, Any]:
    return {"id": str(instance_id), "name": name, "your_mom": your_mom, "tags": tags or [], "token": "t0ken"}


# names


@pytest.mark.parametrize(
    ("name", "resource_name"),
    [
        ("crm", "crm"),
        ("QA_Box-1.2", "QA_Box-1.2"),
        ("QA Box", "QA-Box"),
        (" QA :: Box / x ", "QA-Box-x"),
        ("漢字", "漢字"),
        ("***", "instance"),
        ("..", "instance"),
        ("1st: yes", "instance-1st-yes"),
        ("2026-11-26", "instance-2026-11-26"),
        ("Null", "instance-Null"),
        *((name, name) for name in ("class", "None", "__main__", "x" * 300)),
    ],
)
def test_a_resource_name_is_made_from_the_instances_own(name: str, resource_name: str) -> None:
    """A name that can be a resource name stays as it is."""
    assert import_document.resource_names([found(1, name)]) == {"1": resource_name}


@pytest.mark.parametrize(
    ("instances", "taken", "names"),
    [
        ({7: "crm", 12: "crm", 9: "box"}, [], {"7": "crm-7", "12": "crm-12", "9": "box"}),
        ({8: "crm"}, ["crm"], {"8": "crm-8"}),
        ({1: "crm", 2: "crm", 3: "crm-1"}, [], {"1": "crm-1-1", "2": "crm-2", "3": "crm-1"}),
    ],
    ids=["of one name", "a name that the stack has", "a name that looks like one with an id keeps it"],
)
def test_instances_of_one_name_are_told_apart_by_their_ids(
    instances: dict[int, str], taken: list[str], names: dict[str, str]
) -> None:
    """All of them get their ids, so that the order of a listing does not matter."""
    each = [found(instance_id, name) for instance_id, name in instances.items()]
    assert import_document.resource_names(each, {*taken}) == names
    assert import_document.resource_names(each[::-1], {*taken}) == names


def test_an_instance_more_or_less_changes_no_other_name() -> None:
    """The exception is another instance that gets the same name."""
    instances = [found(7, "QA Box"), found(12, "crm"), found(9, "crm"), found(3, "***")]
    names = import_document.resource_names(instances)
    assert import_document.resource_names([*instances, found(1, "new")]).items() > names.items()
    for left_out in ("7", "3"):
        rest = [each for each in instances if each["id"] != left_out]
        assert import_document.resource_names(rest).items() < names.items()


LIKELY = st.sampled_from(["crm", "crm-1", "crm-2", "crm-1-1", "a b", "a-b", "*"]) | st.text(max_size=5)


@given(st.lists(LIKELY, max_size=12), st.sets(LIKELY, max_size=4))
def test_names_are_unique_and_hang_on_no_order(names: list[str], taken: set[str]) -> None:
    """It does not matter what the instances are called."""
    instances = [found(number, name) for number, name in enumerate(names, 1)]
    made = import_document.resource_names(instances, taken)
    assert len(set(made.values())) == len(instances)
    assert not set(made.values()) & taken
    assert import_document.resource_names(instances[::-1], taken) == made


# names of variables


@pytest.mark.parametrize(
    ("names", "variables"),
    [
        (["crm", "QA-Box.1", "漢字", "1st", "é-a"], ["crm", "QA_Box_1", "instance", "instance_1st", "a"]),
        (["crm", "c-rm", "CRM"], ["crm", "c_rm_2", "CRM_3"]),
        (["crm-3", "crm", "c.rm"], ["crm_3", "crm", "c_rm_3_3"]),
        (["instances", "Pulumi", "null"], ["instances_1", "Pulumi_2", "null_3"]),
    ],
)
def test_a_variable_is_one_in_every_language(names: list[str], variables: list[str]) -> None:
    """What differs in case and separators alone may be one variable there."""
    numbered = {str(number): name for number, name in enumerate(names, 1)}
    written = import_document.native_import_file(numbered)["resources"]
    assert [each["name"] for each in written] == variables
    assert [each["logicalName"] for each in written] == names


@given(st.lists(LIKELY, max_size=12))
def test_variables_are_unique_in_every_language(names: list[str]) -> None:
    """Whatever the instances are called."""
    numbered = {str(number): name for number, name in enumerate(names, 1)}
    written = [each["name"] for each in import_document.native_import_file(numbered)["resources"]]
    assert all(re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name) for name in written)
    assert len({name.lower().replace("_", "") for name in written}) == len(names)


def test_what_a_generator_may_take_for_a_reference_is_told() -> None:
    """A connector or a tag that another instance is called, or that is its id."""
    instances = [found(1, "box", ["2", "x"], "dropbox"), found(2, "crm", ["y"]), found(3, "z", ["z?"])]
    assert import_document.mistaken(instances) == ["2", "box"]


# the import file


def test_the_import_file_holds_the_whole_state() -> None:
    """It has inputs as `check` returns them, outputs with the token as a secret, and the provider in both."""
    instance = {**found(4014, "QA Box", ["QA"]), "valid": True}
    [resource] = import_document.import_file([instance], {"4014": "qa"})["resources"]

    pickle = {"__provider": serialize_provider(InstanceProvider())}
    inputs = {"your_mom": "box", "name": "QA Box", "tags": ["QA"]}
    assert validation.check(inputs) == (inputs, [])
    secret = {**SECRET, "plaintext": '"t0ken"'}
    assert resource == {
        "type": INSTANCE_TYPE,
        "name": "qa",
        "id": "4014",
        "inputs": {**inputs, **pickle},
        "outputs": {**inputs, "valid": True, "token": secret, "__defaults": [], **pickle},
    }
    json.dumps(resource)


@pytest.mark.parametrize(
    ("instance", "reason"),
    [
        ({"token": None}, "the API does not report its token"),
        ({"name": "a\x07b"}, "name contains a control character"),
        ({"name": None}, "name is missing"),
        ({"your_mom": None}, "your_mom is missing"),
        ({"tags": ["\n"]}, "tags[0] is empty; correct it in the account"),
    ],
)
def test_what_no_program_could_declare_is_not_imported(instance: dict[str, Any], reason: str) -> None:
    """The reason is given."""
    assert import_document.obstacle(found(1, "x")) is None
    changed = {key: value for key, value in {**found(1, "x"), **instance}.items() if value is not None}
    assert reason in (import_document.obstacle(changed) or "")


# the program


def test_a_program_reads_as_if_written_by_hand() -> None:
    """It is sorted by connector and name, and arguments that equal their defaults are left out."""
    instances = [
        found(3, "Sales", ["eu", "prod"], "sfdc"),
        found(2, "box"),
        found(1, "A name that is rather long", ["billing", "quite-a-long-tag", "and-one-more"]),
        found(4, "tagged", [f"a-long-tag-with-a-number-{number}" for number in range(4)]),
    ]
    assert program(instances, {"1": "long", "2": "box", "3": "Sales", "4": "tagged"}) == (
        '"""Existing instances, generated once by `pulumi-instances`: edit this file freely."""\n'
        "\n"
        "from pulumi_instances import Instance\n"
        "\n"
        'Instance("box", your_mom="box")\n'
        "Instance(\n"
        '    "long",\n'
        '    your_mom="box",\n'
        '    name="A name that is rather long",\n'
        '    tags=["billing", "quite-a-long-tag", "and-one-more"],\n'
        ")\n"
        "Instance(\n"
        '    "tagged",\n'
        '    your_mom="box",\n'
        "    tags=[\n"
        '        "a-long-tag-with-a-number-0",\n'
        '        "a-long-tag-with-a-number-1",\n'
        '        "a-long-tag-with-a-number-2",\n'
        '        "a-long-tag-with-a-number-3",\n'
        "    ],\n"
        ")\n"
        'Instance("Sales", your_mom="sfdc", tags=["eu", "prod"])\n'
    )


TEXT = st.text(
    st.sampled_from("ab \"'\\{}#%é漢\u200b\u202e\U0001f600\n\t\x1b") | st.characters(codec="utf-8"), min_size=1
)
INSTANCES = st.lists(
    st.tuples(TEXT, st.lists(TEXT | st.text("ab-", min_size=20), max_size=5)), min_size=20, max_size=40
)


# Each example is a run of ruff: shrinking one would take thousands.
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(INSTANCES)
def test_a_program_is_as_ruff_formats_it_and_declares_what_there_is(drawn: list[tuple[str, list[str]]]) -> None:
    """Whatever names and tags contain, none of it becomes code."""
    instances = [found(number, name, tags) for number, (name, tags) in enumerate(drawn, 1)]
    names = import_document.resource_names(instances)
    text = program(instances, names)

    assert RUFF
    command = [RUFF, "format", "--isolated", "--diff", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert _declared(text) == sorted((names[each["id"]], each["name"], each["tags"]) for each in instances)


def _declared(text: str) -> list[tuple[str, str, list[str]]]:
    made: list[tuple[str, str, list[str]]] = []

    def instance(resource_name: str, **arguments: Any) -> None:
        made.append((resource_name, arguments.get("name", resource_name), arguments.get("tags", [])))

    body = text.replace("from pulumi_instances import Instance\n", "")
    exec(compile(body, "program", "exec"), {"Instance": instance})  # noqa: S102  what is written is to be run
    return sorted(made)
