"""The experiments by name."""

import importlib

from trainers.experiments.experiment import Experiment

# The module of trainers.experiments, and the name of the `Experiment` in it. `find` imports the module.
EXPERIMENTS = {
    "degradation": ("classification", "DEGRADATION"),
    "plain_vs_residual": ("classification", "PLAIN_VS_RESIDUAL"),
    "shortcut_options": ("classification", "SHORTCUT_OPTIONS"),
    "deep": ("classification", "DEEP"),
    "layer_responses": ("classification", "LAYER_RESPONSES"),
    "shortcut_variants": ("classification", "SHORTCUT_VARIANTS"),
    "activation_orders": ("classification", "ACTIVATION_ORDERS"),
    "preactivation_depth": ("classification", "PREACTIVATION_DEPTH"),
    "inception_vs_residual": ("classification", "INCEPTION_VS_RESIDUAL"),
    "gradient_flow": ("classification", "GRADIENT_FLOW"),
    "deep_regularized": ("classification", "DEEP_REGULARIZED"),
    "crops_and_ensembles": ("crops_and_ensembles", "EXPERIMENT"),
    "detection_lineage": ("detection_lineage", "EXPERIMENT"),
    "noc_heads": ("noc_heads", "EXPERIMENT"),
    "detection_improvements": ("detection_improvements", "EXPERIMENT"),
}


def find(name: str) -> Experiment:
    """Returns the experiment of a name in `EXPERIMENTS`."""
    module, attribute = EXPERIMENTS[name]
    return getattr(importlib.import_module(f"trainers.experiments.{module}"), attribute)
