"""Degradation of plain nets (ResNet, arXiv 1512.03385, section 4.2, figure 6)."""

from trainers.experiments.classifiers import Comparison, Net, experiment, shallow_and_deep


def _verdict(figures):
    shallow, deep, sentence = shallow_and_deep(figures)
    holds = deep["training_error"] > shallow["training_error"] and deep["test_error"] > shallow["test_error"]
    return sentence, holds


EXPERIMENT = experiment(
    Comparison(
        title="Degradation of plain nets",
        source="ResNet (arXiv 1512.03385), section 4.2, figure 6",
        found="the training and test errors of plain nets grow with their depth.",
        nets={
            "plain-20": Net("cifar_plainnet20", paper="a curve"),
            "plain-56": Net("cifar_plainnet56", paper="a curve"),
        },
        images=24_000,
        verdict=_verdict,
    )
)
