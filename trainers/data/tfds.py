"""`tfds:NAME`: any data set of TensorFlow Datasets with an image and a label.

The training split is "train"; the error is measured on "validation" where there is one (ImageNet's "test" has no
labels), else on "test", else on the last tenth of "train", which is not trained on then.
"""

import tensorflow as tf

from keras_resnets import ArgumentError
from trainers.data.dataset import IMAGENET_MEAN, IMAGENET_STD, ImageDataset, Split
from trainers.data.image_source import Encoded

# Examples that are shuffled together are so many that they have this many pixels: 10,000 of ImageNet, all of CIFAR.
SHUFFLED_PIXELS = 10_000 * 224 * 224
EQUAL_SHARE = 0.99  # of the examples of another machine, for machines to read files of their own
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
    def examples(context=None):
        # A cache would be filled anew in every epoch: each is a data set of its own.
        config = tfds.ReadConfig(input_context=context, try_autocache=False)
        return builder.as_dataset(split=split, decoders={image: tfds.decode.SkipDecoding()}, read_config=config)

    try:
        size = int(examples().cardinality())
        files = builder.info.splits[split].file_instructions if builder.info.splits else []
    except (AssertionError, ValueError, KeyError) as error:
        raise ArgumentError(
            f"--dataset=tfds:{name} has no prepared split {split!r} in {builder.data_dir}: "
            "pass --download, or the --data_dir that has it."
        ) from error
    height, width, _ = builder.info.features[image].shape
    block = min(size, SHUFFLED_PIXELS // ((height or 224) * (width or 224)))

    def load(key):
        return {"image": Encoded(key["encoded"], height, width), "label": tf.cast(key["label"], tf.int32)}

    def read(context=None):
        def keys(seed):
            stream = (
                examples(context)
                .enumerate()
                .map(lambda index, example: {"index": index, "encoded": example[image], "label": example[label]})
            )
            return stream if seed is None else _shuffled(stream, block, seed)

        return keys

    def part(context):
        machines, machine = context.num_input_pipelines, context.input_pipeline_id
        sizes = [sum(map(_examples, files[i::machines])) for i in range(machines)]
        if min(sizes) > EQUAL_SHARE * max(sizes):
            return Split(sizes[machine], read(context), load)
        # One with more than others would see its examples less often: each reads all, and takes every n-th.
        return Split(size // machines, lambda seed: read()(seed).shard(machines, machine), load)

    return Split(size, read(), load, part)


def _examples(file):
    """Returns how many examples a split has in a file."""
    return file.take if file.take >= 0 else file.examples_in_shard - file.skip


def _shuffled(stream, block, seed):
    """Shuffles within blocks, while images are encoded: what a resumed run skips is not decoded."""

    def shuffled(examples):
        seed_of_block = tf.random.fold_in(seed, examples["index"][0])
        order = tf.random.experimental.stateless_shuffle(tf.range(tf.size(examples["index"])), seed_of_block)
        return tf.data.Dataset.from_tensor_slices({key: tf.gather(value, order) for key, value in examples.items()})

    # Not Dataset.shuffle, which takes no seed that is known only when the epoch is.
    return stream.batch(block).prefetch(1).flat_map(shuffled)
