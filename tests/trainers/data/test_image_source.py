"""Windows of encoded images."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sklearn import datasets

from trainers.data.image_source import Encoded


@pytest.mark.parametrize("format, mode", [("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGB")])
def test_a_window_of_a_file_is_the_window_of_the_decoded_image(format, mode):
    file = io.BytesIO()
    Image.fromarray(datasets.load_sample_images().images[0][:90, :130]).convert(mode).save(file, format)
    source = Encoded(tf.constant(file.getvalue()))
    whole = source.pixels().numpy()
    assert source.shape().numpy().tolist() == [90, 130] and whole.shape == (90, 130, 3)
    for top, left, height, width in [(0, 0, 90, 130), (17, 5, 40, 61), (89, 129, 1, 1)]:
        window = source.window(*tf.constant([top, left, height, width])).numpy().astype(int)
        expected = whole[top : top + height, left : left + width]
        assert window.shape == expected.shape
        # Colours at the edge of a JPEG's window are interpolated without their neighbours.
        assert np.abs(window - expected)[2:-2, 2:-2].max(initial=0) == 0 and np.abs(window - expected).mean() < 2
