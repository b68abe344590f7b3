"""Fast R-CNN: Faster R-CNN's detections for its proposals, and what it learns from given ones."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from narrow_detectors import SEEDS, TARGETS, assert_same, inputs

import keras_resnets
from keras_resnets import RCNN, ArgumentError, FasterRCNN, FastRCNN, SPPNet
from trainers.runtime.measuring import parameters

OPTIONS = {"pool_size": 4, "roi_batch_size": 16, "max_detections": 10}


def backbone():
    return keras_resnets.ResNet((1, 1, 1, 1), (8, 8, 16, 16), include_top=False)


def with_proposals(proposals, **kwargs):
    return {**inputs(**kwargs), "proposals": proposals}


def around_the_objects(count=12, seed=0):
    """Returns (2, count, 4): the objects of TARGETS, moved a little, and boxes anywhere."""
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 30, (2, count, 2))
    proposals = np.concatenate([corners, corners + random.uniform(10, 30, (2, count, 2))], axis=2)
    proposals[:, 0], proposals[1, 1] = TARGETS["boxes"][:, 0] + 2, TARGETS["boxes"][1, 1] - 2
    return proposals.astype("float32")


@pytest.fixture
def twins(randomize):
    """A Faster R-CNN, and a Fast R-CNN with its trunk's and its regions' weights."""
    faster = FasterRCNN(3, backbone(), anchor_sizes=(16, 32), rpn_filters=16, test_post_nms_topk=20, **OPTIONS)
    fast = FastRCNN(3, backbone(), **OPTIONS)
    for part in ("trunk", "region_network", "head"):
        getattr(fast, part).set_weights(randomize(getattr(faster, part)).get_weights())
    return faster, fast


def test_the_proposals_of_faster_rcnn_give_its_detections(twins):
    faster, fast = twins
    _, proposals, _ = faster.propose(inputs())
    expected = faster(inputs())
    assert_same(fast(with_proposals(proposals)), expected, 1e-6)
    padded = np.pad(proposals, [(0, 0), (0, 7), (0, 0)])
    assert_same(fast(with_proposals(padded)), expected, 1e-6)


def losses_of(detector, proposals):
    """Returns the function from seeds to the losses of proposals."""
    asked = keras.tree.map_structure(tf.constant, with_proposals(proposals))
    return lambda seeds: detector.training_losses(asked, TARGETS, seeds, training=False)


def test_losses_are_those_of_the_sampled_regions(twins):
    _, fast = twins
    losses = losses_of(fast, around_the_objects())(tf.constant(SEEDS))
    assert losses.keys() == {"region_class", "region_box"} and all(0 < value < 100 for value in losses.values())
    without = losses_of(fast, np.zeros((2, 12, 4), "float32"))(tf.constant(SEEDS))
    assert without["region_class"] < losses["region_class"]


@pytest.mark.slow  # `test_faster_rcnn.py` compiles the same losses.
def test_losses_are_the_same_compiled(twins):
    # All 14 and 15 regions are sampled, so that XLA's random numbers do not matter.
    losses, seeds = losses_of(twins[1], around_the_objects()), tf.constant(SEEDS)
    compiled = tf.function(losses, jit_compile=True)(seeds)
    for name, value in losses(seeds).items():
        np.testing.assert_allclose(compiled[name], value, rtol=1e-4)


@pytest.mark.slow
def test_fit_learns_and_a_saved_detector_says_the_same(tmp_path):
    # Few of the boxes anywhere overlap an object.
    fast = FastRCNN(3, backbone(), train_batch_norm=True, roi_background_iou=(0.0, 0.5), **OPTIONS)
    fast.compile(keras.optimizers.Adam(1e-2))
    batch = with_proposals(around_the_objects())
    history = fast.fit(tf.data.Dataset.from_tensors((batch, TARGETS)).repeat(30), epochs=3, verbose=0).history
    assert history["loss"][2] < 0.5 * history["loss"][0]
    fast.save(tmp_path / "fast.keras")
    loaded = keras.models.load_model(tmp_path / "fast.keras")
    np.testing.assert_allclose(loaded(batch)["scores"], fast(batch)["scores"], atol=1e-6)
    assert type(loaded) is FastRCNN and loaded.options == fast.options


@pytest.mark.usefixtures("without_weights")
def test_parameters_of_vgg16():
    assert parameters(FastRCNN(20, "vgg16")) == 134_690_729


def test_the_sample_of_regions_is_the_papers_by_default():
    found = [kind.OPTIONS() for kind in (RCNN, SPPNet, FastRCNN, FasterRCNN)]
    assert [options.roi_batch_size for options in found] == [64, 64, 64, 128]
    assert [options.roi_background_iou[0] for options in found] == [0.0, 0.1, 0.1, 0.0]
    assert {(options.roi_background_iou[1], options.roi_positive_fraction) for options in found} == {(0.5, 0.25)}
    # A file of an older version has the sample that was the default.
    older = {"roi_batch_size": 128, "roi_background_iou": [0.0, 0.5]}
    for kind in (RCNN, FastRCNN):
        options = kind.from_config({**kind(3, backbone(), pool_size=4).get_config(), **older}).options
        assert (options.roi_batch_size, options.roi_background_iou) == (128, (0.0, 0.5))


def test_what_cannot_work():
    with pytest.raises(ArgumentError, match="anchor_sizes=.* is not an argument of this model: use "):
        FastRCNN(2, backbone(), anchor_sizes=(16,))
    with pytest.raises(ArgumentError, match="inputs has images, image_shapes, but no proposals: pass"):
        FastRCNN(2, backbone(), **OPTIONS)(inputs())


def test_a_detector_can_be_copied_more_than_once():
    fast = FastRCNN(3, backbone(), **OPTIONS)
    for _ in range(2):
        assert FastRCNN.from_config(fast.get_config()).get_config() == fast.get_config()
