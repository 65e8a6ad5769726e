"""Where a program may be, and what it receives."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from pulumi import automation as auto

from pulumi_instances.core.state_format import SECRET
from pulumi_instances.testing.emulator import Emulator
from pulumi_instances.testing.engine import StackDouble, UnsupportedFeatureError
from pulumi_instances.testing.engine.project import Config, open_project

from .conftest import NewStack

FACTS = """
import os, sys
import pulumi
config = pulumi.Config()
pulumi.export("facts", {
    "cwd": os.getcwd(), "project": pulumi.get_project(), "stack": pulumi.get_stack(),
    "root": pulumi.get_root_directory(), "python": sys.executable, "argv": sys.argv[0],
    "here": [entry for entry in sys.path if entry in ("", ".", os.getcwd())], "dry": pulumi.runtime.is_dry_run(),
})
pulumi.export("plain", config.get("plain"))
pulumi.export("object", config.get_object("object"))
pulumi.export("hidden", config.get_secret("hidden"))
pulumi.export("other", pulumi.Config("other").get("key"))
"""


def facts(stack: StackDouble) -> dict[str, Any]:
    """The outputs of `FACTS`."""
    return {name: output.value for name, output in stack.up().outputs.items()}


def test_a_directory_needs_no_project_file(tmp_path: Path) -> None:
    """Its name is the project's; the program runs in it, under this interpreter, with it first on the path."""
    (tmp_path / "__main__.py").write_text(FACTS)
    found = facts(StackDouble("prod", work_dir=tmp_path))["facts"]
    assert found == {
        "cwd": str(tmp_path),
        "project": tmp_path.name,
        "stack": "prod",
        "root": str(tmp_path),
        "python": sys.executable,
        "argv": ".",
        "here": ["."],
        "dry": False,
    }


@pytest.mark.parametrize(("main", "on_path"), [("app", ["."]), ("app/start.py", [])])
def test_main_names_the_program_and_its_directory(main: str, on_path: list[str], tmp_path: Path) -> None:
    """A directory is on the path, and the directory of a file is not."""
    (tmp_path / "Pulumi.yaml").write_text(f"name: shop\nruntime: python\nmain: {main}\n")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / ("start.py" if main.endswith(".py") else "__main__.py")).write_text(FACTS)
    found = facts(StackDouble("dev", work_dir=tmp_path))["facts"]
    assert (found["cwd"], found["root"], found["project"]) == (str(tmp_path / "app"), str(tmp_path), "shop")
    assert found["here"] == on_path


def test_configuration_comes_from_files_and_arguments(tmp_path: Path) -> None:
    """It may be text, JSON or a secret; a key without a namespace belongs to the project."""
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: {name: python}\n")
    (tmp_path / "__main__.py").write_text(FACTS)
    (tmp_path / "Pulumi.dev.yaml").write_text(
        "config:\n"
        "  shop:plain: from the file\n"
        "  shop:object: {a: [1]}\n"
        "  shop:hidden: {secure: 'v1:eu4TIBW72ZwV02Og:xG7LjpmsSZzzqoXNlidXLmdSdQ=='}\n"
    )
    with pytest.raises(UnsupportedFeatureError, match=r"encrypted configuration \(shop:hidden; give a value"):
        StackDouble("dev", work_dir=tmp_path)
    config: Config = {"other:key": "given", "hidden": auto.ConfigValue("shh", secret=True)}
    stack = StackDouble("dev", work_dir=tmp_path, config=config)
    up = stack.up()
    assert {name: up.outputs[name].value for name in ("plain", "object", "hidden", "other")} == {
        "plain": "from the file",
        "object": {"a": [1]},
        "hidden": "shh",
        "other": "given",
    }
    assert up.outputs["hidden"].secret
    stack.set_config("plain", auto.ConfigValue("set", secret=True))
    assert (stack.get_config("shop:plain").value, stack.get_config("plain").secret) == ("set", True)
    stack.remove_config("plain")
    assert "shop:plain" not in stack.get_all_config()
    assert "plain" not in facts(stack)


def test_a_main_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message comes before anything runs."""
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\nmain: gone\n")
    with pytest.raises(NotADirectoryError, match="gone, which is not there; correct it"):
        StackDouble("dev", work_dir=tmp_path)


def test_another_runtime_is_refused(tmp_path: Path) -> None:
    """The message names it."""
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: nodejs\n")
    with pytest.raises(UnsupportedFeatureError, match="programs of the runtime 'nodejs'"):
        StackDouble("dev", work_dir=tmp_path)


def test_the_project_may_have_each_operation_refresh_first(tmp_path: Path, instances_api: Emulator) -> None:
    """A preview then shows drift, and `up` repairs it, as on the CLI (docs/settings.md)."""
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\noptions: {refresh: always}\n")
    (tmp_path / "__main__.py").write_text('from pulumi_instances import Instance\nInstance("box", your_mom="box")\n')
    stack = StackDouble("dev", work_dir=tmp_path, env_vars=instances_api.env)
    stack.up()
    [made] = instances_api.instances()
    instances_api.change(made["id"], name="by hand")
    assert stack.preview().change_summary == {"same": 1, "update": 1}
    stack.up()
    assert instances_api.instance(made["id"]) == made


def test_an_inline_program_needs_no_file(new_stack: NewStack) -> None:
    """It is sent with what it refers to: its closure, and what is in its module."""
    value = {"from": "outside"}

    def program() -> None:
        import pulumi

        pulumi.export("value", value)
        pulumi.export("length", len(FACTS))

    outputs = new_stack(program).up().outputs
    assert (outputs["value"].value, outputs["length"].value) == (value, len(FACTS))


def test_stacks_with_one_state_are_the_same_stack(new_stack: NewStack) -> None:
    """Another object continues with it, and so does one that imports it."""
    assert new_stack(lambda: None).up().summary.resource_changes == {"create": 1}
    assert new_stack(lambda: None).up().summary.resource_changes == {"same": 1}
    other = new_stack(lambda: None, state=None)
    assert other.preview().change_summary == {"create": 1}
    other.import_stack(new_stack().export_stack())
    assert other.preview().change_summary == {"same": 1}


@pytest.mark.parametrize(
    ("deployment", "feature"),
    [
        ({"resources": [{"urn": "urn", "taint": True}]}, "states of resources with 'taint'"),
        ({"resources": [{"urn": "urn", "inputs": {"a": {**SECRET, "ciphertext": "x"}}}]}, "encrypted states"),
    ],
)
def test_a_state_that_would_be_misread_is_refused(deployment: Any, feature: str, new_stack: NewStack) -> None:
    """The message names what is left out."""
    with pytest.raises(UnsupportedFeatureError, match=feature):
        new_stack().import_stack(auto.Deployment(3, deployment))


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ä", "-x", "x" * 101, None, 5])
def test_a_name_that_no_stack_may_have_is_refused(name: Any) -> None:
    """Before the CLI takes it for an option, or for an organization."""
    with pytest.raises(ValueError, match=r"name .* is not the name of a stack; write"):
        StackDouble(name)


def test_what_is_no_program_is_refused() -> None:
    """The message shows it."""
    with pytest.raises(TypeError, match="neither a function nor the directory of a project, but 5"):
        open_project("dev", 5)  # type: ignore[arg-type]


def test_a_program_that_cannot_be_sent_to_its_process_says_so(new_stack: NewStack) -> None:
    """The message names what it uses, and says what to do."""
    lock = threading.Lock()
    with pytest.raises(
        TypeError, match=r"cannot be sent there \(cannot pickle '_thread.lock' object\); make that inside"
    ):
        new_stack(lambda: lock.locked()).up()
