"""More than 1,000 layers (ResNet, arXiv 1512.03385, section 4.2, table 6)."""

from trainers.experiments.classifiers import Comparison, Net, experiment, shallow_and_deep

TRAINED = 0.01  # training error of a net that can be trained, at most


def _verdict(figures):
    shallow, deep, sentence = shallow_and_deep(figures)
    trained = deep["training_error"] <= max(TRAINED, shallow["training_error"])
    return sentence, trained and deep["test_error"] > shallow["test_error"]


EXPERIMENT = experiment(
    Comparison(
        title="More than 1,000 layers",
        source="ResNet (arXiv 1512.03385), section 4.2, table 6",
        found="a net of 1,202 layers can be trained (training error below 0.1 %), but overfits.",
        nets={
            "ResNet-110": Net("cifar_resnet110", quick="cifar_resnet20", paper="6.43", recipe="cifar_warmup"),
            "ResNet-1202": Net("cifar_resnet1202", quick="cifar_resnet110", paper="7.93", recipe="cifar_warmup"),
        },
        images=7_200,
        verdict=_verdict,
    )
)
