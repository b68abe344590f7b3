"""Windows of encoded images."""

import io

import numpy as np
import pytest
import tensorflow as tf
from image_formats import READABLE, REFUSED, with_orientation
from PIL import Image, ImageOps
from sklearn import datasets

from keras_resnets.images.inspection import inspect
from trainers.data.image_source import Encoded, encoded_files
from trainers.data.sources.image_sizes import image_sizes


@pytest.mark.parametrize("format, mode", [("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGB")])
def test_a_window_of_a_file_is_the_window_of_the_decoded_image(format, mode):
    file = io.BytesIO()
    Image.fromarray(datasets.load_sample_images().images[0][:90, :130]).convert(mode).save(file, format)
    source = Encoded(tf.constant(file.getvalue()), inspect(tf.constant(file.getvalue())).format, [0, 1])
    whole = source.pixels().numpy()
    assert source.shape().numpy().tolist() == [90, 130] and whole.shape == (90, 130, 3)
    for top, left, height, width in [(0, 0, 90, 130), (17, 5, 40, 61), (89, 129, 1, 1)]:
        window = source.window(*tf.constant([top, left, height, width])).numpy().astype(int)
        expected = whole[top : top + height, left : left + width]
        assert window.shape == expected.shape
        # Colours at the edge of a JPEG's window are interpolated without their neighbours.
        assert np.abs(window - expected)[2:-2, 2:-2].max(initial=0) == 0 and np.abs(window - expected).mean() < 2


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_turned_images_and_their_windows_are_upright(format, tmp_path):
    photo, files = Image.fromarray(datasets.load_sample_images().images[1][:90, :130]), []
    for orientation in range(1, 9):
        file = tmp_path / f"{orientation}.image"
        file.write_bytes(with_orientation(format, orientation, image=photo))
        files.append(file)
    sources = encoded_files(image_sizes(files, "reading"))

    @tf.function(input_signature=[tf.TensorSpec((), tf.int64)])
    def load(index):
        source = sources(index)
        return source.shape(), source.pixels(), source.window(*tf.unstack(tf.constant([7, 15, 50, 40])))

    for index, file in enumerate(files):
        expected = np.asarray(ImageOps.exif_transpose(Image.open(file))).astype(int)
        shape, pixels, window = load(index)
        assert tuple(shape) == expected.shape[:2]
        assert np.abs(pixels.numpy() - expected).mean() < 1
        assert np.abs(window.numpy() - expected[7:57, 15:55])[2:-2, 2:-2].mean() < 1


def test_files_are_inspected_with_the_reason_why_they_cannot_be_used(tmp_path):
    contents = [*REFUSED.items(), ("", READABLE["palette BMP"]), ("", with_orientation("JPEG", 6))]
    contents += [("it cannot be decoded: it is damaged", READABLE[kind][:90]) for kind in ("JPEG", "PNG", "WebP")]
    files = [tmp_path / str(i) for i in range(len(contents))]
    for file, (_, content) in zip(files, contents):
        file.write_bytes(content)
    found = image_sizes([*files, tmp_path / "none"], "reading")
    assert [file.reason for file in found] == [*(reason for reason, _ in contents), "it does not exist"]
    good = [file for file in found if not file.reason]
    assert [(file.width, file.height, file.is_sideways) for file in good] == [(53, 37, False), (37, 53, True)]
    assert all(file[1:3] == (0, 0) for file in found if file.reason)
