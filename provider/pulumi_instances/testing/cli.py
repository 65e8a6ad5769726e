"""Stacks of tests on the Pulumi CLI, which the fixture `stack` opens with `--instances-engine=cli`.

Their states and plugins are kept apart from the login and the stacks of the user.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pulumi import automation as auto

from .engine.program import dump
from .engine.project import Project

INLINE = '''\
"""Runs the function that a test has given to the fixture `stack`."""

import os
import pathlib
import pickle

os.chdir({cwd!r})
pickle.loads(pathlib.Path({file!r}).read_bytes())()
'''


class CliStacks:
    """The stacks of one test. The CLI keeps all of them in one directory."""

    def __init__(self, directory: Path, pulumi_home: str) -> None:
        """Make `pulumi_home`, the PULUMI_HOME of the test, in which the plugins of the user are found."""
        self._directory = directory
        self._command = auto.PulumiCommand()
        self._settings: dict[str, str] = {}
        """The Pulumi.<stack>.yaml of each new stack, which says how its secrets are encrypted."""
        plugins = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins"
        Path(pulumi_home).mkdir(parents=True, exist_ok=True)
        if plugins.is_dir():
            (Path(pulumi_home) / "plugins").symlink_to(plugins)
        self._environment = {
            # The CLI takes the first `python3` on PATH: the interpreter of the tests.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
            "PULUMI_HOME": pulumi_home,
            "PULUMI_BACKEND_URL": directory.as_uri(),
            "PULUMI_ACCESS_TOKEN": "",
            "PULUMI_CONFIG_PASSPHRASE": "of tests",
            "PULUMI_CONFIG_PASSPHRASE_FILE": "",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }

    def open(self, project: Project) -> auto.Stack:
        """Open a stack of a program.

        A project is run from a copy of its Pulumi.yaml, so that nothing is written into it. A function runs in a
        process of its own, as on the local engine.
        """
        work_dir = Path(tempfile.mkdtemp(dir=self._directory, prefix="project-"))
        environment = dict(self._environment)
        main = project.cwd / project.entry
        if project.program is not None:
            main = work_dir / "inline.py"
            environment["PYTHONPATH"] = os.pathsep.join([str(project.cwd), *sys.path])
            (work_dir / "program.pickle").write_bytes(dump(project.program))
            main.write_text(INLINE.format(cwd=str(project.cwd), file=str(work_dir / "program.pickle")))
        own = {"name": project.name, "runtime": "python", "main": str(main)}
        kept: Mapping[str, object] = {key: value for key, value in project.settings.items() if key != "backend"}
        (work_dir / "Pulumi.yaml").write_text(json.dumps({**kept, **own}))  # JSON is YAML
        options = auto.LocalWorkspaceOptions(env_vars=environment, pulumi_command=self._command)
        settings = work_dir / f"Pulumi.{project.stack}.yaml"
        if project.stack in self._settings:
            settings.write_text(self._settings[project.stack])
            stack = auto.select_stack(project.stack, work_dir=str(work_dir), opts=options)
        else:
            stack = auto.create_stack(project.stack, work_dir=str(work_dir), opts=options)
            self._settings[project.stack] = settings.read_text()
        if project.config:
            stack.set_all_config(project.all_config())
        return stack
