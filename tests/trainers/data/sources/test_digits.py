"""The data set `digits`."""

import collections

import numpy as np
from labelled_images import examples
from sklearn import datasets

from trainers.data.registry import open_dataset


def test_digits_are_scikit_learns_in_a_fixed_stratified_split():
    dataset = open_dataset("digits")
    assert (dataset.train.size, dataset.test.size, dataset.side) == (1437, 360, 32)
    assert dataset.labels == tuple("0123456789")
    test = examples(dataset.test)
    counts = collections.Counter(int(example["label"]) for example in test)
    assert set(counts.values()) <= {35, 36, 37}
    everything = {bytes(image.astype("uint8")) for image in datasets.load_digits().images}
    for example in test[:20]:
        small = example["image"].numpy()[::4, ::4, 0]
        assert bytes(np.round(small / 255 * 16).astype("uint8")) in everything
    image = test[0]["image"].numpy()
    np.testing.assert_array_equal(image, image[::4, ::4].repeat(4, axis=0).repeat(4, axis=1))
    assert image.max() == 255 and image.dtype == np.uint8 and image.shape == (32, 32, 3)
    again = [int(example["label"]) for example in examples(open_dataset("digits").test)]
    assert again == [int(example["label"]) for example in test]
