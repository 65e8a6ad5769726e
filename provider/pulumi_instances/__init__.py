"""Instances of the Instances API as Pulumi resources.

>>> crm = Instance("crm", your_mom="sfdc", tags=["eu"])

Public are the names in `__all__` and in that of `pulumi_instances.testing`. All else is internal, and may change in any
release.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .own_imports import prefer_installed

if TYPE_CHECKING:
    from .accounts import account
    from .core.errors import InstancesError
    from .instance import Instance
    from .lookup import InstanceResult, get_instance, get_instance_output, get_instances, get_instances_output

prefer_installed()

__all__ = [
    "Instance",
    "InstanceResult",
    "InstancesError",
    "account",
    "get_instance",
    "get_instance_output",
    "get_instances",
    "get_instances_output",
]

_MODULES = {"Instance": ".instance", "InstancesError": ".core.errors", "account": ".accounts"}


__version__: str
"""The version of the installed distribution."""


def __getattr__(name: str) -> Any:
    # Imported on use: the pytest plugin and the command line are in this package, and the SDK is slow to import.
    if name == "__version__":
        return import_module("importlib.metadata").version("pulumi-instances")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES.get(name, ".lookup"), __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
