"""Standard deviations of the layers' responses (ResNet, arXiv 1512.03385, section 4.2, figure 7)."""

import numpy as np

from keras_resnets import analysis
from trainers.experiments.classifiers import Comparison, Measurement, Net, experiment, in_percent, test_images
from trainers.experiments.experiment import Table
from trainers.plots.figures import by_depth


def _measure(task, model):
    return analysis.layer_responses(model, test_images(task))


def _mean_response(one):
    return float(np.mean(list(one["trained"].values())))


def _tables(figures):
    # Only after training: before it, batch normalization has no statistics.
    rows = [
        [label, str(len(one["initial"])), f"{_mean_response(one):.3f}" if "trained" in one else in_percent(None)]
        for label, one in figures.items()
    ]
    columns = ("net", "3x3 convolutions", "standard deviation")
    return [Table("Responses after training, mean of all layers", columns, rows)]


def _draw(figures, path):
    curves = {label: list(one["trained"].values()) for label, one in figures.items() if "trained" in one}
    panels = {
        "In their order": curves,
        "Sorted": {label: sorted(values, reverse=True) for label, values in curves.items()},
    }
    by_depth(panels, "3x3 convolution", "standard deviation", "Responses of layers after training", path)


def _verdict(figures):
    means = {label: _mean_response(one) for label, one in figures.items()}
    smaller = all(means[f"ResNet-{depth}"] < means[f"plain-{depth}"] for depth in (20, 56))
    falling = means["ResNet-20"] > means["ResNet-56"] > means["ResNet-110"]
    listed = ", ".join(f"{label} {mean:.3f}" for label, mean in means.items())
    return f"The mean standard deviations of the responses are {listed}", smaller and falling


EXPERIMENT = experiment(
    Comparison(
        title="Responses of layers",
        source="ResNet (arXiv 1512.03385), section 4.2, figure 7",
        found="residual nets have smaller responses than plain nets, and deeper residual nets have smaller ones still.",
        nets={
            "plain-20": Net("cifar_plainnet20", paper="a curve"),
            "plain-56": Net("cifar_plainnet56", paper="a curve"),
            "ResNet-20": Net("cifar_resnet20", paper="8.75"),
            "ResNet-56": Net("cifar_resnet56", paper="6.97"),
            "ResNet-110": Net("cifar_resnet110", paper="6.43", recipe="cifar_warmup"),
        },
        images=7_200,
        verdict=_verdict,
        measurement=Measurement(_measure, _tables, _draw),
    )
)
