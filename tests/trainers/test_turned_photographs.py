"""Photographs with EXIF's orientations are seen upright, wherever files are read."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from image_formats import with_orientation
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_images

from keras_resnets.preprocessing import Preprocessing
from keras_resnets.serving import SavedModelSession, export_classifier, predict_files
from trainers.data.registry import open_dataset, open_detection_dataset
from trainers.serving import c_session
from trainers.serving.predictions import draw

ORIENTATIONS = [*range(1, 9), 6, 8, 3, 6]  # of twelve photographs, turned as cameras turn them
BOX = (60, 20, 100, 50)  # of a white rectangle on each
SIZE = (120, 90)


def upright(index):
    """Returns a part of a photograph, darkened, with a white rectangle."""
    pixels = load_sample_images().images[index % 2][20 * index :][: SIZE[1], : SIZE[0]] // 2
    x1, y1, x2, y2 = BOX
    pixels[y1:y2, x1:x2] = 255
    return Image.fromarray(pixels)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """The folder of the photographs, 0.jpg to 11.jpg, each stored turned, and of their upright copies."""
    folder = tmp_path_factory.mktemp("photographs")
    for kind in ("turned", "copies"):
        (folder / kind).mkdir()
    for index, orientation in enumerate(ORIENTATIONS):
        file = with_orientation("JPEG", orientation, image=stored(upright(index), orientation), quality=95)
        (folder / "turned" / f"{index}.jpg").write_bytes(file)
        upright(index).save(folder / "copies" / f"{index}.jpg", quality=95)
    return folder


def stored(image, orientation):
    """Returns the image that EXIF's orientation makes this one."""
    back = {6: 8, 8: 6}.get(orientation, orientation)  # The others undo themselves.
    exif = image.getexif()
    exif[0x0112] = back
    return ImageOps.exif_transpose(image)


def write_coco(folder):
    images = [
        {"id": i, "file_name": f"{i}.jpg", "width": SIZE[0], "height": SIZE[1]} for i, _ in enumerate(ORIENTATIONS)
    ]
    x1, y1, x2, y2 = BOX
    annotations = [
        {"id": i, "image_id": i, "category_id": 1, "bbox": [x1, y1, x2 - x1, y2 - y1]}
        for i, _ in enumerate(ORIENTATIONS)
    ]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "paper"}]}
    (folder / "boxes.json").write_text(json.dumps(content))
    return f"coco:{folder / 'turned'},{folder / 'boxes.json'},{folder / 'turned'},{folder / 'boxes.json'}"


def write_voc(folder):
    for name in ("Annotations", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    names = [str(i) for i, _ in enumerate(ORIENTATIONS)]
    for split in ("trainval", "test"):
        (folder / "ImageSets/Main" / f"{split}.txt").write_text("\n".join(names))
    (folder / "labels.txt").write_text("paper\n")
    corners = zip(("xmin", "ymin", "xmax", "ymax"), (BOX[0] + 1, BOX[1] + 1, *BOX[2:]))
    box = "".join(f"<{name}>{value}</{name}>" for name, value in corners)
    for name in names:
        (folder / "Annotations" / f"{name}.xml").write_text(
            f"<annotation><size><width>{SIZE[0]}</width><height>{SIZE[1]}</height></size>"
            f"<object><name>paper</name><bndbox>{box}</bndbox></object></annotation>"
        )
    return f"voc:{folder}"


def brightness(split):
    """Returns the mean brightness inside and outside of each image's box."""
    means = []
    for key in split.keys(None):
        example = split.load(key)
        pixels = example["image"].pixels().numpy().astype(float)
        (x1, y1, x2, y2), inside = example["boxes"].numpy()[0].astype(int), np.zeros(pixels.shape[:2], bool)
        inside[y1:y2, x1:x2] = True
        means.append((pixels[inside].mean(), pixels[~inside].mean()))
    return np.array(means)


def test_boxes_are_on_their_objects(photographs, tmp_path, capsys):
    (tmp_path / "JPEGImages").symlink_to(photographs / "turned")
    for name in (write_coco(photographs), write_voc(tmp_path)):
        inside, outside = brightness(open_detection_dataset(name).train).T
        assert len(inside) == 12 and inside.min() > 245 and outside.max() < 130
    assert "size of the image is used" not in capsys.readouterr().err


def test_a_size_of_the_stored_image_is_said(photographs, tmp_path, capsys):
    (tmp_path / "JPEGImages").symlink_to(photographs / "turned")
    name = write_voc(tmp_path)
    file = tmp_path / "Annotations" / "5.xml"
    file.write_text(file.read_text().replace("<width>120", "<width>90").replace("<height>90", "<height>120"))
    open_detection_dataset(name)
    message = capsys.readouterr().err
    cause = "the stated size is that of the file without its EXIF orientation, and so may be the boxes"
    assert cause in message and "boxes are taken as of the upright image" in message


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """An export of a linear net, whose answers depend on where things are in an image."""
    keras.utils.set_random_seed(0)
    images = keras.Input((32, 32, 3))
    scores = keras.layers.Dense(3, "softmax", name="predictions")(keras.layers.Flatten()(images))
    preprocessing = Preprocessing(32, 36, (120,) * 3, (200,) * 3)
    return export_classifier(keras.Model(images, scores), preprocessing, "abc", tmp_path_factory.mktemp("export"))


def in_c_runtime(export, files):
    """Returns the probabilities of files by TensorFlow's C library."""
    signature = SavedModelSession(export).signatures["image_bytes"]
    content = np.array([file.read_bytes() for file in files], object)
    request = {
        "inputs": {signature.inputs["image_bytes"].name: c_session.to_json(content)},
        "outputs": {key: signature.outputs[key].name for key in ("probabilities", "status")},
    }
    command = [sys.executable, "-P", c_session.__file__, str(export)]
    process = subprocess.run(command, input=json.dumps([request]), capture_output=True, text=True, check=True)
    (answer,) = json.loads(process.stdout)
    assert set(c_session.from_json(answer["status"])) == {b"OK"}
    return c_session.from_json(answer["probabilities"])


def test_predictions_are_those_of_upright_copies(photographs, export):
    turned, copies = ([photographs / kind / f"{i}.jpg" for i in range(12)] for kind in ("turned", "copies"))
    expected = in_c_runtime(export, copies)
    np.testing.assert_allclose(in_c_runtime(export, turned), expected, atol=0.02)
    session = SavedModelSession(export)
    for answer, probabilities in zip(predict_files(session, turned), expected):
        np.testing.assert_allclose(answer["probabilities"], np.sort(probabilities)[::-1], atol=0.02)
    # As they are stored, the photographs have other answers.
    pixels = [np.asarray(Image.open(file))[np.newaxis] for file in turned]
    as_stored = np.concatenate([session("serving_default", images=image)["probabilities"] for image in pixels])
    assert np.abs(as_stored - expected).max(axis=1)[1:8].min() > 0.05


def test_a_folder_of_classes_has_the_copies_pixels(photographs, tmp_path):
    for split in ("train", "val"):
        for kind in ("turned", "copies"):
            (tmp_path / split / kind).parent.mkdir(exist_ok=True)
            (tmp_path / split / kind).symlink_to(photographs / kind)
    split = open_dataset(f"folder:{tmp_path}").train
    images = [split.load(key)["image"].pixels().numpy().astype(int) for key in split.keys(None)]
    assert len(images) == 24
    for copy, turned in zip(images[:12], images[12:]):
        assert np.abs(copy - turned).mean() < 3


def test_drawn_copies_are_upright(photographs, tmp_path):
    file = photographs / "turned" / "5.jpg"
    answer = {"file": str(file), "boxes": [list(BOX)], "classes": [0], "labels": ["paper"], "scores": [0.9]}
    (path,) = draw([answer], tmp_path)
    drawn, copy = (np.asarray(Image.open(path)).astype(int) for path in (path, photographs / "copies" / "5.jpg"))
    assert drawn.shape == copy.shape and np.abs(drawn - copy)[60:].mean() < 3
