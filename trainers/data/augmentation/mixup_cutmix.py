"""MixUp (arXiv 1710.09412) and CutMix (arXiv 1905.04899): training images that are mixed in pairs."""

import tensorflow as tf


def mix(batch: dict[str, tf.Tensor], seed: tf.Tensor, mixup_alpha: float, cutmix_alpha: float) -> dict[str, tf.Tensor]:
    """Mixes each image with its counterpart in the reversed batch, by MixUp or CutMix with probability 1/2 each.

    The share is the same for the whole batch of a replica, as in the papers' code.

    Args:
        batch: of one replica, with `image` (B, H, W, 3) uint8 and `label` (B,) int32.
        seed: (2,) integers.
        mixup_alpha: both parameters of the Beta distribution of MixUp's share.
        cutmix_alpha: both parameters of the Beta distribution of CutMix's share.

    Returns:
        The batch with mixed images; `other_label`, (B,) int32, of the counterparts; and `share`, (B,) float32 in 0..1,
        the weight of `label`. That of `other_label` is the rest.
    """
    choice_seed, share_seed, place_seed = tf.unstack(tf.random.split(seed, 3))
    images = batch["image"]
    # Not images[::-1], which copies number by number.
    others = tf.gather(images, tf.range(tf.shape(images)[0])[::-1])

    def mixup():
        share = _beta(mixup_alpha, share_seed)
        return _blend(images, others, share), share

    def cutmix():
        _, height, width, _ = images.shape
        window = _window(_beta(cutmix_alpha, share_seed), height, width, place_seed)
        return _paste(images, others, *window), 1 - _area(*window) / (height * width)

    mixed, share = tf.cond(tf.random.stateless_uniform([], choice_seed) < 0.5, mixup, cutmix)
    shares = tf.fill(tf.shape(batch["label"]), share)
    return {
        **batch,
        "image": tf.ensure_shape(mixed, images.shape),
        "other_label": batch["label"][::-1],
        "share": shares,
    }


def _blend(images, others, share):
    """Returns share * images + (1 - share) * others, rounded; of one pair at a time, which stays in the cache."""

    def blended(pair):
        image, other = (tf.cast(image, tf.float32) for image in pair)
        return tf.cast(tf.round(share * image + (1 - share) * other), tf.uint8)

    return tf.map_fn(blended, (images, others), fn_output_signature=tf.uint8)


def _paste(images, others, top, bottom, left, right):
    """Returns the images with the window of the others."""
    rows = [images[:, top:bottom, :left], others[:, top:bottom, left:right], images[:, top:bottom, right:]]
    return tf.concat([images[:, :top], tf.concat(rows, axis=2), images[:, bottom:]], axis=1)


def _beta(alpha, seed):
    first, second = tf.unstack(tf.random.stateless_gamma([2], seed, alpha=alpha))
    return first / tf.maximum(first + second, 1e-30)


def _window(share, height, width, seed):
    """Returns top, bottom, left and right, int32, of a rectangle of 1 - share of the area, clipped to the image."""
    shape = tf.constant([height, width], tf.float32)
    sides = tf.sqrt(1 - share) * shape
    center = tf.random.stateless_uniform([2], seed) * shape
    edges = tf.stack([tf.round(center - sides / 2), tf.round(center + sides / 2)], axis=1)
    clipped = tf.clip_by_value(edges, 0, shape[:, tf.newaxis])
    return tf.unstack(tf.cast(tf.reshape(clipped, [4]), tf.int32))


def _area(top, bottom, left, right):
    return tf.cast((bottom - top) * (right - left), tf.float32)
