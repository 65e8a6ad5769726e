"""Removes secrets from error messages of commands, which may quote the CLI, a parser or an argument.

`main` redacts every message; `doctor` redacts what it finds.
"""

from __future__ import annotations

import os
import re
import sys

from ..core import config, model
from ..core.errors import BLOT, without

_SHORTEST = 6  # shorter ones would blot out ordinary words
_known: set[str] = set()

_IN_URL = re.compile(r"(?<=://)[^/?#\s\"'@]*(?:@[^/?#\s\"'@]*)*(?=@)")
_PARAMETER = re.compile(r"([?&;]([\w.%-]+)=)[^&;\s\"'#]+")
# A YAML parser repeats the beginning of what it could not use: cannot unmarshal !!str `hunter2...` into
_SCALAR = re.compile(r"(!!\w+ )`[^`]*`")

# Ours, `PULUMI_ACCESS_TOKEN`, `AWS_SECRET_ACCESS_KEY` and the like; not `DESKTOP_SESSION`, nor a path in `…_FILE`.
_SECRET_VARIABLE = re.compile(r"(secret|token|password|passphrase|_key)$", re.IGNORECASE)


def know(*secrets: str) -> None:
    """Redact these secrets too, from now on."""
    _known.update(secrets)


def redacted(text: str) -> str:
    """Return the text without secrets: those of `know`, of the environment, of the arguments, and in URLs."""
    text = _IN_URL.sub(BLOT, text)
    text = _PARAMETER.sub(lambda found: found[1] + BLOT if model.is_secret_key(found[2]) else found[0], text)
    text = _SCALAR.sub(rf"\1{BLOT}", text)
    secrets = {*_known, *_of_environment(), *_of_arguments()}
    return without(text, [each for each in secrets if len(each) >= _SHORTEST])


def _of_environment() -> list[str]:
    return [value.strip() for name, value in os.environ.items() if _SECRET_VARIABLE.search(name)]


def _of_arguments() -> list[str]:
    """Return the values given to `--set` for settings that are secrets, separated from the key in any way."""
    found = []
    names = "|".join(re.escape(setting.key) for setting in config.SETTINGS if setting.secret)
    mention = re.compile(rf"(?:--set=?)?(?:{config.NAMESPACE}:)?(?:{names})(?:[=: ]+(.*))?", re.DOTALL | re.IGNORECASE)
    for number, argument in enumerate(sys.argv):
        if match := mention.fullmatch(argument):
            found.append(match[1] or "".join(sys.argv[number + 1 : number + 2]))
    return found
