"""A CLI for fast tests of what surrounds it: a script that plays `pulumi`."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

FAKE = """\
#!/bin/sh
# What the fake CLI is asked for: `stack ls`, `whoami`, and operations, in its own words.
for argument in "$@"; do
    test "$before" = --stack && stack=$argument
    test "$before" = --event-log && events=$argument
    before=$argument
done
case "$1" in
whoami) echo "{\\"url\\": \\"${PULUMI_BACKEND_URL:-https://api.pulumi.com}\\"}"; exit ;;
stack) echo '[{"name": "a"}, {"name": "b"}, {"name": "c"}]'; exit ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The directory of a project."""
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "Pulumi.yaml").write_text("name: shop\nruntime: yaml\n")
    return directory


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """`fake(script)` puts a `pulumi` on PATH that does this for an operation. $stack and $events are its arguments."""
    directory = tmp_path / "fake"
    directory.mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join([str(directory), os.environ["PATH"]]))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    def write(script: str) -> Path:
        command = directory / "pulumi"
        command.write_text(FAKE + script)
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
        return command

    return write
