"""Benchmarks: `make bench`. Nothing here is part of the package, and no test depends on a time."""
