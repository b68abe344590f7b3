"""Detections and objects, as `trainers.metrics.predictions` describes them."""

import numpy as np


def as_predictions(images):
    """Returns the `predictions` of a list of (detections, objects), one pair for each image.

    Args:
        images: detections are rows (box, class, score), objects are rows (box, class, ignored) or (box, class, ignored,
            area), where a box is [x1, y1, x2, y2].
    """
    most = [max((len(image[side]) for image in images), default=0) for side in (0, 1)]
    (d, g), n = most, len(images)
    predictions = {
        "boxes": np.zeros((n, d, 4), np.float32),
        "scores": np.zeros((n, d), np.float32),
        "classes": np.full((n, d), -1, np.int32),
        "true_boxes": np.zeros((n, g, 4), np.float32),
        "true_classes": np.full((n, g), -1, np.int32),
        "ignored": np.zeros((n, g), bool),
        "areas": np.zeros((n, g), np.float32),
    }
    for image, (detections, objects) in enumerate(images):
        for names, rows in [
            (("boxes", "classes", "scores"), detections),
            (("true_boxes", "true_classes", "ignored", "areas"), objects),
        ]:
            for place, row in enumerate(rows):
                for name, value in zip(names, row):
                    predictions[name][image, place] = value
    return predictions


def random_images(seed, count, num_classes, mask_area=0.7):
    """Returns images, as `as_predictions` takes them, with correct, shifted, duplicate and random detections.

    Corners are whole numbers; scores have one decimal, so that many are equal; some objects are ignored; the class
    `num_classes - 1` has no objects; objects are of 6 to 200 pixels, and their areas `mask_area` of their boxes'.
    """
    random = np.random.default_rng(seed)

    def score():
        return random.integers(1, 11) / 10

    images = []
    for _ in range(count):
        detections, objects = [], []
        for _ in range(random.integers(0, 7)):
            corner = random.integers(0, 300, 2)
            size = np.exp(random.uniform(np.log(6), np.log(200), 2)).astype(int)
            box, label = np.concatenate([corner, corner + size]), random.integers(num_classes - 1)
            objects.append((box, label, random.random() < 0.15, mask_area * size.prod()))
            for _ in range(random.integers(0, 4)):
                shift = random.integers(-2, 3, 4) * np.maximum(np.tile(size, 2) // 16, 1)
                detected = label if random.random() < 0.8 else random.integers(num_classes)
                detections.append((box + shift, detected, score()))
        detections.append(([0, 0, *random.integers(1, 99, 2)], random.integers(num_classes), score()))
        random.shuffle(detections)
        images.append((detections, objects))
    return images
