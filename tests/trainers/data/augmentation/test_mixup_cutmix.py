"""MixUp and CutMix."""

import numpy as np
import tensorflow as tf

from trainers.data.augmentation.mixup_cutmix import mix


def test_mixed_images_have_the_shares_of_their_labels():
    batch = {"image": tf.reshape([0.0, 0.0, 0.0, 200.0], (4, 1, 1, 1)) * tf.ones((4, 16, 16, 3))}
    batch["label"] = tf.constant([0, 1, 2, 3])
    mixup, cutmix = [], []
    for i in range(200):
        mixed = mix(batch, tf.constant([3, i]), mixup_alpha=0.2, cutmix_alpha=1.0)
        assert mixed["other_label"].numpy().tolist() == [3, 2, 1, 0]
        share = float(mixed["share"][0])
        assert 0 <= share <= 1
        # The share of the other image in the first is what its label does not have.
        np.testing.assert_allclose(np.mean(mixed["image"][0]) / 200, 1 - share, atol=1e-5)
        values = np.unique(np.round(mixed["image"][0], 3))
        (mixup if len(values) == 1 and 0 < values[0] < 200 else cutmix).append(share)
    assert len(mixup) > 50 and len(cutmix) > 50
