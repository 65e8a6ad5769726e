"""The program's own process: `python -m pulumi_instances.testing.engine.program <run>`.

What the Python language host of the CLI does: connect the SDK, run the program in a stack, report what it
raises. `<run>` is a JSON object, the fields of `Run`; an inline program comes pickled on standard input.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import runpy
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypedDict

from .lifeline import hold

SHOWN = 32
"""Exit code: it failed, and the user was told why."""


class Run(TypedDict):
    """How to run the program; `program` is None for an inline one, `path` is then where its modules are."""

    settings: dict[str, Any]
    """Those of the SDK."""
    program: str | None
    path: list[str]
    payload: int
    """The length of the pickled program."""


def main(run: Run, payload: bytes) -> int:
    """Run the program to its end. Returns the exit code of the process."""
    import pulumi
    import pulumi.runtime

    pulumi.runtime.set_all_config(pulumi.runtime.get_config_env(), pulumi.runtime.get_config_secret_keys_env())
    pulumi.runtime.configure(pulumi.runtime.Settings(**run["settings"]))
    # The SDK leaves futures unobserved when a program fails; asyncio would complain about them.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max_workers=run["settings"]["parallel"] * 4)
    loop.set_default_executor(executor)
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(_entry(run, payload)))
    except KeyboardInterrupt:
        # The operation has ended without us. Threads still wait for answers that will not come: leave them.
        sys.stdout.flush()
        os._exit(130)
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return 1
    except Exception as error:
        pulumi.log.error(f"Program failed with an unhandled exception:\n{_user_traceback(error, run)}")
        return SHOWN
    finally:
        executor.shutdown(wait=True)
        loop.close()
    return 0


def _entry(run: Run, payload: bytes) -> Callable[[], Any]:
    import pulumi

    entry = run["program"]
    if entry is None:
        import pickle

        sys.path.extend(entry for entry in run["path"] if entry not in sys.path)
        program: Callable[[], Any] = pickle.loads(payload)  # noqa: S301 -- our parent sent it
        return program
    if Path(entry).is_dir() and not (Path(entry) / "__main__.py").is_file():
        raise pulumi.RunError(f"unable to find main python program `__main__.py` in `{Path(entry).resolve()}`")
    return lambda: runpy.run_path(entry, run_name="__main__") and None


def _user_traceback(error: Exception, run: Run) -> str:
    """The traceback from the program's own first line on; all of it where that cannot be told."""
    frames = traceback.extract_tb(error.__traceback__)
    if run["program"] is not None:
        entry = Path(run["program"]).resolve()
        main_file = entry / "__main__.py" if entry.is_dir() else entry
        start = next((i for i, frame in enumerate(frames) if Path(frame.filename).resolve() == main_file), None)
    else:
        start = next((i for i, frame in enumerate(frames) if not _is_machinery(frame.filename)), None)
    limit = None if start is None else start - len(frames)
    return "".join(traceback.format_exception(type(error), error, error.__traceback__, limit=limit))


def _is_machinery(filename: str) -> bool:
    import pulumi

    return filename == __file__ or Path(filename).is_relative_to(Path(pulumi.__file__).parent) or "asyncio" in filename


if __name__ == "__main__":
    # `-m` put the directory we were started in on the path; the CLI leaves that to the program.
    del sys.path[0]
    arguments: Run = json.loads(sys.argv[1])
    sys.exit(main(arguments, hold(arguments["payload"])))
