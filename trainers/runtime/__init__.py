"""Machines, files, signals, error messages."""
