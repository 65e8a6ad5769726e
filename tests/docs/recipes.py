"""The recipes of CONTRIBUTING.md, followed: what each step writes, and which tests a copy without the step fails.

The property is `recipe_number`, an integer that a PUT changes. The setting is `recipeLanguage`, the language of the
service's messages. The endpoint is `GET /instances/{id}/recipe`. Nobody adds anything of these names.
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
    """Text that goes ``before`` or ``after`` the first of a token in a file; without one the text is a new file."""

    path: str
    text: str
    before: str = ""
    after: str = ""

    def apply(self, root: Path) -> None:
        """Edit the file below a directory."""
        file = root / self.path
        if token := self.before or self.after:
            start, found, end = file.read_text().partition(token)
            assert found, f"{self.path} has no {token!r} any more: correct {__name__}"
            file.write_text(f"{start}{self.text}{found}{end}" if self.before else f"{start}{found}{self.text}{end}")
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
            Edit(f"{P}core/model.py", '    "recipe_number",\n', before='    "configuration",\n'),
            Edit(f"{P}core/model.py", '"recipe_number", ', after="UPDATABLE = ("),
            Edit(f"{P}core/model.py", '"recipe_number": int, ', after="_MEMBERS = {"),
        ),
        f"{PROPERTIES}test_the_tests_have_values_of_all_inputs",
    ),
    2: Step(
        (
            Edit(
                f"{P}core/validation.py",
                '    number = plain(inputs.get("recipe_number", 0))\n'
                "    if not isinstance(number, (int, Unknown)) or isinstance(number, bool):\n"
                '        problems.append(Problem(name("recipe_number"), "must be an integer", "write one"))\n',
                before="    problems += tags_problems(",
            ),
        ),
        f"{PROPERTIES}test_each_input_is_checked",
    ),
    3: Step(
        (
            Edit(
                f"{P}instance.py",
                '        recipe_number: pulumi.Output[int | None]\n        """The number of a recipe."""\n',
                before="        configuration: pulumi.Output[",
            ),
            Edit(
                f"{P}instance.py",
                "        recipe_number: pulumi.Input[int] | None = None,\n",
                before="        configuration: pulumi.Input[",
            ),
            Edit(
                f"{P}instance.py",
                "        :param recipe_number: the number of a recipe.\n",
                before="        :param configuration:",
            ),
            Edit(
                f"{P}instance.py",
                '            "recipe_number": recipe_number,\n',
                before='            "configuration": ',
            ),
        ),
        f"{PROPERTIES}test_inputs_are_the_arguments_of_an_instance",
    ),
    4: Step(
        (
            Edit(
                f"{P}native/schema.py",
                '    "recipe_number": _Property({"type": "integer"}, "The number of a recipe.", "It changes"),\n',
                before='    "configuration": _Property(',
            ),
        ),
        "tests/native/test_schema.py::test_every_property_is_described",
    ),
    5: Step(
        (
            Edit(f"{P}lookup.py", "    recipe_number: int | None\n", before="    token: "),
            Edit(f"{P}lookup.py", '        recipe_number=found.get("recipe_number"),\n', before="        token="),
        ),
        f"{PROPERTIES}test_a_lookup_has_all_that_is_answered",
    ),
    6: Step(
        (
            Edit(
                f"{P}testing/emulator/bodies.py",
                '    if "recipe_number" in body:\n'
                '        if not isinstance(body["recipe_number"], int):\n'
                '            raise Refused(400, "recipe_number must be an integer")\n'
                '        fields["recipe_number"] = body["recipe_number"]\n',
                before='    if "tags" in body:',
            ),
            Edit(
                f"{P}testing/emulator/bodies.py",
                '"recipe_number": instance.get("recipe_number"), ',
                before='"token": instance["token"]',
            ),
            Edit(
                f"{P}testing/emulator/elements.py",
                '        "recipe_number": instance.get("recipe_number"),\n',
                before='        "token": instance["token"]',
            ),
        ),
        f"{PROPERTIES}test_an_answer_is_read_whole",
    ),
    7: Step(
        (Edit("tests/support/values.py", '    "recipe_number": (3, 4),\n', before='    "configuration": ({'),),
        f"{PROPERTIES}test_the_tests_have_values_of_all_inputs",
    ),
    8: Step(
        (
            Edit("tests/contract/test_contract.py", '        "recipe_number",\n', before='        "configuration",'),
            Edit("tests/emulator/test_contract.py", '"recipe_number", ', after="HEAD = {"),
        ),
        f"{CONTRACT}test_the_property_keys",
    ),
    9: Step(
        (
            Edit(
                "docs/resource.md",
                "| `recipe_number` | in, out | update | the number of a recipe |\n",
                before="| `configuration` |",
            ),
        ),
        "tests/docs/test_documents.py::test_the_property_table_lists_exactly_the_properties",
    ),
    10: Step(
        (
            Edit("docs/output.schema.json", '"recipe_number", ', before='"tags", "token"'),
            Edit("docs/output.schema.json", '"recipe_number": {"type": "integer"},\n', before='"tags": {"type'),
        ),
        "tests/cli/test_common.py::test_the_schema_has_each_property_that_is_shown",
    ),
    11: Step(
        (Edit("CHANGELOG.md", "`recipe_number`, ", after="and the keys "),),
        "tests/docs/test_marks.py::test_the_changelog_names_what_a_state_holds",
    ),
}

SETTING = {
    1: Step(
        (
            Edit(f"{P}core/config.py", "    recipe_language: str | None = None\n", before="    dialect: Dialect = "),
            Edit(
                f"{P}core/config.py",
                '    Setting("recipeLanguage", _printable),\n',
                before='    Setting("dialect", _dialect)',
            ),
        ),
        "tests/unit/test_config.py::test_every_setting_is_in_the_table_above",
    ),
    2: Step(
        (
            Edit(
                f"{P}native/schema.py",
                '    "recipeLanguage": ("string", "The language of the messages of the service."),\n',
                before='    "dialect": ("string"',
            ),
        ),
        "tests/native/test_schema.py::test_every_property_is_described",
    ),
    3: Step(
        (
            Edit(
                f"{P}api/transport.py",
                '        self._headers["Accept-Language"] = settings.recipe_language or "en"\n',
                before="        self._auth = _SecretsAuth(",
            ),
        ),
        "tests/unit/test_config.py::test_every_setting_is_read",
        "recipe_language",
    ),
    4: Step(
        (
            Edit("tests/unit/test_config.py", '    "recipeLanguage": [("en", "en")],\n', before='    "dialect": ['),
            Edit("tests/unit/test_config.py", '\n    "recipeLanguage": ["e\\nn"],', after="MALFORMED = {"),
        ),
        "tests/unit/test_config.py::test_every_setting_is_in_the_table_above",
    ),
    5: Step(
        (
            Edit(
                "tests/contract/test_contract.py",
                '        "instances:recipeLanguage": "INSTANCES_RECIPE_LANGUAGE",\n',
                before='        "instances:dialect"',
            ),
        ),
        f"{CONTRACT}test_the_configuration_keys_and_their_variables",
    ),
    6: Step(
        (
            Edit(
                "docs/settings.md",
                "| `instances:recipeLanguage` | `INSTANCES_RECIPE_LANGUAGE` | none | the language of the messages |\n",
                before="| `instances:dialect` |",
            ),
        ),
        "tests/docs/test_documents.py::test_the_settings_table_lists_exactly_the_settings",
    ),
}

_CLIENT = '''\
    def recipe(self, instance_id: str) -> int:
        """`GET /instances/{id}/recipe`. Returns the number of steps."""
        what = f"read the recipe of instance {instance_id}"
        answer = self._exchange(_Request(what, "GET", f"{_path(instance_id)}/recipe")).json_object(what)
        if not isinstance(number := answer.get("steps"), int):
            raise UnexpectedAnswer(f"{what}: the answer has no `steps`")
        return number

'''
_TEST = '''\
"""The endpoint of the recipe."""

from pulumi_instances.engine_calls import EngineCalls
from pulumi_instances.testing.emulator import Emulator


def test_the_number_of_steps_is_that_of_the_answer(api: Emulator) -> None:
    calls = EngineCalls()
    config = {"baseUrl": api.base_url, "userSecret": api.user_secret, "organizationSecret": api.organization_secret}
    calls.configure({f"instances:{key}": value for key, value in config.items()}.get)
    assert calls.recipe(str(api.add(your_mom="sfdc", name="crm"))) == 12
'''
FOLLOWED = "tests/unit/test_recipe_endpoint.py"

ENDPOINT = {
    1: Step(
        (
            Edit(
                f"{P}testing/emulator/api.py",
                'self._route("/instances/{id}/recipe", {"GET": self._recipe}), ',
                after="[every, ",
            ),
            Edit(
                f"{P}testing/emulator/api.py",
                "    async def _recipe(self, request: Request, account: int) -> Response:\n"
                "        self._found(request, account)\n"
                '        return answer({"steps": 12})\n\n',
                before="    async def _delete(",
            ),
        ),
        FOLLOWED,
        "read the recipe of instance 4001: 404",
    ),
    2: Step(
        (Edit(f"{P}api/client.py", _CLIENT, before="    def delete("),),
        FOLLOWED,
        "'Client' object has no attribute 'recipe'",
    ),
    3: Step(
        (
            Edit(
                f"{P}api/operations.py",
                "    def recipe(self, instance_id: str) -> int:\n"
                '        """Return the number of steps."""\n'
                '        return self._client.recipe(valid_id(instance_id, "read the recipe of"))\n\n',
                before="    def within(",
            ),
        ),
        FOLLOWED,
        "'Operations' object has no attribute 'recipe'",
    ),
    4: Step(
        (
            Edit(
                f"{P}engine_calls.py",
                "    def recipe(self, instance_id: str) -> int:\n"
                '        """Return the number of steps."""\n'
                '        with process.waiting(f"read the recipe of instance {instance_id}"):\n'
                "            return self._api().recipe(instance_id)\n\n",
                before="    def within(",
            ),
        ),
        FOLLOWED,
        "'EngineCalls' object has no attribute 'recipe'",
    ),
    5: Step((Edit(FOLLOWED, _TEST),), FOLLOWED),
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
