"""Processes of peers, which the benchmarks measure in turns with this package."""
