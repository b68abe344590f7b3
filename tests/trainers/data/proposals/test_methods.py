"""Region proposals from outside of the net, by OpenCV itself."""

import sys
import types

import cv2
import numpy as np
import pytest

from keras_resnets import ArgumentError
from trainers.data.proposals.methods import METHODS, edge_boxes, selective_search
from trainers.metrics.boxes import ious

BOX = [[40, 30, 110, 90]]
# A structured forest of two trees with one question each: is the gradient steep here? Then there is an edge.
FOREST = f"""%YAML:1.0
---
options:
   stride: 2
   shrinkNumber: 2
   patchSize: 32
   patchInnerSize: 16
   numberOfGradientOrientations: 4
   gradientSmoothingRadius: 0
   regFeatureSmoothingRadius: 2
   ssFeatureSmoothingRadius: 8
   gradientNormalizationRadius: 4
   selfsimilarityGridSize: 5
   numberOfTrees: 2
   numberOfTreesToEvaluate: 1
childs: [ [ 2, 0, 0 ], [ 2, 0, 0 ] ]
featureIds: [ [ 904, 0, 0 ], [ 904, 0, 0 ] ]
thresholds: [ [ 0.02, 0.0, 0.0 ], [ 0.02, 0.0, 0.0 ] ]
edgeBoundaries: [ [ 0, 0, 0, 32, 32, 32, 64 ] ]
edgeBins: [ {[136] * 64} ]
"""


def rectangle_image(noise=12, seed=0):
    """Returns (120, 160, 3) uint8: a red rectangle, `BOX`, on gray noise."""
    image = np.random.default_rng(seed).integers(110 - noise, 110 + noise + 1, (120, 160, 3), np.uint8)
    image[30:90, 40:110] = (230, 30, 30)
    return image


def rows(boxes):
    return set(map(tuple, boxes.tolist()))


@pytest.mark.parametrize("method", METHODS)
def test_a_rectangle_is_found(method):
    boxes = METHODS[method](rectangle_image(), 2000)
    assert boxes.dtype == np.float32 and boxes.ndim == 2
    assert ious(boxes, BOX).max() > 0.7
    assert len(rows(boxes)) == len(boxes)
    assert np.all(boxes[:, 2:] > boxes[:, :2])
    assert boxes.min() >= 0 and np.all(boxes[:, 2:] <= [160, 120])


@pytest.mark.parametrize("method", METHODS)
def test_the_same_image_has_the_same_proposals(method):
    image = rectangle_image(noise=60)
    boxes = METHODS[method](image, 50)
    assert len(boxes) > 5
    image.flags.writeable = False
    np.testing.assert_array_equal(METHODS[method](image, 50), boxes)
    np.testing.assert_array_equal(METHODS[method](image, 5), boxes[:5])


def test_the_boxes_of_fast_selective_search_are_those_of_opencv():
    image = rectangle_image(noise=60)
    search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    search.setBaseImage(image[..., ::-1].copy())
    search.switchToSelectiveSearchFast()
    rectangles = search.process()
    rectangles[:, 2:] += rectangles[:, :2]
    boxes = selective_search(image, 2000)
    assert rows(boxes) == rows(rectangles) and len(boxes) > 20


def test_the_seed_of_selective_search_changes_the_order_alone():
    image = rectangle_image(noise=60)
    boxes, others = (selective_search(image, 2000, seed=seed) for seed in (0, 1))
    assert rows(boxes) == rows(others) and not np.array_equal(boxes, others)
    assert len(selective_search(image, 2000, mode="quality")) > len(boxes)


def test_boxes_of_most_segmentations_come_first():
    """The rectangle is a region in all colour spaces and scales, the noise is divided in another way in each."""
    for seed in range(3):
        assert ious(selective_search(rectangle_image(noise=60), 10, seed=seed), BOX).max() == 1


@pytest.mark.parametrize("method", ["selective_search", "edge_boxes"])
def test_large_images_are_shrunk(method):
    image = np.full((300, 500, 3), 90, np.uint8)
    image[100:200, 50:250] = (20, 200, 20)
    image[180:280, 300:420] = (20, 20, 200)
    boxes = METHODS[method](image, 100)
    doubled = METHODS[method](image.repeat(2, axis=0).repeat(2, axis=1), 100)
    np.testing.assert_array_equal(doubled, 2 * boxes)
    assert ious(doubled, [[100, 200, 500, 400]]).max() > 0.7


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (5, 1200), (40, 40)])
def test_images_without_edges(shape):
    image = np.full((*shape, 3), 7, np.uint8)
    for method in ("selective_search", "selective_search_quality"):
        np.testing.assert_array_equal(METHODS[method](image, 10), [[0, 0, shape[1], shape[0]]])
    assert edge_boxes(image, 10).shape == (0, 4)


def test_edges_of_a_structured_forest(tmp_path):
    model = tmp_path / "model.yml"
    model.write_text(FOREST)
    image = rectangle_image()
    boxes = edge_boxes(image, 100, model=model)
    assert ious(boxes, BOX).max() > 0.7
    assert rows(boxes) != rows(edge_boxes(image, 100))


@pytest.mark.parametrize("content", [None, "", "no model", "%YAML:1.0\n---\ntrees: 8\n"])
def test_files_that_hold_no_forest(content, tmp_path):
    model = tmp_path / "model.yml"
    if content is not None:
        model.write_text(content)
    with pytest.raises(ArgumentError, match="model.yml is .*: pass OpenCV's model.yml.gz, or no model"):
        edge_boxes(rectangle_image(), 10, model=model)


def test_small_boxes_are_tried_only_where_asked_for():
    image = np.full((200, 200, 3), 90, np.uint8)
    image[90:112, 60:84] = (20, 200, 20)
    small = [[60, 90, 84, 112]]
    assert ious(edge_boxes(image, 100), small).max() > 0.6
    assert ious(edge_boxes(image, 100, min_area=10_000), small).max() < 0.2


@pytest.mark.parametrize(
    "method, arguments, message",
    [
        (selective_search, {"mode": "slow"}, "mode='slow' is unknown: use fast or quality"),
        (selective_search, {"limit": 0}, "limit=0 must be at least 1"),
        (edge_boxes, {"limit": -1}, "limit=-1 must be at least 1"),
        (edge_boxes, {"min_area": 0}, "min_area=0 must be at least 1"),
        (selective_search, {"image": np.zeros((9, 9, 3))}, r"image must be \(H, W, 3\) uint8, not \(9, 9, 3\) float64"),
        (edge_boxes, {"image": np.zeros((9, 9), np.uint8)}, r"image must be \(H, W, 3\) uint8, not \(9, 9\) uint8"),
        (edge_boxes, {"image": np.zeros((0, 9, 3), np.uint8)}, r"not \(0, 9, 3\) uint8"),
    ],
)
def test_wrong_arguments(method, arguments, message):
    with pytest.raises(ArgumentError, match=message):
        method(**{"image": rectangle_image(), "limit": 10, **arguments})


@pytest.mark.parametrize("module", [None, types.ModuleType("cv2")], ids=["no OpenCV", "OpenCV without contrib"])
@pytest.mark.parametrize("method", METHODS)
def test_what_is_not_installed(method, module, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", module)
    with pytest.raises(ArgumentError, match=r"pip install '\.\[proposals\]'"):
        METHODS[method](rectangle_image(), 10)
