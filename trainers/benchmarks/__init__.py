"""Benchmarks of speed and memory, which `trainers.benchmark` runs."""
