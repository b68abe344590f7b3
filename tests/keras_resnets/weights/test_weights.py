"""Reading weights: keras.applications' three .h5 forms, our own, and files that do not fit."""

import zipfile

import h5py
import keras
import numpy as np
import pytest

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.weights.published import normalization_of

CLASSES = 7


def legacy_weights(model, path, classifier="predictions"):
    """Writes what `save_weights` of Keras 2 wrote, the form of the published files: the group of a whole model."""
    whole = path.with_suffix(".whole.h5")
    model.save(whole)
    with h5py.File(whole) as source, h5py.File(path, "w") as target:
        weights = source["model_weights"]
        for name in weights:
            weights.copy(name, target, classifier if name == "predictions" else name)
        target.attrs["layer_names"] = [
            classifier if name == "predictions" else name for name in weights.attrs["layer_names"]
        ]
    return path


def whole_legacy_model(model, path):
    model.save(path)
    return path


def keras3_weights(model, path):
    path = path.with_suffix(".weights.h5")
    model.save_weights(path)
    return path


FORMS = [legacy_weights, whole_legacy_model, keras3_weights]


def theirs(name, randomize, include_top=True):
    build = getattr(keras.applications, name)
    if not include_top:
        return randomize(build(weights=None, include_top=False, input_shape=(64, 64, 3)))
    return randomize(build(weights=None, input_shape=(64, 64, 3), classes=CLASSES, classifier_activation=None))


def assert_same_outputs(ours, theirs, size=64):
    images = np.random.default_rng(1).normal(size=(2, size, size, 3)).astype("float32")
    ours, theirs = np.array(ours(images)), np.array(theirs(images))
    assert np.abs(ours - theirs).max() < 1e-4 * np.abs(theirs).max()
    # Two images' answers are not far apart: the error must be small beside their difference as well.
    assert np.abs(ours - theirs).max() < 1e-2 * np.abs(theirs[0] - theirs[1]).max()


@pytest.mark.parametrize(
    "name, form",
    [
        *(("ResNet50", form) for form in FORMS),
        pytest.param("ResNet101", legacy_weights, marks=pytest.mark.slow),
        pytest.param("ResNet152", keras3_weights, marks=pytest.mark.slow),
    ],
)
def test_keras_applications_outputs(name, form, tmp_path, randomize):
    reference = theirs(name, randomize)
    path = form(reference, tmp_path / "weights.h5")
    ours = getattr(keras_resnets, name)(
        weights=path, input_shape=(64, 64, 3), classes=CLASSES, classifier_activation=None
    )
    assert_same_outputs(ours, reference)


@pytest.mark.parametrize(
    "name, form, size, include_top",
    [
        ("VGG16", legacy_weights, 64, False),
        pytest.param("VGG19", keras3_weights, 64, True, marks=pytest.mark.slow),
        ("InceptionV3", legacy_weights, 75, True),
        pytest.param("VGG16", legacy_weights, 64, True, marks=pytest.mark.slow),
        pytest.param("InceptionV3", keras3_weights, 75, False, marks=pytest.mark.slow),
        pytest.param("InceptionResNetV2", legacy_weights, 75, True, marks=pytest.mark.slow),
        pytest.param("InceptionResNetV2", legacy_weights, 75, False, marks=pytest.mark.slow),
        pytest.param("InceptionResNetV2", keras3_weights, 75, True, marks=pytest.mark.slow),
    ],
)
def test_keras_applications_vgg_and_inception(name, form, size, include_top, tmp_path, randomize):
    arguments = {"include_top": include_top, "input_shape": (size, size, 3)}
    if include_top:
        arguments |= {"classes": CLASSES, "classifier_activation": None}
    keras.layers.Conv2D(1, 1), keras.layers.BatchNormalization()  # Keras counts on in names.
    reference = randomize(getattr(keras.applications, name)(weights=None, **arguments))
    path = form(reference, tmp_path / "weights.h5")
    layout = {"layout": "slim"} if name == "InceptionResNetV2" else {}
    assert_same_outputs(getattr(keras_resnets, name)(weights=path, **arguments, **layout), reference, size)


@pytest.mark.parametrize(
    "name, build, message",
    [
        pytest.param(
            "InceptionV3",
            keras_resnets.InceptionV4,
            "keras.applications' Inception: use InceptionV3",
            marks=pytest.mark.slow,
        ),
        ("VGG16", keras_resnets.VGG19, "keras.applications' VGG: use VGG16"),
        ("ResNet50V2", keras_resnets.ResNet50V2, "keras.applications' ResNetV2, which has its strides elsewhere"),
    ],
)
def test_keras_applications_weights_of_another_net(name, build, message, tmp_path):
    path = keras3_weights(
        getattr(keras.applications, name)(weights=None, input_shape=(75, 75, 3)), tmp_path / "weights"
    )
    with pytest.raises(ArgumentError, match=message):
        build(weights=path, input_shape=(75, 75, 3))


def test_files_that_are_not_keras_applications(tmp_path):
    path = keras3_weights(keras_resnets.CifarResNet(8), tmp_path / "ours")
    with pytest.raises(ArgumentError, match="is not a file of keras.applications: use .*load_weights"):
        keras_resnets.weights.load_keras_applications(keras_resnets.CifarResNet(8), path)


def test_the_published_files_call_their_classifier_probs(tmp_path, randomize):
    reference = theirs("ResNet50", randomize)
    path = legacy_weights(reference, tmp_path / "weights.h5", classifier="probs")
    assert_same_outputs(
        keras_resnets.ResNet50(weights=path, input_shape=(64, 64, 3), classes=CLASSES, classifier_activation=None),
        reference,
    )


@pytest.mark.slow
def test_weights_with_and_without_a_classifier(tmp_path, randomize):
    with_top, without_top = theirs("ResNet50", randomize), theirs("ResNet50", randomize, include_top=False)
    path = keras3_weights(with_top, tmp_path / "top")
    trunk = keras.Model(with_top.input, with_top.get_layer("conv5_block3_out").output)
    assert_same_outputs(keras_resnets.ResNet50(False, path, input_shape=(64, 64, 3)), trunk)
    path = keras3_weights(without_top, tmp_path / "no_top")
    assert_same_outputs(keras_resnets.ResNet50(False, path, input_shape=(64, 64, 3)), without_top)
    with pytest.raises(ArgumentError, match="The file has no classifier: pass include_top=False. Layers missing: pred"):
        keras_resnets.ResNet50(weights=path)


def test_our_own_weights(tmp_path, randomize):
    model = randomize(keras_resnets.CifarResNet(8))
    path = keras3_weights(model, tmp_path / "ours")
    loaded = keras_resnets.CifarResNet(8, weights=path)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True))


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda path: keras_resnets.ResNet101(weights=path), ": use ResNet50. Layers missing: conv4_block10_1_bn, "),
        (
            lambda path: keras_resnets.ResNet50V1_5(weights=path, classes=7),
            "weights of keras.applications' ResNet: use ResNet50. Layers missing: conv3_block1_2_pad, ",
        ),
        (lambda path: keras_resnets.ResNet50(weights=path), "The file has 7 classes: pass classes=7, or include_top"),
        (
            lambda path: keras_resnets.CifarResNet(20, weights=path),
            "does not fit cifar_resnet20. .* of another shape: ",
        ),
        (
            lambda path: keras_resnets.ResNet50(weights=path, classes=7, input_shape=(64, 64, 1)),
            "conv1_conv is 7x7x3x64, not 7x7x1x64",
        ),
    ],
)
def test_weights_of_another_net(build, message, tmp_path_factory, randomize):
    path = tmp_path_factory.getbasetemp() / "resnet50.weights.h5"
    if not path.exists():
        theirs("ResNet50", randomize).save_weights(path)
    with pytest.raises(ArgumentError, match=message):
        build(path)


def transfer_learning(trunk, size):
    """A model as transfer learning makes it: augmentation, a trunk as one layer, and a new classifier."""
    augmentation = keras.Sequential([keras.layers.RandomFlip("horizontal")], name="augmentation")
    layers = [augmentation, trunk, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)]
    return keras.Sequential([keras.Input((size, size, 3)), *layers])


@pytest.mark.parametrize("form, name", [(whole_legacy_model, "cifar_resnet8"), (keras3_weights, "functional")])
def test_a_net_in_a_model_is_found_and_named(form, name, tmp_path, randomize, capsys):
    trunk = randomize(keras_resnets.CifarResNet(8, include_top=False))
    path = form(transfer_learning(trunk, 32), tmp_path / "weights.h5")
    ours = keras_resnets.CifarResNet(8, include_top=False, weights=path)
    assert all(np.array_equal(a, b) for a, b in zip(ours.get_weights(), trunk.get_weights(), strict=True))
    assert f"weights.h5': the weights of the net '{name}' in the model are read" in capsys.readouterr().err
    normalization_of("cifar_resnet8", path)  # Training reads the file for this, too, and says it once.
    assert capsys.readouterr().err == ""
    with pytest.raises(ArgumentError, match="The file has no classifier: pass include_top=False"):
        keras_resnets.CifarResNet(8, weights=path)


def test_a_net_of_keras_applications_in_legacy_weights(tmp_path, randomize):
    trunk = theirs("ResNet50", randomize, include_top=False)
    path = legacy_weights(transfer_learning(trunk, 64), tmp_path / "weights.h5")
    assert_same_outputs(keras_resnets.ResNet50(include_top=False, input_shape=(64, 64, 3), weights=path), trunk)
    with pytest.raises(ArgumentError, match="use ResNet50"):
        keras_resnets.ResNet50V1_5(include_top=False, input_shape=(64, 64, 3), weights=path)


def test_a_whole_keras_model(tmp_path, randomize, capsys):
    net = randomize(keras_resnets.CifarResNet(8, classes=3))
    net.compile("adam", "categorical_crossentropy")
    net.fit(np.zeros((2, 32, 32, 3)), np.eye(3)[:2], verbose=0)  # The file has the optimizer's variables as well.
    net.save(tmp_path / "net.keras")
    ours = keras_resnets.CifarResNet(8, classes=3, weights=tmp_path / "net.keras")
    assert all(np.array_equal(a, b) for a, b in zip(ours.get_weights(), net.get_weights(), strict=True))
    trunk = randomize(keras_resnets.CifarResNet(8, include_top=False))
    transfer_learning(trunk, 32).save(tmp_path / "nested.keras")
    ours = keras_resnets.CifarResNet(8, include_top=False, weights=tmp_path / "nested.keras")
    assert all(np.array_equal(a, b) for a, b in zip(ours.get_weights(), trunk.get_weights(), strict=True))
    assert "nested.keras': the weights of the net 'functional' in the model are read" in capsys.readouterr().err


def test_keras_models_that_cannot_be_read(tmp_path):
    model = tmp_path / "model.keras"
    keras_resnets.CifarResNet(8).save(model)
    with zipfile.ZipFile(model) as archive:
        content = archive.read("model.weights.h5")
    for packing, text, message in (
        (zipfile.ZIP_DEFLATED, content, r"its model\.weights\.h5 is packed, other than Keras writes it"),
        (zipfile.ZIP_STORED, content[:3000], "is not a readable HDF5 file of Keras weights"),
    ):
        with zipfile.ZipFile(model, "w", packing) as archive:
            archive.writestr("model.weights.h5", text)
        with pytest.raises(ArgumentError, match=rf"model\.keras' .*{message}"):
            keras_resnets.CifarResNet(8, weights=model)
    model.write_bytes(model.read_bytes().replace(content[:100], bytes(100)))
    with pytest.raises(ArgumentError, match="is not a readable Keras model .*CRC"):
        keras_resnets.CifarResNet(8, weights=model)


@pytest.mark.parametrize(
    "link, message",
    [
        (lambda file: h5py.SoftLink("/layers"), "layers/again is a link to /layers"),
        (lambda file: h5py.ExternalLink("other.h5", "/"), r"layers/again is in another file, other\.h5"),
        (lambda file: file["layers"], "layers is a group in several groups, or in itself"),
        (lambda file: file["/"], "the root is a group in several groups, or in itself"),
    ],
    ids=["soft", "external", "itself", "root"],
)
def test_links_that_keras_does_not_write_are_refused(link, message, tmp_path):
    path = keras3_weights(keras_resnets.CifarResNet(8), tmp_path / "net")
    with h5py.File(path, "a") as file:
        file["layers/again"] = link(file)
    with pytest.raises(ArgumentError, match=f"is not a readable HDF5 file of Keras weights .{message}.: download"):
        keras_resnets.CifarResNet(8, weights=path)


def test_a_file_that_does_not_fit_leaves_the_model_unchanged(tmp_path):
    path = keras3_weights(keras_resnets.CifarResNet(14), tmp_path / "deeper")
    model = keras_resnets.CifarResNet(8)
    before = model.get_weights()
    with pytest.raises(ArgumentError, match="14-layer residual net"):
        keras_resnets.weights.load_weights(model, path)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused_with_the_layer(value, tmp_path):
    """As of a training that has failed: every loss of a fine-tuning would be NaN."""
    model = keras_resnets.CifarResNet(8)
    kernel = np.array(model.get_layer("conv1_conv").kernel)
    kernel[0, 0, 0, 0] = value
    model.get_layer("conv1_conv").kernel.assign(kernel)
    path = keras3_weights(model, tmp_path / "failed")
    with pytest.raises(ArgumentError, match="conv1_conv holds values that are not finite"):
        keras_resnets.CifarResNet(8, weights=path)


def test_a_pointer_of_git_lfs_is_named(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n")
    with pytest.raises(ArgumentError, match=r"model\.safetensors' is a pointer of Git LFS, .*: run git lfs pull"):
        keras_resnets.ResNet50(weights=path)


def test_damaged_files(tmp_path, randomize):
    whole = keras3_weights(randomize(keras_resnets.CifarResNet(8)), tmp_path / "whole").read_bytes()
    for name, content in {"empty": b"", "text": b"not HDF5", "truncated": whole[: len(whole) // 2]}.items():
        path = tmp_path / f"{name}.h5"
        path.write_bytes(content)
        with pytest.raises(ArgumentError, match=f"{name}.h5' is not a .*file .* save it again"):
            keras_resnets.CifarResNet(8, weights=path)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = np.zeros(3)
    with pytest.raises(ArgumentError, match="other.h5' is not a readable HDF5 file of Keras weights"):
        keras_resnets.CifarResNet(8, weights=tmp_path / "other.h5")


def test_files_that_refer_to_other_files_or_state_huge_shapes(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(40))

    def external_link(layer):
        layer["vars"]["0"] = h5py.ExternalLink(str(secret), "/data")

    def external_values(layer):
        layer["vars"].create_dataset("0", (10,), "float32", external=[(str(secret), 0, 40)])

    def virtual_values(layer):
        layout = h5py.VirtualLayout((10,), "float32")
        layout[:] = h5py.VirtualSource(str(secret), "data", (10,))
        layer["vars"].create_virtual_dataset("0", layout)

    def huge_shape(layer):
        layer["vars"].create_dataset("0", (10**6, 10**6), "float32", chunks=(1, 100))[0, :100] = 1

    def huge_shape_of_packed_values(layer):
        layer["vars"].create_dataset("0", (10**6, 10**6), "float32", chunks=(1, 100), compression="gzip")[0, :100] = 1

    for damage, message in (
        (external_link, f"layers/conv/vars/0 is in another file, {secret}"),
        (external_values, "the values of layers/conv/vars/0 are in other files"),
        (virtual_values, "the values of layers/conv/vars/0 are in other files"),
        (huge_shape, r"layers/conv/vars/0 has the shape \(1000000, 1000000\), but not as many values"),
        (huge_shape_of_packed_values, "layers/conv/vars/0 has the shape"),
    ):
        path = tmp_path / f"{damage.__name__}.weights.h5"
        with h5py.File(path, "w") as file:
            file.create_group("layers/conv/vars")
            damage(file["layers/conv"])
        with pytest.raises(ArgumentError, match=f"is not a readable HDF5 file of Keras weights .{message}"):
            keras_resnets.CifarResNet(8, weights=path)


def test_packed_values_are_read(tmp_path, randomize):
    model = randomize(keras_resnets.CifarResNet(8))
    path = keras3_weights(model, tmp_path / "model")

    def pack(name, item):
        if isinstance(item, h5py.Dataset):
            packed.create_dataset(name, data=item[()] * 0, compression="gzip" if item.shape else None)
        for key, value in item.attrs.items():
            packed.require_group(name).attrs[key] = value

    with h5py.File(path) as file, h5py.File(tmp_path / "packed.h5", "w") as packed:
        file.visititems(pack)
    assert not any(map(np.any, keras_resnets.CifarResNet(8, weights=tmp_path / "packed.h5").get_weights()))


@pytest.mark.parametrize("form", [keras3_weights, *(pytest.param(form, marks=pytest.mark.slow) for form in FORMS[:2])])
@pytest.mark.parametrize(
    "saved, asked, message",
    [
        (keras_resnets.ResNet50V1_5, keras_resnets.ResNet50, r"version 1.5 \(stride in the 3x3\): use that with V1_5"),
        (
            keras_resnets.ResNet50,
            keras_resnets.ResNet50V1_5,
            r"version 1 \(stride in the 1x1\): use the builder without",
        ),
        (keras_resnets.PlainNet18, lambda **a: keras_resnets.ResNet18(shortcut="A", **a), "missing: conv2_block1_add"),
        (
            lambda **a: keras_resnets.ResNet18(shortcut="A", **a),
            keras_resnets.PlainNet18,
            "left over: conv2_block1_add",
        ),
    ],
)
def test_nets_whose_tensors_all_fit_are_told_apart(form, saved, asked, message, tmp_path):
    path = form(saved(input_shape=(32, 32, 3), classes=3), tmp_path / "weights.h5")
    with pytest.raises(ArgumentError, match=message):
        asked(input_shape=(32, 32, 3), classes=3, weights=path)


@pytest.mark.parametrize(
    "build",
    [
        lambda **a: keras_resnets.ResNetV2((1, 1), (8, 16), **a),
        pytest.param(keras_resnets.ZFNet, marks=pytest.mark.slow),
        pytest.param(keras_resnets.InceptionResNetV1, marks=pytest.mark.slow),
        pytest.param(
            lambda **a: keras_resnets.InceptionResNetV2(auxiliary_head=True, **(a | {"input_shape": (139, 139, 3)})),
            marks=pytest.mark.slow,
        ),
        lambda **a: keras_resnets.CifarResNet(8, shortcut="exclusive_gating", **a),
    ],
    ids=["ResNetV2", "ZFNet", "InceptionResNetV1", "InceptionResNetV2", "CifarResNet"],
)
def test_our_own_nets_are_saved_and_loaded(build, tmp_path, randomize):
    model = randomize(build(input_shape=(75, 75, 3), classes=3))
    model.save_weights(tmp_path / "own.weights.h5")
    other = build(input_shape=(75, 75, 3), classes=3, weights=tmp_path / "own.weights.h5")
    model.save(tmp_path / "whole.keras")
    whole = keras.models.load_model(tmp_path / "whole.keras")
    images = np.random.default_rng(0).normal(size=(1, *model.input_shape[1:]))
    expected = keras.tree.flatten(model(images))
    for copy in (other, whole):
        for one, two in zip(keras.tree.flatten(copy(images)), expected, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", ["googlenet", "bn_inception", "inception_resnet_v1", "resnet18_v2"])
def test_nets_with_a_classifier_take_images_of_any_size(name):
    model = keras_resnets.create_model(name, input_shape=(None, None, 3), classes=3)
    for size in [(75, 75), (80, 101)]:
        np.testing.assert_allclose(np.sum(model(np.ones((1, *size, 3))), axis=1), 1, rtol=1e-5)


@pytest.mark.slow
def test_fine_tuning_adds_an_auxiliary_head_to_published_weights(tmp_path, randomize):
    arguments = {"input_shape": (139, 139, 3), "classifier_activation": None}
    reference = randomize(keras.applications.InceptionV3(weights=None, classes=7, **arguments))
    path = legacy_weights(reference, tmp_path / "weights.h5")
    model = keras_resnets.InceptionV3(classes=7, auxiliary_head=True, **arguments)
    left = keras_resnets.weights.load_weights(model, path, new_classifier=True)
    assert len(left) == 5 and all(name.startswith("auxiliary_") for name in left)
    assert_same_outputs(keras.Model(model.input, model.outputs[0]), reference, 139)


@pytest.mark.slow
def test_an_auxiliary_head_is_for_training_only(tmp_path, randomize):
    arguments = {"input_shape": (139, 139, 3), "classes": 3}
    keras_resnets.InceptionV4(auxiliary_head=True, **arguments).save_weights(tmp_path / "aux.weights.h5")
    plain = keras_resnets.InceptionV4(weights=tmp_path / "aux.weights.h5", **arguments)
    plain.save_weights(tmp_path / "plain.weights.h5")
    with pytest.raises(ArgumentError, match="The file has no auxiliary head: load it into the net without one"):
        keras_resnets.InceptionV4(auxiliary_head=True, weights=tmp_path / "plain.weights.h5", **arguments)
