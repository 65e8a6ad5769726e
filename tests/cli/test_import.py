"""`import` with a script in place of the Pulumi CLI. The acceptance suite uses the real one."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pulumi_instances.cli import common, pulumi_cli
from pulumi_instances.cli.exported_state import Held
from pulumi_instances.core.state_format import INSTANCE_TYPE
from pulumi_instances.testing.emulator import Emulator
from tests.support.processes import COMMAND

from .conftest import LEFT_OUT, MARK, PutOnPath, Run


def script(version: str = "v3.260.0", code: int = 0) -> str:
    """A CLI of this version, whose import has this exit code."""
    return f"""\
case $1 in
version) echo {version} ;;
config) echo '{{}}' ;;
stack) if [ -e ran ]; then echo "error: the backend is away" >&2; exit 1; fi; echo '{{"deployment": {{}}}}' ;;
import) echo "$5" > ran; ls -lL "$5" >> ran; cat "$5" >> ran; exit {code} ;;
esac"""


@pytest.fixture
def directory(api: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, put_on_path: PutOnPath) -> Path:
    """The working directory; the API has an instance, and the script is the Pulumi CLI."""
    api.add(name="x")
    monkeypatch.chdir(tmp_path)
    put_on_path("pulumi", script())
    return tmp_path


@pytest.mark.parametrize("platform", [sys.platform, "other"])
def test_only_its_owner_can_read_the_tokens(
    run: Run, api: Emulator, directory: Path, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    """The file exists only while the CLI reads it. On Linux the tokens are never in a file system."""
    monkeypatch.setattr("pulumi_instances.cli.files.sys.platform", platform)
    done = run("import", "--stack", "dev", "--program", "__main__.py", "--yes")
    assert (done.code, done.err) == (0, "")
    file, mode, document = (directory / "ran").read_text().splitlines()
    assert mode.startswith("-rw-------")
    assert api.instances()[0]["token"] in document
    if platform == "linux":
        assert file.startswith(f"/proc/{os.getpid()}/fd/")
    assert not Path(file).exists()


def test_what_an_import_has_left_may_be_unknown(run: Run, directory: Path, put_on_path: PutOnPath) -> None:
    """Then the program stays, and the message says what to do first."""
    put_on_path("pulumi", script(code=1))
    done = run("import", "--stack", "dev", "--program", "__main__.py", "--yes")
    assert done.code == 1
    assert done.err.startswith("Error: pulumi import failed, and it is unknown what it has imported (pulumi stack: ")
    assert "before the next `pulumi up`" in done.err
    assert (directory / "__main__.py").exists()


def test_a_stop_before_the_cli_begins_leaves_no_program(
    run: Run, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next `up` would create what it declares."""

    def stop(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(pulumi_cli, "import_resources", stop)
    done = run("import", "--stack", "dev", "--program", "__main__.py", "--yes")
    assert (done.code, done.err.strip()) == (1, "Stopped.")
    assert not (directory / "__main__.py").exists()


def test_a_stop_that_comes_before_the_cli_is_handed_on() -> None:
    """A Ctrl-C at that moment would otherwise be lost."""
    with pulumi_cli.stops_passed_on() as watch:
        os.kill(os.getpid(), signal.SIGTERM)
        with subprocess.Popen(["sleep", "60"]) as process:
            watch(process)
    assert process.returncode == -signal.SIGINT


@pytest.mark.parametrize(
    ("version", "said"), [("v3.253.1", "is 3.253.1; update it to 3.254.0"), (None, "`pulumi` is not on PATH")]
)
def test_the_cli_is_looked_at_first(
    run: Run,
    api: Emulator,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    put_on_path: PutOnPath,
    version: str | None,
    said: str,
) -> None:
    """The check comes before anything is asked or written."""
    if version:
        put_on_path("pulumi", script(version))
    else:
        monkeypatch.setenv("PATH", str(directory))
    done = run("import", "--stack", "dev", "--program", "__main__.py", "--yes")
    assert done.code == 1
    assert said in done.err
    assert api.requests == []
    assert not (directory / "__main__.py").exists()


@pytest.mark.parametrize("command", ["import --yes", "import-file --out r.json"])
@pytest.mark.parametrize(
    ("file", "content"),
    [("Pulumi.yaml", "runtime: {name: nodejs}"), ("Pulumi.yml", "runtime: yaml"), ("Pulumi.json", '{"runtime": "go"}')],
)
def test_a_project_in_another_language_is_refused(
    run: Run, api: Emulator, directory: Path, command: str, file: str, content: str
) -> None:
    """The next `up` would delete what was imported. The message says what works there."""
    (directory / file).write_text(content)
    done = run(*command.split(), "--stack", "dev", "--program", "x.py")
    assert (done.code, done.out) == (1, "")
    assert f"{directory / file} says `runtime: " in done.err
    assert "run `pulumi-instances import-file --native --stack dev --out resources.json` instead" in done.err
    assert api.requests == []
    (directory / file).write_text('{"runtime": {"name": "python"}}')
    assert run(*command.split(), "--stack", "dev", "--program", "x.py").code == 0


@pytest.mark.parametrize(("code", "said"), [(1, "failed"), (-9, "was killed (signal 9; if the stack stays locked")])
def test_an_end_after_all_were_imported_is_told(
    run: Run, directory: Path, code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a Ctrl-C in the last moment the program stays, and there is no rest to import."""
    monkeypatch.setattr(pulumi_cli, "import_resources", lambda *_, **__: code)
    states = [[], [Held(f"urn:pulumi:dev::p::{INSTANCE_TYPE}::x", "1", {}, frozenset(), None, False, False)]]
    monkeypatch.setattr(common, "read_states", lambda *_, **__: states.pop(0))
    done = run("import", "--stack", "dev", "--program", "a.py", "--yes")
    assert done.code == 1
    assert said in done.err
    assert "after all 1 were imported, and a.py declares them; run `pulumi preview`" in done.err
    assert (directory / "a.py").exists()


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1)])
def test_it_asks_on_a_terminal(api: Emulator, directory: Path, answer: str, code: int) -> None:
    """It does nothing unless the answer is yes."""
    ours, theirs = pty.openpty()
    command = [*COMMAND, "import", "--stack", "dev", "--program", "__main__.py"]
    with subprocess.Popen(
        command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **api.env}
    ) as process:
        os.close(theirs)
        os.write(ours, f"{answer}\n".encode())
        out, err = process.communicate(timeout=60)
        os.close(ours)
    assert "Import 1 instance into the stack dev? [y/N]" in out
    assert (process.returncode, (directory / "ran").exists(), (directory / "__main__.py").exists()) == (
        code,
        code == 0,
        code == 0,
    )
    assert err.strip() == ("" if code == 0 else "Stopped.")


@pytest.mark.usefixtures("directory")
@pytest.mark.parametrize("stdin", [subprocess.DEVNULL, subprocess.PIPE, None])
def test_without_a_terminal_it_needs_yes(api: Emulator, stdin: int | None) -> None:
    """In CI it prints one line before it asks the API or the CLI. A closed stdin is not a terminal either."""
    command = [*COMMAND, "import", "--stack", "dev", "--program", "__main__.py"]
    if stdin is None:
        command = ["sh", "-c", 'exec "$@" <&-', "sh", *command]
    done = subprocess.run(
        command,
        stdin=stdin if stdin == subprocess.DEVNULL else None,
        input="y\n" if stdin == subprocess.PIPE else None,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **api.env},
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: import asks for confirmation, and there is no terminal; add --yes\n"
    assert api.requests == []


def test_what_a_program_manages_is_left_out(run: Run, api: Emulator, directory: Path) -> None:
    """Its mark says so. After a lost state, the program takes it over."""
    api.add(name="y", tags=[MARK])
    done = run("import", "--stack", "dev", "--program", "__main__.py", "--yes")
    assert (done.code, done.err) == (0, LEFT_OUT)
    assert 'Instance("x"' in (directory / "__main__.py").read_text()
    assert 'Instance("y"' not in (directory / "__main__.py").read_text()
    assert MARK not in (directory / "ran").read_text()


def test_a_program_that_somebody_has_written_stops_it(run: Run, directory: Path) -> None:
    """It stops before the CLI imports anything."""
    (directory / "__main__.py").write_text("# mine\n")
    done = run("import", "--stack", "dev", "--program", "__main__.py", "--yes")
    assert (done.code, (directory / "ran").exists()) == (1, False)
    assert (directory / "__main__.py").read_text() == "# mine\n"
