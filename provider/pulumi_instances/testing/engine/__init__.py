"""A local stand-in for the Pulumi engine, for tests of programs that use this provider.

Why a double exists at all. A test of a program should deploy it: create, change, refresh and destroy, against an API
that can be looked into. The real engine can do that, but it is a program of its own, which has to be installed on
every machine that runs the tests, and each of its operations takes a second or more. This double needs nothing but
the SDK. It is a test double for one provider: what it supports is what tests of such programs need, and each part of
that is compared with the CLI, step by step, in `tests/acceptance`. Whatever else a program asks for raises
`UnsupportedFeatureError`, which names the CLI. Where the two differ, the CLI is right and the double has a bug.

What is real. The program runs in a process of its own with the real SDK (`program`), and the provider in the real
`python -m pulumi.dynamic` (`providers`); both speak gRPC as with the CLI. Only what is between them is made here.

Who decides what:

- `stack` is what users see, with the names of the Automation API. It reads the project and the options (`project`)
  and the state, runs one `Operation`, and makes results of it.
- `operation` starts and ends the processes, and calls the parts in order: refresh, program, deletions, outputs. It
  lets one decision at a time be made and runs the resulting steps in parallel; after a failure it begins nothing more.
- `monitor` serves the program. It decodes what the SDK asks for, refuses what is not supported, and otherwise waits
  for the operation.
- `generator` decides which steps a registration needs, from the old state, the new inputs, the options and what the
  provider says; then what goes, in which order, and what `--target` leaves alone. It holds what was decided so far.
  `diff` says what differs and what follows from it, `graph` who depends on whom.
- `steps` do one thing to one resource each, and say what they leave in the state; nothing else changes the state. A
  `Making` ends with a state, a deletion takes one away, a refresh may do either.
- `providers` calls the provider processes, and knows which one serves which provider resource.
- `checkpoint` keeps the state on disk: a document that `pulumi stack import` takes, and a journal while an operation
  runs, so that a killed process loses nothing. `crypto` encrypts as the CLI does, `state` and `values` are the form
  of resources and of values.
- `display` prints and counts. `lifeline` starts child processes, and ends those whose parent is gone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .stack import StackDouble
    from .values import UnsupportedFeatureError

__all__ = ["StackDouble", "UnsupportedFeatureError"]


def __getattr__(name: str) -> Any:
    """Import on first use: the program's own process is in this package and needs none of it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(".stack" if name == "StackDouble" else ".values", __name__), name)
