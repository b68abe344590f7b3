"""Splits of TensorFlow Datasets, read as streams: from files that are shared out to machines, shuffled in blocks."""

import functools

import tensorflow as tf

from keras_resnets import ArgumentError
from trainers.data.image_source import Encoded
from trainers.data.split import Split
from trainers.data.tf_data_options import untuned

# Examples that are shuffled together are so many that they have this many pixels: 10,000 of ImageNet, all of CIFAR.
SHUFFLED_PIXELS = 10_000 * 224 * 224
EQUAL_SHARE = 0.99  # of the examples of another machine, for machines to read files of their own


def prepared_builder(name, data_dir, download):
    """Returns the `tfds.core.DatasetBuilder` of a data set.

    Args:
        name: as for `tfds.builder`, e.g. "cifar10" or "coco/2017".
        data_dir: where the prepared data are; None for the default of TensorFlow Datasets.
        download: whether to download and prepare what is missing.

    Raises:
        ArgumentError: if there is no such data set, or its files have to be fetched by hand.
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
    return builder


def usual_splits(names):
    """Returns the splits to train on and to measure with; they are not known before a data set is prepared."""
    if "validation" in names:
        return "train", "validation"
    if "test" in names or not names:
        return "train", "test"
    return "train[:90%]", "train[90%:]"


def stream_split(name, builder, split, image, target, load_target):
    """A split that is read from its beginning on, with the images encoded until they are loaded.

    Args:
        name: of the data set, for messages.
        builder: its `tfds.core.DatasetBuilder`.
        split: as TensorFlow Datasets has it, e.g. "train" or "train+validation".
        image: name of the feature that is the image.
        target: function from an example of TensorFlow Datasets to what a key holds beside the image: a tensor, or a
            dict of tensors, of the same shapes for every example, as keys are put in batches.
        load_target: function from an image source and a target to a dict of what an example has beside `image`.

    Raises:
        ArgumentError: if the split has not been prepared.
    """
    examples = functools.partial(_examples, builder, split, image)
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

    def key(index, example):
        return {"index": index, "encoded": example[image], "target": target(example)}

    def load(key):
        source = Encoded(key["encoded"], height, width)
        return {"image": source, **load_target(source, key["target"])}

    def read(context=None, count=size):
        def keys(seed):
            stream = examples(context).take(count).enumerate().map(key)
            return stream if seed is None else _shuffled(stream, min(count, block), seed)

        return keys

    def part(context):
        machines, machine = context.num_input_pipelines, context.input_pipeline_id
        sizes = [sum(map(_count, files[i::machines])) for i in range(machines)]
        if min(sizes) > EQUAL_SHARE * max(sizes):
            return Split(sizes[machine], read(context), load)
        # One with more than others would see its examples less often: each reads all, and takes every n-th.
        return Split(size // machines, lambda seed: read()(seed).shard(machines, machine), load)

    def first(count):
        return Split(count, read(count=count), load)

    in_random_order = not builder.info.disable_shuffling and "+" not in split  # Joined ones follow each other.
    return Split(size, read(), load, part, first if in_random_order else None)


def _examples(builder, split, image, context=None):
    """Returns a `tf.data.Dataset` of the examples of a split, or of the files that one of several machines reads."""
    import tensorflow_datasets as tfds  # It takes seconds to import.

    # A cache would be filled anew in every epoch: each is a data set of its own.
    config = tfds.ReadConfig(input_context=context, try_autocache=False)
    decoders = {image: tfds.decode.SkipDecoding()}
    return untuned(builder.as_dataset(split=split, decoders=decoders, read_config=config))


def _count(file):
    """Returns how many examples a split has in a file."""
    return file.take if file.take >= 0 else file.examples_in_shard - file.skip


def _shuffled(stream, block, seed):
    """Shuffles within blocks, while images are encoded: what a resumed run skips is not decoded."""

    def shuffled(examples):
        seed_of_block = tf.random.fold_in(seed, examples["index"][0])
        order = tf.random.experimental.stateless_shuffle(tf.range(tf.size(examples["index"])), seed_of_block)
        examples = tf.nest.map_structure(lambda value: tf.gather(value, order), examples)
        return tf.data.Dataset.from_tensor_slices(examples)

    # Not Dataset.shuffle, which takes no seed that is known only when the epoch is.
    return stream.batch(block).prefetch(1).flat_map(shuffled)
