"""The operations that are measured."""

OPERATIONS = ("up", "preview", "update", "refresh", "destroy")
"""``up`` creates all, ``preview`` finds nothing to do, ``update`` changes the tags of all."""
