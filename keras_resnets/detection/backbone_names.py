"""The names of the nets that detectors are made from. This module does not load Keras."""

from keras_resnets.models import registry

VGG = ("vgg16", "vgg19")
ZF = ("zfnet",)
WITH_FULLY_CONNECTED = (*VGG, *ZF)  # nets whose fc6 and fc7 become the network of regions


def backbone_names() -> list[str]:
    """Returns the possible names of a detector's `backbone`."""
    stages = [name for name in registry.names() if name.startswith(("plainnet", "resnet"))]
    return [*stages, *WITH_FULLY_CONNECTED]
