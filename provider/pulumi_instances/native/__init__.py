"""The native door: a Pulumi package for every language, on the same `EngineCalls` as the dynamic provider."""
