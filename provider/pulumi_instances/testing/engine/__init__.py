"""A local stand-in for the Pulumi engine, for tests of programs that use this provider.

A test of a program should deploy it: create, change, refresh and destroy, against an API that the test can read. The
Pulumi CLI does that in seconds for each operation, this double in a fraction of one, without any installation. It has
what tests of such programs need. Each part of that is compared with the CLI, step by step, in `tests/acceptance`;
what else a program asks for raises `UnsupportedFeatureError`, which names the CLI. Where the two differ, the CLI
is right and the double has a bug.

The program runs in a process of its own with the real SDK (`program`), and the provider in the real
`python -m pulumi.dynamic` (`providers`). Both speak gRPC as with the CLI. What is between them is made here:

- `stack` is what users see, with the names of the Automation API. It reads the project (`project`), runs one
  `Operation` on the state, and makes results of it.
- `operation` starts and ends the processes, and calls the parts in order: refresh, program, deletions, outputs.
  Registrations wait for each other; after a failure it begins nothing more.
- `monitor` serves the program. It decodes what the SDK asks for, refuses what is not supported, and otherwise waits
  for the operation.
- `deployment` decides what a registration needs, from the old state, the new inputs, the options and what the provider
  says, and does it. `diff` says what differs and what follows from it.
- `state` and `values` read and write resources and values. `display` prints and counts. `lifeline` starts child
  processes, and ends those whose parent has ended.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .stack import StackDouble
    from .values import UnsupportedFeatureError

__all__ = ["StackDouble", "UnsupportedFeatureError"]


def __getattr__(name: str) -> Any:
    """Import on first use: the process of the program imports this package, and needs neither of these."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(".stack" if name == "StackDouble" else ".values", __name__), name)
