"""Hyperparameters of training, one row for each recipe."""
