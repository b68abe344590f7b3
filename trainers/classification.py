"""Trains an image classification net.

python -m trainers.classification --model=cifar_resnet20 --dataset=digits --model_dir=/tmp/digits
"""

from absl import flags

from keras_resnets.errors import ArgumentError
from trainers.data.registry import check_name, usage
from trainers.data.split_names import split_of_run
from trainers.engine.run_folder import begun_as
from trainers.flags import class_balance, command, net_sizes, training
from trainers.flags.holdout import define_holdout, holdout_from_flags
from trainers.flags.train import train_from_flags
from trainers.recipes.classification import RECIPES, default_recipe
from trainers.recipes.recipe import chosen_recipe, get_recipe
from trainers.runtime.choices import LARGEST_SIDE
from trainers.tasks.nets import GENERAL, builder_arguments


def _define_flags():
    command.define_model_dir()
    command.define_data()
    training.define_distribution()
    flags.DEFINE_string(
        "model", None, f"A name of keras_resnets.list_models(), or {', '.join(GENERAL)}.", required=True
    )
    net_sizes.define_sizes()
    flags.DEFINE_float(
        "auxiliary_weight",
        None,
        "Weight of the auxiliary classifier's loss, for Inception-v3, -v4 and -ResNet-v2; 0.4 in TF-slim. Default: no "
        "auxiliary classifier.",
        lower_bound=0,
    )
    flags.DEFINE_string("dataset", None, f"{usage('classification')}.", required=True)
    flags.DEFINE_integer(
        "image_size",
        None,
        "Side of the net's square input, in pixels; default: that of the data set's images, of --init_weights, or "
        "the net's.",
        lower_bound=1,
        upper_bound=LARGEST_SIDE,
    )
    flags.DEFINE_integer(
        "second_side",
        None,
        "Another side of the images, in every second epoch or as the recipe says, in pixels; 0 for none. Default: the "
        "recipe's.",
        lower_bound=0,
        upper_bound=LARGEST_SIDE,
    )
    define_holdout()
    class_balance.define_flags()
    training.define_recipe(RECIPES)
    training.define_training()


def _check():
    options = flags.FLAGS
    net_sizes.check_net("model", options.model)
    weight = options.auxiliary_weight
    if weight and options.remat:
        raise ArgumentError(
            f"--auxiliary_weight={weight} cannot be combined with --remat, which takes nets with one output: leave one "
            "of them out."
        )
    holdout_from_flags()
    check_name("classification", options.dataset)
    class_balance.choices_from_flags()
    begun, recipe_name = _begun_and_recipe()
    training.check(get_recipe(recipe_name, RECIPES, begun), begun is not None)


def _begun_and_recipe():
    """Returns the configuration of the run if it exists already, or None, and the name of its recipe."""
    options = flags.FLAGS
    begun = begun_as("classification", options.model_dir)
    return begun, chosen_recipe(options.recipe, begun, default_recipe(options.dataset), RECIPES)


def _main():
    from trainers.data.registry import open_dataset
    from trainers.engine.run_folder import RunFolder
    from trainers.runtime.distribution import is_chief
    from trainers.runtime.failures import naming
    from trainers.tasks.classification import Classification, configure
    from trainers.tasks.configuration import Choices

    options = flags.FLAGS
    begun, recipe_name = _begun_and_recipe()
    # What depends on the net's builder is reported before the data are read.
    sizes = net_sizes.sizes_from_flags("model", options.model)
    if options.auxiliary_weight and "auxiliary_head" not in builder_arguments(options.model):
        given = f"--auxiliary_weight={options.auxiliary_weight}"
        raise ArgumentError(f"{given} has no effect with --model={options.model}: leave it out.")
    choices = training.recipe_choices_from_flags()
    choices["recipe_changes"]["second_side"] = options.second_side
    strategy = training.prepare_devices()
    measured = split_of_run(begun)
    dataset = open_dataset(options.dataset, options.data_dir, options.download, holdout_from_flags(), measured=measured)
    dataset = class_balance.sampled(dataset)
    run = RunFolder(options.model_dir, is_chief(strategy))
    config = configure(
        Choices(options.dataset, dataset, recipe_name, data_dir=options.data_dir, begun=begun, **choices),
        options.model,
        arguments={name: value for name, value in sizes.items() if value is not None},
        auxiliary_weight=options.auxiliary_weight,
        image_size=options.image_size,
        holdout=holdout_from_flags(),
        **class_balance.choices_from_flags(),
    )
    with naming(f"--model={options.model}", about="depth="):  # of a CIFAR net
        train_from_flags(Classification(config, dataset), run, strategy)


def run():
    """Entry point of the command."""
    command.run(_main, _define_flags, _check)


if __name__ == "__main__":
    run()
