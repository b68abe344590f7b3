"""Trains an image classification net.

python -m trainers.classification --model=cifar_resnet20 --dataset=digits --model_dir=/tmp/digits
"""

import math

from absl import flags

from keras_resnets.errors import ArgumentError
from trainers.flags import command, training
from trainers.recipes.classification import RECIPES, default_recipe
from trainers.tasks.nets import GENERAL, builder_arguments


def _define_flags():
    command.define_model_dir()
    command.define_data()
    training.define_distribution()
    flags.DEFINE_string(
        "model", None, f"A name of keras_resnets.list_models(), or {', '.join(GENERAL)}.", required=True
    )
    training.define_sizes()
    flags.DEFINE_float(
        "auxiliary_weight",
        None,
        "Weight of the auxiliary classifier's loss, for Inception-v3, -v4 and -ResNet-v2; 0.4 in TF-slim. Default: no "
        "auxiliary classifier.",
        lower_bound=0,
    )
    flags.DEFINE_string("dataset", None, "digits, one_digit_scenes, idx:PATH, folder:PATH or tfds:NAME.", required=True)
    flags.DEFINE_integer(
        "image_size",
        None,
        "Side of the net's square input, in pixels; default: that of the data set's images, or the net's.",
        lower_bound=1,
    )
    flags.DEFINE_integer(
        "second_side",
        None,
        "Side of the images in every second epoch, in pixels, 0 for none; default: the recipe's.",
        lower_bound=0,
    )
    flags.DEFINE_integer(
        "holdout", None, "Training images that are held out, to be measured with instead of the test split.", 1
    )
    training.define_recipe(RECIPES)
    training.define_training()


def _main(arguments):
    from trainers.data.registry import open_dataset
    from trainers.data.split import hold_out
    from trainers.engine.run_folder import RunFolder, begun_as
    from trainers.recipes.recipe import chosen_recipe
    from trainers.runtime.distribution import is_chief
    from trainers.tasks.classification import Classification, configure
    from trainers.tasks.configuration import Choices

    command.no_arguments(arguments)
    options = flags.FLAGS
    # Unknown names are reported before the data are read.
    sizes = training.sizes_by_flags("model", options.model)
    _check_auxiliary_weight(options)
    begun = begun_as("classification", options.model_dir)
    recipe_name = chosen_recipe(options.recipe, begun, default_recipe(options.dataset), RECIPES)
    choices = training.recipe_choices()
    choices["recipe_changes"]["second_side"] = options.second_side
    strategy = training.strategy()
    dataset = open_dataset(options.dataset, options.data_dir, options.download)
    if options.holdout is not None:
        dataset = hold_out(dataset, options.holdout)
    run = RunFolder(options.model_dir, is_chief(strategy))
    config = configure(
        Choices(options.dataset, dataset, recipe_name, data_dir=options.data_dir, begun=begun, **choices),
        options.model,
        arguments={name: value for name, value in sizes.items() if value is not None},
        auxiliary_weight=options.auxiliary_weight,
        image_size=options.image_size,
        holdout=options.holdout,
    )
    training.train_by_flags(Classification(config, dataset), run, strategy)


def _check_auxiliary_weight(options):
    """Raises ArgumentError where no auxiliary classifier can be trained."""
    if not options.auxiliary_weight:
        return
    given = f"--auxiliary_weight={options.auxiliary_weight}"
    if not math.isfinite(options.auxiliary_weight):
        raise ArgumentError(f"{given} must be a number.")
    if "auxiliary_head" not in builder_arguments(options.model):
        raise ArgumentError(f"{given} has no effect with --model={options.model}: leave it out.")
    if options.remat:
        raise ArgumentError(f"{given} cannot be with --remat, which is for nets of one output: leave one of them out.")


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags)


if __name__ == "__main__":
    run()
