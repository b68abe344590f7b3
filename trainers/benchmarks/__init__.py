"""The benchmarks of `trainers.benchmark`: functions of the number of repetitions that return figures for JSON."""
