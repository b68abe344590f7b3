"""Trains an R-CNN, the second stage of ImageNet localization.

The R-CNN classifies and corrects the regions that a localizer finds for the image's class (ResNet, arXiv 1512.03385,
appendix C). It learns from those of the true class, and is tested on those of each class that is asked for.

python -m trainers.localization_rcnn --localizer_dir=/tmp/localizer --backbone=resnet --block_counts=1,1,1 \
    --filters=16,32,64 --dataset=one_digit_scenes --model_dir=/tmp/second_stage
"""

from absl import flags

from keras_resnets.detection.options import RCNNOptions
from keras_resnets.errors import ArgumentError
from trainers.engine.run_folder import begun_as
from trainers.flags import command, detection
from trainers.flags.train import train_from_flags
from trainers.tasks.specs import LOCALIZATION_RCNN


def _define_flags():
    detection.define_flags(LOCALIZATION_RCNN)
    flags.DEFINE_string("localizer_dir", None, "Folder of the run of trainers.localization.", required=True)


def _check():
    detection.check(LOCALIZATION_RCNN, RCNNOptions)
    folder = flags.FLAGS.localizer_dir
    if begun_as("localization", folder) is None:
        raise ArgumentError(f"--localizer_dir={folder} holds no run of trainers.localization: train one there first.")


def _main():
    from trainers.tasks.localization_rcnn import LocalizationRCNN, configure

    choices, run, strategy = detection.choices_from_flags(LOCALIZATION_RCNN)
    config = configure(choices, flags.FLAGS.localizer_dir)
    train_from_flags(LocalizationRCNN(config, choices.dataset), run, strategy)


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags, _check)


if __name__ == "__main__":
    run()
