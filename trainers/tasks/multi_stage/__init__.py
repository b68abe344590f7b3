"""Detectors that are trained in several stages."""
