"""Exports: what they answer, and when they appear."""

import io
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.detection.resizing import Resizing
from keras_resnets.dtype_policies import dtype_policy_scope
from keras_resnets.ops.masks import paste_masks
from keras_resnets.preprocessing import Preprocessing
from keras_resnets.serving import SavedModelSession, export_classifier, export_detector, export_portable
from keras_resnets.serving.versions import next_version, resolve

PREPROCESSING = Preprocessing(32, 36, mean=(120, 110, 100), std=(60, 61, 62))
LABELS = [f"class {i}" for i in range(7)]


def net(classes=7):
    return keras_resnets.CifarResNet(8, input_shape=(32, 32, 3), classes=classes)


def encoded(image, kind):
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind)
    return file.getvalue()


def images_of_different_sizes():
    random = np.random.default_rng(0)
    small = [random.integers(0, 256, (5, 7, 3), dtype="uint8"), random.integers(0, 256, (9, 4, 3), dtype="uint8")]
    sizes = [(50, 70), (90, 40)]
    return [np.asarray(Image.fromarray(image).resize(size)) for image, size in zip(small, sizes)]


def test_an_export_equals_keras_in_a_new_process(tmp_path, randomize, in_new_process):
    model = randomize(net())
    path = export_classifier(model, PREPROCESSING, LABELS, tmp_path / "export")
    images = images_of_different_sizes()
    np.savez(tmp_path / "images.npz", *images)
    for i, image in enumerate(images):
        (tmp_path / f"{i}.png").write_bytes(encoded(image, "PNG"))
    process = in_new_process(
        "import json, pathlib, sys, numpy as np\n"
        "from keras_resnets.serving import SavedModelSession\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "session = SavedModelSession(folder / 'export')\n"
        "images = np.load(folder / 'images.npz')\n"
        "one = [session('serving_default', images=images[key][None]) for key in images]\n"
        "both = session('image_bytes', image_bytes=[(folder / f'{i}.png').read_bytes() for i in range(2)])\n"
        "text = lambda values: [[label.decode() for label in row] for row in values.tolist()]\n"
        "print(json.dumps({'arrays': [answer['probabilities'][0].tolist() for answer in one],\n"
        "    'bytes': both['probabilities'].tolist(), 'classes': both['classes'].tolist(),\n"
        "    'labels': text(both['labels'])}))\n",
        arguments=[tmp_path],
    )
    assert process.returncode == 0, process.stderr
    answers = json.loads(process.stdout.split("\n")[-2])
    expected = np.concatenate([model(PREPROCESSING(image)[tf.newaxis]) for image in images])
    np.testing.assert_allclose(answers["arrays"], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(answers["bytes"], expected, rtol=1e-4, atol=1e-6)
    best = np.argsort(-expected, axis=1)[:, :5]
    assert answers["classes"] == best.tolist()
    assert answers["labels"] == [[LABELS[i] for i in row] for row in best]
    assert path == tmp_path / "export" / "1"


def test_jpeg_and_batches(tmp_path):
    session = SavedModelSession(export_classifier(net(), PREPROCESSING, LABELS, tmp_path))
    image = images_of_different_sizes()[0]
    jpeg = session("image_bytes", image_bytes=[encoded(image, "JPEG")] * 3)
    assert jpeg["probabilities"].shape == (3, 7) and jpeg["classes"].shape == jpeg["labels"].shape == (3, 5)
    assert jpeg["classes"].dtype == np.int32
    batch = session("serving_default", images=np.stack([image, image[::-1]]))
    single = session("serving_default", images=image[np.newaxis])
    np.testing.assert_allclose(batch["probabilities"][0], single["probabilities"][0], rtol=1e-5)
    np.testing.assert_allclose(batch["probabilities"].sum(axis=1), 1, rtol=1e-5)
    with pytest.raises(ArgumentError, match="'image_bytes' takes image_bytes, not images"):
        session("image_bytes", images=image[np.newaxis])
    with pytest.raises(ArgumentError, match="has no signature 'feature': it has .*image_bytes"):
        session("feature", images=image[np.newaxis])


def test_nets_of_few_classes_return_them_all(tmp_path):
    session = SavedModelSession(export_classifier(net(3), PREPROCESSING, LABELS[:3], tmp_path))
    assert session("serving_default", images=np.zeros((1, 8, 8, 3), "uint8"))["classes"].shape == (1, 3)


def test_an_export_holds_each_weight_once(tmp_path):
    model = keras_resnets.CifarResNet(20, input_shape=(32, 32, 3), classes=7)
    path = export_classifier(model, PREPROCESSING, LABELS, tmp_path)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    assert 4 * model.count_params() < size < 1.5 * 4 * model.count_params()


def test_features_are_those_of_keras(tmp_path, randomize):
    model = randomize(net())
    session = SavedModelSession(export_classifier(model, PREPROCESSING, LABELS, tmp_path, stages=["conv2_out"]))
    image = images_of_different_sizes()[0][np.newaxis]
    answers = session("features", images=image)
    stage, pooled = model.get_layer("conv2_out").output, model.get_layer("predictions").input
    expected = keras.Model(model.input, [stage, pooled])(PREPROCESSING(image))
    for name, value in zip(("conv2_out", "features"), expected):
        assert answers[name].shape == value.shape
        np.testing.assert_allclose(answers[name], value, atol=1e-5 * np.max(value))
    with pytest.raises(ArgumentError, match="stages has 'conv9_out', which is not a layer of .*: use conv1_out"):
        export_classifier(model, PREPROCESSING, LABELS, tmp_path, stages=["conv9_out"])


def test_numbers_that_an_input_cannot_hold_are_refused(tmp_path):
    session = SavedModelSession(export_classifier(net(), PREPROCESSING, LABELS, tmp_path))
    pixels = np.full((1, 40, 40, 3), 44)
    expected = session("serving_default", images=pixels.astype("uint8"))["probabilities"]
    np.testing.assert_array_equal(session("serving_default", images=pixels.tolist())["probabilities"], expected)
    with pytest.raises(ArgumentError, match="images has type float64: it takes uint8, 0 to 255"):
        session("serving_default", images=pixels / 255)
    for value in (300, -1):
        pixels[0, 5, 7, 1] = value
        with pytest.raises(ArgumentError, match=f"images has the value {value}: it takes uint8, 0 to 255"):
            session("serving_default", images=pixels)


def test_a_batch_size_can_be_fixed(tmp_path):
    session = SavedModelSession(export_classifier(net(), PREPROCESSING, LABELS, tmp_path, batch_size=2))
    images = np.zeros((3, 40, 40, 3), "uint8")
    assert session("serving_default", images=images[:2])["probabilities"].shape == (2, 7)
    with pytest.raises(ValueError, match="shape"):
        session("serving_default", images=images)


def test_versions_count_up(tmp_path):
    assert next_version(tmp_path / "new") == 1
    paths = [export_classifier(net(), PREPROCESSING, LABELS, tmp_path).name for _ in range(2)]
    paths.append(export_classifier(net(), PREPROCESSING, LABELS, tmp_path, version=9).name)
    assert paths == ["1", "2", "9"] and next_version(tmp_path) == 10 and resolve(tmp_path) == tmp_path / "9"
    assert resolve(tmp_path / "2") == tmp_path / "2"
    with pytest.raises(ArgumentError, match="version=2 cannot be written: .* exists"):
        export_classifier(net(), PREPROCESSING, LABELS, tmp_path, version=2)
    with pytest.raises(ArgumentError, match="holds no SavedModel: expected"):
        resolve(tmp_path / "3")


def test_a_damaged_export_is_named(tmp_path):
    path = export_classifier(net(), PREPROCESSING, LABELS, tmp_path)
    file = path / "saved_model.pb"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ArgumentError, match=f"{path} is not a complete SavedModel .*: export it again"):
        SavedModelSession(path)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", '"\\xff"', "[" * 100_000], ids=len)
def test_a_damaged_description_is_named(text, tmp_path):
    path = export_classifier(net(), PREPROCESSING, LABELS, tmp_path)
    description = path / "assets.extra" / "description.json"
    description.parent.mkdir(exist_ok=True)
    description.write_text(text)
    with pytest.raises(ArgumentError, match="description.json is damaged .*: export again, or remove it"):
        SavedModelSession(path)


def test_an_export_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ArgumentError, match=r"labels has 2 names for a model whose output is \(None, 7\)"):
        export_classifier(net(), PREPROCESSING, LABELS[:2], tmp_path)
    broken = Preprocessing(30, 36, mean=(0, 0, 0), std=(1, 1, 1))  # The net takes 32x32.
    with pytest.raises(ValueError):
        export_classifier(net(), broken, LABELS, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_net_made_under_a_mixed_policy_is_exported(tmp_path):
    with dtype_policy_scope("mixed_bfloat16"):
        model = net()
    session = SavedModelSession(export_classifier(model, PREPROCESSING, LABELS, tmp_path))
    assert session("serving_default", images=np.zeros((1, 40, 40, 3), "uint8"))["probabilities"].dtype == np.float32


@pytest.mark.parametrize("export", [export_classifier, export_portable])
def test_models_that_an_export_cannot_take(export, tmp_path):
    with pytest.raises(ArgumentError, match=r"labels has 2 names for a model whose output is \(None, 7\)"):
        export(net(), PREPROCESSING, ["a", "b"], tmp_path / "export")
    with pytest.raises(ArgumentError, match="model='resnet50' is not a keras.Model"):
        export("resnet50", PREPROCESSING, LABELS, tmp_path / "export")
    assert not (tmp_path / "export").exists()


def test_a_format_that_does_not_exist(tmp_path):
    with pytest.raises(ArgumentError, match="format='foo' is unknown: use one of 'onnx', 'litert'"):
        export_portable(net(), PREPROCESSING, LABELS, tmp_path / "export", format="foo")


def test_a_net_without_the_layer_of_the_classifier(tmp_path):
    base = keras_resnets.CifarResNet(8, input_shape=(32, 32, 3), include_top=False, pooling="avg")
    own = keras.Model(base.input, keras.layers.Dense(7, "softmax", name="own")(base.output), name="mine")
    with pytest.raises(ArgumentError, match="model=mine has no layer called 'predictions', whose input would be"):
        export_classifier(own, PREPROCESSING, LABELS, tmp_path / "export")


@pytest.mark.parametrize(
    "kind, num_proposals, message",
    [
        (keras_resnets.FastRCNN, None, "num_proposals=None must be a positive integer: FastRCNN takes proposals"),
        (keras_resnets.FastRCNN, 0, "num_proposals=0 must be"),
        (keras_resnets.FasterRCNN, 9, "num_proposals=9 has no effect on FasterRCNN, which finds regions: omit it"),
    ],
)
def test_only_detectors_that_take_proposals_have_a_number_of_them(kind, num_proposals, message, tmp_path):
    detector = kind(2, keras_resnets.ResNet((1, 1, 1, 1), (4, 4, 4, 4), include_top=False), pool_size=2)
    with pytest.raises(ArgumentError, match=message):
        export_detector(detector, Resizing(64, 96, (64, 96)), ["a", "b"], tmp_path, num_proposals=num_proposals)


def test_masks_are_exported_in_boxes_and_in_images(tmp_path):
    net = keras_resnets.ResNet((1, 1, 1), (8, 8, 16), include_top=False)
    narrow = {"fpn_filters": 8, "rpn_filters": 8, "head_units": 8, "mask_filters": 8, "mask_batch_norm": True}
    detector = keras_resnets.MaskRCNN(
        2, net, anchor_sizes=(8, 16, 32, 64), score_threshold=0.0, max_detections=5, test_post_nms_topk=20, **narrow
    )
    detector.mask_head.get_layer("mask_logits").kernel.assign(np.random.default_rng(0).normal(size=(1, 1, 8, 3)))
    session = SavedModelSession(export_detector(detector, Resizing(48, 96, (64, 96)), ["a", "b"], tmp_path))
    image = images_of_different_sizes()[0]  # The canvas has another size.
    found = session("serving_default", images=image[np.newaxis])
    assert found["masks"].shape == (1, 5, 28, 28) and found["num_detections"] > 0
    resized, _ = Resizing(48, 96, (64, 96)).resize(image)
    canvas, shape = Resizing(48, 96, (64, 96)).pad(resized)
    expected = detector({"images": canvas[tf.newaxis], "image_shapes": shape[tf.newaxis]})
    np.testing.assert_allclose(found["masks"], expected["masks"], rtol=0, atol=1e-4)
    pasted = session("pasted_masks", images=image[np.newaxis])
    assert pasted["masks"].shape == (1, 5, *image.shape[:2]) and pasted["masks"].dtype == "uint8"
    np.testing.assert_array_equal(pasted["masks"], paste_masks(found["masks"], found["boxes"], *image.shape[:2]))
    np.testing.assert_allclose(pasted["boxes"], found["boxes"], rtol=0, atol=1e-3)
    of_files = session("image_bytes", image_bytes=[encoded(image, "PNG"), b"no image"])
    np.testing.assert_allclose(of_files["masks"][0], found["masks"][0], rtol=0, atol=1e-3)
    assert not of_files["masks"][1].any()
