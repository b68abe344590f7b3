"""Options of detectors: their documentation, and their old names."""

import dataclasses
import subprocess
import sys
import warnings

import pytest

import keras_resnets
from keras_resnets import ArgumentError, FasterRCNN, Localizer, ResNet
from keras_resnets.detection import (
    FasterRCNNOptions,
    FastRCNNOptions,
    LocalizerOptions,
    RCNNOptions,
    SPPNetOptions,
    options,
)
from keras_resnets.detection.options import OLD_NAMES, make_options, with_new_option_names
from keras_resnets.layers import Proposals
from keras_resnets.surgery.graph import batch_normalizations

MODELS = {
    FasterRCNN: FasterRCNNOptions,
    keras_resnets.FastRCNN: FastRCNNOptions,
    keras_resnets.RCNN: RCNNOptions,
    keras_resnets.SPPNet: SPPNetOptions,
    Localizer: LocalizerOptions,
}
SMALL = {"anchor_sizes": (16, 32), "rpn_filters": 8}


def backbone():
    return ResNet((1, 1, 1), (4, 8, 8), include_top=False)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_model_and_its_options_document_every_option(model):
    for field in dataclasses.fields(MODELS[model]):
        first_words = f"    {field.name}: {' '.join(field.metadata['help'].split()[:4])}"
        assert first_words in model.__doc__ and first_words in MODELS[model].__doc__
        assert field.metadata["help"].endswith(".")


def test_options_load_without_tensorflow():
    code = (
        "import sys, types; package = types.ModuleType('keras_resnets'); package.__path__ = [sys.argv[1]]; "
        "sys.modules['keras_resnets'] = package; import keras_resnets.detection; "
        "assert not {'tensorflow', 'keras', 'numpy'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code, keras_resnets.__path__[0]], check=True)


def test_an_old_name_warns_where_it_is_passed_and_has_the_same_meaning():
    with pytest.warns(FutureWarning, match="test_after_nms is now called test_post_nms_topk") as caught:
        model = FasterRCNN(2, backbone(), test_after_nms=20, **SMALL)
    assert caught[0].filename == __file__
    assert model.options == FasterRCNN(2, backbone(), test_post_nms_topk=20, **SMALL).options
    with pytest.warns(FutureWarning, match="before_nms is now called pre_nms_topk"):
        assert Proposals(before_nms=9, post_nms_topk=5).pre_nms_topk == 9
    with pytest.raises(ArgumentError, match="detection_iou=0.5 is the old name of nms_threshold, which is given as we"):
        make_options({"detection_iou": 0.5, "nms_threshold": 0.4})


def test_the_old_name_of_the_options_of_faster_rcnn_warns():
    for module in (keras_resnets.detection, options):
        with pytest.warns(FutureWarning, match="Options is now called keras_resnets.*FasterRCNNOptions") as caught:
            assert module.Options is FasterRCNNOptions
        assert caught[0].filename == __file__
    with pytest.warns(FutureWarning):
        from keras_resnets.detection import Options
    assert Options is FasterRCNNOptions
    with pytest.raises(AttributeError, match="module 'keras_resnets.detection.options' has no attribute 'Choices'"):
        _ = options.Choices


def test_batch_normalization_is_trained_later_by_its_layers():
    model = FasterRCNN(2, backbone(), **SMALL)
    layers = batch_normalizations(model)
    assert layers and not any(layer.trainable_weights for layer in layers)
    for layer in layers:
        layer.trainable = True
    assert all(len(layer.trainable_weights) == 2 for layer in layers)


def test_every_old_name_is_an_option_now():
    assert set(OLD_NAMES.values()) <= {field.name for kind in MODELS.values() for field in dataclasses.fields(kind)}


@pytest.mark.parametrize("kind", [FasterRCNN, Localizer])
def test_an_older_configuration_becomes_the_same_model_without_a_warning(kind):
    names = {new: old for old, new in OLD_NAMES.items()}
    model = kind(2, backbone(), **SMALL, rpn_nms_threshold=0.6, rpn_positive_fraction=0.4, rpn_smooth_l1_beta=0.2)
    old = {names.get(name, name): value for name, value in model.get_config().items()}
    assert {"proposal_iou", "rpn_foreground_share", "rpn_beta"} <= old.keys()
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        assert kind.from_config(old).options == model.options
        layer = Proposals.from_config({"before_nms": 9, "after_nms": 5})
    assert (layer.pre_nms_topk, layer.post_nms_topk) == (9, 5)
    assert with_new_option_names({"train_before_nms": 7, "head": "mlp"}) == {"train_pre_nms_topk": 7, "head": "mlp"}
