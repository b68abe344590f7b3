"""Networks of a region after its pooled features (NoC, arXiv 1504.06066), and the context of the whole image."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from narrow_detectors import SEEDS, SHAPES, TARGETS, assert_same, inputs, noise

import keras_resnets
from keras_resnets import ArgumentError, FastRCNN
from keras_resnets.detection import RegionOptions
from keras_resnets.detection.backbones import make_backbone
from keras_resnets.detection.heads import region_networks
from keras_resnets.detection.resizing import Resizing
from keras_resnets.serving import SavedModelSession, export_detector
from keras_resnets.surgery.graph import leaf_layers
from keras_resnets.surgery.truncated_svd import truncated_svd
from trainers.runtime.measuring import parameters

slow = pytest.mark.slow
HEADS = ("mlp", "conv", "maxout")
NARROW = {"pool_size": 4, "max_detections": 10, "head_units": 32, "score_threshold": 0.0}
PROPOSALS = np.float32([[[2, 3, 12, 10], [5, 0, 75, 45], [50, 10, 70, 30], [1, 1, 41, 38], [0, 0, 80, 48]]] * 2)
ASKED = inputs() | {"proposals": PROPOSALS}


def backbone():
    return keras_resnets.ResNet((1, 1, 1, 1), (8, 8, 16, 16), include_top=False)


def narrow(head, **options):
    options = {"scales": (1.0, 2.0)} | options if head == "maxout" else options
    return FastRCNN(3, backbone(), head=head, **NARROW | options)


@pytest.fixture
def trained(randomize):
    """Returns the function that makes a small detector of random weights, those of added convolutions included."""

    def make(head, **options):
        detector = narrow(head, **options)
        for seed, part in enumerate((detector.trunk, detector.region_network, detector.head)):
            randomize(part, seed)
        return detector

    return make


def weights(detector):
    """Returns the weights of each layer by its name."""
    return {layer.name: layer.get_weights() for layer in leaf_layers(detector) if layer.weights}


def give(detector, taken):
    for layer in leaf_layers(detector):
        if layer.name in taken:
            layer.set_weights(taken[layer.name])


@pytest.mark.parametrize(
    "options, expected",
    [
        ({"head": "mlp", "head_layers": 2}, 37_838_869),
        ({"head": "mlp"}, 54_620_181),
        ({"head": "mlp", "head_layers": 4}, 71_401_493),
        ({"head": "conv"}, 55_800_341),
        ({"head": "maxout", "scales": (1.0, 2.0)}, 55_800_341),
    ],
    ids=["2fc", "3fc", "4fc", "conv", "maxout"],
)
@pytest.mark.usefixtures("without_weights")
def test_parameters_of_heads_on_zf(options, expected):
    networks = region_networks(make_backbone(backbone()), (6, 6, 256), RegionOptions(**options), 20)
    box_deltas = networks[1].get_layer("box_deltas").count_params()  # The paper's nets classify only.
    assert sum(map(parameters, networks)) - box_deltas == expected


@pytest.mark.parametrize("convolutions", [1, pytest.param(2, marks=slow), 3])
def test_new_convolutions_change_nothing_on_a_trunk_that_ends_in_relu(convolutions, trained):
    mlp, conv = trained("mlp"), narrow("conv", head_convolutions=convolutions)
    give(conv, weights(mlp))
    added = [f"noc_conv{number}" for number in range(1, convolutions + 1)]
    assert weights(conv).keys() - weights(mlp).keys() == {*added}
    expected, found = mlp(ASKED), conv(ASKED)
    assert np.all(expected["num_detections"] > 3)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
    bent = weights(conv)
    bent["noc_conv1"][0] *= 0.5
    give(conv, bent)
    assert np.max(np.abs(conv(ASKED)["scores"] - expected["scores"])) > 1e-3


def test_maxout_begins_as_the_maximum_of_the_pooled_features(trained):
    mlp, maxout = trained("mlp"), narrow("maxout")
    give(maxout, weights(mlp))
    pooled = maxout.pool_scales(maxout.features(ASKED), PROPOSALS)
    assert pooled.shape == (2, 5, 2, 4, 4, 16)
    largest = np.reshape(np.max(pooled, axis=2), (10, 4, 4, 16))
    logits, deltas = mlp.head(mlp.region_network(largest))
    maps = maxout.features(ASKED)
    found = maxout.classify(maps, maxout.pool_scales(maps, PROPOSALS), np.array(SHAPES))
    np.testing.assert_array_equal(found[0], np.reshape(logits, (2, 5, 4)))
    np.testing.assert_array_equal(found[1], np.reshape(deltas, (2, 5, 4, 4)))
    assert np.any(pooled[:, :, 0] > pooled[:, :, 1]) and np.any(pooled[:, :, 0] < pooled[:, :, 1])


def test_maxout_has_the_same_convolution_at_both_scales(trained):
    conv, maxout = trained("conv"), narrow("maxout")
    assert weights(maxout).keys() == weights(conv).keys()
    give(maxout, weights(conv))
    random = np.random.default_rng(0)
    pooled = random.uniform(0, 1, (2, 5, 2, 4, 4, 16)).astype("float32")
    one, other = (maxout.region_network(np.reshape(pooled[:, :, i], (10, 4, 4, 16))) for i in (0, 1))
    merged = np.reshape(maxout.region_features(pooled), (10, 4, 4, 16))
    np.testing.assert_allclose(merged, np.maximum(one, other), atol=1e-6)
    assert np.any(one > other) and np.any(one < other)
    # Of two scales that are the same, it is "conv".
    twice = maxout.region_features(np.stack([pooled[:, :, 0]] * 2, axis=2))
    expected = conv.head(conv.region_network(np.reshape(pooled[:, :, 0], (10, 4, 4, 16))))
    for found, value in zip(maxout.head(np.reshape(twice, (10, 4, 4, 16))), expected, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("head", [None, *HEADS])
def test_context_is_the_features_of_the_whole_image(head, trained):
    detector = trained(head, global_context=True)
    features, shapes = detector.features(ASKED), np.array(SHAPES)
    whole = np.float32([[[0, 0, width, height]] for height, width in SHAPES])
    own, context = (
        detector.region_features(detector.pool_scales(features, regions)).numpy() for regions in (PROPOSALS, whole)
    )
    both = np.concatenate([own, np.repeat(context, 5, axis=1)], axis=-1)
    assert both.shape[-1] == 2 * own.shape[-1] == detector.head.input_shape[-1]
    logits, deltas = detector.head(np.reshape(both, (10, *both.shape[2:])))
    found = detector.classify(features, detector.pool_scales(features, PROPOSALS), shapes)
    np.testing.assert_allclose(found[0], np.reshape(logits, (2, 5, 4)), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found[1], np.reshape(deltas, (2, 5, 4, 4)), rtol=1e-5, atol=1e-5)


def test_an_image_does_not_depend_on_its_batch_or_on_what_is_outside_of_it(trained):
    detector = trained("maxout", global_context=True, scales=(0.5, 1.0), box_refinement=True)
    images, other_noise = noise(), noise(seed=1)
    for image, other, (height, width) in zip(images, other_noise, SHAPES):
        other[:height, :width] = image[:height, :width]
    together = detector(ASKED)
    alone = [
        detector(inputs(other_noise[i : i + 1], SHAPES[i : i + 1]) | {"proposals": PROPOSALS[i : i + 1]})
        for i in range(2)
    ]
    assert_same({name: np.concatenate([one[name] for one in alone]) for name in together}, together)


def steps(detector):
    """Returns the function from nothing to the losses and all gradients of a training step, for `tf.function`."""
    asked, targets, seeds = (keras.tree.map_structure(tf.constant, nest) for nest in (ASKED, TARGETS, SEEDS))
    variables = [variable.value for variable in detector.trainable_variables]

    def step():
        with tf.GradientTape() as tape:
            losses = detector.training_losses(asked, targets, seeds)
            total = sum(losses.values())
        return losses, tape.gradient(total, variables)

    return step


def assert_learns(detector, losses, gradients):
    assert all(np.isfinite(loss) and loss > 0 for loss in losses.values())
    for variable, gradient in zip(detector.trainable_variables, gradients, strict=True):
        assert np.all(np.isfinite(gradient)) and np.any(gradient), variable.path


@pytest.mark.parametrize(
    "head, options",
    [
        (None, {"scales": (0.5, 1.0, 2.0), "global_context": True}),
        ("mlp", {"head_layers": 4, "scales": (1.0, 1.5), "scales_per_region": 1}),
        ("mlp", {"head_layers": 2, "global_context": True}),
        ("conv", {"head_convolutions": 1, "global_context": True, "roi_pooling": "align"}),
        ("conv", {"head_convolutions": 3, "scales": (1.0, 2.0)}),
        ("maxout", {"head_convolutions": 1, "scales": (0.5, 1.0, 2.0)}),
        ("maxout", {"head_convolutions": 3, "global_context": True}),
    ],
)
def test_a_training_step_reaches_every_weight(head, options):
    detector = narrow(head, train_batch_norm=True, **options)
    assert_learns(detector, *steps(detector)())


@slow
@pytest.mark.parametrize("head", [None, *HEADS])
def test_a_training_step_compiles(head):
    net = keras_resnets.ResNet((1, 1), (8, 16), include_top=False)
    options = {"scales": (0.5, 1.0), "global_context": True, "pool_size": 2}
    detector = FastRCNN(3, net, head=head, **NARROW | options)
    assert_learns(detector, *tf.function(steps(detector), jit_compile=True)())


@pytest.mark.parametrize("head", [pytest.param("mlp", marks=slow), pytest.param("conv", marks=slow), "maxout"])
def test_a_saved_detector_says_the_same(head, trained, tmp_path):
    detector = trained(head, global_context=True, head_layers=2, scales=(1.0, 2.0))
    detector.save(tmp_path / "detector.keras")
    loaded = keras.models.load_model(tmp_path / "detector.keras")
    assert_same(loaded(ASKED), detector(ASKED), 1e-6)
    assert loaded.options == detector.options


@slow
@pytest.mark.parametrize(
    "options, new",
    [
        ({"head": "conv"}, {"noc_conv1", "noc_conv2"}),
        ({"head": "mlp", "head_layers": 4}, {"fc8"}),
        ({"head": "mlp", "head_units": 64}, {"fc6", "fc7"}),
        ({"head": "maxout", "scales": (1.0, 2.0), "global_context": True}, {"noc_conv1", "noc_conv2", "fc6"}),
    ],
)
def test_a_head_takes_a_classification_nets_layers_of_the_same_size(options, new, tmp_path):
    net = keras_resnets.create_model("zfnet")
    net.save_weights(tmp_path / "net.weights.h5")
    detector = FastRCNN(3, "zfnet", weights=tmp_path / "net.weights.h5", **options)
    given, own = weights(net), weights(detector)
    taken = {name for name, values in own.items() if name in given and np.array_equal(values[0], given[name][0])}
    assert own.keys() - taken == new | {"class_logits", "box_deltas"}


@pytest.mark.parametrize(
    "options, message",
    [
        ({"head": "fc"}, "head='fc' must be 'mlp', 'conv', 'conv_bn', 'maxout' or None"),
        ({"head": {}}, "head={} must be 'mlp'"),
        ({"head": ["mlp"]}, r"head=\('mlp',\) must be 'mlp'"),
        ({"head_layers": 1}, "head_layers=1 must be an integer from 2 to 4"),
        ({"head_layers": 5}, "head_layers=5 must be an integer from 2 to 4"),
        ({"head_layers": 2.5}, r"head_layers=2\.5 must be an integer"),
        ({"head_convolutions": 5}, "head_convolutions=5 must be an integer from 1 to 4"),
        ({"head_layers": 2}, "head_layers=2 has no effect with head=None: leave it out, or pass head='mlp' or 'conv'"),
        ({"head": "mlp", "head_convolutions": 1}, "head_convolutions=1 has no effect with head='mlp': leave it out"),
        ({"head_units": 0}, "head_units=0 must be a positive integer"),
        ({"scales": (0.5, 2.0)}, r"scales=\(0\.5, 2\.0\) must rise, and 1 must be one of them"),
        ({"scales": (2.0, 1.0)}, r"scales=\(2\.0, 1\.0\) must rise, and 1 must be one of them"),
        ({"scales": (1.0, 1.0)}, r"scales=\(1\.0, 1\.0\) must rise"),
        ({"scales": ()}, r"scales=\(\) must be a list, each a positive number"),
        ({"scales": 1.0}, r"scales=1\.0 must be a list, each a positive number"),
        ({"scales_per_region": 0}, "scales_per_region=0 must be a positive integer"),
        ({"canonical_size": 0}, "canonical_size=0 must be a positive number"),
        ({"global_context": 1}, "global_context=1 must be True or False"),
        (
            {"head": "maxout"},
            r"head='maxout' merges two scales, with scales=\(1\.0,\) and scales_per_region=2 there is one: pass",
        ),
        ({"head": "maxout", "scales": (1.0, 2.0), "scales_per_region": 1}, "scales_per_region=1 there is one: pass"),
    ],
)
def test_options_that_cannot_work(options, message):
    with pytest.raises(ArgumentError, match=message):
        RegionOptions(**options)


@pytest.mark.parametrize("options", [{"head": "mlp"}, {"head": "maxout", "scales": (1.0, 2.0)}])
@slow
def test_an_export_compresses_fully_connected_layers_wherever_they_are(options, randomize, tmp_path):
    net = keras_resnets.ResNet((1, 1, 1), (8, 8, 8), include_top=False)
    detector = FastRCNN(3, net, pool_size=4, head_units=12, score_threshold=0.0, **options)
    detector.region_network, detector.head = map(randomize, (detector.region_network, detector.head))
    images = np.round(noise()).astype("uint8")
    asked = inputs(images, [[64, 96]] * 2) | {"proposals": PROPOSALS}
    uncompressed = detector(asked)

    def export(svd_ranks):
        resizing, count = Resizing(64, 96, (64, 96)), PROPOSALS.shape[1]
        return export_detector(detector, resizing, ["a", "b", "c"], tmp_path, num_proposals=count, svd_ranks=svd_ranks)

    with pytest.raises(ArgumentError, match="ranks has 'fc9': .*, which is unknown"):
        export({"fc9": 3})
    session = SavedModelSession(export({"fc6": 3, "fc7": 2}))
    found = session("serving_default", images=images, proposals=PROPOSALS)
    for part in ("region_network", "head"):
        layers = {layer.name for layer in getattr(detector, part).layers}
        ranks = {name: rank for name, rank in {"fc6": 3, "fc7": 2}.items() if name in layers}
        setattr(detector, part, truncated_svd(getattr(detector, part), ranks))
    assert_same(found, detector(asked))
    assert np.max(np.abs(found["scores"] - uncompressed["scores"])) > 0.01
