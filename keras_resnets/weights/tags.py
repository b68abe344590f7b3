"""The names of published weights: "imagenet", tags such as "timm:resnet50.a1_in1k", and repositories of the Hub.

This module does not load Keras: commands check their flags with it.
"""

import os
from typing import TypeGuard

IMAGENET = "imagenet"  # the first row of a net in `keras_resnets.weights.published_files`
SOURCES = ("keras.applications", "torchvision", "timm")
HUB = "hf://"  # of the Hugging Face Hub, "hf://timm/resnet50.a1_in1k"


def is_published(weights: str | os.PathLike[str] | None) -> TypeGuard[str]:
    """Returns whether a builder's `weights` names published weights, known or not, instead of a file."""
    return isinstance(weights, str) and (
        weights == IMAGENET or is_repository(weights) or weights.partition(":")[0] in SOURCES and ":" in weights
    )


def is_repository(weights: str | os.PathLike[str] | None) -> TypeGuard[str]:
    """Returns whether a builder's `weights` names a repository of the Hugging Face Hub."""
    return isinstance(weights, str) and weights.startswith(HUB)
