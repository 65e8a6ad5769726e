"""A user's script that uses the local engine: `python -m tests.robustness.local_up <directory> <state file>`."""

from __future__ import annotations

import sys

from pulumi_instances.testing import StackDouble
from tests.support.harness import PASSPHRASE, PROJECT, STACK

if __name__ == "__main__":
    directory, state_file = sys.argv[1:]
    StackDouble(STACK, work_dir=directory, project_name=PROJECT, state_file=state_file, passphrase=PASSPHRASE).up(
        on_output=print
    )
