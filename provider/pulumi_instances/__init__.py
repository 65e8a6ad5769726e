"""Instances of the Instances API as Pulumi resources."""

from .accounts import account
from .errors import InstancesError
from .instance import Instance

__all__ = ["Instance", "InstancesError", "account"]
