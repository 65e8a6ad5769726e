"""The native package, for every Pulumi language: a front end on the same `EngineCalls` as the dynamic provider."""
