"""The program's own process, which does what the Python language host of the CLI does.

It connects the SDK, runs the program in a stack, and reports what it raises. How to run it is pickled on standard
input: the arguments of `main`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pickle
import runpy
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .lifeline import Process, end_with_parent

if TYPE_CHECKING:
    from .project import Project

SHOWN = 32
"""Exit code: the program failed, and the reason was shown."""
THREADS = 16
"""The most registrations that wait for the engine at once."""


def start(
    project: Project, monitor: str, on_line: Callable[[str], None], on_exit: Callable[[int], None], *, dry_run: bool
) -> Process:
    """Start the process of a program, which talks to the monitor at this address."""
    from .values import Secret, unwrap

    settings = {
        "monitor": monitor,
        "engine": monitor,
        "project": project.name,
        "stack": project.stack,
        "organization": "organization",
        "root_directory": str(project.root),
        "parallel": THREADS // 4,  # the SDK has four threads for each
        "dry_run": dry_run,
    }
    source = dump(project.program) if project.program else project.entry
    secret = [key for key, value in project.config.items() if isinstance(value, Secret)]
    config = {
        "PULUMI_CONFIG": json.dumps(unwrap(project.config)),
        "PULUMI_CONFIG_SECRET_KEYS": json.dumps(secret),
    }
    return Process(
        [sys.executable, "-u", "-m", __name__],
        cwd=project.cwd,
        env={**os.environ, **project.environment, **config},
        on_line=on_line,
        on_exit=on_exit,
        payload=pickle.dumps((settings, source, sys.path)),
    )


def dump(program: Callable[[], object]) -> bytes:
    """Pickle an inline program with all of its module, so that another process need not import a test file.

    Raises TypeError where it uses an object that cannot be sent to that process.
    """
    import cloudpickle  # type: ignore[import-untyped]

    module = sys.modules.get(getattr(program, "__module__", "") or "")
    by_value = module is not None and module.__name__ != "__main__"
    if by_value:
        cloudpickle.register_pickle_by_value(module)
    try:
        return bytes(cloudpickle.dumps(program))
    except Exception as error:  # what its objects raise as well
        raise TypeError(
            f"the program runs in a process of its own, and something that it uses cannot be sent there ({error}); "
            "make that inside of the program's function"
        ) from None
    finally:
        if by_value:
            cloudpickle.unregister_pickle_by_value(module)


def main(settings: dict[str, Any], source: str | bytes, path: list[str]) -> int:
    """Run a file, a directory, or a pickled function whose modules are on `path`. Returns the exit code."""
    import pulumi
    import pulumi.runtime
    from pulumi.runtime import config

    # As the CLI's script does: the SDK reads from the environment which values are secret only if it is asked to.
    config.set_all_config(config.get_config_env(), config.get_config_secret_keys_env())
    pulumi.runtime.configure(pulumi.runtime.Settings(**settings))
    # The SDK leaves futures unobserved when a program fails; asyncio would complain about them.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max_workers=THREADS)
    loop.set_default_executor(executor)
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(_entry(source, path)))
    except KeyboardInterrupt:
        # The operation has ended. Threads still wait for answers that will not come, so nothing waits for them.
        sys.stdout.flush()
        os._exit(130)
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return 1
    except Exception as error:
        pulumi.log.error(f"Program failed with an unhandled exception:\n{_user_traceback(error)}")
        return SHOWN
    finally:
        executor.shutdown(wait=True)
        loop.close()
    return 0


def _entry(source: str | bytes, path: list[str]) -> Callable[[], Any]:
    import pulumi

    if isinstance(source, bytes):
        sys.path.extend(each for each in path if each not in sys.path)
        program: Callable[[], Any] = pickle.loads(source)  # noqa: S301 -- our parent sent it
        return program
    if Path(source).is_dir() and not (Path(source) / "__main__.py").is_file():
        raise pulumi.RunError(f"unable to find main python program `__main__.py` in `{Path(source).resolve()}`")
    return lambda: runpy.run_path(source, run_name="__main__") and None


def _user_traceback(error: Exception) -> str:
    """Return the traceback from the program's own first line on, or all of it where no line is the program's own."""
    packages = (directory + os.sep for name in ("pulumi", "asyncio") for directory in sys.modules[name].__path__)
    machinery = (__file__, runpy.__file__, "<frozen runpy>", *packages)
    frames = traceback.extract_tb(error.__traceback__)
    own = (index for index, frame in enumerate(frames) if not frame.filename.startswith(machinery))
    limit = next(own, 0) - len(frames)
    return "".join(traceback.format_exception(type(error), error, error.__traceback__, limit=limit))


if __name__ == "__main__":
    # `-m` put the directory we were started in on the path; the CLI leaves that to the program.
    del sys.path[0]
    given = pickle.load(sys.stdin.buffer)  # noqa: S301 -- our parent sent it
    end_with_parent()
    sys.exit(main(*given))
