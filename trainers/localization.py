"""ImageNet localization (ResNet, arXiv 1512.03385, appendix C): the task, and the binary that trains it.

python -m trainers.localization --backbone=resnet --block_counts=1,1,1,1 --filters=16,32,64,128 \
    --dataset=one_digit_scenes --model_dir=/tmp/localizer
"""

from absl import flags

from keras_resnets.detection import LocalizerOptions
from trainers.flags import command, detection, training
from trainers.tasks.localization import SPEC, Localization, configure


def _define_flags():
    detection.define_flags(SPEC)


def _main(arguments):
    command.no_arguments(arguments)
    choices, run, strategy = detection.config_from_flags(SPEC, LocalizerOptions)
    config = {**configure(choices), "jit_compile": flags.FLAGS.jit_compile}
    training.train_by_flags(Localization(config, choices.dataset), run, strategy)


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags)


if __name__ == "__main__":
    run()
