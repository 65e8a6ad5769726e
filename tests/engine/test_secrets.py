"""Secrets: marked, marked again, encrypted, never shown."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from pulumi import automation as auto

from pulumi_instances.core.state_format import SECRET
from pulumi_instances.testing.engine import StackDouble
from pulumi_instances.testing.engine.crypto import Crypter, IncorrectPassphraseError, new_crypter

from .conftest import NewStack, resources
from .toy_cloud import Cloud

FROM_THE_CLI = "v1:ebcYMZwL3z0=:v1:05sYDYQtejZUlqko:xlA85Sfm5xt2SCEpI2/nlsi91yYbIQ=="
"""A salt that the CLI made for the passphrase `x`, and a value that it encrypted: `"shh"`."""
ALSO_FROM_THE_CLI = "v1:GCyc1HBXaUY5Fl+N:weTcHUpA/x66mLSuFqnNIkF6yHFS"


def secret(value: Any) -> dict[str, str]:
    """A secret in an export."""
    return {**SECRET, "plaintext": json.dumps(value, separators=(",", ":"))}


def hidden() -> None:
    import pulumi

    from tests.engine.toy_cloud import Thing

    Thing(
        "first",
        name=pulumi.Output.secret("hush-name"),
        tags=["open", pulumi.Output.secret("hush-tag")],
        conf={"open": 1, "closed": {"deep": pulumi.Output.secret("hush-conf")}},
        plain="in the open",
    )


def open_() -> None:
    from tests.engine.toy_cloud import Thing

    Thing("first", name="hush-name", tags=["open", "hush-tag"], conf={"open": 1, "closed": {"deep": "hush-conf"}})


def test_secret_inputs_make_secret_outputs(new_stack: NewStack, cloud: Cloud) -> None:
    """Objects are marked by key, a list as a whole; the provider itself is sent plain values."""
    stack = new_stack(hidden)
    stack.up()
    first = resources(stack)["first"]
    assert first["inputs"]["tags"] == secret(["open", "hush-tag"])  # as check gave them back
    for side in ("inputs", "outputs"):
        assert first[side]["name"] == secret("hush-name")
        assert first[side]["conf"] == {"open": 1, "closed": {"deep": secret("hush-conf")}}
        assert first[side]["plain"] == "in the open"
    assert first["outputs"]["token"] == secret("token of hush-name")
    assert cloud.calls("create")[0]["props"]["tags"] == ["open", "hush-tag"]


def test_secrets_stay_secret_through_refresh_and_update(new_stack: NewStack, cloud: Cloud) -> None:
    """What refresh brings in from outside is marked by the old state's secrets."""
    stack = new_stack(hidden)
    stack.up()
    id_ = cloud.id_of("hush-name")
    cloud.put(id_, {**cloud.get(id_), "name": "hush-drifted"})
    stack.refresh()
    first = resources(stack)["first"]
    assert first["inputs"]["name"] == first["outputs"]["name"] == secret("hush-drifted")
    assert first["outputs"]["token"] == secret("token of hush-name")
    stack.up()
    assert resources(stack)["first"]["outputs"]["token"] == secret("token of hush-name")


def test_a_change_of_secretness_alone_is_no_change(new_stack: NewStack) -> None:
    """The engine compares values, and the state stores the new secretness."""
    new_stack(hidden).up()
    stack = new_stack(open_)
    assert stack.preview().change_summary == {"same": 1, "update": 1}  # `plain` went
    stack.up()
    assert resources(stack)["first"]["inputs"]["name"] == "hush-name"
    assert stack.preview().change_summary == {"same": 2}


def test_the_state_file_holds_no_secret_and_is_its_owners(new_stack: NewStack) -> None:
    """It has mode 0600 and contains ciphertexts only; a value that did not change keeps its ciphertext."""
    stack = new_stack(hidden)
    stack.up()
    text = stack.state_file.read_text()
    assert "hush" not in text
    assert stat.S_IMODE(stack.state_file.stat().st_mode) == 0o600
    ciphertexts = [part.split('"')[0] for part in text.split('"ciphertext": "')[1:]]
    assert len(ciphertexts) > 5
    stack.up()
    assert all(ciphertext in stack.state_file.read_text() for ciphertext in ciphertexts)


def test_nothing_shown_has_a_secret(new_stack: NewStack) -> None:
    """This is true of diffs, outputs and results, whatever the options."""

    def changed() -> None:
        import pulumi

        from tests.engine.toy_cloud import Thing

        thing = Thing("first", name=pulumi.Output.secret("hush-new"), conf={"open": pulumi.Output.secret("hush-c")})
        pulumi.export("token", thing.token)
        if pulumi.runtime.is_dry_run():  # the result of an `up` does not mark what is inside, like the CLI's
            pulumi.export("nested", {"t": [thing.token]})

    lines: list[str] = []
    stack = new_stack(hidden)
    results: list[Any] = [stack.up(on_output=lines.append)]
    stack = new_stack(changed)
    results += [stack.preview(diff=True, on_output=lines.append), stack.preview(color="always")]
    results += [stack.up(diff=True), stack.refresh(), stack.destroy(on_output=lines.append)]
    told = "".join(lines) + "".join(result.stdout + repr(result) for result in results)
    assert "[secret]" in told
    assert "hush" not in told


def test_a_check_failure_of_a_property_shows_its_value_decrypted(new_stack: NewStack) -> None:
    """The CLI does so, and a double that hides it would hide a leak of the provider from its tests."""

    def bad() -> None:
        import pulumi

        from tests.engine.toy_cloud import Thing

        Thing("first", name="a", bad=pulumi.Output.secret("hush"))

    with pytest.raises(auto.CommandError, match=r"property bad value \{&\{\{hush\}\}\} has a problem"):
        new_stack(bad).preview()


def test_the_encryption_is_the_clis() -> None:
    """What the CLI encrypted opens with its passphrase and no other; what is encrypted here opens again."""
    assert Crypter("x", FROM_THE_CLI).decrypt(ALSO_FROM_THE_CLI) == '"shh"'
    with pytest.raises(IncorrectPassphraseError):
        Crypter("y", FROM_THE_CLI)
    crypter = new_crypter("x")
    assert Crypter("x", crypter.state).decrypt(crypter.encrypt("text")) == "text"
    assert crypter.encrypt("text") != crypter.encrypt("text")
    assert new_crypter("x") is crypter
    with pytest.raises(ValueError, match="malformed"):
        Crypter("x", "v2:nonsense")


def test_a_stack_opens_with_its_passphrase_only(new_stack: NewStack) -> None:
    """It refuses another one before anything runs."""
    stack = new_stack(hidden, passphrase="one")
    stack.up()
    with pytest.raises(IncorrectPassphraseError, match="set PULUMI_CONFIG_PASSPHRASE"):
        new_stack(hidden, passphrase="two").preview()
    assert new_stack(hidden, passphrase="one").preview().change_summary == {"same": 2}


def test_the_passphrase_comes_from_the_environment(new_stack: NewStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument takes precedence, as with the CLI."""
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "from outside")
    new_stack(hidden).up()
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    assert new_stack(hidden, passphrase="from outside").outputs() == {}


def test_a_state_can_be_carried_to_another_passphrase(new_stack: NewStack, tmp_path: Path) -> None:
    """An export has its secrets in plain, so it opens anywhere and is encrypted anew."""
    one = new_stack(hidden, passphrase="one", state_file=tmp_path / "one.json")
    one.up()
    two = new_stack(hidden, passphrase="two", state_file=tmp_path / "two.json")
    two.import_stack(one.export_stack())
    assert "hush" not in two.state_file.read_text()
    assert two.preview().change_summary == {"same": 2}


def test_only_an_export_is_imported(new_stack: NewStack) -> None:
    """Anything else is refused by name."""
    with pytest.raises(ValueError, match="not a version-3 `pulumi stack export` document"):
        new_stack().import_stack(auto.Deployment(version=2, deployment={}))


def test_another_secrets_provider_is_refused() -> None:
    """A state that some key service has encrypted cannot be read here."""
    deployment = {"secrets_providers": {"type": "cloud", "state": {}}, "resources": [{"ciphertext": "x"}]}
    with StackDouble() as stack, pytest.raises(Exception, match="the secrets provider 'cloud'"):
        stack.import_stack(auto.Deployment(version=3, deployment=deployment))
