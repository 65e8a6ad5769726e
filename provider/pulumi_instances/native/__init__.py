"""Internal: the native package, for every Pulumi language.

It is a front end on the same `EngineCalls` as the dynamic provider.
"""
