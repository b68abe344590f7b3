"""Evaluation of trained nets: protocols, ensembles, proposals."""
