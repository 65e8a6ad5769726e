"""The native package, for every Pulumi language, on the same `EngineCalls` as the dynamic provider."""
