"""`digit_scenes` and `one_digit_scenes`: handwritten digits on crops of photographs, with tight boxes and masks.

Digits and photographs come with scikit-learn. The digits of a scene are 24 to 96 pixels large, in legible inks. Scenes
are the same on every machine. Training and test scenes have different digits on the same two photographs. A scene of
`digit_scenes` has 256x256 pixels and 1 to 8 digits. A scene of `one_digit_scenes` has 128x128 pixels and one digit,
which is also its class.
"""

import dataclasses

import numpy as np
import tensorflow as tf
from PIL import Image
from sklearn import datasets

from trainers.data.classification_dataset import ImageDataset
from trainers.data.detection_dataset import Annotation, DetectionDataset, annotated_split, max_boxes
from trainers.data.image_source import Pixels
from trainers.data.sources.digits import SCALE, digit_arrays
from trainers.metrics.masks import encode
from trainers.runtime.progress import Progress

SIDE, MOST_DIGITS = 256, 8  # of a scene of `digit_scenes`; the side in pixels
TRAIN, TEST = 1000, 200  # scenes
ONE_DIGIT_SIDE = 128  # of a scene of `one_digit_scenes`, in pixels
ONE_DIGIT_TRAIN, ONE_DIGIT_TEST = 2000, 400  # scenes
SIDES = (24, 96)  # of a digit's box, the longer one, in pixels
MAX_OVERLAP = 0.05  # of two digits' boxes, as a share of the smaller one's area
PLACES = 100  # that are tried for a digit
# In luminance, 0..255: the smallest difference between an ink and the mean of its background, and the largest standard
# deviation of the background.
CONTRAST, UNEVENNESS = 100, 40
LUMINANCE = np.float32([0.299, 0.587, 0.114])  # weights of red, green, blue
INKS = ((0, 50), (205, 255))  # dark and light ones
MASTER_SIDE = 128  # of a digit before it gets its size, in pixels


def open_digit_scenes(masks: bool = False) -> DetectionDataset:
    """Opens the data set `digit_scenes`, with masks of the digits or without."""
    return _open("digit_scenes", SIDE, MOST_DIGITS, (TRAIN, TEST), (0, 1), masks)


def open_one_digit_scenes(masks: bool = False) -> DetectionDataset:
    """Opens the data set `one_digit_scenes`, for detection, with masks of the digits or without."""
    return _open("one_digit_scenes", ONE_DIGIT_SIDE, 1, (ONE_DIGIT_TRAIN, ONE_DIGIT_TEST), (2, 3), masks)


def open_one_digit_images() -> ImageDataset:
    """Opens the data set `one_digit_scenes`, for classification: the same images, with the digit as their label."""
    scenes = open_one_digit_scenes()
    images = np.stack([*scenes.train.keys(None).map(lambda key: scenes.train.load(key)["image"].pixels())])
    return ImageDataset(
        labels=scenes.labels,
        side=scenes.side,
        mean=tuple(map(float, images.mean(axis=(0, 1, 2)))),
        std=tuple(map(float, images.std(axis=(0, 1, 2)))),
        train=_labelled(scenes.train),
        test=_labelled(scenes.test),
    )


def _labelled(split):
    """Returns a split of scenes of one digit, labelled with the digit."""

    def load(key):
        example = split.load(key)
        return {"image": example["image"], "label": example["classes"][0]}

    return dataclasses.replace(split, load=load)


def _open(name, side, most_digits, counts, streams, masks):
    train_digits, test_digits, train_labels, test_labels = digit_arrays()
    with Progress(sum(counts), f"drawing {name}", unit="scenes") as progress:
        (train, train_annotations), (test, test_annotations) = (
            _scenes(count, stream, digits, labels, progress, side, most_digits, masks)
            for count, stream, digits, labels in zip(
                counts, streams, (train_digits, test_digits), (train_labels, test_labels)
            )
        )
    return DetectionDataset(
        labels=tuple(map(str, range(10))),
        side=side,
        max_boxes=max_boxes(train_annotations, test_annotations),
        train=_split(train, train_annotations),
        test=_split(test, test_annotations),
    )


def _split(images, annotations):
    images = tf.constant(images)
    return annotated_split(annotations, lambda index: Pixels(tf.gather(images, index)))


def _scenes(count, stream, digits, labels, progress, side, most_digits, masks):
    """Returns (count, side, side, 3) uint8 and the scenes' annotations; each `stream` has its own random numbers."""
    inks, photos = [_ink(digit) for digit in digits], datasets.load_sample_images().images
    images, annotations = np.empty((count, side, side, 3), np.uint8), []
    for i in range(count):
        random = np.random.default_rng((stream, i))
        boxes = []
        while not boxes:  # If no digit found a place, try another background.
            scene, owners, boxes, chosen = _scene(random, photos, inks, side, most_digits)
        images[i] = np.round(scene)
        runs = encode(np.uint8([owners == number for number in range(1, len(boxes) + 1)])) if masks else None
        annotations.append(Annotation.of(boxes, labels[chosen], masks=runs))
        progress.update(1)
    return images, annotations


def _scene(random, photos, inks, side, most_digits):
    """Returns a scene with its digits.

    These are (side, side, 3) float32; the number of the digit that each pixel shows, from 1 on, (side, side); the boxes
    of the digits; and their places among the inks.
    """
    scene, owners = _background(random, photos, side), np.zeros((side, side), np.uint8)
    boxes, drawn = [], []
    for digit in random.integers(len(inks), size=random.integers(1, most_digits + 1)):
        ink = _resized(inks[digit], random.integers(SIDES[0], SIDES[1] + 1))
        box = _place(random, scene, ink, boxes)
        if box is not None:
            _draw(random, scene, ink, box)
            boxes.append(box)
            drawn.append(digit)
            left, top, right, bottom = box
            owners[top:bottom, left:right][ink >= 0.5] = len(boxes)
    return scene, owners, boxes, drawn


def _ink(digit):
    """Returns the opacity (h, w) float32, in 0..1, of a digit (32, 32) uint8, cropped to its box."""
    pixels = Image.fromarray(digit[::SCALE, ::SCALE])
    ink = np.asarray(pixels.resize((MASTER_SIDE, MASTER_SIDE), Image.Resampling.BICUBIC), np.float32) / 255
    ink = np.clip(2.5 * ink - 0.5, 0, 1)  # edges as sharp as a pen's
    rows, columns = (np.flatnonzero(np.max(ink, axis=axis) > 0.5) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _resized(ink, side):
    """Resizes the ink to a longer side of `side` pixels."""
    height, width = (max(1, round(n * side / max(ink.shape))) for n in ink.shape)
    return np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.BOX))


def _background(random, photos, side):
    """Returns a random square of a photograph, (side, side, 3) float32."""
    photo = photos[random.integers(len(photos))]
    size = random.integers(side, min(photo.shape[:2]) + 1)
    top, left = (random.integers(n - size + 1) for n in photo.shape[:2])
    crop = Image.fromarray(photo[top : top + size, left : left + size])
    return np.asarray(crop.resize((side, side), Image.Resampling.BILINEAR), np.float32).copy()


def _place(random, scene, ink, boxes):
    """Returns a box where the ink is legible and covers no other box, or None if none of `PLACES` is one."""
    height, width = ink.shape
    luminance = scene @ LUMINANCE
    for _ in range(PLACES):
        top, left = (random.integers(n - size + 1) for n, size in zip(luminance.shape, ink.shape))
        behind = luminance[top : top + height, left : left + width]
        contrast = max(behind.mean() - np.mean(INKS[0]), np.mean(INKS[1]) - behind.mean())
        box = [left, top, left + width, top + height]
        if contrast >= CONTRAST and behind.std() <= UNEVENNESS and not any(_overlap(box, b) for b in boxes):
            return box
    return None


def _overlap(box, other):
    """Whether two boxes overlap too much."""
    width, height = (min(box[i + 2], other[i + 2]) - max(box[i], other[i]) for i in (0, 1))
    smaller = min((b[2] - b[0]) * (b[3] - b[1]) for b in (box, other))
    return width > 0 and height > 0 and width * height > MAX_OVERLAP * smaller


def _draw(random, scene, ink, box):
    """Draws a digit in a random ink: dark on light, light on dark."""
    left, top, right, bottom = box
    behind = scene[top:bottom, left:right]
    color = random.uniform(*INKS[int((behind @ LUMINANCE).mean() < 127.5)], 3).astype(np.float32)
    scene[top:bottom, left:right] = behind + ink[..., np.newaxis] * (color - behind)
