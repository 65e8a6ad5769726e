"""`make picture`: docs/interrupted-up.svg, a terminal in which an `up` is cut off, and the next ones heal it.

The lines are those that the Pulumi CLI on PATH prints for the first resource of the README, on an emulator. Others are
left out, such as the SDK's traceback. Times are rounded, so that the picture changes only if what is printed does.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from rich.console import Console
from rich.text import Text

from pulumi_instances.testing.emulator import Emulator, Fault

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "interrupted-up.svg"
COLUMNS = 80
UP = ("pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--color", "always")

CREATING = r"Instance crm creating \(0s\)"
CUT_OFF = (CREATING, r"\^C received; terminating", r"creating \(interrupted\)", "error: update cancelled")
REFUSED = (r"\*\*creating failed\*\*", "LeftBehind: ")
HEALED = (r"^ {4}instance .* is taken over", "Instance crm created")


class Shop:
    """A project in a directory, with its stack on an emulator whose first POST is not answered."""

    def __init__(self, directory: Path, api: Emulator) -> None:
        """Make the stack. The program is the first resource of the README."""
        self.directory = directory
        self.api = api
        self.env = {
            **os.environ,
            **api.env,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PULUMI_HOME": str(directory / "home"),
            "PULUMI_BACKEND_URL": f"file://{directory}",
            "PULUMI_CONFIG_PASSPHRASE": "picture",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        program = readme.partition("```python\n")[2].partition("files = ")[0]
        (directory / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
        (directory / "__main__.py").write_text(program)
        self.run("pulumi", "stack", "init", "dev")
        api.fail("POST", "/instances", Fault.trickle(60))

    def run(self, *command: str, env: Mapping[str, str] | None = None) -> list[str]:
        """Run a command to its end, and return its lines."""
        return [*self._lines(command, env or {})]

    def cut_off(self, *command: str) -> list[str]:
        """Run a command, and press Ctrl-C twice once the service has made the instance. Return its lines."""
        return [*self._lines(command, {}, interrupt=True)]

    def _lines(self, command: tuple[str, ...], env: Mapping[str, str], *, interrupt: bool = False) -> Iterable[str]:
        with subprocess.Popen(  # noqa: S603  the commands are ours
            command,
            cwd=self.directory,
            env={**self.env, **env},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as running:
            for line in running.stdout or ():
                yield line.rstrip()
                if interrupt and re.search(CREATING, plain(line)):
                    while not self.api.instances():
                        time.sleep(0.05)
                    os.killpg(running.pid, signal.SIGINT)
                if "press ^C again" in line:
                    os.killpg(running.pid, signal.SIGINT)


def plain(line: str) -> str:
    """Return the text of a line without its colours."""
    return Text.from_ansi(line).plain


def first_of_each(patterns: Iterable[str], lines: Iterable[str]) -> list[str]:
    """Return the first line for each of these patterns. Raises LookupError where the CLI has printed none."""
    found = []
    for pattern in patterns:
        matching = [line for line in lines if re.search(pattern, plain(line))]
        if not matching:
            raise LookupError(f"the CLI has not printed {pattern!r}, but:\n" + "\n".join(lines))
        found.append(re.sub(r" *\S*error: \S*Traceback .*", "", matching[0]))
    return [re.sub(r"\(\d[\d.]*s\)", "(0s)", line) for line in found]


def session() -> list[tuple[str, list[str]]]:
    """Return the commands of the picture, each with the lines that it shows."""
    with tempfile.TemporaryDirectory() as directory, Emulator() as api:
        shop = Shop(Path(directory), api)
        return [
            ("pulumi up", first_of_each(CUT_OFF, shop.cut_off(*UP))),
            ("pulumi up", first_of_each(REFUSED, shop.run(*UP))),
            (
                "INSTANCES_TAKE_OVER=yes pulumi up",
                first_of_each(HEALED, shop.run(*UP, env={"INSTANCES_TAKE_OVER": "yes"})),
            ),
            ("pulumi-instances list", shop.run("pulumi-instances", "list")),
        ]


def drawn(commands: Iterable[tuple[str, list[str]]]) -> str:
    """Return the picture. It asks no other host for a font."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for number, (command, lines) in enumerate(commands):
        console.print(
            *([""] if number else []), Text(f"$ {command}", style="bold"), *map(Text.from_ansi, lines), sep="\n"
        )
    svg = console.export_svg(title="an up that is cut off", unique_id="interrupted-up")
    return re.sub(r"[ \t]*@font-face {.*?}\n", "", svg, flags=re.DOTALL)


def main() -> int:
    """Write the picture. Exit status 1 without a CLI."""
    if shutil.which("pulumi") is None:
        print("make picture: there is no `pulumi` on PATH: run `make cli` first.", file=sys.stderr)
        return 1
    PICTURE.write_text(drawn(session()), encoding="utf-8")
    print(f"Written: {PICTURE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
