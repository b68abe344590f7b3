"""MixUp and CutMix."""

import numpy as np
import tensorflow as tf

from trainers.data.augmentation.mixup_cutmix import mix


def test_mixed_images_have_the_shares_of_their_labels():
    batch = {"image": tf.tile(tf.reshape(tf.constant([0, 0, 0, 200], tf.uint8), (4, 1, 1, 1)), (1, 16, 16, 3))}
    batch["label"] = tf.constant([0, 1, 2, 3])
    mixup, cutmix = [], []
    for i in range(200):
        mixed = mix(batch, tf.constant([3, i]), mixup_alpha=0.2, cutmix_alpha=1.0)
        assert mixed["other_label"].numpy().tolist() == [3, 2, 1, 0]
        share = float(mixed["share"][0])
        assert 0 <= share <= 1
        # The share of the other image in the first is what its label does not have.
        np.testing.assert_allclose(np.mean(mixed["image"][0]), 200 * (1 - share), atol=0.51)  # Levels are rounded.
        values = np.unique(mixed["image"][0])
        (mixup if len(values) == 1 and 0 < values[0] < 200 else cutmix).append(share)
    assert len(mixup) > 50 and len(cutmix) > 50
