"""`doctor`: checks settings, API, state, versions and environment, and says what to do.

Each check yields a `Finding`, and never raises for what it finds. The checks of the environment follow the script with
which the engine runs a provider (pulumi/pulumi: sdk/python/dist).
"""

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

from ..api.search import Selection
from ..core import config, identity, origin
from ..core.errors import ConnectionFailed, InstancesError, Unauthorized
from . import common, exported_state, import_document, project, pulumi_cli
from .exported_state import Held
from .redaction import redacted

_PLUGIN = "pulumi-resource-pulumi-python"
_NATIVE_PLUGIN = "pulumi-resource-instances"
_MOST_STACKS = 10
_KEYS = [f"{config.NAMESPACE}:{setting.key}" for setting in config.SETTINGS]
OLDEST_SDK = (3, 268)
"""The first SDK whose dynamic server reads for `Instance.get`."""

_WHO = """\
import sys
from importlib.metadata import version
import pulumi_instances
print(sys.executable, version("pulumi-instances"), version("pulumi"), sep="\\n")
"""


@dataclass(frozen=True)
class Finding:
    """One line: what was checked, what was found, and what to do, which is empty where all is well."""

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
    """Check the settings, the API, the state of the stack, the versions, and what the engine runs the provider with.

    Run it in the project's directory. It shows no secret, and it sends one list request to the API.
    """
    findings = [*_settings(**where), *_versions(), *_environment(Path.cwd())]
    if as_json:
        common.write_json([{**asdict(finding), "fine": not finding.todo} for finding in findings])
    else:
        common.write_table(["", "what", "found, and what to do"], [_row(finding) for finding in findings])
    return common.DIFFERS if any(finding.todo for finding in findings) else 0


def _row(finding: Finding) -> list[str]:
    """Return a row of the table. What to do is rarely there, and would take a third of a terminal as its own column."""
    if finding.todo:
        return ["!!", finding.subject, f"{finding.found}; {finding.todo}"]
    return ["ok", finding.subject, finding.found]


# settings and API


def _settings(stack: str | None, account: str | None, overrides: tuple[str, ...]) -> Iterator[Finding]:
    try:
        sources = common.sources(stack, account, overrides)
    except click.UsageError:
        raise
    except click.ClickException as error:
        yield Finding("stack", error.message, "log in, check --stack, and run this in the project's directory")
        stack, sources = None, common.sources(None, account, overrides)
    for setting in config.SETTINGS:
        if finding := _setting(setting, sources, account):
            yield finding
    for problem in common.unknown(sources, account):
        yield Finding(problem.property, problem.fault, problem.advice)
    document = _exported(stack)
    if isinstance(document, Finding):
        yield document
    elif document and not account:
        yield from _of_last_up(sources, exported_state.settings_of_last_up(document))
    try:
        api = common.account_of(sources, account)
    except InstancesError as error:
        yield Finding("API", "not asked", redacted(error.cause))
        return
    try:
        with common.progress("Listing instances") as on_page:
            listed = api.select(Selection(), on_page)
    except InstancesError as error:
        reached = "not reached" if isinstance(error, ConnectionFailed) else "reached"
        outcome = "reached, refused" if isinstance(error, Unauthorized) else reached
        yield Finding("API", redacted(f"{outcome}: {error.cause}"), redacted(error.advice))
    else:
        yield Finding("API", f"{api.settings.base_url} answers, with {common.counted(len(listed))}")
        if listed:
            yield Finding("managed by", _managers(listed))
        marks = "a tag says which resource manages an instance"
        yield Finding("mark", marks if api.settings.mark else "off: a create whose answer is lost ends in an error")
        if stack and isinstance(document, dict):
            held = common.held_in({stack: document})
            yield _state(stack, account, held, listed)
            yield from _left_behind(stack, account, document, held, listed)


def _managers(listed: Sequence[Mapping[str, Any]]) -> str:
    """Return how many instances each stack manages, as their marks say, and how many have no mark."""
    marks = [next(iter(identity.marks_on(found)), None) for found in listed]
    counts = Counter(mark.managed_by.rpartition("/")[0] for mark in marks if mark is not None).most_common()
    others = sum(count for _, count in counts[_MOST_STACKS:])
    rows = [*counts[:_MOST_STACKS], ("other stacks", others), ("without a mark", marks.count(None))]
    return ", ".join(f"{words}: {count}" for words, count in rows if count)


def _exported(stack: str | None) -> dict[str, Any] | Finding | None:
    """Return the state of the stack, a finding where it cannot be read, or None without ``--stack``."""
    if not stack:
        return None
    try:
        [(name, document)] = common.exported((), stack, decrypt=True).items()
        common.held_in({name: document})
    except click.ClickException as error:
        return Finding("state", error.message, "check --stack")
    return dict(document)


def _of_last_up(sources: common.Sources, used: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield a finding where the state has other settings than these: refresh and destroy use those of the state."""
    hidden = [key for key, value in used.items() if value is exported_state.HIDDEN]
    changed = [
        key
        for key in origin.changed(used.get, {key: sources.get(key) for key in _KEYS}, sources.environ)
        if key not in hidden
    ]
    if used and changed:
        todo = "run `pulumi refresh --run-program`, since refresh and destroy use those of the last `pulumi up`"
        yield Finding("last `pulumi up`", f"had another {', '.join(changed)}", todo)


def _state(stack: str, account: str | None, held: Sequence[Held], listed: Sequence[Mapping[str, Any]]) -> Finding:
    """Report whether the instances of the stack are in this account: another one may have the same ids."""
    there = {found["id"]: found for found in listed}
    ours = {each.id: each for each in held if each.account == account}
    proofs = [id in there and each.is_of(there[id]) for id, each in ours.items()]
    all_of_them, missing, unsure = common.counted(len(ours)), proofs.count(False), proofs.count(None)
    if not ours:
        return Finding("state", "no instances")
    if missing == len(ours):
        todo = "check that instances:baseUrl and the secrets are of the account that made them"
        return Finding("state", f"{all_of_them}, none of them at the API", todo)
    if missing:
        todo = f"run `pulumi-instances drift --stack {stack}`"
        return Finding("state", f"{all_of_them}, {missing} of them not at the API", todo)
    if unsure:
        todo = "make sure that you may decrypt the state, then run again"
        return Finding("state", f"{all_of_them}, {unsure} of them without a token or mark to compare", todo)
    return Finding("state", f"{all_of_them}, all of them at the API")


def _left_behind(
    stack: str,
    account: str | None,
    document: Mapping[str, Any],
    held: Sequence[Held],
    listed: Sequence[Mapping[str, Any]],
) -> Iterator[Finding]:
    """Yield a finding about instances with a mark of the stack that its state does not have."""
    if left := common.left_behind({f"stack {stack}": document}, stack, held, listed, account):
        shown = ", ".join([*left[:_MOST_STACKS], *(["…"] if left[_MOST_STACKS:] else [])])
        todo = f"see `pulumi-instances orphans --stack {stack}`; {common.how_to_take_over(account)}"
        yield Finding("left behind", f"{common.counted(len(left))} of this stack not in its state: {shown}", todo)


def _setting(setting: config.Setting, sources: common.Sources, account: str | None) -> Finding | None:
    key, variable = f"{config.NAMESPACE}:{setting.key}", setting.variable(account)
    value = sources.environ.get(variable, "").strip()
    source, secret = f"the variable {variable}", setting.secret
    if not value:
        value = str(sources.get(key) or "").strip()
        source, secret = "the stack", setting.secret or key in sources.secrets
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
    value = "" if setting.secret else " <value>"
    return Finding(key, "missing", f'set {variable}, or run "pulumi config set {flag}{key}{value}" and pass --stack')


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


def _sdk_todo(found: str) -> str:
    numbers = [int(number) for number in re.findall(r"\d+", found)[:2]]
    oldest = ".".join(map(str, OLDEST_SDK))
    return "" if tuple(numbers) >= OLDEST_SDK else f"update it: pip install 'pulumi>={oldest}'"


# the environment in which the engine runs the provider: the rules of its script differ from those for the program


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
    declared = settings.get("runtime")
    options = declared.get("options") if isinstance(declared, dict) else None
    options = options if isinstance(options, dict) else {}
    root = project_file.parent
    cwd = root / str(settings.get("main") or ".")
    cwd = cwd if cwd.is_dir() else cwd.parent
    yield Finding("project", str(project_file))
    yield from _proxies()
    native = _native_plugin(settings, root)
    if native is not None:
        yield native
        return
    runtime = project.runtime_of(settings)
    if runtime not in (None, "python"):
        yield _native_on_path()
        return
    yield from _dynamic_plugin()
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


def _dynamic_plugin() -> Iterator[Finding]:
    """Find the script that runs dynamic providers as the engine does: on PATH, then beside itself (plugins.go)."""
    cli = shutil.which("pulumi")
    beside = None if cli is None else Path(cli).resolve().with_name(_PLUGIN)
    plugin = shutil.which(_PLUGIN) or (str(beside) if beside is not None and beside.exists() else None)
    missing = "reinstall the CLI: the script belongs beside `pulumi`"
    if cli is not None:
        yield Finding("plugin", plugin or f"no {_PLUGIN}", "" if plugin else missing)


def _native_plugin(settings: Mapping[str, Any], root: Path) -> Finding | None:
    """Return the native package as `Pulumi.yaml` names it; None where it does not."""
    subject = "native package"
    plugins = settings.get("plugins")
    named = plugins.get("providers") if isinstance(plugins, dict) else None
    for entry in named if isinstance(named, list) else ():
        if isinstance(entry, dict) and entry.get("name") == config.NAMESPACE and entry.get("path"):
            place = root / str(entry["path"])
            found = place if place.is_file() else place / _NATIVE_PLUGIN
            if os.access(found, os.X_OK) or (place / "PulumiPlugin.yaml").is_file():
                return Finding(subject, str(place))
            todo = "correct its path under plugins.providers in Pulumi.yaml: that of the directory with the program"
            return Finding(subject, f"no {_NATIVE_PLUGIN} in {place}", todo)
    packages = settings.get("packages")
    package = packages.get(config.NAMESPACE) if isinstance(packages, dict) else None
    source = package.get("source") if isinstance(package, dict) else package
    if not isinstance(source, str):
        return None
    if source.startswith((".", "/")) and not (root / source).exists():
        return Finding(subject, f"no {root / source}", "correct its path under packages in Pulumi.yaml")
    return Finding(subject, redacted(f"{source}, which the CLI installs"))


def _native_on_path() -> Finding:
    """Find a native package that `Pulumi.yaml` does not name as the CLI does: on PATH, then in its cache."""
    plugins = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins"
    cached = sorted(str(each) for each in plugins.glob(f"resource-{config.NAMESPACE}-v*") if each.is_dir())
    found = shutil.which(_NATIVE_PLUGIN) or next(iter(cached[-1:]), None)
    todo = "activate the environment that has it, or give its path in Pulumi.yaml under plugins.providers"
    return Finding("native package", found or f"no {_NATIVE_PLUGIN} on PATH", "" if found else todo)


def _proxies() -> Iterator[Finding]:
    """Report a proxy: gRPC, by which the engine reaches Python programs and plugins, uses it for loopback, too."""
    names = [name for name in ("grpc_proxy", "https_proxy", "http_proxy") if os.environ.get(name)]
    without = next((os.environ[name] for name in ("no_grpc_proxy", "no_proxy") if os.environ.get(name)), "")
    spared = {each.strip() for each in without.split(",")}
    if names:
        if spared & {"127.0.0.1", "localhost"}:
            yield Finding("proxy", f"from {names[0]}, not for loopback")
        else:
            yield Finding("proxy", f"from {names[0]}, for loopback", "set no_proxy=127.0.0.1,localhost")


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
    """Report whether the Python that runs the provider has this package."""
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
