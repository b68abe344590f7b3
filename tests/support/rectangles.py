"""A data set that a detector learns quickly: rectangles in two colours on gray noise."""

import json

import numpy as np
import tensorflow as tf
from configurations import detection_config
from PIL import Image

from trainers.data.detection_dataset import Annotation, DetectionDataset, annotated_split, max_boxes
from trainers.data.image_source import Pixels
from trainers.tasks.detection import Detection

LABELS = ("red", "blue")
COLORS = ((230, 30, 30), (30, 30, 230))
SIDE, CELL = 96, 48  # px, of an image and of the part of it that has one rectangle at most
STAGES = {"block_counts": (1, 1, 1), "filters": (8, 16, 32)}


def rectangles(count, seed, objects=(1, 4)):
    """Returns (count, 96, 96, 3) uint8 and a list of annotations, of `objects[0]` to `objects[1] - 1` objects each."""
    random = np.random.default_rng(seed)
    images, annotations = [], []
    for _ in range(count):
        image = random.integers(90, 166, (SIDE, SIDE, 3))
        boxes, classes = [], []
        for i in range(random.integers(*objects)):
            width, height = random.integers(20, 40, 2)
            left = (i % 2) * CELL + random.integers(0, CELL - width + 1)
            top = (i // 2) * CELL + random.integers(0, CELL - height + 1)
            label = int(random.integers(2))
            image[top : top + height, left : left + width] = COLORS[label]
            boxes.append([left, top, left + width, top + height])
            classes.append(label)
        images.append(image.astype(np.uint8))
        annotations.append(Annotation.of(boxes, classes))
    return np.stack(images), annotations


def dataset_of(images, annotations):
    """Returns a `DetectionDataset` with the same images for training and test."""
    images = tf.constant(images)
    split = annotated_split(annotations, lambda index: Pixels(tf.gather(images, index)))
    return DetectionDataset(LABELS, SIDE, max_boxes(annotations), split, split)


def rectangle_dataset(count, seed, objects=(1, 4)):
    """Returns a `DetectionDataset` of `rectangles`."""
    return dataset_of(*rectangles(count, seed, objects))


def make_task(dataset, **changes):
    """Returns the task of training a tiny detector; `changes` are those of `configurations.detection_config`."""
    options = {"anchor_sizes": (16, 32), "roi_batch_size": 16, **changes.pop("options", {})}
    config = detection_config("resnet", "rectangles", dataset, "digit_scenes", **STAGES, options=options, **changes)
    return Detection(config, dataset)


def write_coco(folder, count, seed=9, objects=(1, 4)):
    """Writes `count` images of rectangles and their annotations in COCO's format; returns the value of --dataset."""
    images, annotations = rectangles(count, seed, objects)
    written = []
    for number, (image, annotation) in enumerate(zip(images, annotations)):
        Image.fromarray(image).save(folder / f"{number}.png")
        for (x1, y1, x2, y2), label in zip(annotation.boxes.tolist(), annotation.classes.tolist()):
            box = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1), "iscrowd": 0}
            written.append({"id": len(written) + 1, "image_id": number, "category_id": label + 1, **box})
    content = {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 96, "height": 96} for i in range(count)],
        "categories": [{"id": i, "name": label} for i, label in enumerate(LABELS, 1)],
        "annotations": written,
    }
    (folder / "objects.json").write_text(json.dumps(content))
    part = f"{folder},{folder / 'objects.json'}"
    return f"coco:{part},{part}"
