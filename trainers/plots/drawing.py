"""Boxes and labels on images."""

import numpy as np
from PIL import Image, ImageDraw

COLORS = ["#e6194b", "#3cb44b", "#ffe119", "#4363d8", "#f58231", "#911eb4", "#46f0f0", "#f032e6", "#d2f53c", "#fabebe"]
SMALL_LINE = 400  # px: the line is one pixel wide for so many of the image's long side
SHOWN_SCORE = 0.5  # of a detection that is drawn, at least, by default


def draw_detections(image, boxes, classes, labels, scores=None):
    """Returns a copy of an image with boxes, each with its label and score, in a colour by class.

    Args:
        image: (H, W, 3) uint8.
        boxes: (n, 4), [x1, y1, x2, y2] in pixels.
        classes: (n,) integers.
        labels: names of the classes.
        scores: (n,), or None for no scores; the best is drawn last.

    Returns:
        (H, W, 3) uint8.
    """
    picture = Image.fromarray(np.asarray(image))
    draw = ImageDraw.Draw(picture)
    width = max(1, round(max(picture.size) / SMALL_LINE))
    for i in reversed(range(len(boxes))):
        color = COLORS[int(classes[i]) % len(COLORS)]
        x1, y1, x2, y2 = (float(side) for side in boxes[i])
        draw.rectangle([x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)], outline=color, width=width)
        text = labels[int(classes[i])] + ("" if scores is None else f" {scores[i]:.0%}")
        place = draw.textbbox((x1, max(0, y1 - 11)), text)
        draw.rectangle(place, fill=color)
        draw.text(place[:2], text, fill="black", anchor=None)
    return np.asarray(picture)
