"""MixUp (arXiv 1710.09412) and CutMix (arXiv 1905.04899): training images that are mixed in pairs."""

import tensorflow as tf


def mix(batch: dict[str, tf.Tensor], seed: tf.Tensor, mixup_alpha: float, cutmix_alpha: float) -> dict[str, tf.Tensor]:
    """Mixes each image with its counterpart in the reversed batch, by MixUp or CutMix with probability 1/2 each.

    The share is the same for the whole batch of a replica, as in the papers' code.

    Args:
        batch: of one replica, with `image` (B, H, W, 3) float32 and `label` (B,) int32.
        seed: (2,) integers.
        mixup_alpha: both parameters of the Beta distribution of MixUp's share.
        cutmix_alpha: both parameters of the Beta distribution of CutMix's share.

    Returns:
        The batch with mixed images; `other_label`, (B,) int32, of the counterparts; and `share`, (B,) float32 in 0..1,
        the weight of `label`. That of `other_label` is the rest.
    """
    choice_seed, share_seed, place_seed = tf.unstack(tf.random.split(seed, 3))
    images, others = batch["image"], batch["image"][::-1]

    def mixup():
        share = _beta(mixup_alpha, share_seed)
        return share * images + (1 - share) * others, share

    def cutmix():
        _, height, width, _ = images.shape
        mask = _window(_beta(cutmix_alpha, share_seed), height, width, place_seed)
        return tf.where(mask[..., tf.newaxis], others, images), 1 - tf.reduce_mean(tf.cast(mask, tf.float32))

    mixed, share = tf.cond(tf.random.stateless_uniform([], choice_seed) < 0.5, mixup, cutmix)
    shares = tf.fill(tf.shape(batch["label"]), share)
    return {**batch, "image": mixed, "other_label": batch["label"][::-1], "share": shares}


def _beta(alpha, seed):
    first, second = tf.unstack(tf.random.stateless_gamma([2], seed, alpha=alpha))
    return first / tf.maximum(first + second, 1e-30)


def _window(share, height, width, seed):
    """Returns (H, W) bool, true in a rectangle of 1 - share of the area, clipped to the image."""
    sides = tf.sqrt(1 - share) * [height, width]
    center = tf.random.stateless_uniform([2], seed) * [height, width]
    low, high = tf.round(center - sides / 2), tf.round(center + sides / 2)
    rows, columns = tf.range(height, dtype=tf.float32), tf.range(width, dtype=tf.float32)
    in_rows = (rows >= low[0]) & (rows < high[0])
    in_columns = (columns >= low[1]) & (columns < high[1])
    return in_rows[:, tf.newaxis] & in_columns[tf.newaxis]
