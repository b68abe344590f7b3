"""Masks of detections in their images, as run lengths."""

import numpy as np
import pytest

from keras_resnets.ops.masks import paste_masks
from trainers.metrics.masks import decode
from trainers.tasks import pasted_masks as module
from trainers.tasks.pasted_masks import pasted_masks


@pytest.mark.parametrize("most_pixels", [1, 10_000, 2**26])
def test_they_are_those_that_the_library_pastes(most_pixels, monkeypatch):
    """Bit for bit, however many are pasted at once."""
    monkeypatch.setattr(module, "MOST_PIXELS", most_pixels)
    random = np.random.default_rng(0)
    masks = random.uniform(0, 1, (7, 28, 28)).astype(np.float32)
    corners = random.uniform(-10, 60, (7, 2))
    boxes = np.concatenate([corners, corners + random.uniform(1, 60, (7, 2))], axis=1).astype(np.float32)
    runs = pasted_masks(masks, boxes, 60, 90)
    expected = paste_masks(masks[np.newaxis], boxes[np.newaxis], 60, 90)[0]
    np.testing.assert_array_equal([decode(one, 60, 90) for one in runs], expected)
    assert pasted_masks(masks[:0], boxes[:0], 60, 90).shape == (0,)
