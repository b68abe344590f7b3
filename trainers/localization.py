"""Trains a localizer: the first stage of ImageNet localization (ResNet, arXiv 1512.03385, appendix C).

python -m trainers.localization --backbone=resnet --block_counts=1,1,1,1 --filters=16,32,64,128 \
    --dataset=one_digit_scenes --model_dir=/tmp/localizer
"""

from keras_resnets.detection.options import LocalizerOptions
from trainers.flags import command, detection, training
from trainers.tasks.specs import LOCALIZATION


def _define_flags():
    detection.define_flags(LOCALIZATION)


def _main(arguments):
    from trainers.tasks.localization import Localization, configure

    command.no_arguments(arguments)
    choices, run, strategy = detection.config_from_flags(LOCALIZATION, LocalizerOptions)
    training.train_by_flags(Localization(configure(choices), choices.dataset), run, strategy)


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags)


if __name__ == "__main__":
    run()
