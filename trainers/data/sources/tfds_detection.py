"""`tfds:NAME`: any data set of TensorFlow Datasets with images and boxes around objects, such as "voc/2007".

The splits are those of `tfds_classification`, except for PASCAL VOC. Its training split is "train+validation" and its
test split "test"; for the years whose "test" has no boxes, they are "train" and "validation".
"""

import tensorflow as tf

from keras_resnets.errors import ArgumentError
from trainers.data.detection_dataset import DetectionDataset
from trainers.data.sources.tfds_stream import prepared_builder, stream_split, usual_splits

IGNORED = ("is_difficult", "is_crowd")
# Types of the features of objects, and their shapes for all objects of an image.
FIELDS = {
    "bbox": (tf.float32, [-1, 4]),
    "label": (tf.int32, [-1]),
    "area": (tf.float32, [-1]),
    **{key: (tf.bool, [-1]) for key in IGNORED},
}


def open_tfds(name: str, data_dir: str | None, download: bool) -> DetectionDataset:
    """Opens a data set of TensorFlow Datasets; difficult objects and crowds are ignored ones.

    Args:
        name: as for `tfds.builder`, e.g. "voc/2007" or "coco/2017".
        data_dir: folder of the prepared data; None for the default of TensorFlow Datasets.
        download: whether to download and prepare the data set if it is missing.

    Raises:
        ArgumentError: if there is no such data set, it has no image with objects, or it has not been prepared.
    """
    builder = prepared_builder(name, data_dir, download)
    features = _object_features(name, builder.info.features)
    kept = [key for key in FIELDS if key in features]
    train, test = _splits(builder)
    first_pixel = 1 if builder.name == "voc" else 0

    def target(example):  # Serialized, the features have the same shape for any number of objects.
        return {key: tf.io.serialize_tensor(tf.cast(example["objects"][key], FIELDS[key][0])) for key in kept}

    def load_target(image, target):
        objects = {key: tf.reshape(tf.io.parse_tensor(target[key], FIELDS[key][0]), FIELDS[key][1]) for key in kept}
        return _annotation(image, objects, first_pixel)

    height, width, _ = builder.info.features["image"].shape
    return DetectionDataset(
        labels=tuple(features["label"].names),
        side=height if height == width else None,
        max_boxes=None,
        train=stream_split(name, builder, train, "image", target, load_target),
        test=stream_split(name, builder, test, "image", target, load_target),
    )


def _object_features(name, features):
    import tensorflow_datasets as tfds  # Imported here: it takes seconds.

    objects = dict(features.items()).get("objects")
    if isinstance(objects, tfds.features.Sequence) and isinstance(objects.feature, tfds.features.FeaturesDict):
        fields = dict(objects.feature.items())
        if (
            "image" in features
            and isinstance(fields.get("bbox"), tfds.features.BBoxFeature)
            and isinstance(fields.get("label"), tfds.features.ClassLabel)
        ):
            return fields
    raise ArgumentError(
        f"--dataset=tfds:{name} is not a data set of an image with objects that have a bbox and a label."
    )


def _splits(builder):
    if builder.name != "voc":
        return usual_splits(builder.info.splits)
    # VOC has not published the boxes of the test images of other years.
    return ("train+validation", "test") if builder.builder_config.name == "2007" else ("train", "validation")


def _annotation(image, objects, first_pixel):
    """Returns the fields of an `Annotation`.

    Args:
        image: an `ImageSource`.
        objects: their features; `bbox`, (n, 4) float32, is ymin, xmin, ymax, xmax as shares of height and width.
        first_pixel: number of the first pixel. VOC counts from 1, and the last pixel is part of the box.
    """
    height, width = tf.unstack(tf.cast(image.shape(), tf.float32))
    top, left, bottom, right = tf.unstack(objects["bbox"], axis=1)
    x1, y1 = tf.maximum(left * width - first_pixel, 0), tf.maximum(top * height - first_pixel, 0)
    x2, y2 = right * width, bottom * height
    ignored = [objects[key] for key in IGNORED if key in objects]
    fields = {
        "boxes": tf.stack([x1, y1, x2, y2], axis=1),
        "classes": objects["label"],
        "ignored": tf.reduce_any(tf.stack(ignored), axis=0) if ignored else tf.zeros(tf.shape(x1), tf.bool),
        "areas": objects["area"] if "area" in objects else (x2 - x1) * (y2 - y1),
    }
    valid = (x2 > x1) & (y2 > y1)
    return {name: tf.boolean_mask(value, valid) for name, value in fields.items()}
