"""Internal: one account's API.

`operations` is the entrance, for the engine's calls, for look-ups and for the command line.
"""
