"""Region proposals for R-CNN, SPPnet and Fast R-CNN, by OpenCV's contrib modules.

Boxes are [x1, y1, x2, y2] in pixels of the image; the width is x2 - x1 (no "+1").
"""

import functools
import os
import pathlib
from collections.abc import Callable

import numpy as np

from keras_resnets.errors import ArgumentError

# Longer side of the searched image, in pixels. Larger images are shrunk, as in R-CNN (arXiv 1311.2524) for ILSVRC: time
# and number of boxes grow with the size. Images of PASCAL VOC are not larger.
MAX_SIDE = 500

# Color spaces and scales of the segmentations, and similarities of regions. The scales are OpenCV's. The paper's scales
# of the fast mode, 50 and 100, give twice as many boxes, which cover no more objects of digit_scenes.
MODES = {
    "fast": {
        "colors": ("hsv", "lab"),
        "scales": (150, 300, 450),
        "similarities": (("Color", "Fill", "Texture", "Size"), ("Fill", "Texture", "Size")),
    },
    "quality": {
        "colors": ("hsv", "lab", "rgi", "hue", "gray"),
        "scales": (150, 300, 450, 600, 750),
        "similarities": (
            ("Color", "Fill", "Texture", "Size"),
            ("Fill", "Texture", "Size"),
            ("Fill",),
            ("Size",),
        ),
    },
}
SMOOTHING = 0.8  # before the segmentation: standard deviation in pixels
MIN_REGION = 100  # of the segmentation, in pixels

EDGE_SMOOTHING = 2.5  # standard deviation in pixels; a larger one hardly improves the average recall on digit_scenes
MIN_AREA = 300  # of a box, in pixels; the paper's 1,000 exclude the small objects of digit_scenes
TIE = 1e-4  # relative difference of gradients that counts as none: a ridge may be two pixels wide


def selective_search(image: np.ndarray, limit: int, mode: str = "fast", seed: int = 0) -> np.ndarray:
    """Selective search (doi 10.1007/s11263-013-0620-5): boxes around regions that are merged by their similarity.

    The boxes have no scores. Those that result from most segmentations, in several color spaces and scales, come first,
    and equally frequent ones are in random order. The paper multiplies the rank of a box in its hierarchy by a random
    number, which favors large boxes. The order here covers more objects with a few hundred boxes.

    Args:
        image: (H, W, 3) uint8, RGB.
        limit: the largest number of boxes, at least 1.
        mode: "fast", or "quality", which takes four times as long and finds twice as many boxes.
        seed: of the order, not negative.

    Returns:
        (n, 4) float32, all different, with areas above 0. The same arguments give the same boxes.

    Raises:
        ArgumentError: if an argument is wrong, or OpenCV is missing.
    """
    cv2 = _checked_opencv(image, limit)
    if mode not in MODES:
        raise ArgumentError(f"mode={mode!r} is unknown: use {' or '.join(MODES)}.")
    searched = _shrunk(cv2, image)
    planes = _color_planes(cv2, searched)
    groups = [
        _merged_regions(cv2.ximgproc.segmentation, planes[color], scale, MODES[mode]["similarities"])
        for color in MODES[mode]["colors"]
        for scale in MODES[mode]["scales"]
    ]
    rectangles, counts = np.unique(np.concatenate(groups), axis=0, return_counts=True)
    order = np.lexsort((np.random.default_rng(seed).random(len(counts)), -counts))
    return _boxes(rectangles[order], searched, image, limit)


def _color_planes(cv2, image):
    """Returns the image in the color spaces of `MODES`, uint8, by their names."""
    hsv, gray = cv2.cvtColor(image, cv2.COLOR_RGB2HSV), cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    shares = 255 * image[..., :2] / np.maximum(image.sum(axis=-1, keepdims=True), 1.0)
    return {
        "hsv": hsv,
        "lab": cv2.cvtColor(image, cv2.COLOR_RGB2Lab),
        "rgi": np.dstack([shares.astype(np.uint8), gray]),  # r and g of normalized RGB, and the intensity
        "hue": np.ascontiguousarray(hsv[..., 0]),
        "gray": gray,
    }


def _merged_regions(segmentation, pixels, scale, similarities):
    """Returns [x, y, width, height], (n, 4) int32, of the regions of a segmentation and of the merged regions."""
    search = segmentation.createSelectiveSearchSegmentation()
    search.addImage(pixels)
    search.addGraphSegmentation(segmentation.createGraphSegmentation(SMOOTHING, scale, MIN_REGION))
    create = "createSelectiveSearchSegmentationStrategy"
    # The similarities share these, so that each is computed once. They must not be used for another image.
    parts = {name: getattr(segmentation, create + name)() for name in ("Color", "Fill", "Texture", "Size")}
    for names in similarities:
        search.addStrategy(getattr(segmentation, create + "Multiple")(*(parts[name] for name in names)))
    return search.process()


def edge_boxes(
    image: np.ndarray, limit: int, model: str | os.PathLike | None = None, min_area: int = MIN_AREA
) -> np.ndarray:
    """EdgeBoxes (doi 10.1007/978-3-319-10602-1_26): boxes that contain many contours, and are crossed by few.

    The paper detects edges with a structured forest, whose model file is not part of OpenCV. Without it, edges are the
    ridges of the image's gradients.

    Args:
        image: (H, W, 3) uint8, RGB.
        limit: the largest number of boxes, at least 1.
        model: file of the forest, for `cv2.ximgproc.createStructuredEdgeDetection`; or None.
        min_area: of a box, in pixels.

    Returns:
        (n, 4) float32, all different, with areas above 0, by decreasing score; n is 0 for an image without edges.

    Raises:
        ArgumentError: if an argument is wrong, or OpenCV is missing.
    """
    cv2 = _checked_opencv(image, limit)
    if min_area < 1:
        raise ArgumentError(f"min_area={min_area} must be at least 1.")
    searched = _shrunk(cv2, image)
    edges, angles = _gradient_ridges(cv2, searched) if model is None else _forest_edges(searched, str(model))
    search = cv2.ximgproc.createEdgeBoxes(maxBoxes=limit, minBoxArea=min_area)
    rectangles, _ = search.getBoundingBoxes(edges, angles)
    return _boxes(rectangles, searched, image, limit)


def _gradient_ridges(cv2, image):
    """Returns edges, 0..1, one or two pixels wide, and the angles of their gradients, 0..pi; both (H, W) float32.

    A perfect edge between black and white has the value 1.
    """
    smooth = cv2.GaussianBlur(np.float32(image) / 255, (0, 0), EDGE_SMOOTHING)
    slopes = [cv2.Sobel(smooth, cv2.CV_32F, *axis, scale=1 / 8) for axis in ((1, 0), (0, 1))]  # per pixel
    lengths = np.hypot(*slopes)
    steepest = lengths.argmax(axis=-1)[..., np.newaxis]
    length, dx, dy = (np.take_along_axis(values, steepest, axis=-1)[..., 0] for values in (lengths, *slopes))
    angles = np.mod(np.arctan2(dy, dx), np.pi)
    rows, columns = np.indices(length.shape, np.float32)
    ridge = np.ones(length.shape, bool)
    for side in (-1, 1):
        x, y = columns + side * np.cos(angles), rows + side * np.sin(angles)
        beside = cv2.remap(length, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        ridge &= length * (1 + TIE) >= beside
    steepness_of_step = 1 / (np.sqrt(2 * np.pi) * EDGE_SMOOTHING)
    return np.float32(np.minimum(length / steepness_of_step, 1) * ridge), np.float32(angles)


def _forest_edges(image, model):
    """Returns edges and angles as `_gradient_ridges`, detected by a structured forest (arXiv 1406.5549)."""
    forest = _forest(model)
    edges = forest.detectEdges(np.float32(image) / 255)
    angles = forest.computeOrientation(edges)
    return forest.edgesNms(edges, angles), angles


@functools.cache  # Reading a forest takes seconds.
def _forest(model):
    import cv2

    remedy = "pass OpenCV's model.yml.gz, or no model"
    if not pathlib.Path(model).is_file():
        raise ArgumentError(f"model={model} is no file: {remedy}.")
    try:
        storage = cv2.FileStorage(model, cv2.FILE_STORAGE_READ)
        if storage.getNode("options").getNode("numberOfTrees").empty():  # OpenCV would divide by 0, and crash.
            raise ArgumentError(f"model={model} is no structured forest: {remedy}.")
        return cv2.ximgproc.createStructuredEdgeDetection(model)
    except (cv2.error, SystemError) as error:  # SystemError if the cv2.error was raised in a constructor
        raise ArgumentError(f"model={model} is damaged, or no structured forest: {remedy}.") from error


def _checked_opencv(image, limit):
    """Checks the arguments, and returns the module `cv2`, which only the methods need."""
    try:
        import cv2

        cv2.ximgproc  # noqa: B018 - only the packages with "contrib" in their names have it
    except (ImportError, AttributeError) as error:
        raise ArgumentError("region proposals need OpenCV's contrib modules: pip install '.[proposals]'.") from error
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] != 3 or not image.size:
        raise ArgumentError(f"image must be (H, W, 3) uint8, not {image.shape} {image.dtype}.")
    if limit < 1:
        raise ArgumentError(f"limit={limit} must be at least 1.")
    return cv2


def _shrunk(cv2, image):
    """Returns the image with a longer side of at most `MAX_SIDE` pixels."""
    height, width = image.shape[:2]
    factor = MAX_SIDE / max(height, width)
    if factor >= 1:
        return image
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _boxes(rectangles, searched, image, limit):
    """Converts rectangles [x, y, width, height] of the shrunk image into boxes of the image, in their order."""
    corners = np.reshape(rectangles, (-1, 4)).astype(np.float32)
    corners[:, 2:] += corners[:, :2]
    height, width = image.shape[:2]
    scale = np.float32([width / searched.shape[1], height / searched.shape[0]] * 2)
    boxes = np.clip(corners * scale, 0, np.float32([width, height] * 2))
    boxes = boxes[np.all(boxes[:, 2:] > boxes[:, :2], axis=1)]
    _, first = np.unique(boxes, axis=0, return_index=True)
    return boxes[np.sort(first)][:limit]


# The values of --method: functions of an image, a limit and settings.
METHODS: dict[str, Callable[..., np.ndarray]] = {
    "selective_search": selective_search,
    "selective_search_quality": functools.partial(selective_search, mode="quality"),
    "edge_boxes": edge_boxes,
}
