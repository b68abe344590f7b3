"""Ensembles: what a detector says alone, and what several say together."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from narrow_detectors import assert_same, inputs, noise
from tensorflow.core.protobuf import saved_model_pb2

import keras_resnets
from keras_resnets import ArgumentError, Ensemble, FasterRCNN, FastRCNN
from keras_resnets.detection.resizing import Resizing
from keras_resnets.serving import SavedModelSession, export_detector
from keras_resnets.serving.predict_requests import read_warmup
from keras_resnets.surgery.graph import leaf_layers

PARTS = ("trunk", "rpn", "region_network", "head")
OPTIONS = {"pool_size": 4, "max_detections": 10}


def make(kind=FasterRCNN, num_classes=3, width=8, **options):
    net = keras_resnets.ResNet((1, 1, 1, 1), (width, width, 16, 16), include_top=False)
    if kind is FasterRCNN:
        options = {"anchor_sizes": (16, 32), "rpn_filters": 16, "test_post_nms_topk": 20} | options
    return kind(num_classes, net, **OPTIONS | options)


@functools.cache
def fresh(*arguments, **options):
    """Returns a detector that no test changes."""
    return make(*arguments, **options)


@pytest.fixture
def detector(randomize):
    """Returns the function that makes a small detector with scores that are far from each other."""

    def run(seed=0, **options):
        made = make(**options)
        for part in PARTS:
            if hasattr(made, part):
                randomize(getattr(made, part), seed)
        for layer in leaf_layers(made):
            if layer.name in ("rpn_deltas", "class_logits", "box_deltas"):  # Otherwise rounding would matter.
                layer.set_weights([0.2 * weight for weight in layer.get_weights()])
        return made

    return run


@pytest.mark.parametrize("options", [{}, {"box_refinement": True, "voting_iou": 0.5, "global_context": True}])
def test_an_ensemble_of_one_is_that_detector(options, detector):
    one = detector(**options)
    expected = one(inputs())
    found = Ensemble([one], [one])(inputs())
    assert np.all(expected["num_detections"] > 3)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
    # The same proposals suppress each other, and the mean of the same scores is the same.
    assert_same(Ensemble([one, one], [one, one])(inputs()), expected, 1e-6)


def test_members_see_the_regions_of_all_and_their_scores_are_averaged(detector):
    first, second = detector(), detector(1, width=12, test_post_nms_topk=15, scales=(0.5, 1.0), roi_pooling="align")
    third = detector(2, kind=FastRCNN, score_threshold=0.2)
    shapes = inputs()["image_shapes"]
    proposed = [member.propose(inputs())[1:] for member in (first, second)]
    regions, exists = (np.concatenate(parts, axis=1) for parts in zip(*proposed))
    assert regions.shape == (2, 35, 4)
    scored = [member.score(member.features(inputs()), regions, shapes) for member in (third, first)]
    scores, deltas = (np.mean(parts, axis=0) for parts in zip(*scored))
    expected = third.detections(scores, deltas, regions, exists, shapes)
    assert_same(Ensemble([first, second], [third, first])(inputs()), expected, 1e-6)


def test_refined_boxes_are_scored_by_all(detector):
    first, second = detector(box_refinement=True, voting_iou=0.5), detector(1)
    features, regions, exists = first.propose(inputs())
    shapes = inputs()["image_shapes"]

    def mean(regions):
        scored = first.score(features, regions, shapes), second.score(second.features(inputs()), regions, shapes)
        return [np.mean(parts, axis=0) for parts in zip(*scored)]

    assert_same(Ensemble([first], [first, second])(inputs()), first.detect_by(mean, regions, exists, shapes), 1e-6)


def test_features_are_computed_once(detector):
    first, second = detector(), detector(1)

    def trunks(model):
        """Counts the maps that conv1 computes in a model's graph."""
        asked = keras.tree.map_structure(tf.constant, inputs())
        operations = tf.function(model).get_concrete_function(asked).graph.get_operations()
        return sum(operation.type == "Conv2D" and "conv1" in operation.name for operation in operations)

    assert trunks(Ensemble([first], [first])) == trunks(first) == 1
    assert trunks(Ensemble([first, second], [second, first])) == 2


@pytest.mark.slow
def test_a_saved_ensemble_says_the_same_and_shares_its_members(detector, tmp_path):
    first, second = detector(), detector(1)
    ensemble = Ensemble([first], [second, first], name="both")
    ensemble.save(tmp_path / "ensemble.keras")
    loaded = keras.models.load_model(tmp_path / "ensemble.keras")
    assert_same(loaded(inputs()), ensemble(inputs()), 1e-6)
    assert loaded.proposers[0] is loaded.classifiers[1] and len(loaded.members) == 2
    assert loaded.name == "both" and len(loaded.weights) == len(ensemble.weights)


def test_an_exported_ensemble_says_the_same_and_has_each_weight_once(detector, tmp_path):
    first, second = detector(), detector(1)
    ensemble, images = Ensemble([first], [second, first]), noise().astype("uint8")
    path = export_detector(ensemble, Resizing(64, 96, (64, 96)), ["a", "b", "c"], tmp_path / "export", warmup=True)
    answer = SavedModelSession(path)("serving_default", images=images)
    expected = ensemble(inputs(images, [[64, 96]] * 2))
    assert_same(answer, {name: value.numpy() for name, value in expected.items()}, 1e-4)
    constants = [node for node in _nodes(path) if node.op == "Const" and node.attr["value"].tensor.tensor_shape.dim]
    kernels = [node for node in constants if len(node.attr["value"].tensor.tensor_shape.dim) == 4]
    assert len(kernels) == sum(weight.path.endswith("/kernel") and weight.ndim == 4 for weight in ensemble.weights)
    (request, _) = read_warmup(path)
    assert request.inputs.keys() == {"images"}
    with pytest.raises(ArgumentError, match="labels has 2 names for a model of 3 classes"):
        export_detector(ensemble, Resizing(64, 96, (64, 96)), ["a", "b"], tmp_path / "export")


def _nodes(path):
    """Returns the nodes of an export's graph."""
    model = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    return model.meta_graphs[0].graph_def.node


@pytest.mark.slow
def test_predict_and_xla_say_the_same(detector):
    ensemble = Ensemble([detector()], [detector(1)])
    expected = ensemble(inputs())
    assert_same(ensemble.predict(inputs(), batch_size=1, verbose=0), expected)
    asked = keras.tree.map_structure(tf.constant, inputs())
    assert_same(tf.function(ensemble, jit_compile=True)(asked), expected)


@pytest.mark.parametrize(
    "members, message",
    [
        (lambda: ([], [fresh()]), r"proposers=\[\] must be a list of FasterRCNN, with at least one"),
        (lambda: ([fresh()], ()), r"classifiers=\(\) must be a list of FasterRCNN, FastRCNN, RCNN or SPPNet, with"),
        (lambda: (fresh(), [fresh()]), "proposers=<FasterRCNN name=.* must be a list of FasterRCNN, with at least"),
        (lambda: ([fresh(FastRCNN)], [fresh()]), r"proposers=\[<FastRCNN name=.* must be a list of FasterRCNN, with"),
        (
            lambda: ([fresh()], ["resnet18"]),
            r"classifiers=\['resnet18'\] must be a list of FasterRCNN, FastRCNN, RCNN or",
        ),
        (
            lambda: ([fresh()], [fresh(), fresh(num_classes=2)]),
            "classifiers have num_classes=3, 2, which must be the same for their means to make",
        ),
        (
            lambda: ([fresh()], [fresh(), fresh(FastRCNN, delta_stds=(1, 1, 1, 1))]),
            r"classifiers have delta_stds=\(0.1, 0.1, 0.2, 0.2\), \(1, 1, 1, 1\), which must be the same",
        ),
    ],
)
def test_members_that_cannot_work(members, message):
    with pytest.raises(ArgumentError, match=message):
        Ensemble(*members())


def test_proposers_may_have_other_classes(detector):
    proposer, classifier = detector(num_classes=2), detector(1, num_classes=5)
    regions, exists = proposer.propose(inputs())[1:]
    expected = classifier.detect(classifier.features(inputs()), regions, exists, inputs()["image_shapes"])
    assert_same(Ensemble([proposer], [classifier])(inputs()), expected, 1e-6)


def test_scores_of_svms_are_not_averaged_with_those_of_a_softmax(detector):
    one = detector()
    net = keras_resnets.ResNet((1, 1, 1), (8, 8, 8), include_top=False)
    with_svms, with_softmax = (
        keras_resnets.RCNN(3, net, warp_size=32, warp_context=2, pool_size=4, svm=svm) for svm in (True, False)
    )
    with pytest.raises(ArgumentError, match="must have softmax scores: leave out those with SVMs, or make them with"):
        Ensemble([one], [one, with_svms])
    assert Ensemble([one], [one, with_softmax]).members == [one, with_softmax]
