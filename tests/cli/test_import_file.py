"""`import-file`. The acceptance suite gives the file to the real CLI."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from pulumi_instances.cli import files
from pulumi_instances.core.state_format import NATIVE_TYPE, SECRET
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.processes import COMMAND
from tests.support.scripted import ScriptedServer, answer

from .conftest import LEFT_OUT, MARK, Done, Run, resource, state


@pytest.fixture
def write(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `import-file` in an empty directory."""
    monkeypatch.chdir(tmp_path)
    return lambda *more, **rest: run(
        "import-file", "--out", "resources.json", "--program", "instances.py", *more, **rest
    )


def resources(directory: Path) -> dict[str, dict[str, Any]]:
    written = json.loads((directory / "resources.json").read_text())
    return {each["name"]: each for each in written["resources"]}


def test_a_file_and_a_program_are_written(write: Run, api: Emulator, tmp_path: Path) -> None:
    """The command says what to run next, and prints no token."""
    box = api.add(your_mom="box", name="QA Box", tags=["QA"])

    done = write()

    assert (done.code, done.err) == (0, "")
    assert "pulumi import --file resources.json --generate-code=false --protect=false" in done.out
    assert resources(tmp_path)["QA-Box"]["id"] == str(box)
    declared = 'Instance("QA-Box", your_mom="box", name="QA Box", tags=["QA"])\n'
    assert (tmp_path / "instances.py").read_text().endswith(declared)
    assert api.instance(box)["token"] not in done.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["instances.py", "resources.json"]


def test_tags_that_the_next_up_adds_are_told(write: Run, api: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    api.add()
    monkeypatch.setenv("INSTANCES_DEFAULT_TAGS", "team")
    line = "instances:defaultTags is set: the next preview shows its tags as a difference"
    assert line in write().err


def test_only_its_owner_can_read_the_file(write: Run, api: Emulator, tmp_path: Path) -> None:
    """It contains the tokens; an existing file that others could read is replaced."""
    box = api.add()
    (tmp_path / "resources.json").write_text("old")
    write()
    file = tmp_path / "resources.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert api.instance(box)["token"] in file.read_text()
    assert api.instance(box)["token"] not in (tmp_path / "instances.py").read_text()


def test_what_another_account_has_under_an_id_is_not_this_instance(write: Run, api: Emulator, tmp_path: Path) -> None:
    """Ids of accounts are the same numbers. Where the states cannot tell, the instance is left out."""
    made = api.add(name="crm")
    urn = "urn:pulumi:dev::p::pulumi:providers:pulumi-python::eu"
    provider = {"urn": urn, "type": "pulumi:providers:pulumi-python", "inputs": {"instances:account": "eu"}}
    theirs = {**resource({**api.instance(made), "token": "another"}), "provider": f"{urn}::2"}
    (tmp_path / "state.json").write_text(state(provider, theirs))
    assert write("--exclude-state", "state.json").code == 0
    assert list(resources(tmp_path)) == [f"crm-{made}"]
    theirs["outputs"]["token"] = {**SECRET, "ciphertext": "v1:…"}
    (tmp_path / "state.json").write_text(state(provider, theirs))
    assert "1 instance left out: already in a state" in write("--exclude-state", "state.json").err


@pytest.mark.usefixtures("api")
def test_a_token_that_a_listing_does_not_tell_is_read(write: Run, tmp_path: Path) -> None:
    """The command sends a GET for each of those, and for no other."""
    told: dict[str, Any] = {"name": "told", "your_mom": {"key": "box"}, "tags": []}
    listing = [{**told, "id": 1, "token": "first-token"}, {**told, "id": 2}, {**told, "id": 3}]
    script = [answer(200, listing), answer(200, {**told, "id": 2, "token": "second-token"}), answer(200, listing[2])]
    with ScriptedServer(*script) as server:
        done = write("--set", f"baseUrl={server.base_url}", "--set", "parallelism=1")  # in the order of the script
    assert [request.path for request in server.received] == ["/v2/instances", "/v2/instances/2", "/v2/instances/3"]
    assert {each["id"] for each in resources(tmp_path).values()} == {"1", "2"}
    assert done.err == "instance 3 left out: the API does not report its token\n"


def test_a_program_that_has_to_be_imported_says_so(write: Run, api: Emulator) -> None:
    """Otherwise the next `up` would delete what it declares."""
    api.add()
    assert "Import instances.py in your program" in write().out
    assert "in your program" not in write("--program", "__main__.py").out


def _make_unusual(directory: Path) -> None:
    """What a path can lead to besides a regular file."""
    os.mkfifo(directory / "pipe")
    (directory / "folder").mkdir()
    (directory / "plain").write_text("")
    for link, target in {"to-pipe": "pipe", "to-folder": "folder", "to-device": "/dev/null"}.items():
        (directory / link).symlink_to(target)
    (directory / "to-dev").symlink_to("/dev")


UNUSUAL = {
    "pipe": "is not a regular file",
    "to-pipe": "is not a regular file",
    "/dev/null": "is not a regular file",
    "/dev/stdout": "is not a regular file",
    "/dev/fd/1": "is not a regular file",
    "/proc/self/fd/1": "is not a regular file",
    "/proc/self/comm": "is not a regular file",
    "/sys/new": "is not a regular file",
    "/dev/new": "is not a regular file",
    "to-device": "is not a regular file",
    "to-dev/new": "is not a regular file",
    "folder": "is a folder",
    "to-folder": "is a folder",
    "/": "is a folder",
    "missing/file": "the folder missing does not exist; create it",
    "plain/file": "plain is not a folder",
    "pipe/file": "pipe is not a folder",
    "x" * 300: "File name too long",
}


@pytest.mark.skipif(sys.platform != "linux", reason="uses /proc")
@pytest.mark.parametrize("path", UNUSUAL)
@pytest.mark.parametrize("option", ["--out", "--program"])
def test_only_a_regular_file_in_a_real_folder_is_written(
    write: Run, api: Emulator, tmp_path: Path, option: str, path: str
) -> None:
    """Root could otherwise replace /dev/stdout by a file with tokens. The API is not asked at all."""
    api.add()
    _make_unusual(tmp_path)
    before = _seen(tmp_path), _seen(Path("/dev"))

    done = write(option, path)

    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("Error: ")
    assert UNUSUAL[path] in done.err
    assert "give " in done.err
    assert len(done.err.splitlines()) == 1
    assert (_seen(tmp_path), _seen(Path("/dev"))) == before
    assert api.requests == []


def test_stdout_is_refused_where_it_is_a_file(api: Emulator, tmp_path: Path) -> None:
    """A shell's redirection makes /dev/stdout look like a regular file."""
    api.add()
    with (tmp_path / "redirected").open("w") as stdout:
        command = [*COMMAND, "import-file", "--out", "/dev/stdout", "--program", "p.py"]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, **api.env},
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "Error: /dev/stdout is not a regular file; give a file path outside /dev\n"
    assert Path("/dev/stdout").is_symlink()
    assert [path.name for path in tmp_path.iterdir()] == ["redirected"]


def _seen(directory: Path) -> dict[str, tuple[int, int]]:
    """The entries of a folder, with what would change if one were replaced."""
    found = {each.name: each.lstat() for each in directory.iterdir()}
    return {name: (status.st_ino, status.st_mode) for name, status in found.items()}


def test_a_folder_that_is_not_writable_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This is for a user who is not root; root is refused only what even root may not write."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    monkeypatch.chdir(locked)  # the folders above are root's alone
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(click.ClickException, match=r"the folder \. is not writable; give another path"):
            files.demand_file(Path("new"))
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("target", ["elsewhere", "missing"])
def test_a_symbolic_link_gives_way_to_the_file(write: Run, api: Emulator, tmp_path: Path, target: str) -> None:
    """Whoever places a link in a shared folder chooses neither what is overwritten nor where the tokens go."""
    box = api.add()
    (tmp_path / "elsewhere").write_text("precious")
    (tmp_path / "resources.json").symlink_to(target)
    assert write().code == 0
    assert (tmp_path / "elsewhere").read_text() == "precious"
    assert not (tmp_path / "missing").exists()
    status = (tmp_path / "resources.json").lstat()
    assert (stat.S_ISREG(status.st_mode), stat.S_IMODE(status.st_mode)) == (True, 0o600)
    assert api.instance(box)["token"] in (tmp_path / "resources.json").read_text()


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("program", ["./resources.json", "folder/../resources.json", "link/resources.json"])
def test_one_file_cannot_be_both(write: Run, tmp_path: Path, program: str) -> None:
    """Another spelling of the same path does not help."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(".")
    done = write("--program", program)
    assert (done.code, done.out) == (1, "")
    assert "--out and --program must be different files" in done.err


def test_what_states_hold_already_is_left_out(write: Run, api: Emulator, tmp_path: Path) -> None:
    """Its resource name is taken; what a state only refers to does not count as held."""
    held, twin, referred = (api.add(your_mom="box", name=name) for name in ("crm", "crm", "shared"))
    (tmp_path / "one.json").write_text(state(resource(api.instance(held))))
    (tmp_path / "two.json").write_text(state({**resource(api.instance(referred)), "external": True}))

    done = write("--exclude-state", "one.json", "--exclude-state", "two.json")

    assert done.err == "1 instance left out: already in a state\n"
    named = {name: each["id"] for name, each in resources(tmp_path).items()}
    assert named == {f"crm-{twin}": str(twin), f"shared-{referred}": str(referred)}


def test_what_cannot_be_imported_is_told(write: Run, api: Emulator, tmp_path: Path) -> None:
    """The rest is imported."""
    api.add(name="fine")
    odd = api.add(name="a\x07b")

    done = write("--json")

    reason = "name contains a control character; correct it in the account, then import it"
    assert done.code == 0
    assert json.loads(done.out)["left_out"] == [{"id": str(odd), "reason": reason}]
    assert done.err == f"instance {odd} left out: {reason}\n"
    assert list(resources(tmp_path)) == ["fine"]


@pytest.mark.usefixtures("api")
def test_nothing_to_import_writes_nothing(write: Run, tmp_path: Path) -> None:
    """It is not an error."""
    assert write() == Done(0, "", "There is nothing to import, and nothing was written.\n")
    assert list(tmp_path.iterdir()) == []


def test_json_tells_what_was_done(write: Run, api: Emulator) -> None:
    """The output is for scripts."""
    api.add()
    written = {"out": "resources.json", "program": "instances.py"}
    assert json.loads(write("--json").out) == {"instances": 1, "held_already": 0, "left_out": [], **written}


def test_a_program_is_never_written_over(write: Run, api: Emulator, tmp_path: Path) -> None:
    """The exceptions are an identical and an empty file; in all other cases no file with tokens is left either."""
    api.add(name="a")
    (tmp_path / "instances.py").touch()
    assert write().code == 0
    assert write().code == 0
    api.add(name="b")
    (tmp_path / "resources.json").unlink()

    done = write()

    assert done.code == 1
    assert done.err == ("Error: instances.py exists and is not overwritten; give another --program, or remove it\n")
    assert [path.name for path in tmp_path.iterdir()] == ["instances.py"]


def test_an_api_that_fails_leaves_no_file(write: Run, api: Emulator, tmp_path: Path) -> None:
    """Half a listing is not enough."""
    for _ in range(201):
        api.add()
    api.fail("GET", "/instances", Fault.status(403), times=None, probability=1.0)
    done = write()
    assert (done.code, list(tmp_path.iterdir())) == (1, [])
    assert "403" in done.err


# for the native package


@pytest.fixture
def native(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `import-file --native` in an empty directory."""
    monkeypatch.chdir(tmp_path)
    return lambda *more: run("import-file", "--native", "--out", "resources.json", *more)


def test_the_file_for_the_native_package_has_ids_and_no_tokens(native: Run, api: Emulator, tmp_path: Path) -> None:
    """The command says what to run next."""
    box = api.add(your_mom="box", name="QA Box", tags=["QA"])
    done = native("--your-mom", "box")
    assert (done.code, done.err) == (0, "")
    assert "\npulumi import --file resources.json --protect=false --out generated\n" in done.out
    expected = {"type": NATIVE_TYPE, "name": "QA_Box", "logicalName": "QA-Box", "id": str(box)}
    assert json.loads((tmp_path / "resources.json").read_text()) == {"resources": [expected]}
    assert [path.name for path in tmp_path.iterdir()] == ["resources.json"]
    assert [(request.method, request.path) for request in api.requests] == [("GET", "/instances")]
    assert json.loads(native("--json").out) == {
        "instances": 1,
        "held_already": 0,
        "left_out": [],
        "out": "resources.json",
    }


def test_what_no_program_can_declare_is_left_out_of_the_native_package(native: Run, api: Emulator) -> None:
    """Nothing is written if that is all."""
    odd = api.add(name="a\x07b")
    done = native()
    assert done.err.startswith(f"instance {odd} left out: name contains a control character")
    assert (done.code, done.out) == (0, "")


def test_what_a_native_state_holds_already_is_left_out(native: Run, api: Emulator, tmp_path: Path) -> None:
    """So is what one of the dynamic provider holds. Their names are taken in both: each is an alias of the other."""
    held, other, new = (api.add(your_mom="box", name="crm") for _ in range(3))
    moved = {**resource(api.instance(other)), "type": NATIVE_TYPE}
    (tmp_path / "state.json").write_text(state(resource(api.instance(held)), moved))
    native("--exclude-state", "state.json")
    [written] = json.loads((tmp_path / "resources.json").read_text())["resources"]
    assert (written["id"], written["logicalName"]) == (str(new), f"crm-{new}")


@pytest.mark.parametrize("options", [["--program", "p.py"], ["--native"]])
def test_what_a_program_manages_is_left_out(
    run: Run, api: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    """Its mark says so, whoever imports."""
    monkeypatch.chdir(tmp_path)
    box, _ = api.add(your_mom="box", name="files"), api.add(your_mom="sfdc", name="crm", tags=["eu", MARK])
    done = run("import-file", "--out", "resources.json", *options)
    assert (done.code, done.err) == (0, LEFT_OUT)
    [written] = json.loads((tmp_path / "resources.json").read_text())["resources"]
    assert written["id"] == str(box)


def test_what_the_generated_program_may_get_wrong_is_told(native: Run, api: Emulator) -> None:
    """The CLI guesses references, and a rename would then replace another instance."""
    for name in ("box", "crm"):
        api.add(your_mom="box", name=name)
    expected = "In the program, `pulumi import` may write references to other instances for box, since these have "
    assert native().err == expected + "such a name or id; write the text instead\n"


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--native", "--program", "p.py"], "--native and --program exclude each other"),
        ([], "Missing option '--program'; give the path of the program to write, or --native"),
    ],
)
def test_a_program_is_written_for_one_of_the_two_only(run: Run, options: list[str], problem: str) -> None:
    """`pulumi import` writes it for the native package."""
    done = run("import-file", "--out", "resources.json", *options)
    assert (done.code, done.out) == (1, "")
    assert problem in done.err
