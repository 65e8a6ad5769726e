"""Internal: properties, settings, identity and errors of an instance, the same for every front end.

Nothing here sends or receives anything.
"""
