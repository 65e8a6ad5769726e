"""`import` with a script for the Pulumi CLI. With the real one it is in the acceptance suite."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from pulumi_instances.commands import pulumi_cli
from pulumi_instances.testing.emulator import Emulator

from .conftest import Run

CLI = """\
#!/bin/sh
case $1 in
version) echo {version} ;;
config) echo '{{}}' ;;
stack) if [ -e ran ]; then echo "error: the backend is away" >&2; exit 1; fi; echo '{{"deployment": {{}}}}' ;;
import) ls -l "$5" > ran; exit {code} ;;
esac
"""


@pytest.fixture
def directory(api: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, which is first on PATH; the API has an instance."""
    api.add(name="x")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path), os.environ["PATH"]]))
    return tmp_path


def put_cli(directory: Path, *, version: str = "v3.260.0", code: int = 0) -> None:
    tool = directory / "pulumi"
    tool.write_text(CLI.format(version=version, code=code))
    tool.chmod(0o755)


def test_only_its_owner_can_read_the_file(run: Run, directory: Path) -> None:
    """While the CLI reads it; afterwards it is gone."""
    put_cli(directory)
    done = run("import", "--stack", "dev", "--program", "__main__.py", "--yes")
    assert (done.code, done.err) == (0, "")
    mode, *_, file = (directory / "ran").read_text().split()
    assert mode.startswith("-rw-------")
    assert not Path(file).exists()


def test_what_an_import_has_left_may_be_unknown(run: Run, directory: Path) -> None:
    """Then the program stays, and the message says what to do first."""
    put_cli(directory, code=1)
    done = run("import", "--stack", "dev", "--program", "__main__.py", "--yes")
    assert done.code == 1
    assert done.err.startswith("Error: pulumi import failed, and it is not known what it has imported (pulumi stack: ")
    assert "before the next `pulumi up`" in done.err
    assert (directory / "__main__.py").exists()


def test_a_stop_before_the_cli_begins_leaves_no_program(
    run: Run, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next `up` would create what it declares."""
    put_cli(directory)

    def stop(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(pulumi_cli, "import_resources", stop)
    done = run("import", "--stack", "dev", "--program", "__main__.py", "--yes")
    assert (done.code, done.err.strip()) == (1, "Stopped.")
    assert not (directory / "__main__.py").exists()


def test_a_stop_that_comes_before_the_cli_is_handed_on() -> None:
    """As Ctrl-C; else it would be lost."""
    with pulumi_cli.stops_go_to() as watch:
        os.kill(os.getpid(), signal.SIGTERM)
        with subprocess.Popen(["sleep", "60"]) as process:
            watch(process)
    assert process.returncode == -signal.SIGINT


@pytest.mark.parametrize(
    ("version", "said"), [("v3.253.1", "is 3.253.1: update it to 3.254.0"), (None, "there is no `pulumi` on PATH")]
)
def test_the_cli_is_looked_at_first(
    run: Run, api: Emulator, directory: Path, monkeypatch: pytest.MonkeyPatch, version: str | None, said: str
) -> None:
    """Before anything is asked or written."""
    if version:
        put_cli(directory, version=version)
    else:
        monkeypatch.setenv("PATH", str(directory))
    done = run("import", "--stack", "dev", "--program", "__main__.py", "--yes")
    assert done.code == 1
    assert said in done.err
    assert api.requests == []
    assert not (directory / "__main__.py").exists()


def test_a_program_that_somebody_has_written_stops_it(run: Run, directory: Path) -> None:
    """Before the CLI imports anything."""
    put_cli(directory)
    (directory / "__main__.py").write_text("# mine\n")
    done = run("import", "--stack", "dev", "--program", "__main__.py", "--yes")
    assert (done.code, (directory / "ran").exists()) == (1, False)
    assert (directory / "__main__.py").read_text() == "# mine\n"
