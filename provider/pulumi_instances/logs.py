"""The one switch for logging: `INSTANCES_LOG=debug`."""

from __future__ import annotations

import logging
import os
import sys

_NAME = "pulumi_instances"
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def switch_on() -> None:
    """Show the log on stderr, which the engine shows, where `INSTANCES_LOG` names a level. Calling twice is fine."""
    level = _LEVELS.get(os.environ.get("INSTANCES_LOG", "").strip().lower())
    logger = logging.getLogger(_NAME)
    if level is None or any(handler.name == _NAME for handler in logger.handlers):
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.name = _NAME
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
