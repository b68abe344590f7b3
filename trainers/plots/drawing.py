"""Boxes, labels and masks on images."""

import contextlib
import functools
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from trainers.plots.fonts import font_file

COLORS = ["#e6194b", "#3cb44b", "#ffe119", "#4363d8", "#f58231", "#911eb4", "#46f0f0", "#f032e6", "#d2f53c", "#fabebe"]
FONT_SIZE = 14  # px, of labels that are not in ASCII
PIXELS_PER_LINE = 400  # of the image's longer side, per pixel of a line's width


def draw_detections(
    image: np.ndarray,
    boxes: np.ndarray,
    classes: np.ndarray,
    labels: Sequence[str],
    scores: np.ndarray | None = None,
) -> np.ndarray:
    """Draws boxes with labels and scores on a copy of an image; each class has its color.

    Args:
        image: (H, W, 3) uint8.
        boxes: (n, 4), [x1, y1, x2, y2] in pixels. The first one is drawn last, over the others.
        classes: (n,) integers.
        labels: names of the classes.
        scores: (n,) in 0..1; None to show none.

    Returns:
        (H, W, 3) uint8.
    """
    picture = Image.fromarray(np.asarray(image))
    draw = ImageDraw.Draw(picture)
    width = max(1, round(max(picture.size) / PIXELS_PER_LINE))
    for i in reversed(range(len(boxes))):
        color = COLORS[int(classes[i]) % len(COLORS)]
        x1, y1, x2, y2 = (float(side) for side in boxes[i])
        draw.rectangle([x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)], outline=color, width=width)
        text = labels[int(classes[i])] + ("" if scores is None else f" {scores[i]:.0%}")
        font = _font(font_file(text))
        *_, height = draw.textbbox((0, 0), text, font)
        corner = x1, max(0, y1 - height)
        draw.rectangle(draw.textbbox(corner, text, font), fill=color)
        draw.text(corner, text, "black", font)
    return np.asarray(picture)


def shade_masks(image: np.ndarray, masks: Iterable[np.ndarray], classes: Sequence[int]) -> np.ndarray:
    """Returns a copy of an image with half transparent masks, in the colors of `draw_detections`.

    Args:
        image: (H, W, 3) uint8.
        masks: n masks (H, W), 0 or 1. Each is drawn over the earlier ones.
        classes: (n,) integers.
    """
    shaded = np.array(image)
    for mask, label in zip(masks, classes):
        inside = np.asarray(mask, bool)
        color = np.uint8(ImageColor.getrgb(COLORS[int(label) % len(COLORS)]))
        shaded[inside] = shaded[inside] // 2 + color // 2
    return shaded


@functools.cache
def _font(file):
    """Returns a font for Pillow, in its regular weight; None for Pillow's own."""
    if file is None:
        return None
    font = ImageFont.truetype(file, FONT_SIZE)
    with contextlib.suppress(OSError, ValueError):  # It has one weight only.
        font.set_variation_by_name("Regular")
    return font
