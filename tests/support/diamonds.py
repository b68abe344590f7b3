"""A data set with masks: diamonds in two colours on gray noise, in COCO's format."""

import json

import numpy as np
from PIL import Image, ImageDraw

LABELS = ("red", "blue")
COLORS = ((230, 30, 30), (30, 30, 230))
HEIGHT, WIDTH = 96, 128  # px


def diamond(box):
    """Returns the polygon of a diamond in a box, [x, y, x, y ...]."""
    x1, y1, x2, y2 = box
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    return [x, y1, x2, y, x, y2, x1, y]


def write_diamonds(folder, count):
    """Writes images of two diamonds each, and their annotations; returns the value of --dataset."""
    random, images, annotations = np.random.default_rng(3), [], []
    for number in range(count):
        image = Image.fromarray(random.integers(90, 166, (HEIGHT, WIDTH, 3)).astype(np.uint8))
        for label, left in enumerate((4, 68)):
            width, height = random.integers(28, 48, 2).tolist()
            x1, y1 = left + int(random.integers(8)), int(random.integers(HEIGHT - height))
            outline = diamond([x1, y1, x1 + width, y1 + height])
            ImageDraw.Draw(image).polygon(outline, fill=COLORS[label])
            shape = {"bbox": [x1, y1, width, height], "segmentation": [outline], "area": width * height / 2}
            annotations.append({"id": len(annotations) + 1, "image_id": number, "category_id": label + 1, **shape})
        image.save(folder / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "height": HEIGHT, "width": WIDTH})
    categories = [{"id": i, "name": label} for i, label in enumerate(LABELS, 1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "objects.json").write_text(json.dumps(content))
    part = f"{folder},{folder / 'objects.json'}"
    return f"coco:{part},{part}"
