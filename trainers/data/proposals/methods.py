"""Region proposals from outside of the net, as R-CNN, SPPnet and Fast R-CNN take them, by OpenCV's contrib modules.

Boxes are [x1, y1, x2, y2] in pixels of the image, where the width is x2 - x1 (no "+1").
"""

import functools
import pathlib

import numpy as np

from keras_resnets.errors import ArgumentError

# px, of the longer side of what is searched: larger images are shrunk, as R-CNN (arXiv 1311.2524) does ILSVRC's, since
# the time and the number of boxes grow with the size. Those of PASCAL VOC are not larger.
LARGEST_SIDE = 500

# What the regions of selective search are grown from, and what makes two of them similar. The scales are OpenCV's: the
# paper's of the fast mode, 50 and 100, make twice as many boxes, which find no more of the objects of digit_scenes.
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
SMOOTHING = 0.8  # px, standard deviation, before the segmentation
SMALLEST_REGION = 100  # pixels, of the segmentation

EDGE_SMOOTHING = 2.5  # px, standard deviation: the average recall on digit_scenes rises up to here, and hardly beyond
SMALLEST_BOX = 300  # pixels; the paper's 1,000 are too many for the small objects of digit_scenes
TIE = 1e-4  # of a gradient: a ridge may be two pixels wide


def selective_search(image, limit, mode="fast", seed=0):
    """Selective search (doi 10.1007/s11263-013-0620-5): boxes around similar neighbouring regions, merged step by step.

    The boxes have no scores. First come those that most of the segmentations, of several colour spaces and scales, have
    led to; equally frequent ones are in a random order. (The paper multiplies a box's place in its hierarchy with a
    random number, so that large boxes tend to be the first; of a few hundred boxes, this order finds more objects.)

    Args:
        image: (H, W, 3) uint8, RGB.
        limit: the largest number of boxes, at least 1.
        mode: "fast", or "quality", which takes four times as long and finds twice as many.
        seed: of the order, not negative.

    Returns:
        (n, 4) float32, all different, with an area; the same for the same arguments.

    Raises:
        ArgumentError: if the arguments are wrong, or OpenCV is missing.
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
    """Returns the image in the colour spaces of `MODES`, as uint8."""
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
    """Returns [x, y, width, height] (n, 4) int32 of the regions of a segmentation, and of what they are merged to."""
    search = segmentation.createSelectiveSearchSegmentation()
    search.addImage(pixels)
    search.addGraphSegmentation(segmentation.createGraphSegmentation(SMOOTHING, scale, SMALLEST_REGION))
    create = "createSelectiveSearchSegmentationStrategy"
    # Shared by the similarities, they are computed once. They must not be used for another image.
    parts = {name: getattr(segmentation, create + name)() for name in ("Color", "Fill", "Texture", "Size")}
    for names in similarities:
        search.addStrategy(getattr(segmentation, create + "Multiple")(*(parts[name] for name in names)))
    return search.process()


def edge_boxes(image, limit, model=None, min_area=SMALLEST_BOX):
    """EdgeBoxes (doi 10.1007/978-3-319-10602-1_26): boxes that many contours are in, and few cross.

    The paper finds edges with a structured forest. Its model file is not part of OpenCV: where it is not given, edges
    are the ridges of the image's gradients.

    Args:
        image: (H, W, 3) uint8, RGB.
        limit: the largest number of boxes, at least 1.
        model: path of the forest, as `cv2.ximgproc.createStructuredEdgeDetection` reads it, or None.
        min_area: of the boxes that are tried, in pixels.

    Returns:
        (n, 4) float32, all different, with an area, by falling score; n is 0 where there are no edges.

    Raises:
        ArgumentError: if the arguments are wrong, or OpenCV is missing.
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
    """Returns (H, W) float32 twice: edges, from 0 to 1, one or two pixels wide, and their gradients' angles, 0 to pi.

    The ideal edge between black and white has 1.
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
    """Returns what `_gradient_ridges` does, found by a structured forest (arXiv 1406.5549)."""
    forest = _forest(model)
    edges = forest.detectEdges(np.float32(image) / 255)
    angles = forest.computeOrientation(edges)
    return forest.edgesNms(edges, angles), angles


@functools.cache  # It takes seconds.
def _forest(model):
    import cv2

    remedy = "pass OpenCV's model.yml.gz, or no model"
    if not pathlib.Path(model).is_file():
        raise ArgumentError(f"model={model} is no file: {remedy}.")
    try:
        storage = cv2.FileStorage(model, cv2.FILE_STORAGE_READ)
        if storage.getNode("options").getNode("numberOfTrees").empty():  # Dividing by 0 would end the process.
            raise ArgumentError(f"model={model} is no structured forest: {remedy}.")
        return cv2.ximgproc.createStructuredEdgeDetection(model)
    except (cv2.error, SystemError) as error:  # The second is raised from the first one where that is in a constructor.
        raise ArgumentError(f"model={model} is damaged, or no structured forest: {remedy}.") from error


def _checked_opencv(image, limit):
    """Returns the module `cv2`, imported here so that nothing else needs it, when the arguments are right."""
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
    """Returns the image with a longer side of at most 500 pixels."""
    height, width = image.shape[:2]
    factor = LARGEST_SIDE / max(height, width)
    if factor >= 1:
        return image
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _boxes(rectangles, searched, image, limit):
    """Makes boxes of an image of rectangles [x, y, width, height] of the shrunk one, in their order."""
    corners = np.reshape(rectangles, (-1, 4)).astype(np.float32)
    corners[:, 2:] += corners[:, :2]
    height, width = image.shape[:2]
    scale = np.float32([width / searched.shape[1], height / searched.shape[0]] * 2)
    boxes = np.clip(corners * scale, 0, np.float32([width, height] * 2))
    boxes = boxes[np.all(boxes[:, 2:] > boxes[:, :2], axis=1)]
    _, first = np.unique(boxes, axis=0, return_index=True)
    return boxes[np.sort(first)][:limit]


# What --method names: functions of an image, a limit and settings.
METHODS = {
    "selective_search": selective_search,
    "selective_search_quality": functools.partial(selective_search, mode="quality"),
    "edge_boxes": edge_boxes,
}
