"""Tests of `pulumi_instances.fleet` and of its command."""
