"""Bad inputs beside secrets: preview and update name what they refuse, and show no value."""

from __future__ import annotations

import re
from collections.abc import Callable

import pulumi.automation as auto
import pytest

from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.harness import Harness
from tests.support.watching import leaks

SECRET = "planted-s3cret-27182818"
HEADER = f'''
    def secret(value):
        return pulumi.Output.secret(value)

    S = secret("{SECRET}")
'''
BAD = {
    "configuration, nested": ("configuration", '{"oauth.api.secret": S, "bad": {"": 1}}'),
    "configuration, plain key": ("configuration", '{"db.url": S, "bad": [1e300]}'),
    "configuration, whole": ("configuration", 'S.apply(lambda s: {"oauth.api.secret": s, "bad": [1e300]})'),
    "configuration, a text": ("configuration", "S"),
    "configuration, an empty key": ("configuration", '{"": S}'),
    "provider_data, a text": ("provider_data", "S"),
    "provider_data, an empty key": ("provider_data", '{"code": S, "": 1}'),
    "provider_data, a large number": ("provider_data", '{"code": S, "n": 10**18}'),
    "name, a list": ("name", "[S]"),
    "name, a control character": ("name", 'S.apply(lambda s: s + "\\x07")'),
    "tags, a text": ("tags", "S"),
    "tags, a number": ("tags", "[S, 5]"),
    "tags, a control character": ("tags", 'S.apply(lambda s: [s + "\\x07"])'),
    "adopt_id": ("adopt_id", "S"),
    "your_mom": ("your_mom", 'S.apply(lambda s: s + "\\x07")'),
}
OPERATIONS: list[Callable[[Harness], object]] = [lambda stack: stack.preview(diff=True), lambda stack: stack.up()]


def refused(stack: Harness) -> str:
    """What preview and up say of the program, both of which fail."""
    said = ""
    for operation in OPERATIONS:
        with pytest.raises(auto.CommandError) as failure:
            operation(stack)
        said += f"{failure.value} {failure.value!r}"
    return said


def test_a_bad_input_shows_no_secret(stack: Harness, instances_api: Emulator) -> None:
    """Each property is bad in each possible way, and the text of the failure names it.

    The SDK of the native package refuses a list for a name by itself, and ends the program.
    """
    for what, (key, value) in BAD.items():
        given = {"your_mom": '"dropbox"', key: value}
        stack.program(f'{HEADER}    Instance("box", {", ".join(f"{name}={text}" for name, text in given.items())})\n')

        said = refused(stack)

        line = rf"Instance resource 'box' has a problem: {stack.say(key)}(\[\S+)? "
        if what == "name, a list" and stack.engine == "cli-native":
            line = "While processing input: 'name'"
        assert re.search(line, said)
        assert leaks({"said": said}, {"secret": SECRET}) == []
    assert instances_api.writes == []


def test_valid_inputs_beside_a_failing_one_show_no_secret(stack: Harness, instances_api: Emulator) -> None:
    """They contain a live token, a new secret and a remaining adopt_id, and another property fails."""
    adopted = instances_api.add(your_mom="dropbox")
    program = f"""
        box = Instance("box", your_mom="dropbox", configuration={{"oauth.api.secret": "{SECRET}-1"}})
        held = Instance("held", your_mom="dropbox", adopt_id="{adopted}")
        Instance("other", your_mom="dropbox", configuration={{"the.token": box.token}})
    """
    stack.program(program)
    stack.up()
    token = instances_api.instances()[0]["token"]
    for old, new, problem in (
        (f'{SECRET}-1"', f'{SECRET}-2", "x": [1e300]', 'configuration["x"][0] is too large'),
        (
            '"held", your_mom="dropbox"',
            f'"held", your_mom="box", provider_data={{"a": "{SECRET}-3"}}',
            "your_mom cannot",
        ),
        ("box.token}", 'box.token, "y": {"": 1}}', 'configuration["y"] has a key that is empty'),
    ):
        stack.program(program.replace(old, new))
        said = refused(stack)
        assert f"has a problem: {stack.say(problem)}" in said
        assert leaks({"said": said}, {"secret": SECRET, "token": token}) == []


def test_a_name_that_is_an_output_is_not_shown(stack: Harness, instances_api: Emulator) -> None:
    """It may be a secret, so neither our messages nor the service's repeat it in errors and warnings."""
    for given, shown in (("name=S", "[secret]"), ("tags=[S]", "'box'")):
        stack.program(f'{HEADER}    Instance("box", your_mom="dropbox", {given})\n')
        instances_api.fail("POST", "/instances", Fault.status(400, f"no {SECRET}"))
        with pytest.raises(auto.CommandError) as failure:
            stack.up()
        said = f"{failure.value} {failure.value!r}"
        assert f'create instance {shown}: 400 "no [secret]"' in said
        assert leaks({"said": said}, {"secret": SECRET}) == []


PLAIN = {"text": '"a b"', "number": "2.5", "whole": "3", "yes": "True", "none": "None"}
VALUES = {
    **PLAIN,
    "list": '["a", 1, [True]]',
    "object": '{"b": "x", "a": {"c": [1e21, 0.00001, 123456789]}}',
    "secret": 'pulumi.Output.secret("hush")',
    "deep": '{"a": [pulumi.Output.secret({"b": "hush"})]}',
}


@pytest.mark.needs_engine("refused values as Go prints them")
@pytest.mark.dynamic_door("it is about another dynamic provider")
def test_a_failure_that_names_a_property_shows_its_value_on_both_engines(stack: Harness) -> None:
    """The local engine prints what the CLI prints, so that a provider which leaks is found without the CLI.

    Newer ones leave out what the program made a secret (docs/engine.md, E29); the local engine is like the older.
    """
    stack.program(f"""
        from pulumi.dynamic import CheckFailure, CheckResult, Resource, ResourceProvider

        class Strict(ResourceProvider):
            def check(self, olds, news):
                return CheckResult(news, [CheckFailure(key, "no") for key in (*news, "missing") if key != "__provider"])

        class Thing(Resource):
            pass

        Thing(Strict(), "t", {{{", ".join(f'"{key}": {text}' for key, text in VALUES.items())}}})
    """)

    with pytest.raises(auto.CommandError) as failure:
        stack.preview()

    said = str(failure.value)
    hidden = stack.engine != "local" and "{[secret]}" in said
    for key, shown in {
        "text": "{a b}",
        "number": "{2.5}",
        "whole": "{3}",
        "yes": "{true}",
        "missing": "{<nil>}",
        "list": "{[{a} {1} {[{true}]}]}",
        "object": "{map[a:{map[c:{[{1e+21} {1e-05} {1.23456789e+08}]}]} b:{x}]}",
        "secret": "{[secret]}" if hidden else "{&{{hush}}}",
        "deep": "{map[a:{[{[secret]}]}]}" if hidden else "{map[a:{[{&{{map[b:{hush}]}}}]}]}",
    }.items():
        assert f"resource 't': property {key} value {shown} has a problem: no" in said, key
