"""Gradients by depth, and the sum rule (identity mappings, arXiv 1603.05027, equations 4 and 5)."""

from keras_resnets import analysis
from trainers.experiments.classifiers import Comparison, Measurement, Net, experiment, training_batch
from trainers.experiments.experiment import Table
from trainers.plots.figures import by_depth

ROUNDING = 1e-5  # largest relative difference of sums that are equal, in float32
VANISHED = 1e-3  # largest ratio of the first gradient to the last one that counts as vanished
TIMES = {"initial": "before training", "trained": "after training"}
NORMALIZED = {
    "plain-56": Net("cifar_plainnet56"),
    "original-56": Net("cifar_resnet56"),
    "pre-activation-56": Net("cifar_resnet56", arguments={"activation_order": "full_pre_activation"}),
}
# Without batch normalization, the recipe's learning rate of 0.1 would end in infinity at once.
CAREFUL = {"learning_rate": 0.01, "clip_norm": 1.0}


def _measure(task, model):
    images, labels = training_batch(task)
    return {
        "gradients": analysis.gradient_norms(model, images, labels),
        "sum_rule": analysis.sum_rule_deviations(model, images),
    }


def _ratio(one, time):
    """Returns the first convolution's gradient as a multiple of the last one's, or None."""
    norms = list(one[time]["gradients"].values()) if time in one else [0.0]
    return norms[0] / norms[-1] if norms[-1] else None


def _number(value):
    return "-" if value is None else f"{value:.3g}"


def _tables(figures):
    ratios = [[label, *(_number(_ratio(one, time)) for time in TIMES)] for label, one in figures.items()]
    deviations = [
        [label, TIMES[time], *map(_number, one[time]["sum_rule"].values())]
        for label, one in figures.items()
        for time in TIMES
        if time in one and one[time]["sum_rule"]
    ]
    return [
        Table("Norm of the kernel's gradient, first convolution / last", ("net", *TIMES.values()), ratios),
        Table(
            "Sum rule: largest deviation of x_L from x_l plus the branches, as a share of the largest value",
            ("net", "when", "stage 1", "stage 2", "stage 3"),
            deviations,
        ),
    ]


def _draw(figures, path):
    panels = {
        heading.capitalize(): {
            label: list(one[time]["gradients"].values()) for label, one in figures.items() if time in one
        }
        for time, heading in TIMES.items()
    }
    by_depth(panels, "convolution", "norm of the kernel's gradient", "Gradients by depth", path, log=True)


def _verdict(figures):
    ratios = ", ".join(f"{label} {_number(_ratio(one, 'initial'))}" for label, one in figures.items())
    net = figures["pre-activation-56"]
    deviation = max(value for time in TIMES if time in net for value in net[time]["sum_rule"].values())
    sentence = (
        f"Before training, the ratios of the first convolution's gradient to the last one's are {ratios}. The "
        f"pre-activation net obeys the sum rule to {deviation:.1e}"
    )
    normalized = [_ratio(figures[label], "initial") for label in NORMALIZED]
    return sentence, deviation < ROUNDING and all(ratio and ratio > VANISHED for ratio in normalized)


EXPERIMENT = experiment(
    Comparison(
        title="Gradients by depth, and the sum rule",
        source="Identity mappings (arXiv 1603.05027), equations 4 and 5; ResNet (arXiv 1512.03385), section 4.1",
        found="with identities between the units, x_L is x_l plus the sum of the branches, and gradients reach all "
        "units; with batch normalization, the gradients of plain nets do not vanish either.",
        nets=NORMALIZED
        | {
            f"{label}_without_bn": Net(net.model, arguments=net.arguments, changes=CAREFUL, batch_normalization=False)
            for label, net in NORMALIZED.items()
        },
        images=7_200,
        verdict=_verdict,
        measurement=Measurement(_measure, _tables, _draw),
    )
)
