"""The config.json beside a file of weights, in which timm, transformers and KerasHub say what the net is.

Nets of other functions can have the same tensors: the names of layers without weights, activations and places of
strides are in no file of weights.
"""

import dataclasses
import json
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from keras_resnets.errors import ArgumentError, first_line
from keras_resnets.normalization import TORCH, Normalization
from keras_resnets.weights.evaluation import Evaluation
from keras_resnets.weights.published_files import CLASSES, TIMM

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
LEGACY = re.compile(r"(tv|ssl|swsl|gluon)_(resnet\d+)(_v1b)?")  # timm's names before 0.9
# Nets without a row in our registry, which the general builders make.
OTHERS = ("resnet26", "resnet200", "resnetv2_152", "vgg13")
# timm's arguments that leave the function of a net with weights as it is: any value of these, and these values.
WITHOUT_EFFECT = {"num_classes", "in_chans", "drop_rate", "drop_path_rate", "drop_block_rate", "zero_init_last"}
POOLINGS = ("avg", "")
RESAMPLE = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What a config.json says about the weights beside it.

    Attributes:
        evaluation: the preprocessing for which they are, or None.
        classes: number of classes, 0 for a net without a classifier, or None.
    """

    evaluation: Evaluation | None
    classes: int | None


class _AnotherNet(Exception):
    """Says which net it is that no net of this package is."""


def read_config(path: str | os.PathLike[str]) -> ModelConfig | None:
    """Reads the config.json in the folder of a file of weights.

    Args:
        path: the file of weights, whose existence is not needed.

    Returns:
        What it says, or None if there is none of a known library.

    Raises:
        ArgumentError: if it is unreadable, or says that the net is none of this package.
    """
    folder, source = pathlib.Path(path).parent, f"weights={str(path)!r}"
    config = _read(folder / CONFIG, source)
    try:
        if "architecture" in config:
            return _of_timm(config)
        if str(config.get("registered_name", "")).startswith(("keras_hub>", "keras_nlp>")):
            raise _AnotherNet(f"KerasHub's {config['registered_name'].partition('>')[2]!r}")
        if "model_type" in config:
            return _of_transformers(config, _read(folder / PREPROCESSOR, source))
    except _AnotherNet as net:
        raise ArgumentError(
            f"{source} is {net} by the {CONFIG} beside it, which no net of this package is, even where tensors fit: "
            f"pass weights that keras_resnets.list_weights() has, or those of timm's {', '.join(TIMM)}. If the "
            f"{CONFIG} belongs to another model, move it away."
        ) from None
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise ArgumentError(
            f"{source}: the {CONFIG} beside it cannot be understood ({first_line(error)}): download it again, or move "
            "it away."
        ) from error
    return None


def _read(path: pathlib.Path, source: str) -> Mapping[str, Any]:
    """Returns the object of a JSON file, which is empty if there is no such file, or if it is no object."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError, OSError) as error:
        raise ArgumentError(
            f"{source}: the {path.name} beside it is not readable JSON ({first_line(error)}): download it again, or "
            "move it away."
        ) from error
    return content if isinstance(content, dict) else {}


def _of_timm(config):
    stated = _stated({**config, **(config.get("pretrained_cfg") or {})})
    arguments = {key: value for key, value in (config.get("model_args") or {}).items() if key not in WITHOUT_EFFECT}
    changed = {key: value for key, value in arguments.items() if key != "global_pool" or value not in POOLINGS}
    if LEGACY.sub(r"\2", config["architecture"]) not in (*TIMM, *OTHERS) or changed:
        changes = "".join(f", {key}={value!r}" for key, value in changed.items())
        raise _AnotherNet(f"timm's {config['architecture']!r}{changes}")
    if stated.get("crop_mode", "center") != "center":
        raise ValueError(f"crop_mode={stated['crop_mode']!r} must be 'center'")
    # Evaluation is at the size and crop for tests, as in timm's validate.py.
    size = stated.get("test_input_size", stated.get("input_size", (3, 224, 224)))
    channels, height, width = size
    if height != width:
        raise ValueError(f"input_size={size} must be square")
    evaluation = Evaluation(
        normalization=_normalization(stated.get("mean"), stated.get("std")),
        size=height,
        crop=stated.get("test_crop_pct", stated.get("crop_pct", 0.875)),
        pillow_filter=stated.get("interpolation", "bicubic"),
    )
    return ModelConfig(evaluation, _stated(config).get("num_classes", stated.get("num_classes", CLASSES)))


def _stated(config):
    """Returns the entries that are not null, which stands for what is not stated."""
    return {key: value for key, value in config.items() if value is not None}


def _of_transformers(config, images):
    """Reads the configuration of a ResNet of transformers, and what its image processor has beside it."""
    fixed = dict(
        model_type="resnet", hidden_act="relu", downsample_in_first_stage=False, downsample_in_bottleneck=False
    )
    others = [f"{key}={config[key]!r}" for key, value in fixed.items() if config.get(key, value) != value]
    if others:
        raise _AnotherNet(f"transformers' net of {', '.join(others)}")
    evaluation = None
    if images:
        size = images.get("size", 224)
        evaluation = Evaluation(
            normalization=_normalization(images.get("image_mean"), images.get("image_std")),
            size=size if isinstance(size, int) else size["shortest_edge"],
            crop=images.get("crop_pct", 0.875),
            pillow_filter=RESAMPLE[images.get("resample", 3)],
        )
    labels = config.get("id2label")
    return ModelConfig(evaluation, len(labels) if labels else config.get("num_labels"))


def _normalization(mean, std):
    """Returns the normalization of 0..255 for a mean and a deviation in 0..1, by default ImageNet's."""
    red, green, blue = TORCH.mean if mean is None else (255 * value for value in mean)
    deviations = TORCH.std if std is None else (255 * value for value in std)
    return Normalization((red, green, blue), (*deviations,))
