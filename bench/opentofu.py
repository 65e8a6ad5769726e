"""What people use instead: OpenTofu with the REST provider of Mastercard, one resource with a count."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .engines import PARALLEL, Engine

TOOLS = ("tofu", "terraform-provider-restapi")

_SETTINGS = """provider_installation {{
  dev_overrides {{ "mastercard/restapi" = "{folder}" }}
  direct {{}}
}}
"""
PROGRAM = """terraform {
  required_providers { restapi = { source = "mastercard/restapi" } }
}
variable "base_url" {}
variable "authorization" { sensitive = true }
variable "boxes" { type = number }
variable "tag" {}
provider "restapi" {
  uri                  = var.base_url
  write_returns_object = true
  headers              = { Authorization = var.authorization, "Content-Type" = "application/json" }
}
resource "restapi_object" "box" {
  count = var.boxes
  path  = "/instances"
  data  = jsonencode({ your_mom = { key = "dropbox" }, name = "box-${count.index}", tags = [var.tag] })
}
"""
_COMMANDS = {
    "up": ["apply", "-auto-approve"],
    "preview": ["plan"],
    "refresh": ["apply", "-refresh-only", "-auto-approve"],
    "destroy": ["destroy", "-auto-approve"],
}


def is_here() -> bool:
    """Whether both of its programs are on PATH."""
    return all(map(shutil.which, TOOLS))


def environment(directory: Path, env: Mapping[str, str]) -> dict[str, str]:
    """What `tofu` needs to find the provider and the API; its settings are written to the directory."""
    directory.mkdir(exist_ok=True)
    settings = directory / "settings.tfrc"
    settings.write_text(_SETTINGS.format(folder=Path(shutil.which(TOOLS[1]) or "").parent))
    secrets = [f"{kind} {env[f'INSTANCES_{kind.upper()}_SECRET']}" for kind in ("User", "Organization")]
    return {
        "TF_CLI_CONFIG_FILE": str(settings),
        "TF_VAR_base_url": env["INSTANCES_BASE_URL"],
        "TF_VAR_authorization": ", ".join(secrets),
    }


class OpenTofu(Engine):
    """The `tofu` on PATH with a state file."""

    def __init__(self, directory: Path, variant: str, env: Mapping[str, str]) -> None:
        """Write the program."""
        super().__init__(directory, variant, env)
        (directory / "main.tf").write_text(PROGRAM)
        self.env |= environment(directory, env)

    def run(self, operation: str) -> None:
        """See `Engine`."""
        self.env |= {"TF_VAR_boxes": self.env["BENCH_COUNT"], "TF_VAR_tag": self.env["BENCH_TAG"]}
        self._execute("tofu", *_COMMANDS[operation], "-no-color", "-input=false", f"-parallelism={PARALLEL}")

    def resources(self) -> list[dict[str, Any]]:
        """See `Engine`."""
        document = json.loads((self.directory / "terraform.tfstate").read_text())
        return [{"type": found["type"], **each} for found in document["resources"] for each in found["instances"]]
