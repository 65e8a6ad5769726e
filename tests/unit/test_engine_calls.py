"""What every door calls, without an engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulumi_instances import engine_calls
from pulumi_instances.core import config, identity, model
from pulumi_instances.core.errors import InputError, NotFound, SettingError
from pulumi_instances.core.marks import Place, line_of
from pulumi_instances.engine_calls import EngineCalls
from pulumi_instances.testing.emulator import Emulator
from tests.support.account import configured
from tests.support.values import inputs, outputs


def test_it_knows_nothing_of_dynamic_providers() -> None:
    """Another door must be able to use it and everything that it uses."""
    package = Path(engine_calls.__file__).parent
    below = [package / "engine_calls.py", *(package / "api").glob("*.py"), *(package / "core").glob("*.py")]
    assert [path.name for path in below if "pulumi.dynamic" in path.read_text()] == []


def test_what_is_not_configured_sends_nothing() -> None:
    """Check and diff still answer."""
    calls = EngineCalls()
    assert calls.check({}, inputs()) == (inputs(), [])
    assert calls.diff("4014", outputs(), inputs(name="other")) == (["name"], [])
    with pytest.raises(SettingError, match="not configured"):
        calls.read("4014", outputs())


@pytest.mark.parametrize("without", [(), ("__defaults",)])
def test_a_state_of_an_older_version_shows_no_difference(without: tuple[str, ...]) -> None:
    """It holds neither mark nor account, and what check fills in now is no change of the program."""
    state = {key: value for key, value in {**outputs(), "__defaults": []}.items() if key not in without}
    calls, urn = EngineCalls(), "urn:pulumi:dev::shop::instances:index:Instance::billing"
    checked, problems = calls.check(inputs(), {**inputs(), model.URN: urn})
    assert checked == {**inputs(), model.LINE: line_of(Place("shop", "dev", "", "billing"))}
    assert problems == []
    assert calls.diff("4014", state, checked) == ([], [])


def test_bad_settings_are_a_problem_of_each_check() -> None:
    """No earlier call reports them, because the engine would print a traceback for each resource."""
    calls = EngineCalls()
    calls.configure({"instances:baseUrl": "https://example.com/api"}.get)
    found, problems = calls.check({}, inputs())
    assert found == inputs()
    assert [problem.property for problem in problems] == [
        "instances:userSecret",
        "instances:organizationSecret",
    ]
    with pytest.raises(SettingError, match="instances:userSecret"):
        calls.create(inputs())


def test_a_program_whose_look_ups_ask_another_account_is_refused(
    api: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is sent. Another spelling of the URL is the same account."""
    theirs = {
        "instances:baseUrl": api.base_url,
        "instances:userSecret": api.user_secret,
        "instances:organizationSecret": api.organization_secret,
    }
    asked = identity.account_of(config.load({**theirs, "instances:baseUrl": f"{api.base_url}/"}.get, {}))
    ours = EngineCalls()
    ours.configure(theirs.get)
    assert ours.check({}, {**inputs(), model.ASKED: asked}) == (inputs(), [])
    others = EngineCalls()
    others.configure({**theirs, "instances:userSecret": "other"}.get)
    for prefix in ("unset the variables INSTANCES_… in the process", "set INSTANCES_USER_SECRET in the process"):
        [problem] = others.check({}, {**inputs(adopt_id="4014"), model.ASKED: asked}).problems
        assert problem.fault.startswith(f"ask another account than that of its resources ({api.base_url}, the default")
        assert problem.advice.startswith(prefix)
        monkeypatch.setenv("INSTANCES_USER_SECRET", "other")
        others.configure(theirs.get)
    assert api.requests == []


def test_what_is_missing_is_told_with_advice_that_fits(api: Emulator) -> None:
    """A refresh helps where a state holds it, and nowhere else. Names are written as the program has them."""
    calls = configured(api)
    with pytest.raises(NotFound, match=r"^create instance '日\\u202e本': .*dropboxx.*; check the id or c") as wrong:
        calls.create(inputs(name="日\u202e本", your_mom="dropboxx"))
    assert "refresh" not in str(wrong.value)
    with pytest.raises(NotFound, match="run `pulumi refresh`, which drops an instance that no longer exists"):
        calls.update("4999", outputs(), inputs(name="other"))


def test_what_is_made_of_a_secret_name_is_not_shown(api: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """An output may be a secret, and what the service makes of it is as good as the secret."""
    api.alter(str.upper)
    calls = configured(api)
    given = inputs(name="s3cret-name", tags=["eu"])
    checked, _ = calls.check({}, {**given, model.CONCEALED: ["name"]})
    made = calls.create(checked)
    assert made.outputs[model.MADE] == {"name": "S3CRET-NAME", "tags": ["EU"]}
    assert "the service stores name otherwise than it was sent, the tags ['eu'] as ['EU']" in caplog.text
    assert "s3cret" not in caplog.text.lower()
    assert "S3CRET-NAME" in model.secret_values(made.outputs)
    caplog.clear()
    calls.update(made.id, made.outputs, {**checked, "tags": ["us"]})
    assert "the service stores the tags ['us'] as ['US']; no preview" in caplog.text, "what was known is not said again"


AFTER_CHECK = {
    "a text for tags": ({"tags": "owner:billing"}, "tags must be a list of strings, not a string"),
    "a mark": ({"tags": ["a", "pulumi:shop/dev/other#7lef5h5mkzjsvk.abcd"]}, r"tags\[1\] is the mark of a resource"),
    "no name": ({"name": None}, "name is missing"),
    "another property": ({"yourMom": "box"}, "yourMom is not a property of an Instance"),
    "a switch that the service lacks": ({"enabled": False}, "enabled cannot be changed by the API document"),
}


@pytest.mark.parametrize(("changed", "said"), AFTER_CHECK.values(), ids=AFTER_CHECK)
def test_what_a_policy_pack_makes_of_checked_inputs_is_checked_again(
    changed: dict[str, object], said: str, api: Emulator
) -> None:
    """Its remediations run after check. Nothing is sent; a preview of an update reports it, too."""
    calls = configured(api)
    checked, _ = calls.check({}, inputs())
    remediated = {key: value for key, value in {**checked, **changed}.items() if value is not None}
    said = f"{said}.*, as a policy pack has made it; correct its remediation$"
    with pytest.raises(InputError, match=rf"^create instance: {said}"):
        calls.create(remediated)
    with pytest.raises(InputError, match=rf"^create instance: {said}"):
        calls.preview_create(remediated)
    if "name" not in changed:  # an update leaves it to the server
        with pytest.raises(InputError, match=rf"^update instance 4014: {said}"):
            calls.diff("4014", outputs(), {**remediated, "name": "other"})
    assert api.requests == []


def test_what_a_state_holds_already_is_not_checked_again(api: Emulator) -> None:
    """A service may have tags that no program could give: `ignore_changes` leaves them alone."""
    odd = [" ", "a"]
    found = configured(api).diff("4014", outputs(tags=odd), inputs(tags=odd, name="other"))
    assert found.changed == ["name"]
