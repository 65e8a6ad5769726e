from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pulumi_instances.core.marks import Place, line_of
from pulumi_instances.testing.emulator import Emulator, Fault
from tests.support.mocks import secret
from tests.support.plugin import Plugin, PluginError
from tests.support.processes import until
from tests.support.values import inputs

LINE = line_of(Place("shop", "dev", "", "killed"))


def test_missing_settings_are_check_failures_of_one_line(home: dict[str, str]) -> None:
    """The preview prints one line for each setting, and any other call than Check fails with the same."""
    with Plugin(home) as plugin:
        _, failures = plugin.check(inputs())
        assert [reason.split()[0] for _, reason in failures] == [
            "instances:baseUrl",
            "instances:userSecret",
            "instances:organizationSecret",
        ]
        assert all("\n" not in reason and "pulumi config set" in reason for _, reason in failures)
        assert [key for key, _ in failures] == ["", "", ""]
        with pytest.raises(PluginError, match=r"instances:baseUrl is missing.*\n?$"):
            plugin.refresh("1", {**inputs(), "token": "t"})
        assert plugin.diff("1", {**inputs(), "token": "t"}, inputs()).changes == "NONE"


def test_settings_come_from_the_stack_configuration(api: Emulator, home: dict[str, str]) -> None:
    """Secret ones arrive with the mark that the engine gives them."""
    config = {
        "instances:baseUrl": api.base_url,
        "instances:userSecret": secret(api.user_secret),
        "instances:organizationSecret": secret(api.organization_secret),
        "other:thing": "x",
    }
    with Plugin(home, config) as plugin:
        made = plugin.create(inputs())
        assert [str(instance["id"]) for instance in api.instances()] == [made.id]


def test_rotated_secrets_come_through_the_environment(api: Emulator, home: dict[str, str]) -> None:
    """They take precedence over the configuration of the last `up`, which refresh and destroy are given."""
    stale = {
        "instances:baseUrl": api.base_url,
        "instances:userSecret": "st4le-secret",
        "instances:organizationSecret": "st4le-too",
    }
    instance_id = str(api.add())
    with Plugin(home, stale) as plugin, pytest.raises(PluginError, match="401"):
        plugin.get(instance_id)
    with Plugin({**home, **api.env}, stale) as plugin:
        assert plugin.get(instance_id).id == instance_id


def test_an_interrupt_ends_an_idle_process(api: Emulator, home: dict[str, str]) -> None:
    """It is the engine's second Ctrl-C, and there is no traceback."""
    with Plugin({**home, **api.env}) as plugin:
        plugin.create(inputs())
        assert plugin.interrupt() == 0
        assert plugin.log() == ""


@pytest.mark.skipif(sys.platform != "linux", reason="no signal can be sent to a thread of another process")
def test_an_interrupt_of_another_thread_does_not_end_the_process(
    api: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK's main thread sleeps on, and the engine kills it later."""
    monkeypatch.setattr(Plugin, "ends_within", 1.0)
    with Plugin({"PULUMI_HOME": str(tmp_path), **api.env}) as plugin:
        plugin.create(inputs())
        with pytest.raises(subprocess.TimeoutExpired):
            plugin.interrupt(main_thread=False)
    assert len(api.instances()) == 1


def test_the_log_is_off_unless_switched_on(api: Emulator, home: dict[str, str]) -> None:
    """The engine shows everything that the process writes."""
    with Plugin({**home, **api.env}) as plugin:
        plugin.create(inputs())
        plugin.check(inputs(name=None))
        assert plugin.log() == ""


def test_what_a_killed_create_has_made_is_found_by_the_next_run(api: Emulator, home: dict[str, str]) -> None:
    """After a SIGKILL between the request and its answer, the next `up` creates no other: the user decides."""
    bag = {**inputs(name="killed", provider_data={"code": "used-once"}), "__line": LINE}
    api.fail("POST", "/instances", Fault.delay(0.5))
    with Plugin({**home, **api.env}) as plugin:

        def create() -> None:
            with pytest.raises(PluginError):
                plugin.create(bag)

        caller = threading.Thread(target=create)
        caller.start()
        until(lambda: any(request.method == "POST" for request in api.requests))
        plugin.process.kill()
        caller.join()
    until(api.instances)
    with Plugin({**home, **api.env}) as plugin, pytest.raises(PluginError, match="INSTANCES_TAKE_OVER=yes pulumi up"):
        plugin.create(bag)
    with Plugin({**home, **api.env, "INSTANCES_TAKE_OVER": "yes"}) as plugin:
        made = plugin.create({**bag, "provider_data": {"code": "another"}})
    assert [made.id] == [str(instance["id"]) for instance in api.instances()]
    assert [request.method for request in api.writes] == ["POST", "PUT"], "the PUT gives it the next mark"
