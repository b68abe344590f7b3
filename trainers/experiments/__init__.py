"""The papers' experiments, see `papers`, and what they share; `trainers.reproduce` runs them."""
