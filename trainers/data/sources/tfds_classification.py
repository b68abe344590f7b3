"""`tfds:NAME`: any data set of TensorFlow Datasets with an image and a label.

The training split is "train". The test split is "validation" (ImageNet's "test" has no labels); without one, "test";
without either, the last tenth of "train", which is then not trained on.
"""

import tensorflow as tf

from keras_resnets.errors import ArgumentError
from trainers.data.classification_dataset import IMAGENET_MEAN, IMAGENET_STD, ImageDataset
from trainers.data.sources.tfds_stream import prepared_builder, stream_split, usual_splits

# Mean and standard deviation of the training images (Torch code of arXiv 1512.03385).
CIFAR_STATISTICS = ((125.3, 123.0, 113.9), (63.0, 62.1, 66.7))


def open_tfds(name: str, data_dir: str | None, download: bool) -> ImageDataset:
    """Opens a data set of TensorFlow Datasets, with its own statistics for CIFAR, and ImageNet's for all others.

    Args:
        name: as for `tfds.builder`, e.g. "cifar10" or "imagenet2012".
        data_dir: folder of the prepared data; None for the default of TensorFlow Datasets.
        download: whether to download and prepare the data set if it is missing.

    Raises:
        ArgumentError: if there is no such data set, it has no image and label, or it has not been prepared.
    """
    builder = prepared_builder(name, data_dir, download)
    image, label = _image_and_label(name, builder.info)
    train, test = usual_splits(builder.info.splits)
    shape = builder.info.features[image].shape
    mean, std = CIFAR_STATISTICS if name.startswith("cifar") else (IMAGENET_MEAN, IMAGENET_STD)

    def target(example):
        return example[label]

    def load(_, label):
        return {"label": tf.cast(label, tf.int32)}

    return ImageDataset(
        labels=tuple(builder.info.features[label].names),
        side=shape[0] if shape[0] == shape[1] else None,
        mean=mean,
        std=std,
        train=stream_split(name, builder, train, image, target, load),
        test=stream_split(name, builder, test, image, target, load),
    )


def _image_and_label(name, info):
    import tensorflow_datasets as tfds  # Imported here: it takes seconds.

    keys = info.supervised_keys or ()
    if len(keys) == 2 and all(isinstance(key, str) for key in keys):
        image, label = keys
        if isinstance(info.features[image], tfds.features.Image) and isinstance(
            info.features[label], tfds.features.ClassLabel
        ):
            return image, label
    raise ArgumentError(f"--dataset=tfds:{name} is not a data set of images with one label each.")
