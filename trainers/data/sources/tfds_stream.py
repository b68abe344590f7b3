"""Splits of TensorFlow Datasets as streams: machines share the files, and examples are shuffled in blocks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_resnets.errors import ArgumentError, first_line
from keras_resnets.images.formats import JPEG, PNG
from trainers.data.image_source import Encoded, ImageSource
from trainers.data.split import Split
from trainers.data.tf_data_options import untuned

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

ENCODINGS = [JPEG, PNG]  # of TensorFlow Datasets' images
SHUFFLED_PIXELS = 10_000 * 224 * 224  # of a shuffled block: 10,000 examples of ImageNet, or all of CIFAR
DOWNLOAD_RETRIES = 5  # TensorFlow Datasets' ten take more than three minutes, also if there is no network
# Machines read files of their own if the smallest of their shares has this many examples, relative to the largest.
EQUAL_SHARE = 0.99


def prepared_builder(name: str, data_dir: str | None, download: bool) -> tfds.core.DatasetBuilder:
    """Returns the builder of a data set.

    Args:
        name: as for `tfds.builder`, e.g. "cifar10" or "coco/2017".
        data_dir: folder of the prepared data; None for the default of TensorFlow Datasets.
        download: whether to download and prepare the data set if it is missing.

    Raises:
        ArgumentError: if there is no such data set, or its files cannot be downloaded, or only by hand.
    """
    import requests  # by which TensorFlow Datasets downloads
    import tensorflow_datasets as tfds  # Imported here: it takes seconds.
    from tensorflow_datasets.core.download import downloader

    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except (tfds.core.DatasetNotFoundError, ValueError) as error:
        raise ArgumentError(f"--dataset=tfds:{name}: TensorFlow Datasets has no {name!r}: check its name.") from error
    if download:
        downloader.MAX_RETRIES = DOWNLOAD_RETRIES
        try:
            builder.download_and_prepare()
        except AssertionError as error:  # if files have to be downloaded by hand
            raise ArgumentError(
                f"--dataset=tfds:{name} cannot be downloaded: {' '.join(str(error).split())}"
            ) from error
        except (requests.RequestException, tfds.download.DownloadError) as error:
            raise ArgumentError(
                f"--dataset=tfds:{name} cannot be downloaded ({first_line(error)}): where there is a network, run "
                f"tfds.builder({name!r}).download_and_prepare(), and copy its folder to {builder.data_dir}."
            ) from error
    return builder


def usual_splits(names: Container[str]) -> tuple[str, str]:
    """Returns the names of the training and the test split.

    Args:
        names: of all splits; empty as long as the data set has not been prepared.
    """
    if "validation" in names:
        return "train", "validation"
    if "test" in names or not names:
        return "train", "test"
    return "train[:90%]", "train[90%:]"


def stream_split(
    name: str,
    builder: tfds.core.DatasetBuilder,
    split: str,
    image: str,
    target: Callable[[dict[str, Any]], Any],
    load_target: Callable[[ImageSource, Any], dict[str, tf.Tensor]],
) -> Split:
    """Returns a split that is read from the beginning on. Its keys have the encoded images.

    Args:
        name: of the data set, for messages.
        builder: of the data set.
        split: its name in TensorFlow Datasets, e.g. "train" or "train+validation".
        image: name of the image's feature.
        target: function from an example of TensorFlow Datasets to its target in the key: a tensor, or a dict of
            tensors. Their shapes are the same for all examples, as keys are put in batches.
        load_target: function from the image and the target to the fields of an example beside `image`.

    Raises:
        ArgumentError: if the split has not been prepared.
    """
    try:
        size = int(_examples(builder, split, image).cardinality())
        files = builder.info.splits[split].file_instructions if builder.info.splits else []
    except (AssertionError, ValueError, KeyError) as error:
        raise ArgumentError(
            f"--dataset=tfds:{name} has no prepared split {split!r} in {builder.data_dir}: "
            "pass --download, or the --data_dir that has it."
        ) from error
    stream = _Stream(builder, split, image, target, load_target, size, files)
    in_random_order = not builder.info.disable_shuffling and "+" not in split  # Joined splits follow each other.
    first = stream.first if in_random_order else None
    return Split(size, stream.keys, stream.load, stream.part, first, is_stream=True)


@dataclasses.dataclass(frozen=True)
class _Stream:
    """The examples of a split, as a `Split` needs them.

    Attributes:
        builder, split, image, target, load_target: see `stream_split`.
        size: number of examples.
        files: the split's `tfds.core.utils.shard_utils.FileInstruction`s; empty if they are not known.
    """

    builder: tfds.core.DatasetBuilder
    split: str
    image: str
    target: Callable[[dict[str, Any]], Any]
    load_target: Callable[[ImageSource, Any], dict[str, tf.Tensor]]
    size: int
    files: Sequence[Any]

    def keys(self, seed, context=None, count=None):
        """Returns the keys of the first `count` examples, or of all; with a context, those of one machine's files."""
        count = self.size if count is None else count
        stream = _examples(self.builder, self.split, self.image, context).take(count).enumerate().map(self._key)
        return stream if seed is None else _shuffled(stream, min(count, self._block()), seed)

    def load(self, key):
        """Returns the example of a key."""
        height, width, _ = self._shape()
        # TensorFlow Datasets does not turn images, and its boxes are those of the images as stored.
        format_ = tf.where(tf.io.is_jpeg(key["encoded"]), *ENCODINGS)
        source = Encoded(key["encoded"], format_, ENCODINGS, height=height, width=width)
        return {"image": source, **self.load_target(source, key["target"])}

    def part(self, context):
        """Returns the `Split` of one of several machines."""
        machines, machine = context.num_input_pipelines, context.input_pipeline_id
        sizes = [sum(map(_count, self.files[i::machines])) for i in range(machines)]
        if min(sizes) > EQUAL_SHARE * max(sizes):
            return Split(sizes[machine], lambda seed: self.keys(seed, context), self.load)
        # With unequal shares, the examples of the largest would be seen less often. Each machine reads all files, and
        # takes every n-th example.
        return Split(self.size // machines, lambda seed: self.keys(seed).shard(machines, machine), self.load)

    def first(self, count):
        """Returns the `Split` of the first examples."""
        return Split(count, lambda seed: self.keys(seed, count=count), self.load)

    def _key(self, index, example):
        return {"index": index, "encoded": example[self.image], "target": self.target(example)}

    def _shape(self):
        return self.builder.info.features[self.image].shape

    def _block(self):
        height, width, _ = self._shape()
        return min(self.size, SHUFFLED_PIXELS // ((height or 224) * (width or 224)))


def _examples(builder, split, image, context=None):
    """Returns a `tf.data.Dataset` of the examples of a split, or of the files that one of several machines reads."""
    import tensorflow_datasets as tfds  # Imported here: it takes seconds.

    # Each epoch is a data set of its own, and would fill a cache of its own.
    config = tfds.ReadConfig(input_context=context, try_autocache=False)
    decoders = {image: tfds.decode.SkipDecoding()}
    return untuned(builder.as_dataset(split=split, decoders=decoders, read_config=config))


def _count(file):
    """Returns the number of examples of a split in a file."""
    return file.take if file.take >= 0 else file.examples_in_shard - file.skip


def _shuffled(stream, block, seed):
    """Shuffles keys within blocks. The images stay encoded: a resumed run skips them without decoding."""

    def shuffled(examples):
        seed_of_block = tf.random.fold_in(seed, examples["index"][0])
        order = tf.random.experimental.stateless_shuffle(tf.range(tf.size(examples["index"])), seed_of_block)
        examples = tf.nest.map_structure(lambda value: tf.gather(value, order), examples)
        return tf.data.Dataset.from_tensor_slices(examples)

    # Dataset.shuffle takes no tensor as its seed, and the seed of an epoch is one.
    return stream.batch(block).prefetch(1).flat_map(shuffled)
