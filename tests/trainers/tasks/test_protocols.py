"""The papers' protocols of evaluation: which views, how a net answers for them, and ensembles."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from configurations import classification_config

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.preprocessing import Preprocessing
from keras_resnets.surgery.fully_convolutional import any_size, fully_convolutional
from trainers.data.classification_dataset import ImageDataset
from trainers.data.image_source import Pixels
from trainers.data.registry import open_dataset
from trainers.data.sources import digit_scenes
from trainers.data.split import Split, shuffled_indices
from trainers.engine import train as engine_train
from trainers.engine.predictor import predictor
from trainers.engine.run_folder import RunFolder
from trainers.evaluation.evaluate import evaluate
from trainers.runtime.progress import Progress
from trainers.tasks.classification import Classification
from trainers.tasks.multi_view import MultiViewNet, evaluate_ensemble, greedy_search
from trainers.tasks.protocols import PROTOCOLS

NORMALIZATION = {"mean": (120, 110, 100), "std": (60, 60, 60)}
SIZE = 7  # of a net, for which 256/224 are 8 pixels
SHAPES = {"portrait": (11, 8), "landscape": (8, 13), "odd": (9, 12), "square": (8, 8)}


def numbered(height, width):
    """Returns an image whose pixels are all different."""
    return np.arange(height * width * 3, dtype=np.float32).reshape(height, width, 3)


def views_of(name, image, preprocessing):
    """Returns the views at each scale, a list."""
    protocol = PROTOCOLS[name]
    image, size = tf.constant(image), preprocessing.size
    short_sides = protocol.scales(size, preprocessing.short_side)
    return [protocol.views(image, size, short_side).numpy() for short_side in short_sides]


def cut(image, offsets, size=SIZE):
    return [image[top : top + size, left : left + size] for top, left in offsets]


def with_mirrors(views):
    return np.stack([*views, *(view[:, ::-1] for view in views)])


def five_offsets(height, width, size=SIZE):
    """The offsets of section 4.1 of AlexNet's paper, the centre's rounded up as in fb.resnet.torch."""
    bottom, right = height - size, width - size
    return [(0, 0), (0, right), (bottom, 0), (bottom, right), (-(-bottom // 2), -(-right // 2))]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_ten_crops_are_at_the_papers_offsets(shape):
    image = numbered(*shape)
    (views,) = views_of("ten_crop", image, Preprocessing(SIZE, min(shape), **NORMALIZATION))
    np.testing.assert_array_equal(views, with_mirrors(cut(image, five_offsets(*shape))))


def six_views(square):
    """Corners, centre, and all of a square; the last by what resizes images elsewhere."""
    whole = tf.image.resize(square, (SIZE, SIZE), antialias=True).numpy()
    return [*cut(square, five_offsets(*square.shape[:2])), whole]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_twelve_crops_are_of_the_central_square(shape):
    image, side = numbered(*shape), min(shape)
    square = cut(image, five_offsets(*shape, size=side)[-1:], side)[0]
    (views,) = views_of("twelve_crop", image, Preprocessing(SIZE, side, **NORMALIZATION))
    expected = with_mirrors(six_views(square))
    np.testing.assert_array_equal(views[:5], expected[:5])
    np.testing.assert_allclose(views, expected, atol=1e-4)


@pytest.mark.parametrize("scale, side", enumerate([8, 9, 10, 11]))
@pytest.mark.parametrize("long_side", [0, 3, 4])
@pytest.mark.parametrize("portrait", [False, True])
def test_144_crops_are_those_of_three_squares_at_four_scales(scale, side, long_side, portrait):
    """At the scale that an image has already, its pixels are unchanged."""
    shape = (side + long_side, side) if portrait else (side, side + long_side)
    image = numbered(*shape)
    along = [0, -(-long_side // 2), long_side]
    squares = cut(image, [(offset, 0) if portrait else (0, offset) for offset in along], side)
    views = views_of("144_crop", image, Preprocessing(SIZE, SIZE, **NORMALIZATION))[scale]
    expected = with_mirrors([view for square in squares for view in six_views(square)])
    crops = [i for i in range(36) if i % 6 != 5]
    np.testing.assert_array_equal(views[crops], expected[crops])
    np.testing.assert_allclose(views, expected, atol=1e-4)


def test_corners_of_googlenets_smallest_square_start_at_0_and_32():
    image = numbered(256, 341)
    views = views_of("144_crop", image, Preprocessing(224, 256, **NORMALIZATION))[0]
    left, middle, right = (image[:, offset : offset + 256] for offset in (0, 43, 85))
    for i, square in enumerate((left, middle, right)):
        offsets = [(0, 0), (0, 32), (32, 0), (32, 32), (16, 16)]
        np.testing.assert_array_equal(views[6 * i : 6 * i + 5], cut(square, offsets, 224))


@pytest.mark.parametrize(
    "name, count", [("single_crop", 1), ("ten_crop", 10), ("twelve_crop", 12), ("144_crop", 144), ("dense", 2)]
)
def test_counts_and_shapes_of_views(name, count):
    preprocessing = Preprocessing(8, 9, **NORMALIZATION)
    views = views_of(name, numbered(13, 18), preprocessing)
    assert sum(map(len, views)) == count == PROTOCOLS[name].views_of_an_image
    assert {view.shape[1:] for view in views} == {(9, 12, 3) if name == "dense" else (8, 8, 3)}
    if count > 1:
        for view in views:
            half = len(view) // 2
            np.testing.assert_array_equal(view[half:], view[:half, :, ::-1])


def test_the_single_crop_is_that_of_training():
    preprocessing = Preprocessing(5, 6, **NORMALIZATION)
    (views,) = views_of("single_crop", numbered(9, 14), preprocessing)
    np.testing.assert_array_equal(views[0], preprocessing.crop(numbered(9, 14)))


@pytest.mark.parametrize(
    "name, size, short_sides",
    [
        ("ten_crop", 224, [256]),
        ("144_crop", 224, [256, 288, 320, 352]),
        ("144_crop", 299, [342, 384, 427, 470]),
        ("dense", 224, [256]),
        ("multi_scale", 224, [224, 256, 384, 480, 640]),
        ("multi_scale", 32, [32, 37, 55, 69, 91]),
    ],
)
def test_scales_are_in_proportion_to_what_a_net_sees(name, size, short_sides):
    assert PROTOCOLS[name].scales(size, round(size * 256 / 224)) == short_sides


def test_images_that_leave_no_room_for_crops_are_enlarged():
    image = numbered(9, 12)
    without, with_room = (views_of("ten_crop", image, Preprocessing(7, side, **NORMALIZATION)) for side in (7, 8))
    np.testing.assert_array_equal(without, with_room)


def logits_of(name, **arguments):
    return keras_resnets.create_model(name, classes=6, classifier_activation=None, **arguments)


@pytest.mark.parametrize("name", ["cifar_resnet8", "cifar_resnet_v2_8"])
def test_of_a_linear_head_the_mean_of_dense_logits_is_the_logits_of_the_pooled_map(name, randomize):
    model = randomize(logits_of(name))
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    dense = fully_convolutional(model)
    scores = dense(images)
    assert scores.shape == (2, 8, 8, 6)
    np.testing.assert_allclose(tf.reduce_mean(scores, (1, 2)), model(images), atol=1e-5)
    wide = np.random.default_rng(1).normal(size=(1, 40, 52, 3)).astype(np.float32)
    np.testing.assert_allclose(tf.reduce_mean(dense(wide), (1, 2)), any_size(model)(wide), atol=1e-5)


def fully_connected_net():
    """A net as VGG, whose first fully connected layer is as large as the map of 3x3 that it sees."""
    image = keras.Input((6, 6, 3))
    x = keras.layers.MaxPooling2D(2)(keras.layers.Conv2D(4, 3, padding="same", activation="relu")(image))
    x = keras.layers.Flatten()(x)
    for units in (8, 7):
        x = keras.layers.Dropout(0.5)(keras.layers.Dense(units, activation="relu")(x))
    return keras.Model(image, keras.layers.Dense(5)(x))


def test_fully_connected_layers_become_convolutions(randomize):
    """At every position of the map, the net says what it says of the window that this position sees."""
    model = randomize(fully_connected_net())
    # Padding is seen at the border of each window, and not in the image: the net's convolution must not look beyond.
    kernel, bias = model.layers[1].get_weights()
    kernel[[0, 2]], kernel[:, [0, 2]] = 0, 0
    model.layers[1].set_weights([kernel, bias])
    image = np.random.default_rng(0).normal(size=(1, 10, 8, 3)).astype(np.float32)
    scores = fully_convolutional(model)(image)
    assert scores.shape == (1, 3, 2, 5)
    for row, column in np.ndindex(3, 2):
        window = image[:, 2 * row : 2 * row + 6, 2 * column : 2 * column + 6]
        np.testing.assert_allclose(scores[:, row, column], model(window), atol=1e-5)


def test_a_net_for_images_of_one_size():
    with pytest.raises(ArgumentError, match="takes images of 6 pixels only"):
        any_size(fully_connected_net())


IMAGES = 5


def photo_dataset(side=None):
    """A data set of noise; without a side, of images of different sizes."""
    random = np.random.default_rng(0)
    shapes = random.integers(30, 60, (IMAGES, 2)) if side is None else np.full((IMAGES, 2), side)
    images = tf.ragged.stack([random.integers(0, 256, (*shape, 3)).astype(np.uint8) for shape in shapes])
    labels = tf.constant(random.integers(0, 6, IMAGES), tf.int32)

    def load(key):
        image = images[key["index"]]
        image = image.to_tensor() if isinstance(image, tf.RaggedTensor) else image
        return {"image": Pixels(tf.ensure_shape(image, [None, None, 3])), "label": labels[key["index"]]}

    split = Split(IMAGES, lambda seed: shuffled_indices(IMAGES, seed).map(lambda i: {"index": i}), load)
    names = tuple("abcdef")
    return ImageDataset(names, side, NORMALIZATION["mean"], NORMALIZATION["std"], train=split, test=split)


@pytest.fixture
def make_member(randomize):
    """Returns the function that makes a member with random weights for a data set, and returns it, task and model."""

    def make(dataset, protocol="single_crop", seed=0, **sides):
        task = make_task(dataset, "cifar_resnet8", 32)
        net = randomize(task.build_model(), seed)
        return MultiViewNet(f"run{seed}", task, net, 5, protocol, **sides), task, net

    return make


def make_task(dataset, model, image_size):
    config = classification_config(model, "noise", dataset, "digits", image_size=image_size, batch_size=3)
    return Classification(config, dataset)


def predicted(member, dataset):
    """Returns the member's probabilities."""
    with Progress(1, "test", "views", shown=False) as progress:
        return member.predict(dataset, progress)[1]


def images_of(dataset):
    return [dataset.test.load(key)["image"].pixels() for key in dataset.test.keys(None)]


def test_a_single_crop_says_what_training_does(make_member):
    dataset = photo_dataset()
    member, task, model = make_member(dataset)
    predictions, figures = evaluate_ensemble([member], dataset)
    expected = predictor(task, model, tf.distribute.get_strategy())()
    assert expected.keys() == predictions.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(predictions[name], values)
    metrics = task.metrics(expected)
    assert {name: figures[name] for name in metrics} == metrics
    assert figures["members"][0].items() >= {"member": "run0:single_crop", "step": 5, "views": 1, **metrics}.items()


@pytest.mark.parametrize("protocol", ["ten_crop", "twelve_crop", "144_crop"])
def test_a_nets_answer_is_the_mean_over_all_views(protocol, make_member):
    dataset = photo_dataset()
    member, task, model = make_member(dataset, protocol)
    expected = []
    for image in images_of(dataset):
        views = np.concatenate(views_of(protocol, image, task.preprocessing))
        logits = model(task.preprocessing.normalize(views), training=False)
        expected.append(np.mean(tf.nn.softmax(logits), axis=0))
    np.testing.assert_allclose(predicted(member, dataset), expected, atol=1e-5)


@pytest.mark.parametrize("side", [None, 40])
@pytest.mark.parametrize("protocol", ["dense", "multi_scale"])
def test_a_dense_answer_is_the_mean_over_scales_and_mirror_images(protocol, side, make_member):
    """Global average pooling and a linear head: that of a whole image is that of the pooled map."""
    dataset = photo_dataset(side)
    member, task, model = make_member(dataset, protocol)
    net, expected = any_size(model), []
    for image in images_of(dataset):
        views = views_of(protocol, image, task.preprocessing)
        answers = [tf.nn.softmax(net(task.preprocessing.normalize(view), training=False)) for view in views]
        expected.append(np.mean(answers, axis=(0, 1)))
    np.testing.assert_allclose(predicted(member, dataset), expected, atol=1e-5)


def test_of_an_image_of_the_nets_own_size_dense_is_the_net_and_the_mirror_image(make_member):
    dataset = photo_dataset(32)
    member, task, model = make_member(dataset, "dense")
    images = task.preprocessing.normalize(np.stack(images_of(dataset)))
    both = [tf.nn.softmax(model(views)) for views in (images, images[:, :, ::-1])]
    np.testing.assert_allclose(predicted(member, dataset), np.mean(both, axis=0), atol=1e-5)


def test_a_larger_crop_of_a_larger_image(make_member):
    dataset = photo_dataset()
    member, task, model = make_member(dataset, crop_size=40, short_side=44)
    preprocessing = dataclasses.replace(task.preprocessing, size=40, short_side=44)
    images = tf.stack([preprocessing(image) for image in images_of(dataset)])
    np.testing.assert_allclose(predicted(member, dataset), tf.nn.softmax(any_size(model)(images)), atol=1e-5)


@pytest.mark.parametrize("protocol, views", [("144_crop", 144), ("multi_scale", 10)])
def test_sides_of_several_scales_are_in_proportion_to_a_larger_crop(protocol, views, make_member):
    """What training had as the short side does not matter."""
    dataset = photo_dataset()
    member, task, model = make_member(dataset, protocol, crop_size=48)
    preprocessing, net = dataclasses.replace(task.preprocessing, size=48, short_side=55), any_size(model)
    expected = []
    for image in images_of(dataset):
        answers = [
            tf.nn.softmax(net(task.preprocessing.normalize(view))) for view in views_of(protocol, image, preprocessing)
        ]
        expected.append(np.sum(np.concatenate(answers), axis=0) / views)
    np.testing.assert_allclose(predicted(member, dataset), expected, atol=1e-5)


def test_an_ensemble_is_the_mean_of_probabilities(make_member):
    dataset = photo_dataset()
    first, second = (make_member(dataset, protocol, seed)[0] for seed, protocol in enumerate(["ten_crop", "dense"]))
    predictions, figures = evaluate_ensemble([first, second], dataset)
    mean = (predicted(first, dataset) + predicted(second, dataset)) / 2
    labels = np.array([dataset.test.load(key)["label"] for key in dataset.test.keys(None)])
    np.testing.assert_array_equal(predictions["label"], labels)
    np.testing.assert_array_equal(predictions["predicted"], np.argmax(mean, axis=1))
    assert figures["top1_error"] == np.mean(np.argmax(mean, axis=1) != labels)
    assert [member["member"] for member in figures["members"]] == ["run0:ten_crop", "run1:dense"]
    assert [member["views"] for member in figures["members"]] == [10, 2]
    assert figures["images_per_second"] > 0


def test_ten_identical_members_say_what_one_does(make_member):
    dataset = photo_dataset()
    member = make_member(dataset)[0]
    (one, alone), (ten, together) = (evaluate_ensemble([member] * count, dataset) for count in (1, 10))
    for name, values in one.items():
        np.testing.assert_array_equal(ten[name], values)
    assert all(together[name] == alone[name] for name in ("top1_error", "top5_error", "top1_interval"))


def test_greedy_search_adds_what_helps_most():
    labels = np.array([0, 0, 0, 0])
    right = {"poor": [0.6, 0.6, 0.1, 0.1], "good": [0.6, 0.6, 0.6, 0.4], "complement": [0.1, 0.1, 0.1, 0.9]}
    probabilities = [np.stack([share, 1 - np.array(share)], axis=1) for share in right.values()]
    # Alone 2, 1 and 3 of 4 are wrong. With the good one, the complement corrects the last and spoils the others; with
    # the poor one, the third and the last are wrong: nothing is better than the good one.
    assert greedy_search(labels, probabilities) == [(1, 0.25)]
    mild = np.array([0.45, 0.45, 0.45, 0.9])
    probabilities.append(np.stack([mild, 1 - mild], axis=1))
    assert greedy_search(labels, probabilities) == [(1, 0.25), (3, 0.0)]
    # The first of members that are equally good.
    assert greedy_search(labels, [probabilities[0]] * 2) == [(0, 0.5)]


def test_a_search_leaves_out_who_does_not_help(make_member):
    dataset = photo_dataset()
    members = [make_member(dataset, seed=seed)[0] for seed in (0, 0)]
    _, figures = evaluate_ensemble(members, dataset, search=True)
    alone = figures["members"][0]["top1_error"]
    assert figures["search"] == [{"member": "run0:single_crop", "top1_error": alone}]
    assert figures["top1_error"] == alone


@pytest.mark.parametrize(
    "choices, message",
    [
        ({"protocol": "multi_scale", "short_side": 40}, "--short_side=40 has no effect on multi_scale: leave it out."),
        ({"protocol": "dense", "crop_size": 16}, "--crop_size=16 has no effect on dense: leave it out."),
        (
            {"protocol": "ten_crop", "crop_size": 40, "short_side": 40},
            "--short_side=40 leaves no room around 40 pixels for ten_crop: pass a larger one, or leave it out.",
        ),
        (
            {"crop_size": 60},
            "--crop_size=60 is more than the short side of resized images, 37: pass --short_side, too, of 60 at least.",
        ),
        (
            {"crop_size": 60, "short_side": 50},
            "--short_side=50 is less than the 60 pixels that the net sees: pass a larger one.",
        ),
        ({"protocol": "ten_crop", "short_side": 20}, "--short_side=20 leaves no room around 32 pixels for ten_crop"),
        ({"crop_size": 0}, "--crop_size=0 must be positive."),
        ({"protocol": "dense", "short_side": -1}, "--short_side=-1 must be positive."),
    ],
)
def test_sides_that_cannot_work(choices, message, make_member):
    with pytest.raises(ArgumentError) as error:
        make_member(photo_dataset(), **choices)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    "model, choices, message",
    [
        (
            "zfnet_spp",
            {"protocol": "dense"},
            "--protocol=dense: zfnet_spp has spatial_pyramid_pooling before its classifier, which is for whole images.",
        ),
        (
            "zfnet_spp",
            {"crop_size": 9, "short_side": 9},
            "--crop_size: images of 9 pixels are too small for zfnet_spp.",
        ),
        ("zfnet", {"crop_size": 50}, "--crop_size: zfnet takes images of 47 pixels only."),
    ],
)
@pytest.mark.usefixtures("without_weights")
def test_nets_that_are_not_for_a_protocol(model, choices, message):
    task = make_task(photo_dataset(), model, 47)
    with pytest.raises(ArgumentError) as error:
        MultiViewNet("run", task, task.build_model(), 5, **{"protocol": "single_crop", **choices})
    assert str(error.value) == message


def train(path, **choices):
    """Trains a run on digits for three steps."""
    dataset = open_dataset("digits")
    config = classification_config("cifar_resnet8", "digits", dataset, "digits", steps=3, batch_size=64, **choices)
    engine_train.train(Classification(config, dataset), run := RunFolder(path))
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs of different seeds."""
    folder = tmp_path_factory.mktemp("runs")
    return [train(folder / name, seed=seed) for seed, name in enumerate(["first", "second"])]


def test_evaluate_by_command(runs, run_command):
    first, second = runs
    ensemble = f"--ensemble={second.path},{second.path}:dense"
    process = run_command("trainers.evaluate", f"--model_dir={first.path}", "--protocol=ten_crop", ensemble, "--search")
    assert process.returncode == 0, process.stderr
    evaluation = json.loads((first.path / "evaluation.json").read_text())
    names = [f"{first.path}:ten_crop", f"{second.path}:ten_crop", f"{second.path}:dense"]
    assert [member["member"] for member in evaluation["members"]] == names
    assert evaluation["protocol"] == "ten_crop" and evaluation["images"] == 360
    for k in (1, 5):
        low, high = evaluation[f"top{k}_interval"]
        assert low <= evaluation[f"top{k}_error"] <= high
    lines = process.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == names and lines[4].startswith("ensemble of ")
    steps = evaluation["search"]
    assert lines[5:-2] == [f"search: with {one['member']}, top-1 error {one['top1_error']:.2%}" for one in steps]
    assert steps[-1]["top1_error"] == evaluation["top1_error"]
    assert lines[-2].endswith(f"top-1 error {evaluation['top1_error']:.2%}, top-5 error {evaluation['top5_error']:.2%}")
    assert lines[-1].startswith("worst classes: ") and "(recall " in lines[-1]


def test_the_default_is_what_training_measured(runs):
    for run in runs:
        _, results = evaluate(run)
        trained = run.results()
        assert {name: results[name] for name in ("top1_error", "top5_error", "step")} == {
            name: trained[name] for name in ("top1_error", "top5_error", "step")
        }
        assert results["protocol"] == "single_crop" and len(results["members"]) == 1


def test_another_data_set_is_measured_with_all_of_its_test_images(runs, tmp_path, monkeypatch):
    """Also by a run that held out training images of its own, and by one together with it that learned from them."""
    monkeypatch.setattr(digit_scenes, "ONE_DIGIT_TRAIN", 60)
    monkeypatch.setattr(digit_scenes, "ONE_DIGIT_TEST", 8)
    held_out = train(tmp_path / "held_out", holdout=50)
    assert evaluate(held_out)[1]["images"] == 50
    _, results = evaluate(held_out, "one_digit_scenes", ensemble=[str(runs[1].path)])
    assert results["images"] == 8 and len(results["members"]) == 2


def test_runs_that_do_not_go_together(runs, tmp_path):
    first, second = runs
    with pytest.raises(ArgumentError, match="protocol 'all' is unknown: use single_crop, ten_crop, twelve_crop, 144_"):
        evaluate(first, ensemble=[f"{second.path}:all"])
    for text in ("", ":dense", "/nowhere", f"{tmp_path}:dense"):
        with pytest.raises(ArgumentError, match=rf"--ensemble={text} is no run: give runs as DIR\[:PROTOCOL\], sep"):
            evaluate(first, ensemble=[text])
    with pytest.raises(ArgumentError, match="--search chooses among several runs: give others with --ensemble"):
        evaluate(first, search=True)
    held_out = train(tmp_path / "held_out", holdout=50)
    with pytest.raises(ArgumentError, match="cannot join .*held_out: it was trained on images that the run held out"):
        evaluate(held_out, ensemble=[str(second.path)])
    config = {**second.config(), "task": "detection"}
    other = RunFolder(tmp_path / "other")
    other.begin(config)
    with pytest.raises(ArgumentError, match="is a run of trainers.detection, and .* of trainers.classification: leave"):
        evaluate(first, ensemble=[str(other.path)])
    for choices in ({"protocol": "dense"}, {"crop_size": 9}):
        (name, value), *_ = choices.items()
        with pytest.raises(ArgumentError, match=f"--{name}={value} is for runs of trainers.classification: leave it"):
            evaluate(other, **choices)
