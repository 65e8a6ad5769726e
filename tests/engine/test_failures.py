"""Failures in the provider, the program and the processes: what was done before is saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pulumi import automation as auto

from pulumi_instances.testing.engine import StackDouble, UnsupportedFeatureError

from .conftest import ROOT, NewStack, resources
from .toy_cloud import Cloud


def test_a_provider_that_dies_is_reported_and_the_rest_saved(new_stack: NewStack) -> None:
    """The report is that its connection ended."""

    def program() -> None:
        import pulumi

        from tests.engine.toy_cloud import Thing

        a = Thing("a", name="a")
        Thing("b", name="b", die=True, opts=pulumi.ResourceOptions(depends_on=[a]))

    stack = new_stack(program)
    with pytest.raises(auto.CommandError, match="error reading from server: EOF"):
        stack.up()
    assert "a" in resources(stack)
    assert "b" not in resources(stack)


def test_a_check_failure_of_a_property_shows_its_value_decrypted(new_stack: NewStack) -> None:
    """The CLI does so, and a double that hides it would hide a leak of the provider from its tests."""

    def bad() -> None:
        import pulumi

        from tests.engine.toy_cloud import Thing

        Thing("first", name="a", bad=pulumi.Output.secret("hush"))

    with pytest.raises(auto.CommandError, match="property bad value hush has a problem"):
        new_stack(bad).preview()


def raises() -> None:
    import pulumi

    from tests.engine.toy_cloud import Thing

    Thing("a", name="a")
    pulumi.log.warn("look out")
    print("printed")
    raise ValueError("boom")


def test_a_program_that_raises_is_shown_from_its_own_line_on(new_stack: NewStack) -> None:
    """What it had asked for before that is done and kept; nothing is deleted."""

    def before() -> None:
        from tests.engine.toy_cloud import Thing

        Thing("old", name="old")

    new_stack(before).up()
    stack = new_stack(raises)
    with pytest.raises(auto.CommandError) as failure:
        stack.up()
    text = str(failure.value)
    assert "Program failed with an unhandled exception:" in text
    assert "ValueError: boom" in text
    assert "run_in_stack" not in text
    assert "warning: look out" in text
    assert "printed" in text
    assert {"a", "old"} < resources(stack).keys()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import sys; sys.exit(3)", "program exited with non-zero exit code: 3"),
        ("import os; os._exit(9)", "program exited with non-zero exit code: 9"),
        ("raise pulumi.RunError('plain words')", "error: plain words"),
        ("import nothere", "No module named 'nothere'"),
        ("x = (", "SyntaxError"),
        ("pulumi.Output.from_input(1).apply(lambda n: n / 0)", "ZeroDivisionError"),
    ],
)
def test_every_end_of_a_program_is_told(source: str, message: str, tmp_path: Path) -> None:
    """The program is a directory with a `__main__.py`."""
    (tmp_path / "__main__.py").write_text(f"import pulumi\n{source}\n")
    with pytest.raises(auto.CommandError) as failure:
        StackDouble("dev", work_dir=tmp_path).up()
    assert message in str(failure.value)


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    """The message also names the directory that was searched."""
    with pytest.raises(auto.CommandError, match="unable to find main"):
        StackDouble("dev", work_dir=tmp_path).up()
    with pytest.raises(NotADirectoryError, match="create it or pass another one"):
        StackDouble("dev", work_dir=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("source", "feature"),
    [
        ("pulumi.StackReference('org/other/dev')", "stack references"),
        ("pulumi.runtime.register_resource_transform(lambda args: None)", "transforms"),
        ("pulumi.CustomResource('aws:s3/bucket:Bucket', 'b', {})", "resources of the package 'aws'"),
        ("pulumi.ProviderResource('aws', 'p', {})", "resources of the package 'aws'"),
        ("Thing('a', opts=pulumi.ResourceOptions(import_='1'))", "importing resources"),
        ("Thing('a', file=pulumi.StringAsset('x'))", "assets and archives"),
        ("Thing('a', opts=pulumi.ResourceOptions(ignore_changes=['tags[*]']))", "property paths with list elements"),
        ("Thing('a', opts=pulumi.ResourceOptions(delete_before_replace=True))", "the option 'delete_before_replace'"),
        ("Thing('a', opts=pulumi.ResourceOptions(deleted_with=Thing('b')))", "the option 'deleted_with'"),
        ("Thing('a', opts=pulumi.ResourceOptions(replace_with=[Thing('b')]))", "the option 'replace_with'"),
        ("Thing('a', opts=pulumi.ResourceOptions(replacement_trigger='1'))", "the option 'replacement_trigger'"),
        ("Thing('a', opts=pulumi.ResourceOptions(hide_diffs=['name']))", "the option 'hide_diffs'"),
        (
            "Thing('a', opts=pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create='1m')))",
            "the option 'custom_timeouts'",
        ),
        ("pulumi.require_pulumi_version('>=3')", "a required version of the CLI"),
        ("pulumi.runtime.invoke('aws:index:getThing', {})", "functions of providers"),
        (
            "Thing('a', opts=pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding("
            "after_create=[pulumi.ResourceHook('h', lambda args: None)])))",
            "hooks",
        ),
    ],
)
def test_what_is_left_out_is_named(source: str, feature: str, tmp_path: Path, cloud: Cloud) -> None:
    """The message says how to run the test on the CLI."""
    (tmp_path / "__main__.py").write_text(f"import pulumi\nfrom tests.engine.toy_cloud import Thing\n{source}\n")
    environment = {"TOY_CLOUD": str(cloud.directory), "PYTHONPATH": str(ROOT)}
    stack = StackDouble("dev", work_dir=tmp_path, env_vars=environment)
    with pytest.raises(auto.CommandError) as failure:
        stack.up()
    assert feature in str(failure.value)
    assert "pytest --instances-engine=cli" in str(failure.value)


@pytest.mark.parametrize(
    "options",
    [
        {"policy_packs": ["x"]},
        {"plan": "x"},
        {"continue_on_error": True},
        {"run_program": True},
        {"target": ["urn"]},
        {"replace": ["urn"]},
        {"suppress_outputs": True},
    ],
)
def test_an_option_that_is_left_out_is_refused(options: dict[str, Any], new_stack: NewStack) -> None:
    """The message names it; options that are off are accepted."""
    with pytest.raises(UnsupportedFeatureError, match=f"the option '{next(iter(options))}'; run .* Pulumi CLI"):
        new_stack(lambda: None).up(**options)
    assert new_stack(lambda: None).up(**dict.fromkeys(options)).summary.resource_changes == {"create": 1}


@pytest.mark.parametrize("method", ["history", "cancel", "rename", "info", "add_environments", "list_tags"])
def test_a_method_that_is_left_out_is_refused(method: str) -> None:
    """The Automation API has it, so it is no AttributeError."""
    with pytest.raises(UnsupportedFeatureError, match=f"`{method}` of a stack; run .* Pulumi CLI"):
        getattr(StackDouble(), method)
    assert not hasattr(StackDouble(), "outputz")
