"""The sets of properties in `model`, each against all code that reads it: code that forgets a property fails here."""

from __future__ import annotations

import ast
import inspect
import itertools
from dataclasses import fields
from types import ModuleType
from typing import Any

import pulumi
import pytest
from google.protobuf.json_format import MessageToDict

from pulumi_instances import Instance, InstanceResult, get_instances
from pulumi_instances.cli import audit, common, import_document
from pulumi_instances.cli.exported_state import Held
from pulumi_instances.cli.import_document import program
from pulumi_instances.core import model
from pulumi_instances.core.dialect import DIALECTS
from pulumi_instances.core.marks import Place, line_of
from pulumi_instances.core.state_format import PROVIDER
from pulumi_instances.core.validation import check
from pulumi_instances.engine_calls import EngineCalls
from pulumi_instances.testing.emulator import Emulator, bodies, elements
from pulumi_instances.testing.emulator.bodies import answer_to_get, answer_to_list
from tests.support.account import configured
from tests.support.mocks import declare
from tests.support.recipes import forgotten
from tests.support.values import TWO_OF_EACH, Inputs, as_doubles

DIALECT = DIALECTS["default"]
EACH = {key: as_doubles(values[0]) for key, values in TWO_OF_EACH.items()}
"""A value of each input, as the engine hands it over."""
LINE = line_of(Place("shop", "dev", "", "x"))
CREATED = {key: value for key, value in EACH.items() if key not in ("adopt_id", "enabled")}
"""The service of the API document cannot enable an instance."""


def other(key: str) -> Inputs:
    """What is created, with another value of one input."""
    return {**CREATED, key: as_doubles(TWO_OF_EACH[key][1])}


@pytest.fixture
def calls(api: Emulator) -> EngineCalls:
    """What a front end calls. Where the emulator fails, so does the test, and at once."""
    return configured(api, createTimeout="1")


# INPUTS


def test_the_tests_have_values_of_all_inputs() -> None:
    assert set(TWO_OF_EACH) == set(model.INPUTS), forgotten("core/model.py", "tests/support/values.py")


def test_each_input_is_in_one_set() -> None:
    """An input in none of them would not be sent, and a change of it would replace the instance."""
    sets = (model.UPDATABLE, model.CREATE_ONLY, model.SWITCHED, model.UNSENT, ("your_mom", "adopt_id"))
    assert sorted(itertools.chain(*sets)) == sorted(model.INPUTS)


def test_inputs_are_the_arguments_of_an_instance() -> None:
    """Each input is an argument and is sent to the engine under its name."""
    arguments = inspect.signature(Instance).parameters
    assert set(arguments) - {"resource_name", "opts"} == set(model.INPUTS), forgotten("instance.py")
    monitor = declare(lambda: Instance("x", **EACH))
    assert set(monitor.inputs()) == set(model.INPUTS)


@pytest.mark.parametrize("key", model.INPUTS)
def test_each_input_is_checked(key: str) -> None:
    """Good values pass as they are; a value that JSON cannot express is a problem that names the property."""
    assert check(EACH) == (EACH, [])
    assert {problem[0] for problem in check({**EACH, key: object()})[1]} == {key}, forgotten("core/validation.py")


# UPDATABLE, CREATE_ONLY


def test_a_put_sends_what_can_be_updated() -> None:
    assert set(model.to_update(EACH)) == set(model.UPDATABLE)


def test_a_post_sends_all_inputs() -> None:
    """Each of them changes the body, except `adopt_id`, which sends no POST."""
    sent = model.to_create(CREATED, DIALECT)
    assert [key for key in model.INPUTS if model.to_create({**EACH, key: TWO_OF_EACH[key][1]}, DIALECT) == sent] == [
        *model.SWITCHED,
        *model.UNSENT,
        "adopt_id",
    ]


@pytest.mark.parametrize("key", model.UPDATABLE)
def test_what_can_be_updated_is_updated(key: str, api: Emulator, calls: EngineCalls) -> None:
    """The test follows it from the difference through the service to the state, and to what a refresh finds."""
    made = calls.create(CREATED)
    assert calls.diff(made.id, made.outputs, other(key)) == ([key], [])
    updated = calls.update(made.id, made.outputs, other(key))
    assert updated[key] == other(key)[key]
    assert api.writes[-1].method == "PUT"
    assert api.instance(int(made.id))[key] == other(key)[key]
    assert calls.diff(made.id, updated, other(key)) == ([], [])
    drifted = calls.read(made.id, made.outputs)
    assert drifted is not None
    assert (drifted.outputs[key], drifted.inputs[key]) == (other(key)[key], other(key)[key])


@pytest.mark.parametrize("key", model.UPDATABLE)
def test_no_message_shows_a_secret_that_can_be_updated(
    key: str, api: Emulator, calls: EngineCalls, caplog: pytest.LogCaptureFixture
) -> None:
    """The program says that it is secret, and the preview of an adoption then does not show it."""
    there = str(api.add(**model.plain({each: CREATED[each] for each in ("your_mom", *model.UPDATABLE)})))
    monitor = declare(lambda: Instance("x", **{**other(key), key: pulumi.Output.secret(other(key)[key])}))
    assert monitor.inputs()[model.CONCEALED] == [key]
    calls.check({}, {**other(key), "adopt_id": there, model.CONCEALED: [key]})
    assert f"that changes its {key} from {model.plain(CREATED[key])!r} to [secret]" in caplog.text


# A name is always given, but where an instance is adopted.
@pytest.mark.parametrize("key", [key for key in model.UPDATABLE if key != "name"])
def test_what_is_not_given_is_not_managed(key: str, api: Emulator, calls: EngineCalls) -> None:
    """It is not sent, and neither the server's value nor an older state without the property causes a difference."""
    bag = {each: value for each, value in CREATED.items() if each != key}
    made = calls.create(bag)
    assert key in made.outputs[model.DEFAULTS]
    api.change(int(made.id), **{key: TWO_OF_EACH[key][1]})
    found = calls.read(made.id, made.outputs)
    assert found is not None
    assert key not in found.inputs
    assert calls.diff(made.id, found.outputs, bag) == ([], [])
    older = {each: value for each, value in {**made.outputs, model.DEFAULTS: []}.items() if each != key}
    assert calls.diff(made.id, older, bag) == ([], [])


@pytest.mark.parametrize("key", sorted({"your_mom", *model.CREATE_ONLY}))
def test_what_cannot_be_updated_replaces(key: str) -> None:
    assert model.changes(model.outputs({"id": "4001"}, CREATED, []), other(key), DIALECT) == ([key], [key])


# OUTPUTS, ANSWERED, LISTED


def test_a_create_fills_the_outputs(api: Emulator, calls: EngineCalls) -> None:
    """It fills all of them, and the hidden keys."""
    api.alter(str.swapcase)
    every = {*model.OUTPUTS, *model.HIDDEN} - {"enabled"}
    assert set(calls.create({**CREATED, model.LINE: LINE}).outputs) == every
    assert set(calls.create(other("provider_data")).outputs) == every - {model.MARK}


def test_outputs_are_the_attributes_of_an_instance() -> None:
    """Type checkers see only what is declared for them."""
    [declared] = ast.parse(inspect.getsource(Instance)).body
    targets = [node.target for node in ast.walk(declared) if isinstance(node, ast.AnnAssign)]
    names = {target.id for target in targets if isinstance(target, ast.Name)}
    properties = {name for name, value in vars(Instance).items() if isinstance(value, property)}
    assert (names | properties) - {"inputs", "ours", "aliases"} == set(model.OUTPUTS)
    outs: list[Instance] = []
    declare(lambda: outs.append(Instance("x", your_mom="box")))
    assert [key for key in model.OUTPUTS if not isinstance(getattr(outs[0], key), pulumi.Output)] == []


STORED = {**model.plain(CREATED), "id": 4001, "token": "t0ken", "valid": True, "disabled": False}
"""An instance as the emulator keeps it."""


@pytest.mark.parametrize("emulated", [bodies, elements], ids=["default", "elements"])
def test_an_answer_is_read_whole(emulated: ModuleType) -> None:
    """A GET answers with everything that may be answered."""
    dialect = DIALECTS["elements" if emulated is elements else "default"]
    told = set(model.from_wire(emulated.answer_to_get(STORED), dialect)) - {model.SHOWN, model.CREATED_AT}
    files = ("testing/emulator/bodies.py", "testing/emulator/elements.py")
    assert told == {"id", *model.ANSWERED, model.MARKS}, forgotten(*files)


def test_a_listing_is_read_whole() -> None:
    """It contains what the reads that it serves need, and may lack what the server changes by itself."""
    told = set(model.from_wire(answer_to_list(STORED), DIALECT))
    assert {"id", *model.LISTED} <= told <= {"id", *model.ANSWERED, model.MARKS}


def test_a_lookup_has_all_that_is_answered() -> None:
    told = {field.name for field in fields(InstanceResult)}
    assert told == {"id", *model.ANSWERED, "managed_by"}, forgotten("lookup.py")


# HEALTH, SECRET_OUTPUTS, HIDDEN, HIDDEN_INPUTS


def test_health_is_never_a_difference() -> None:
    """The server changes these properties by itself, and no program gives them."""
    assert {*model.HEALTH} <= {*model.OUTPUT_ONLY}
    outs = model.outputs(model.from_wire(answer_to_get(STORED), DIALECT), CREATED, [])
    assert model.changes({**outs, **dict.fromkeys(model.HEALTH, "other")}, CREATED, DIALECT) == ([], [])


@pytest.mark.parametrize("key", model.SECRET_OUTPUTS)
def test_secret_outputs_are_secret(key: str) -> None:
    """The engine is told so, no message repeats them, and the commands hide them."""
    (request,) = declare(lambda: Instance("x", your_mom="box")).registered
    assert key in request.additionalSecretOutputs
    assert model.secret_values({key: "s3cret"}) == ["s3cret"]
    assert key not in common.presented({**STORED, key: "s3cret"}, with_token=False)
    assert key not in common.COLUMNS


def test_hidden_keys_are_those_that_no_program_writes(api: Emulator, calls: EngineCalls) -> None:
    """The state contains them beside the outputs."""
    api.alter(str.swapcase)
    adopted = calls.create({**CREATED, model.LINE: LINE, "adopt_id": str(api.add(your_mom="dropbox", name="old"))})
    assert set(adopted.outputs) - set(model.OUTPUTS) == {*model.HIDDEN} - {model.CREATED}


def test_hidden_inputs_are_those_that_no_program_gives(api: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The resource sends them beside the arguments. The line comes back from the state, with ignore_changes.

    Check drops them.
    """
    opts = pulumi.ResourceOptions(ignore_changes=["name"])

    def program() -> None:
        Instance("x", your_mom="box", tags=pulumi.Output.secret(["a"]), opts=opts)
        get_instances()

    for name, value in api.env.items():
        monkeypatch.setenv(name, value)
    monitor = declare(program)
    sent = MessageToDict(monitor.registered[0].object)
    assert set(sent) - {*model.INPUTS, PROVIDER} == {*model.HIDDEN_INPUTS} - {model.LINE}
    assert check({**EACH, **{key: [] for key in model.HIDDEN_INPUTS}}) == (EACH, [])


# the command line

FOUND: dict[str, Any] = model.from_wire(answer_to_get(STORED), DIALECT)
DECLARED = {key: value for key, value in CREATED.items() if key in model.ANSWERED}
"""The inputs of a program that declares what the API shows."""


def test_an_import_holds_all_that_is_answered() -> None:
    """It has the inputs of the program that is written with it, and the outputs that a create would have made."""
    [resource] = import_document.import_file([FOUND], {"4001": "box"})["resources"]
    assert {key: value for key, value in resource["inputs"].items() if key != PROVIDER} == DECLARED
    assert set(resource["outputs"]) == {*model.ANSWERED, model.DEFAULTS, PROVIDER}


def test_a_written_program_declares_all_that_is_answered() -> None:
    """Therefore its first preview is empty."""
    [call] = [node for node in ast.walk(ast.parse(program([FOUND], {"4001": "box"}))) if isinstance(node, ast.Call)]
    given = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    assert given == DECLARED


@pytest.mark.parametrize("key", model.LISTED)
def test_drift_compares_what_is_listed(key: str) -> None:
    held = Held("urn::::::box", "4001", {**FOUND, key: "other"}, frozenset(), None, external=False, leaving=False)
    assert [difference["field"] for difference in audit._differences(held, FOUND)] == [key]


@pytest.mark.parametrize("key", model.UPDATABLE)
def test_drift_knows_what_the_service_makes_of_a_value(key: str) -> None:
    outs = {**FOUND, key: "other", model.MADE: {key: FOUND[key]}}
    held = Held("urn::::::box", "4001", outs, frozenset(), None, external=False, leaving=False)
    assert list(audit._differences(held, FOUND)) == []


def test_the_commands_show_all_that_is_answered() -> None:
    assert set(common.presented(FOUND, with_token=True)) == {"id", *model.ANSWERED, "managed_by"}
