"""The tests' way to start processes (tests/support/warm.py) gives them what a new interpreter has."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pulumi_instances.testing.engine import lifeline

SEEN = """
import json, os, signal, sys

print(json.dumps({
    "name": __name__,
    "argv": sys.argv,
    "path": [entry for entry in sys.path if not entry.startswith("__editable__")],
    "directory": os.getcwd(),
    "environment": dict(os.environ),
    "leads a session": os.getsid(0) == os.getpid(),
    "is interrupted": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    "open files": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:3],
    "input": sys.stdin.readline(),
}))
print("an error", file=sys.stderr)
"""
ENDS = {
    "": 0,
    "sys.exit(7)": 7,
    "raise ValueError('x')": 1,
    "os._exit(9)": 9,
    "os.kill(os.getpid(), signal.SIGKILL)": -signal.SIGKILL,
}


def _run(command: list[str], directory: Path, **environment: str) -> tuple[list[str], int]:
    lines: list[str] = []
    codes: list[int] = []
    process = lifeline.Process(
        [sys.executable, "-u", *command],
        cwd=directory,
        env={name: value for name, value in os.environ.items() if name != "PATH"} | environment,
        on_line=lines.append,
        on_exit=codes.append,
        payload=b"a line\n",
    )
    process.wait()
    [code] = codes
    return sorted(lines), code


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere they start cold")
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("module", [True, False])
def test_a_warm_process_sees_what_a_cold_one_sees(
    module: bool, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arguments, path, directory, environment, session and streams are the same, and so is how it ends."""
    (tmp_path / "scripts").mkdir()
    script = tmp_path / ("seen.py" if module else "scripts/seen.py")
    script.write_text(SEEN + end)
    command = ["-m", "seen", "7"] if module else [str(script), "7"]
    warm, warm_code = _run(command, tmp_path, ONE_MORE="x", PYTHONPATH=str(tmp_path / "more"))
    assert vars(lifeline)["subprocess"] is not subprocess
    monkeypatch.setattr(lifeline, "subprocess", subprocess)
    cold, cold_code = _run(command, tmp_path, ONE_MORE="x", PYTHONPATH=str(tmp_path / "more"))

    assert _seen(warm) == _seen(cold)
    assert _seen(warm)["input"] == "a line\n"
    assert (warm_code, cold_code) == (ENDS[end], ENDS[end])
    assert ("an error" in warm, "ValueError: x" in warm) == ("an error" in cold, "ValueError: x" in cold)


def _seen(lines: list[str]) -> Any:
    [found] = [line for line in lines if line.startswith("{")]
    return json.loads(found)
