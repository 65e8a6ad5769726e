"""`doctor`: what is set up, and what to do about the rest."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from ..core import config, identity, model
from ..core.errors import ConnectionFailed, InstancesError, Unauthorized
from . import common, import_document, project, pulumi_cli
from .exported_state import Held
from .redaction import redacted

_PLUGIN = "pulumi-resource-pulumi-python"
_MOST_STACKS = 10
OLDEST_SDK = (3, 268)
"""The first whose dynamic server can read what is looked up with `.get`."""

_WHO = """\
import sys
from importlib.metadata import version
import pulumi_instances
print(sys.executable, version("pulumi-instances"), version("pulumi"), sep="\\n")
"""


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, what was found, and what to do where it is not fine (else empty)."""

    subject: str
    found: str
    todo: str = ""


@click.command(
    short_help="Check the settings, the API and the environment.",
    epilog=f"""\b
Examples:
  pulumi-instances doctor
  pulumi-instances doctor --stack dev --json

{common.GATE_EXIT_CODES}""",
)
@common.where
@common.as_json
def doctor(as_json: bool, **where: Any) -> int:
    """Check the settings, the API, the state of the stack, the versions and the Python environment.

    Run it in the project's directory.

    No secret is shown. One list request is sent to the API.
    """
    findings = [*_settings(**where), *_versions(), *_environment(Path.cwd())]
    if as_json:
        common.write_json([{**asdict(finding), "fine": not finding.todo} for finding in findings])
    else:
        rows = [["!!" if finding.todo else "ok", finding.subject, finding.found, finding.todo] for finding in findings]
        common.write_table(["", "what", "found", "what to do"], rows)
    return common.DIFFERS if any(finding.todo for finding in findings) else 0


# settings and API


def _settings(stack: str | None, account: str | None, overrides: tuple[str, ...]) -> Iterator[Finding]:
    try:
        sources = common.sources(stack, account, overrides)
    except click.UsageError:
        raise
    except click.ClickException as error:
        yield Finding("stack", error.message, "log in, check --stack, and run this in the project's directory")
        sources = common.sources(None, account, overrides)
    for setting in config.SETTINGS:
        if finding := _setting(setting, sources, account):
            yield finding
    try:
        client = common.client_of(sources, account)
    except InstancesError as error:
        yield Finding("API", "not asked", redacted(error.cause))
        return
    try:
        with common.progress("Listing instances") as on_page:
            listed = client.list_all(on_page, lenient=True)
    except InstancesError as error:
        reached = "not reached" if isinstance(error, ConnectionFailed) else "reached"
        outcome = "reached, refused" if isinstance(error, Unauthorized) else reached
        yield Finding("API", redacted(f"{outcome}: {error.cause}"), redacted(error.advice))
    else:
        yield Finding("API", f"{client.settings.base_url} answers, with {common.counted(len(listed))}")
        if listed:
            yield Finding("managed by", _managers(listed))
        marks = "a tag says which resource manages an instance"
        yield Finding("mark", marks if client.settings.mark else "off: a create whose answer is lost ends in an error")
        if stack:
            yield from _state(stack, account, listed)


def _managers(listed: Sequence[Mapping[str, Any]]) -> str:
    """How many instances each stack manages, as their marks say, and how many have no mark."""
    marks = [next(iter(identity.marks_on(found)), None) for found in listed]
    counts = Counter(mark.managed_by.rpartition("/")[0] for mark in marks if mark is not None).most_common()
    others = sum(count for _, count in counts[_MOST_STACKS:])
    rows = [*counts[:_MOST_STACKS], ("other stacks", others), ("without a mark", marks.count(None))]
    return ", ".join(f"{words}: {count}" for words, count in rows if count)


def _state(stack: str, account: str | None, listed: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Whether the instances of the stack are this account's: another one may have the same ids."""
    try:
        held = common.read_states((), stack, decrypt=True)
    except click.ClickException as error:
        yield Finding("state", error.message, "check --stack")
        return
    there = {found["id"]: found for found in listed}
    ours = {each.id: each for each in held if each.account == account}
    ids = ours.keys()
    gone = sum(id not in there or not _may_be(each, there[id]) for id, each in ours.items())
    if not gone:
        yield Finding("state", f"{common.counted(len(ids))}, all of them at the API" if ids else "no instances")
    elif gone < len(ids):
        found = f"{common.counted(len(ids))}, {gone} of them not at the API"
        yield Finding("state", found, f"run `pulumi-instances drift --stack {stack}`")
    else:
        found = f"{common.counted(len(ids))}, none of them at the API"
        yield Finding("state", found, "check that instances:baseUrl and the secrets are of the account that made them")


def _may_be(held: Held, found: Mapping[str, Any]) -> bool:
    """Whether the instance that the API lists may be the one of the state: its token or its mark is the same."""
    token, mark = held.outputs.get("token"), held.outputs.get(model.MARK)
    if isinstance(token, str) and (shown := identity.shown_token(found)) is not None:
        return token == shown or identity.carries(found, mark)
    return not isinstance(mark, str) or identity.carries(found, mark)


def _setting(setting: config.Setting, sources: common.Sources, account: str | None) -> Finding | None:
    key, variable = f"{config.NAMESPACE}:{setting.key}", config.env_prefix(account) + setting.attribute.upper()
    value, source, secret = sources.environ.get(variable, "").strip(), f"the variable {variable}", setting.secret
    if not value:
        value, source, secret = str(sources.get(key) or "").strip(), "the stack", secret or key in sources.secrets
    if value:
        try:
            setting.parse(value)
        except ValueError as error:  # not shown: a URL may hold a password
            return Finding(key, f"malformed, from {source}", f"it {error}")
        return Finding(key, f"{'set' if secret else value}, from {source}")
    if not setting.required:
        return None
    if account:
        return Finding(key, "missing", f"set {variable}")
    flag = "--secret " if setting.secret else ""
    return Finding(key, "missing", f'set {variable}, or run "pulumi config set {flag}{key}" and pass --stack')


# versions


def _versions() -> Iterator[Finding]:
    yield Finding("pulumi-instances", version("pulumi-instances"))
    yield Finding("Pulumi SDK", version("pulumi"), _sdk_todo(version("pulumi")))
    yield Finding("Python", f"{sys.version.split()[0]}, {sys.executable}")
    oldest = ".".join(map(str, import_document.OLDEST_CLI))
    if shutil.which("pulumi") is None:
        yield Finding("Pulumi CLI", "none on PATH", "install it: https://www.pulumi.com/docs/install/")
        return
    try:
        numbers = pulumi_cli.version()
    except click.ClickException as error:
        yield Finding("Pulumi CLI", error.message, "reinstall it: https://www.pulumi.com/docs/install/")
        return
    old = f"update it: import-file needs {oldest} or newer" if numbers < import_document.OLDEST_CLI else ""
    yield Finding("Pulumi CLI", ".".join(map(str, numbers)), old)
    # The engine looks on PATH first, then beside itself (pulumi/pulumi: workspace/plugins.go).
    beside = Path(pulumi_cli.executable()).resolve().with_name(_PLUGIN)
    plugin = shutil.which(_PLUGIN) or (str(beside) if beside.exists() else None)
    missing = "reinstall the CLI: the script belongs beside `pulumi`"
    yield Finding("plugin", plugin or f"no {_PLUGIN}", "" if plugin else missing)


def _sdk_todo(found: str) -> str:
    numbers = [int(number) for number in re.findall(r"\d+", found)[:2]]
    oldest = ".".join(map(str, OLDEST_SDK))
    return "" if tuple(numbers) >= OLDEST_SDK else f"update it: pip install 'pulumi>={oldest}'"


# the environment that the engine will run the provider in: the rules of the plugin's script, which differ from those
# for the program


def _environment(directory: Path) -> Iterator[Finding]:
    project_file = project.file_of(directory)
    if project_file is None:
        yield Finding("project", "no Pulumi.yaml here or above", "run this in the directory of your project")
        yield _holds_us("python3 on PATH", os.environ.get("PULUMI_PYTHON_CMD", "python3"))
        return
    settings = project.read(project_file)
    if settings is None:
        yield Finding("project", f"{project_file} is not a YAML object", "correct it")
        return
    runtime = settings.get("runtime")
    options = runtime.get("options") if isinstance(runtime, dict) else None
    options = options if isinstance(options, dict) else {}
    root = project_file.parent
    cwd = root / str(settings.get("main") or ".")
    cwd = cwd if cwd.is_dir() else cwd.parent
    yield Finding("project", str(project_file))
    virtualenv, toolchain = options.get("virtualenv"), options.get("toolchain")
    if virtualenv:
        yield from _virtualenv(str(virtualenv), root, cwd)
    elif toolchain == "uv":
        yield _holds_us("toolchain uv", str(cwd / ".venv" / "bin" / "python"))
    elif toolchain == "poetry":
        yield Finding("toolchain poetry", "the environment that poetry selects")
    else:
        if (root / "uv.lock").is_file():
            yield Finding(
                "uv.lock", "found, but Pulumi.yaml names no toolchain", "set `toolchain: uv` under runtime.options"
            )
        yield _holds_us("python3 on PATH", os.environ.get("PULUMI_PYTHON_CMD", "python3"))


def _virtualenv(named: str, root: Path, cwd: Path) -> Iterator[Finding]:
    if not Path(named).is_absolute() and root.resolve() != cwd.resolve():
        yield Finding(
            "virtualenv",
            f"{named}, which means {root / named} for the program and {cwd / named} for the provider",
            "use an absolute path, or remove virtualenv and activate the environment",
        )
        return
    yield _holds_us("virtualenv", str(cwd / named / "bin" / "python"))


def _holds_us(subject: str, python: str) -> Finding:
    """Whether the Python that the provider will run in has this package."""
    try:
        done = subprocess.run(  # noqa: S603  no shell
            [python, "-c", _WHO],
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return Finding(
            subject, f"{python} does not run", "create the environment, then install pulumi-instances into it"
        )
    if done.returncode != 0:
        todo = "activate the environment that has pulumi-instances, or install it there"
        return Finding(subject, f"{shutil.which(python) or python} has no pulumi_instances", todo)
    executable, ours, sdk = done.stdout.splitlines()[-3:]
    return Finding(subject, f"{executable} has pulumi_instances {ours} and the SDK {sdk}", _sdk_todo(sdk))
