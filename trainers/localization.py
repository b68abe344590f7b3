"""Trains a localizer, the first stage of ImageNet localization.

python -m trainers.localization --backbone=resnet --block_counts=1,1,1,1 --filters=16,32,64,128 \
    --dataset=one_digit_scenes --model_dir=/tmp/localizer

The paper is ResNet's (arXiv 1512.03385, appendix C).
"""

from keras_resnets.detection.options import LocalizerOptions
from trainers.flags import command, detection
from trainers.flags.train import train_from_flags
from trainers.tasks.specs import LOCALIZATION


def _define_flags():
    detection.define_flags(LOCALIZATION)


def _check():
    detection.check(LOCALIZATION, LocalizerOptions)


def _main():
    from trainers.tasks.localization import Localization, configure

    choices, run, strategy = detection.choices_from_flags(LOCALIZATION)
    train_from_flags(Localization(configure(choices), choices.dataset), run, strategy)


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags, _check)


if __name__ == "__main__":
    run()
