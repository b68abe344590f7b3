"""The papers' experiments, a file each: see `trainers.reproduce`."""
