"""Measuring trained nets: protocols, ensembles, proposals."""
