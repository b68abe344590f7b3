"""The papers' experiments: a file each, called as `--experiment` of `trainers.reproduce` and ending in `EXPERIMENT`."""
