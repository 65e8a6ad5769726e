"""The state on disk: a journal while an operation runs, and a whole document after it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pulumi import automation as auto

from pulumi_instances.testing.engine import StackDouble, checkpoint
from pulumi_instances.testing.engine.checkpoint import Journal, Snapshot
from pulumi_instances.testing.engine.crypto import new_crypter
from pulumi_instances.testing.engine.state import ResourceState, urn_name
from pulumi_instances.testing.engine.values import FailedError, Secret

from .conftest import NewStack
from .toy_cloud import Cloud

CRYPTER = new_crypter("test")


def state(name: str) -> ResourceState:
    outputs = {"token": Secret(f"hush {name}")}
    return ResourceState(urn=f"urn:pulumi:dev::toy::t::{name}", type="t", custom=True, outputs=outputs)


def read(path: Path) -> tuple[list[str], list[str]]:
    """The names of the resources and of the pending operations that the next to open the state finds."""
    deployment = checkpoint.read_deployment(path)
    assert deployment is not None
    found = Snapshot.decode(deployment, CRYPTER)
    names = [urn_name(each.urn) for each in found.resources]
    return names, [f"{what} {urn_name(each.urn)}" for what, each in found.pending_operations]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A state of two resources, `a` and `b`, and a pending create, `lost`."""
    pending = [("creating", state("lost")), ("deleting", state("a"))]
    checkpoint.write_document(tmp_path / "state.json", Snapshot([state("a"), state("b")], pending).encode(CRYPTER))
    return tmp_path / "state.json"


def test_a_journal_says_what_a_killed_operation_has_done(path: Path) -> None:
    """What it made comes first, what it removed is gone, and what it had begun is pending."""
    deployment = checkpoint.read_deployment(path)
    assert deployment is not None
    with checkpoint.exclusive(path) as file:
        base = Snapshot.decode(deployment, CRYPTER)
        a, b = base.resources
        journal = Journal(base, CRYPTER, path, file)
        assert read(path) == (["a", "b"], ["creating lost"])

        made, updated = state("c"), state("a")
        journal.begin("creating", made)
        assert read(path) == (["a", "b"], ["creating c", "creating lost"])
        journal.end(made, kept=[made])
        journal.end(kept=[updated], gone=[a])
        b.delete = True
        journal.end(kept=[b])
        journal.begin("deleting", b)
        assert read(path) == (["c", "a", "b"], ["deleting b", "creating lost"])
        assert Snapshot.decode(checkpoint.read_deployment(path) or {}, CRYPTER).resources[2].delete
        journal.end(b, gone=[b])

        # Killed now. What is written half did not happen.
        whole = file.tell()
        journal.begin("creating", state("d"))
        os.ftruncate(file.fileno(), whole + 10)
    assert "hush" not in (path.parent / "state.json.journal").read_text()
    assert read(path) == (["c", "a"], ["creating lost"])


def test_a_journal_of_another_document_is_of_no_account(path: Path) -> None:
    """It is left when the process is killed between writing the document and removing the journal."""
    with checkpoint.exclusive(path) as file:
        journal = Journal(Snapshot(), CRYPTER, path, file)
        journal.end(kept=[state("c")])
        left = (path.parent / "state.json.journal").read_bytes()
        journal.close()
    (path.parent / "state.json.journal").write_bytes(left)
    assert read(path) == (["c"], [])


def test_one_operation_at_a_time(path: Path) -> None:
    """The lock is the journal itself, and is released with it or with its process."""
    with checkpoint.exclusive(path):
        refusal = pytest.raises(FailedError, match=r"another operation on .*state.json is under way; wait for its end")
        with refusal, checkpoint.exclusive(path):
            pass
        with StackDouble(state_file=path) as stack, pytest.raises(auto.CommandError, match="another operation"):
            stack.destroy()
    with checkpoint.exclusive(path):
        pass
    assert [each.name for each in path.parent.iterdir()] == ["state.json"]


def test_after_an_operation_the_document_is_whole(new_stack: NewStack, cloud: Cloud, tmp_path: Path) -> None:
    """It is all there is, whether the operation succeeded or not."""

    def program() -> None:
        from tests.engine.toy_cloud import Thing

        Thing("a", name="a")

    cloud.refuse("create", "a")
    stack = new_stack(program)
    with pytest.raises(auto.CommandError, match="refuses to create a"):
        stack.up()
    cloud.allow("create", "a")
    stack.up()
    assert [each.name for each in tmp_path.glob("state*")] == ["state.json"]
    assert len(json.loads((tmp_path / "state.json").read_text())["deployment"]["resources"]) == 3


def test_what_is_written_grows_with_the_changes_and_not_with_the_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand creates write ten times what a hundred write, not a hundred times; each step is one line."""
    written: list[int] = []

    def per_resource(count: int) -> float:
        written.clear()
        path = tmp_path / f"{count}.json"
        with checkpoint.exclusive(path) as file:
            journal = Journal(Snapshot(), CRYPTER, path, file)
            for number in range(count):
                made = state(f"r{number}")
                journal.begin("creating", made)
                journal.end(made, kept=[made])
            written.append(file.tell())
            journal.close()
        return sum(written) / count

    write = checkpoint._write

    def counting(path: Path, deployment: dict[str, object]) -> None:
        write(path, deployment)
        written.append(path.stat().st_size)

    monkeypatch.setattr(checkpoint, "_write", counting)
    assert per_resource(1000) < 1.2 * per_resource(100)


def test_an_operation_writes_the_whole_state_twice(new_stack: NewStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does so at its beginning and at its end, whatever the number of steps."""
    whole: list[Path] = []
    write = checkpoint._write

    def counting(path: Path, deployment: dict[str, object]) -> None:
        whole.append(path)
        write(path, deployment)

    monkeypatch.setattr(checkpoint, "_write", counting)

    def program() -> None:
        from tests.engine.toy_cloud import Thing

        for number in range(20):
            Thing(f"thing-{number}", name=str(number))

    new_stack(program).up()
    assert len(whole) == 2
    new_stack(program).destroy()
    assert len(whole) == 4
