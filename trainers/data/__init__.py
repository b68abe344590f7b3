"""Data sets, their sources, and input pipelines."""
