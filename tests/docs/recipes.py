"""The recipes of CONTRIBUTING.md, followed: what each step writes, and which tests a copy without the step fails.

The property is a note beside the name. The setting is the language of the service's messages. The endpoint is
`GET /instances/{id}/ping`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from .markdown import document

P = "provider/pulumi_instances/"
SCHEMA = "tests/native/schema.json"
"""Written by a command that the step names, not by an edit."""


class Edit(NamedTuple):
    """Text that goes before ``at`` in a file, where that stands first; without it the text is a new file."""

    path: str
    text: str
    at: str = ""

    def apply(self, root: Path) -> None:
        """Edit the file below a directory."""
        file = root / self.path
        if self.at:
            before, found, after = file.read_text().partition(self.at)
            assert found, f"{self.path} has no {self.at!r} any more: correct {__name__}"
            file.write_text(f"{before}{self.text}{self.at}{after}")
        else:
            file.write_text(self.text)


class Step(NamedTuple):
    """A step: its edits, a test that fails without it, and what the failure names if not a file of the step."""

    edits: tuple[Edit, ...]
    test: str
    names: str = ""


PROPERTIES = "tests/unit/test_properties.py::"
CONTRACT = "tests/contract/test_contract.py::"

PROPERTY = {
    1: Step(
        (
            Edit(f"{P}core/model.py", '    "note",\n', '    "configuration",\n'),
            Edit(f"{P}core/model.py", ', "note"', ')\n"""Inputs that a PUT changes.'),
            Edit(f"{P}core/model.py", '"note": str, ', '"name": str, "token"'),
        ),
        f"{PROPERTIES}test_the_tests_have_values_of_all_inputs",
    ),
    2: Step(
        (
            Edit(
                f"{P}core/validation.py",
                '    if not isinstance(inputs.get("note", ""), (str, Unknown)):\n'
                '        problems.append(Problem(name("note"), "must be a string", \'write note="for sales"\'))\n',
                "    problems += _tags_problems(",
            ),
        ),
        f"{PROPERTIES}test_each_input_is_checked",
    ),
    3: Step(
        (
            Edit(
                f"{P}instance.py",
                '        note: pulumi.Output[str | None]\n        """The note beside the name."""\n',
                "        configuration: pulumi.Output[",
            ),
            Edit(
                f"{P}instance.py",
                "        note: pulumi.Input[str] | None = None,\n",
                "        configuration: pulumi.Input[",
            ),
            Edit(f"{P}instance.py", "        :param note: a note beside the name.\n", "        :param configuration:"),
            Edit(f"{P}instance.py", '            "note": note,\n', '            "configuration": '),
        ),
        f"{PROPERTIES}test_inputs_are_the_arguments_of_an_instance",
    ),
    4: Step(
        (
            Edit(
                f"{P}native/schema.py",
                '    "note": _Property(_TEXT, "A note beside the name.", "It changes in place."),\n',
                '    "configuration": _Property(',
            ),
        ),
        "tests/native/test_schema.py::test_every_property_is_described",
    ),
    5: Step(
        (
            Edit(f"{P}lookup.py", "    note: str | None\n", "    token: pulumi.Output[str]"),
            Edit(f"{P}lookup.py", '        note=found.get("note"),\n', "        token="),
        ),
        f"{PROPERTIES}test_a_lookup_has_all_that_is_answered",
    ),
    6: Step(
        (
            Edit(
                f"{P}testing/emulator/bodies.py",
                '    if "note" in body:\n        fields["note"] = body["note"]\n',
                '    if "tags" in body:',
            ),
            Edit(
                f"{P}testing/emulator/bodies.py",
                '"note": instance.get("note"), ',
                '"token": instance["token"], "your_mom"',
            ),
            Edit(
                f"{P}testing/emulator/elements.py",
                '        "note": instance.get("note"),\n',
                '        "token": instance["token"],',
            ),
        ),
        f"{PROPERTIES}test_an_answer_is_read_whole",
    ),
    7: Step(
        (Edit("tests/support/values.py", '    "note": ("for sales", "for support"),\n', '    "configuration": ({'),),
        f"{PROPERTIES}test_the_tests_have_values_of_all_inputs",
    ),
    8: Step(
        (
            Edit("tests/contract/test_contract.py", '        "note",\n', '        "configuration",'),
            Edit("tests/emulator/test_contract.py", '"note", ', '"token", "your_mom"}'),
        ),
        f"{CONTRACT}test_the_property_keys",
    ),
    9: Step(
        (Edit("docs/resource.md", "| `note` | in, out | update | a note beside the name |\n", "| `configuration` |"),),
        "tests/docs/test_documents.py::test_the_property_table_lists_exactly_the_properties",
    ),
    10: Step(
        (Edit("CHANGELOG.md", "`note`, ", "`token`"),),
        "tests/docs/test_marks.py::test_the_changelog_names_what_a_state_holds",
    ),
}

SETTING = {
    1: Step(
        (
            Edit(f"{P}core/config.py", "    language: str | None = None\n", "    dialect: Dialect = "),
            Edit(f"{P}core/config.py", '    Setting("language", _printable),\n', '    Setting("dialect", _dialect)'),
        ),
        "tests/unit/test_config.py::test_every_setting_is_in_the_table_above",
    ),
    2: Step(
        (
            Edit(
                f"{P}native/schema.py",
                '    "language": ("string", "The language of the messages of the service."),\n',
                '    "dialect": ("string"',
            ),
        ),
        "tests/native/test_schema.py::test_every_property_is_described",
    ),
    3: Step(
        (
            Edit(
                f"{P}api/transport.py",
                '        self._session.headers["Accept-Language"] = settings.language or "en"\n',
                "        self._session.headers.update(",
            ),
        ),
        "tests/unit/test_config.py::test_every_setting_is_read",
        "language",
    ),
    4: Step(
        (
            Edit("tests/unit/test_config.py", '    "language": [("en", "en")],\n', '    "dialect": [(name'),
            Edit("tests/unit/test_config.py", '    "language": ["e\\nn"],\n', '    "dialect": ["klingon"]'),
        ),
        "tests/unit/test_config.py::test_every_setting_is_in_the_table_above",
    ),
    5: Step(
        (
            Edit(
                "tests/contract/test_contract.py",
                '        "instances:language": "INSTANCES_LANGUAGE",\n',
                '        "instances:dialect"',
            ),
        ),
        f"{CONTRACT}test_the_configuration_keys_and_their_variables",
    ),
    6: Step(
        (
            Edit(
                "docs/settings.md",
                "| `instances:language` | `INSTANCES_LANGUAGE` | none | the language of the service's messages |\n",
                "| `instances:dialect` |",
            ),
        ),
        "tests/docs/test_documents.py::test_the_settings_table_lists_exactly_the_settings",
    ),
}

_CLIENT = '''\
    def ping(self, instance_id: str) -> float:
        """`GET /instances/{id}/ping`. Returns the milliseconds that the service of the connector took to answer."""
        what = f"ping instance {instance_id}"
        answer = self._exchange(_Request(what, "GET", f"{_path(instance_id)}/ping")).instance(what)
        if not isinstance(took := answer.get("milliseconds"), (int, float)):
            raise UnexpectedAnswer(f"{what}: the answer has no `milliseconds`")
        return took

'''
_TEST = '''\
"""The endpoint `ping`."""

from pulumi_instances.engine_calls import EngineCalls
from pulumi_instances.testing.emulator import Emulator


def test_the_milliseconds_are_those_of_the_answer(api: Emulator) -> None:
    calls = EngineCalls()
    config = {"baseUrl": api.base_url, "userSecret": api.user_secret, "organizationSecret": api.organization_secret}
    calls.configure({f"instances:{key}": value for key, value in config.items()}.get)
    assert calls.ping(str(api.add(your_mom="sfdc", name="crm"))) == 12
'''
PINGED = "tests/unit/test_ping.py"

ENDPOINT = {
    1: Step(
        (
            Edit(
                f"{P}testing/emulator/api.py",
                'self._route("/instances/{id}/ping", {"GET": self._ping}), ',
                'self._route("/instances/{id}", one)]',
            ),
            Edit(
                f"{P}testing/emulator/api.py",
                "    async def _ping(self, request: Request, account: int) -> Response:\n"
                "        self._found(request, account)\n"
                '        return answer({"milliseconds": 12})\n\n',
                "    async def _delete(",
            ),
        ),
        PINGED,
        "ping instance 4001: 404",
    ),
    2: Step(
        (Edit(f"{P}api/client.py", _CLIENT, "    def delete("),), PINGED, "'Client' object has no attribute 'ping'"
    ),
    3: Step(
        (
            Edit(
                f"{P}api/operations.py",
                "    def ping(self, instance_id: str) -> float:\n"
                '        """Return the milliseconds that the service of the connector took to answer."""\n'
                '        return self._client.ping(_valid_id(instance_id, "ping"))\n\n',
                "    def within(",
            ),
        ),
        PINGED,
        "'Operations' object has no attribute 'ping'",
    ),
    4: Step(
        (
            Edit(
                f"{P}engine_calls.py",
                "    def ping(self, instance_id: str) -> float:\n"
                '        """Return the milliseconds that the service of the connector took to answer."""\n'
                '        with engine_log.waiting(f"ping instance {instance_id}"):\n'
                "            return self._api().ping(instance_id)\n\n",
                "    def within(",
            ),
        ),
        PINGED,
        "'EngineCalls' object has no attribute 'ping'",
    ),
    5: Step((Edit(PINGED, _TEST),), PINGED),
}

RECIPES = {"a property": PROPERTY, "a setting": SETTING, "an endpoint": ENDPOINT}


def steps(what: str) -> dict[int, str]:
    """Return the numbered steps of a recipe."""
    section = document("CONTRIBUTING.md").partition(f"## How to add {what}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^(\d+)\. (.*?)(?=^\d+\. |^\n|\Z)", section, re.MULTILINE | re.DOTALL)
    return {int(number): text for number, text in found}


def follow(recipe: dict[int, Step], root: Path, *, without: int | None = None) -> None:
    """Edit a copy of the repository as a recipe says, but for one step."""
    for number, step in recipe.items():
        for edit in step.edits if number != without else ():
            edit.apply(root)


def run(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a module of Python in a copy of the repository, with its package."""
    env = {**os.environ, "PYTHONPATH": str(root / "provider"), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=root, env=env, text=True, capture_output=True, timeout=60, check=False
    )
