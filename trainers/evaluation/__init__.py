"""Evaluation of trained runs and of region proposals."""
