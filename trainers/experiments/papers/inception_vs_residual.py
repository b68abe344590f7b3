"""Inception with and without residual connections (Inception-v4, arXiv 1602.07261, section 5)."""

import numpy as np

from trainers.experiments.classifiers import Comparison, Net, experiment, listed_errors

HALF = 0.5  # test error whose first step is reported
# Statistics with a momentum of 0.9997, for ImageNet's many steps, would still be those of an untrained net.
RECIPE = {"recipe": "inception", "changes": {"batch_norm_momentum": 0.9}}


def _first_step(one):
    """Returns the first step with a test error below `HALF`, as a text, and the mean test error of all evaluations."""
    steps = [step for step, error in one["test"] if error < HALF]
    return f"step {steps[0]}" if steps else "no step", float(np.mean([error for _, error in one["test"]] or [1.0]))


def _verdict(figures):
    (plain_step, plain_mean), (residual_step, residual_mean) = (_first_step(one) for one in figures.values())
    sentence = (
        f"The test error of Inception-v4 is first below {HALF:.0%} at {plain_step}, that of Inception-ResNet-v2 at "
        f"{residual_step}; the means over all evaluations are {plain_mean:.1%} and {residual_mean:.1%}, and the final "
        f"test errors (%) are {listed_errors(figures)}"
    )
    return sentence, residual_mean < plain_mean


EXPERIMENT = experiment(
    Comparison(
        title="Inception with and without residual connections",
        source="Inception-v4 (arXiv 1602.07261), section 5, figures 20 to 26, table 2 (ImageNet, 299x299)",
        found="residual connections make the training much quicker; the final errors are nearly the same.",
        nets={
            "Inception-v4": Net("inception_v4", paper="20.0 (ImageNet)", **RECIPE),
            "Inception-ResNet-v2": Net("inception_resnet_v2", paper="19.9 (ImageNet)", **RECIPE),
        },
        images=1_600,
        train_images=320,  # so that there are several epochs
        quick_changes={"optimizer": "adam", "learning_rate": 1e-3},  # In so few steps, SGD does not train Inception-v4.
        image_size=75,
        verdict=_verdict,
    )
)
