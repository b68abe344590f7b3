"""Boxes and labels on images."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

COLORS = ["#e6194b", "#3cb44b", "#ffe119", "#4363d8", "#f58231", "#911eb4", "#46f0f0", "#f032e6", "#d2f53c", "#fabebe"]
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
        place = draw.textbbox((x1, max(0, y1 - 11)), text)
        draw.rectangle(place, fill=color)
        draw.text(place[:2], text, fill="black")
    return np.asarray(picture)
