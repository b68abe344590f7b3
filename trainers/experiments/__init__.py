"""The papers' experiments, one file for each, which `trainers.reproduce` repeats."""
