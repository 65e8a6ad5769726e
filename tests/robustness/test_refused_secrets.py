"""Bad inputs beside secrets: preview and update name what they refuse, and show no value."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

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
BAD: list[dict[str, str]] = [
    {
        "configuration": '{"oauth.api.secret": S, "bad": {"": 1}}',
        "provider_data": "S",
        "name": 'S.apply(lambda s: s + "\\x07")',
        "tags": "S",
        "adopt_id": "S",
        "your_mom": 'S.apply(lambda s: s + "\\x07")',
    },
    {
        "configuration": '{"db.url": S, "bad": [1e300]}',
        "provider_data": '{"code": S, "": 1}',
        "tags": "[S, 5]",
    },
    {
        "configuration": 'S.apply(lambda s: {"oauth.api.secret": s, "bad": [1e300]})',
        "provider_data": '{"code": S, "n": 10**18}',
        "tags": 'S.apply(lambda s: [s + "\\x07"])',
    },
    {"configuration": "S"},
    {"configuration": '{"": S}'},
    {"name": "[S]"},
]
"""Properties that are refused together. That no message of ours repeats a value is in tests/unit/test_validation.py."""


def refused(operation: Callable[[], object]) -> str:
    """What an operation says that fails."""
    with pytest.raises(auto.CommandError) as failure:
        operation()
    return f"{failure.value} {failure.value!r}"


def test_a_bad_input_shows_no_secret(stack: Harness, instances_api: Emulator) -> None:
    """Each property is bad in each possible way, and the text of the failure names it.

    The SDK of the native package refuses a list for a name by itself, and ends the program.
    """
    for bad in BAD:
        given = {"your_mom": '"dropbox"', **bad}
        stack.program(f'{HEADER}    Instance("box", {", ".join(f"{name}={text}" for name, text in given.items())})\n')
        said = refused(partial(stack.preview, diff=True))
        if bad is BAD[0]:
            said += refused(stack.up)
        for key in bad:
            line = rf"Instance resource 'box' has a problem: {stack.say(key)}(\[\S+)? "
            if key == "name" and bad is BAD[-1] and stack.engine == "cli-native":
                line = "While processing input: 'name'"
            assert re.search(line, said), key
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
    for old, new, problem, operation in (
        (f'{SECRET}-1"', f'{SECRET}-2", "x": [1e300]', 'configuration["x"][0] is too large', stack.up),
        (
            '"held", your_mom="dropbox"',
            f'"held", your_mom="box", provider_data={{"a": "{SECRET}-3"}}',
            "your_mom cannot",
            stack.preview,
        ),
        ("box.token}", 'box.token, "y": {"": 1}}', 'configuration["y"] has a key that is empty', stack.up),
    ):
        stack.program(program.replace(old, new))
        said = refused(partial(operation, diff=True))
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


STRICT = """
    from pulumi.dynamic import CheckFailure, CheckResult, Resource, ResourceProvider

    class Strict(ResourceProvider):
        def check(self, olds, news):
            return CheckResult(news, [CheckFailure(key, "no") for key in (*news, "missing") if key != "__provider"])

    class Thing(Resource):
        pass

    Thing(Strict(), "t", {"text": "a b", "number": 2.5, "secret": S, "deep": {"a": [secret({"b": "hush"})]}})
"""


@pytest.mark.needs_engine("refused values as Go prints them")
@pytest.mark.dynamic_door("it is about another dynamic provider")
def test_a_failure_that_names_a_property_shows_its_value_on_both_engines(stack: Harness) -> None:
    """The local engine prints what the CLI prints (tests/engine), so that a provider which leaks is found without it.

    Newer ones leave out what the program made a secret (docs/engine.md, E29); the local engine is like the older.
    """
    stack.program(HEADER + STRICT)
    said = refused(stack.preview)
    hidden = "{[secret]}" in said
    for key, shown in {
        "text": "{a b}",
        "number": "{2.5}",
        "missing": "{<nil>}",
        "secret": "{[secret]}" if hidden else f"{{&{{{{{SECRET}}}}}}}",
        "deep": "{map[a:{[{[secret]}]}]}" if hidden else "{map[a:{[{&{{map[b:{hush}]}}}]}]}",
    }.items():
        assert f"resource 't': property {key} value {shown} has a problem: no" in said, key
