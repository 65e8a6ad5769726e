"""`doctor`."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest

from pulumi_instances.cli.doctor import OLDEST_SDK
from pulumi_instances.core.marks import Place, line_of
from pulumi_instances.core.state_format import SECRET
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.marks import mark_of

from .conftest import MARK, PutOnPath, Run, Stack, resource, state

BIN = str(Path(sys.executable).parent)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a project, with the environment of these tests first on PATH."""
    (tmp_path / "Pulumi.yaml").write_text("name: x\nruntime: python\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.pathsep.join([BIN, os.environ["PATH"]]))
    return tmp_path


def findings(run: Run, *options: str) -> dict[str, dict[str, str]]:
    """What it says in JSON, by subject; the exit code is 2 as soon as there is something to do."""
    done = run("doctor", "--json", *options)
    found = json.loads(done.out)
    assert done.code == (2 if any(not each["fine"] for each in found) else 0)
    assert [each for each in found if each["fine"] == bool(each["todo"])] == []
    return {each["subject"]: each for each in found}


def test_settings_are_told_with_their_source(run: Run, api: Emulator) -> None:
    """Secrets are shown only as set or missing."""
    api.add()
    found = findings(run)
    assert found["instances:baseUrl"]["found"] == f"{api.base_url}, from the variable INSTANCES_BASE_URL"
    assert found["instances:userSecret"]["found"] == "set, from the variable INSTANCES_USER_SECRET"
    assert found["API"]["found"] == f"{api.base_url} answers, with 1 instance"
    assert api.user_secret not in run("doctor").out
    assert api.organization_secret not in run("doctor").out


def test_a_setting_of_a_misspelt_namespace_is_told(run: Run, api: Emulator, stack: Stack, tmp_path: Path) -> None:
    """Neither it nor its value reaches the native package, so no other command says it. The project has keys itself."""
    config = {f"{namespace}:timeout": {"value": "60"} for namespace in ("instance", "shop", "my-instances")}
    (tmp_path / "Pulumi.yaml").write_text("name: my-instances\nruntime: yaml\n")
    stack(state(), json.dumps(config))
    found = findings(run, "--stack", "dev")
    assert found["instance:timeout"]["todo"] == "write instances:timeout"
    assert not {"shop:timeout", "my-instances:timeout"} & {*found}
    assert api.requests


@pytest.mark.parametrize("dialect", ["default", "elements"])
@pytest.mark.parametrize("body", ["<html>Not Found</html>", None], ids=["HTML", "an error of the API"])
def test_a_wrong_path_is_not_fine(
    run: Run, api: Emulator, monkeypatch: pytest.MonkeyPatch, body: str | None, dialect: str
) -> None:
    """An account without instances answers differently, except in the dialect where an empty listing is a 404."""
    monkeypatch.setenv("INSTANCES_DIALECT", dialect)
    api.fail("GET", "/instances", Fault.status(404, body=body))
    found = findings(run)["API"]
    if dialect == "elements" and body is None:
        assert found["found"].endswith("answers, with 0 instances")
    else:
        assert found["todo"].endswith("check that instances:baseUrl names the API")


def test_what_the_stack_keeps_secret_is_not_shown(
    run: Run, api: Emulator, monkeypatch: pytest.MonkeyPatch, stack: Stack
) -> None:
    """This holds even for a setting that is not secret by itself."""
    config = {
        "instances:baseUrl": {"value": api.base_url, "secret": False},
        "instances:userSecret": {"value": api.user_secret, "secret": True},
        "instances:organizationSecret": {"value": api.organization_secret, "secret": True},
        "instances:userAgentSuffix": {"value": "hunter2", "secret": True},
    }
    for variable in api.env:
        monkeypatch.delenv(variable)
    stack(state(), json.dumps(config))
    done = run("doctor", "--stack", "dev", "--json")
    found = {each["subject"]: each["found"] for each in json.loads(done.out)}
    assert found["instances:baseUrl"] == f"{api.base_url}, from the stack"
    assert found["instances:userAgentSuffix"] == "set, from the stack"
    assert found["API"] == f"{api.base_url} answers, with 0 instances"
    assert [value for value in ("hunter2", api.user_secret) if value in done.out + done.err] == []


ABSENT = {"name": "gone", "your_mom": "box", "tags": [], "token": "t0ken"}
STATES: dict[str, tuple[list[str], str, str]] = {
    "nothing": ([], "no instances", ""),
    "what there is": (["there", "there"], "2 instances, all of them at the API", ""),
    "no token": (["there", "unproven"], "2 instances, 1 of them without a token or mark to compare", "make sure that"),
    "one is missing": (["there", "gone"], "2 instances, 1 of them not at the API", "run `pulumi-instances drift --sta"),
    "all are missing": (["gone", "gone"], "2 instances, none of them at the API", "check that instances:baseUrl and"),
}


@pytest.mark.parametrize("held", STATES)
def test_a_state_of_another_account_is_recognised(run: Run, api: Emulator, stack: Stack, held: str) -> None:
    """With the secrets of another account every request succeeds, but none of the instances is there."""
    resources = []
    for number, what in enumerate(STATES[held][0]):
        found = resource({**ABSENT, "id": number} if what == "gone" else api.instance(api.add()))
        resources.append({**found, "outputs": {}} if what == "unproven" else found)
    stack(state(*resources))
    finding = findings(run, "--stack", "dev")["state"]
    _, said, todo = STATES[held]
    assert finding["found"].startswith(said)
    assert finding["todo"].startswith(todo)
    assert bool(finding["todo"]) == bool(todo)


@pytest.mark.usefixtures("api")
def test_what_is_no_state_is_told(run: Run, stack: Stack) -> None:
    stack("{}")
    finding = findings(run, "--stack", "dev")["state"]
    assert finding["found"].startswith("stack dev is not an exported state")
    assert finding["todo"].startswith("check --stack")


def test_an_instance_of_the_same_id_is_not_that_of_the_state(run: Run, api: Emulator, stack: Stack) -> None:
    """Ids of another account are the same numbers; token and mark are not."""
    by_token, by_mark, stranger = (api.add(name=name) for name in ("crm", "files", "other"))
    api.change(by_mark, tags=["eu", MARK])
    others = {by_mark: MARK, stranger: f"{MARK[:-1]}2"}
    held = [resource({**api.instance(each), "token": "another"}, __mark=mark) for each, mark in others.items()]
    stack(state(resource(api.instance(by_token)), *held))
    assert findings(run, "--stack", "dev")["state"]["found"] == "3 instances, 1 of them not at the API"


def test_what_the_stack_has_left_behind_is_told(run: Run, api: Emulator, stack: Stack) -> None:
    """It carries a mark of the stack, and is not in its state."""
    held, mine = api.add(), mark_of(line_of(Place("p", "dev", "", "crm")), 1)
    stack(state(resource(api.instance(held))))
    assert "left behind" not in findings(run, "--stack", "dev")
    left = api.add(tags=[mine])
    finding = findings(run, "--stack", "dev")["left behind"]
    assert finding["found"] == f"1 instance of this stack not in its state: {left}"
    assert "`INSTANCES_TAKE_OVER=yes pulumi up`" in finding["todo"]


@pytest.mark.parametrize("native", [False, True])
def test_settings_that_have_changed_since_the_last_up_are_told(
    run: Run, api: Emulator, monkeypatch: pytest.MonkeyPatch, stack: Stack, native: bool
) -> None:
    """refresh and destroy use those of the state. What a variable gives is the same for all."""
    kind, prefix = ("instances", "") if native else ("pulumi-python", "instances:")
    inputs: dict[str, object] = {f"{prefix}baseUrl": "http://127.0.0.1:9", f"{prefix}timeout": "60"}
    inputs[f"{prefix}userSecret"] = {**SECRET, "plaintext": '"old-secret"'}
    provider: dict[str, object] = {"urn": f"urn:pulumi:dev::x::pulumi:providers:{kind}::default_1", "inputs": inputs}
    provider["type"] = f"pulumi:providers:{kind}"
    stack(state(provider), json.dumps({"instances:timeout": {"value": "90"}}))
    found = findings(run, "--stack", "dev")["last `pulumi up`"]
    assert found["found"] == "had another instances:timeout"
    monkeypatch.delenv("INSTANCES_BASE_URL")
    monkeypatch.delenv("INSTANCES_USER_SECRET")
    found = findings(run, "--stack", "dev")["last `pulumi up`"]
    assert found["found"] == "had another instances:baseUrl, instances:userSecret, instances:timeout"
    assert found["todo"].startswith("run `pulumi refresh --run-program`")
    assert "old-secret" not in json.dumps(found)
    monkeypatch.setenv("INSTANCES_TIMEOUT", "30")
    monkeypatch.setenv("INSTANCES_BASE_URL", api.base_url)
    monkeypatch.setenv("INSTANCES_USER_SECRET", api.user_secret)
    assert "last `pulumi up`" not in findings(run, "--stack", "dev")


def test_who_manages_the_instances_is_counted(run: Run, api: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """By stack, as their marks say. Where new ones get no mark, that is said too."""
    for stack in ("prod", "prod", "dev"):
        api.add(tags=[mark_of(line_of(Place("shop", stack, "", "crm")), 1)])
    api.add()
    found = findings(run)
    assert found["managed by"]["found"] == "shop/prod: 2, shop/dev: 1, without a mark: 1"
    assert found["mark"]["found"] == "a tag says which resource manages an instance"
    monkeypatch.setenv("INSTANCES_MARK", "false")
    assert findings(run)["mark"]["found"] == "off: a create whose answer is lost ends in an error"


def test_a_listing_without_ids_is_told(run: Run, api: Emulator) -> None:
    """The other commands cannot read it either."""
    api.fail("GET", "/instances", Fault.status(200, body=b'[{"name": "odd"}]'))
    assert "the answer holds an instance without a numeric id" in findings(run)["API"]["found"]


def test_a_malformed_setting_is_told_and_not_shown(run: Run, api: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL may contain a password."""
    monkeypatch.setenv("INSTANCES_BASE_URL", "https://user:hunter2@api.example.com")
    monkeypatch.setenv("INSTANCES_TIMEOUT", "soon")
    monkeypatch.setenv("INSTANCES_MAX_RETRY", "3")
    found = findings(run)
    assert found["INSTANCES_MAX_RETRY"]["todo"].startswith("rename it to INSTANCES_MAX_RETRIES")
    assert found["instances:baseUrl"]["found"] == "malformed, from the variable INSTANCES_BASE_URL"
    assert "must not contain a user or password" in found["instances:baseUrl"]["todo"]
    assert "must be a number of seconds" in found["instances:timeout"]["todo"]
    assert "hunter2" not in json.dumps(found)
    assert api.requests == []


def test_an_account_is_told_its_own_variables(run: Run) -> None:
    """The configuration of the stack does not apply to it."""
    assert findings(run, "--account", "eu")["instances:baseUrl"]["todo"] == "set INSTANCES_EU_BASE_URL"


def test_a_missing_setting_is_told_with_how_to_set_it(run: Run, api: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API is not asked."""
    monkeypatch.delenv("INSTANCES_USER_SECRET")
    found = findings(run)
    assert found["instances:userSecret"]["todo"] == (
        'set INSTANCES_USER_SECRET, or run "pulumi config set --secret instances:userSecret" and pass --stack'
    )
    assert found["API"]["found"] == "not asked"
    assert api.requests == []


@pytest.mark.parametrize(
    ("variable", "value", "found", "todo"),
    [
        ("INSTANCES_USER_SECRET", "wrong", "reached, refused", "check instances:userSecret"),
        ("INSTANCES_BASE_URL", "http://127.0.0.1:9", "not reached", "check instances:baseUrl"),
    ],
)
def test_an_api_that_does_not_answer_is_told(
    run: Run, api: Emulator, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, found: str, todo: str
) -> None:
    """The message says whether it was reached, and what to check."""
    monkeypatch.setenv("INSTANCES_MAX_RETRIES", "0")
    monkeypatch.setenv(variable, value)
    told = findings(run)["API"]
    assert told["found"].startswith(f"{found}: list instances: ")
    assert told["todo"].startswith(todo)
    assert api.writes == []


@pytest.mark.usefixtures("api")
def test_no_cli_is_told(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The message says where to get it."""
    (tmp_path / "python3").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "install it" in findings(run)["Pulumi CLI"]["todo"]


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize(("version", "todo"), [("v3.253.1", "update it"), ("v3.254.0", ""), ("v4.0.0-dev.1", "")])
def test_a_cli_that_is_too_old_is_told(run: Run, put_on_path: PutOnPath, version: str, todo: str) -> None:
    """The file of `import-file` needs 3.254."""
    put_on_path("pulumi", f"echo {version}")
    assert findings(run)["Pulumi CLI"]["todo"].startswith(todo)
    assert bool(findings(run)["Pulumi CLI"]["todo"]) == bool(todo)


@pytest.mark.usefixtures("api")
def test_an_sdk_that_is_too_old_is_told(run: Run, put_on_path: PutOnPath) -> None:
    """The SDK in the environment of the provider counts, which may be another environment."""
    put_on_path("python3", "printf '/x/python3\\n0.1.0\\n3.267.1\\n'")
    told = findings(run)["python3 on PATH"]
    assert told["found"] == "/x/python3 has pulumi_instances 0.1.0 and the SDK 3.267.1"
    assert told["todo"] == "update it: pip install 'pulumi>=3.268'"


def test_the_oldest_sdk_is_the_one_that_the_package_asks_for() -> None:
    """The version is written in two places."""
    [pulumi] = [
        each for each in requires("pulumi-instances") or [] if each.startswith("pulumi") and "extra" not in each
    ]
    assert f">={'.'.join(map(str, OLDEST_SDK))}" in pulumi


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize(
    ("project_file", "subject", "found", "todo"),
    [
        ("runtime: python", "python3 on PATH", "has pulumi_instances", ""),
        (
            "runtime: {name: python, options: {virtualenv: venv}}",
            "virtualenv",
            "does not run",
            "create the environment",
        ),
        (
            "main: app\nruntime: {name: python, options: {virtualenv: venv}}",
            "virtualenv",
            "for the program and",
            "use an absolute path",
        ),
        ("runtime: {name: python, options: {toolchain: uv}}", "toolchain uv", "does not run", "create the environment"),
        ("runtime: {name: python, options: {toolchain: poetry}}", "toolchain poetry", "that poetry selects", ""),
        ("- x", "project", "Pulumi.yaml is not a YAML object", "correct it"),
    ],
)
def test_traps_of_the_environment_are_told(
    run: Run, project: Path, project_file: str, subject: str, found: str, todo: str
) -> None:
    """The provider's process finds its Python by other rules than the program."""
    (project / "app").mkdir()
    (project / "Pulumi.yaml").write_text(f"{project_file}\n")
    told = findings(run)[subject]
    assert found in told["found"]
    assert told["todo"].startswith(todo)
    assert bool(told["todo"]) == bool(todo)


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize(
    ("project_file", "found", "todo"),
    [
        ("runtime: yaml\nplugins: {providers: [{name: instances, path: PLUGINS}]}", "PLUGINS", ""),
        (
            "runtime: yaml\nplugins: {providers: [{name: instances, path: ./nowhere}]}",
            "no pulumi-resource-i",
            "correct",
        ),
        ("runtime: python\nplugins: {providers: [{name: instances, path: PLUGINS}]}", "PLUGINS", ""),
        ("runtime: go\npackages: {instances: ./nowhere}", "no PROJECT/./nowhere", "correct its path under packages"),
        ("runtime: go\npackages: {instances: {source: instances, version: 0.1.0}}", "which the CLI installs", ""),
        ("runtime: nodejs", "PLUGINS/pulumi-resource-instances", ""),
    ],
)
def test_a_project_of_the_native_package_needs_no_python(
    run: Run,
    project: Path,
    put_on_path: PutOnPath,
    monkeypatch: pytest.MonkeyPatch,
    project_file: str,
    found: str,
    todo: str,
) -> None:
    """The plugin counts, wherever Pulumi.yaml or PATH has it."""
    put_on_path("pulumi-resource-instances", "exit 1")
    monkeypatch.setenv("PULUMI_PYTHON_CMD", "/nowhere/python3")
    plugins = os.environ["PATH"].partition(os.pathsep)[0]
    (project / "Pulumi.yaml").write_text(f"{project_file.replace('PLUGINS', plugins)}\n")
    told = findings(run)
    expected = found.replace("PLUGINS", plugins).replace("PROJECT/./", f"{project}/")
    assert expected in told["native package"]["found"]
    assert told["native package"]["todo"].startswith(todo)
    assert bool(told["native package"]["todo"]) == bool(todo)
    assert "python3 on PATH" not in told


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize(("spared", "todo"), [("", "set no_proxy="), ("example.com, localhost", "")])
def test_a_proxy_for_loopback_is_told(run: Run, monkeypatch: pytest.MonkeyPatch, spared: str, todo: str) -> None:
    """gRPC would send what the engine says to it. Its URL, which may hold a password, is not shown."""
    monkeypatch.setenv("http_proxy", "http://user:hunter2@127.0.0.1:9")
    monkeypatch.setenv("no_proxy", spared)
    told = findings(run)["proxy"]
    assert told["todo"].startswith(todo)
    assert bool(told["todo"]) == bool(todo)
    assert "hunter2" not in json.dumps(told)


@pytest.mark.usefixtures("api")
def test_a_virtual_environment_that_holds_the_package_is_fine(run: Run, project: Path) -> None:
    """Its path is absolute, or relative to the program."""
    virtualenv = Path(BIN).parent
    (project / "Pulumi.yaml").write_text(f"runtime: {{name: python, options: {{virtualenv: {virtualenv}}}}}\n")
    assert findings(run)["virtualenv"]["todo"] == ""


@pytest.mark.usefixtures("api")
def test_a_python_without_the_package_is_told(
    run: Run, put_on_path: PutOnPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This happens when the environment is not activated."""
    put_on_path("another-python", f'exec "{sys.executable}" -I -S "$@"')
    other = shutil.which("another-python")
    monkeypatch.setenv("PULUMI_PYTHON_CMD", str(other))
    told = findings(run)["python3 on PATH"]
    assert told["found"] == f"{other} has no pulumi_instances"
    assert told["todo"].startswith("activate the environment")


@pytest.mark.usefixtures("api")
def test_a_lock_of_uv_that_only_the_program_follows_is_told(run: Run, project: Path) -> None:
    """The toolchain must be named."""
    (project / "uv.lock").touch()
    assert "toolchain: uv" in findings(run)["uv.lock"]["todo"]


@pytest.mark.usefixtures("api")
def test_outside_of_a_project_it_says_so(run: Run, project: Path) -> None:
    """It still checks everything else."""
    (project / "Pulumi.yaml").unlink()
    found = findings(run)
    assert found["project"]["todo"] == "run this in the directory of your project"
    assert found["python3 on PATH"]["todo"] == ""


@pytest.mark.usefixtures("api")
def test_people_get_a_line_for_each(run: Run, project: Path) -> None:
    """A line is marked if there is something to do."""
    (project / "uv.lock").touch()
    heading, *lines = run("doctor").out.splitlines()
    assert re.split(" {2,}", heading.strip()) == ["what", "found, and what to do"]
    assert {line.split()[0] for line in lines} == {"ok", "!!"}
    [lock] = [line for line in lines if " uv.lock " in line]
    assert re.search("; .*toolchain: uv", lock)
