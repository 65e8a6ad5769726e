"""`make up` and `make destroy`: the quickstart on the emulator, with instances that outlive the command."""

from __future__ import annotations

import sys

import pulumi.automation as auto

from pulumi_instances.testing.emulator import Emulator

from . import engines

NAME = "play"
DATA = engines.DEMO / "instances.db"


def main(operation: str) -> int:
    """Run ``up`` or ``destroy`` on the stack `play`. The emulator runs for as long as that takes."""
    engines.DEMO.mkdir(exist_ok=True)
    color = "always" if sys.stdout.isatty() else "never"
    try:
        # The port is another each time. `destroy` takes settings from the state, unless the environment has them.
        with Emulator(data=DATA) as api, engines.open_stack(NAME, api.env) as stack:
            run = stack.up if operation == "up" else stack.destroy
            run(on_output=_show, color=color)
            held = ", ".join(f"{found['id']} {found['name']!r}" for found in api.instances())
    except KeyboardInterrupt:
        return 130
    except engines.Unavailable as problem:
        print(f"{problem}.", file=sys.stderr)
        return 1
    except auto.CommandError as problem:
        print(engines.reason(problem), file=sys.stderr)
        return 1
    print(f"The API holds: {held or 'nothing'}.")
    if operation == "up":
        print("Play on: edit examples/quickstart/__main__.py and `make up`; end with `make destroy`.")
    return 0


def _show(line: str) -> None:
    print(line.rstrip(), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
