"""`tfds:NAME`: any data set of TensorFlow Datasets with an image and a label.

The training split is "train"; the error is measured on "validation" where there is one (ImageNet's "test" has no
labels), else on "test", else on the last tenth of "train", which is not trained on then.
"""

import tensorflow as tf

from keras_resnets import ArgumentError
from keras_resnets.preprocessing import decode
from trainers.data.dataset import IMAGENET_MEAN, IMAGENET_STD, ImageDataset, Split

# Examples that are shuffled together are so many that they have this many pixels: 10,000 of ImageNet, all of CIFAR.
SHUFFLED_PIXELS = 10_000 * 224 * 224
# Of the training images (arXiv 1512.03385's Torch code); other data sets take ImageNet's.
CIFAR_STATISTICS = ((125.3, 123.0, 113.9), (63.0, 62.1, 66.7))


def open_tfds(name, data_dir, download):
    """Opens a data set of TensorFlow Datasets as an `ImageDataset`.

    Args:
        name: as for `tfds.builder`, e.g. "cifar10" or "imagenet2012".
        data_dir: where the prepared data are; None for the default of TensorFlow Datasets.
        download: whether to download and prepare what is missing.

    Raises:
        ArgumentError: if there is no such data set, it has no image and label, or it has not been prepared.
    """
    import tensorflow_datasets as tfds  # It takes seconds to import.

    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except (tfds.core.DatasetNotFoundError, ValueError) as error:
        raise ArgumentError(f"--dataset=tfds:{name}: TensorFlow Datasets has no {name!r}: check its name.") from error
    if download:
        try:
            builder.download_and_prepare()
        except AssertionError as error:  # Files that have to be fetched by hand.
            raise ArgumentError(
                f"--dataset=tfds:{name} cannot be downloaded: {' '.join(str(error).split())}"
            ) from error
    image, label = _image_and_label(tfds, name, builder.info)
    train, test = _splits(builder.info.splits)
    shape = builder.info.features[image].shape
    mean, std = CIFAR_STATISTICS if name.startswith("cifar") else (IMAGENET_MEAN, IMAGENET_STD)
    return ImageDataset(
        labels=tuple(builder.info.features[label].names),
        side=shape[0] if shape[0] == shape[1] else None,
        mean=mean,
        std=std,
        train=_stream_split(tfds, name, builder, train, image, label),
        test=_stream_split(tfds, name, builder, test, image, label),
    )


def _splits(names):
    """Returns the splits to train on and to measure with; they are not known before a data set is prepared."""
    if "validation" in names:
        return "train", "validation"
    if "test" in names or not names:
        return "train", "test"
    return "train[:90%]", "train[90%:]"


def _image_and_label(tfds, name, info):
    keys = info.supervised_keys or ()
    if len(keys) == 2 and all(isinstance(key, str) for key in keys):
        image, label = keys
        if isinstance(info.features[image], tfds.features.Image) and isinstance(
            info.features[label], tfds.features.ClassLabel
        ):
            return image, label
    raise ArgumentError(f"--dataset=tfds:{name} is not a data set of images with one label each.")


def _stream_split(tfds, name, builder, split, image, label):
    try:
        examples = builder.as_dataset(split=split, decoders={image: tfds.decode.SkipDecoding()})
    except (AssertionError, ValueError) as error:
        raise ArgumentError(
            f"--dataset=tfds:{name} has no prepared split {split!r} in {builder.data_dir}: "
            "pass --download, or the --data_dir that has it."
        ) from error
    size = int(examples.cardinality())
    height, width, _ = builder.info.features[image].shape
    block = min(size, SHUFFLED_PIXELS // ((height or 224) * (width or 224)))

    def keys(seed):
        stream = examples.enumerate().map(
            lambda index, example: {"index": index, "encoded": example[image], "label": example[label]}
        )
        if seed is None:
            return stream

        def shuffled(examples):
            seed_of_block = tf.random.fold_in(seed, examples["index"][0])
            order = tf.random.experimental.stateless_shuffle(tf.range(tf.size(examples["index"])), seed_of_block)
            return tf.data.Dataset.from_tensor_slices({key: tf.gather(value, order) for key, value in examples.items()})

        # While still encoded: what a resumed run skips is not decoded. Not Dataset.shuffle, which takes no seed that
        # is known only when the epoch is.
        return stream.batch(block).flat_map(shuffled)

    def load(key):
        pixels = tf.ensure_shape(decode(key["encoded"]), [height, width, 3])
        return {"image": pixels, "label": tf.cast(key["label"], tf.int32)}

    return Split(size, keys, load)
