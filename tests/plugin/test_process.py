"""How the plugin process ends, and what it writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pulumi_instances.testing.emulator import Emulator
from tests.support.plugin import Plugin
from tests.support.values import inputs


def test_an_interrupt_ends_an_idle_process(api: Emulator, home: dict[str, str]) -> None:
    """It is the engine's second Ctrl-C, and there is no traceback. The log is off unless it is switched on."""
    with Plugin({**home, **api.env}) as plugin:
        plugin.create(inputs())
        plugin.check(inputs(name=None))
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
