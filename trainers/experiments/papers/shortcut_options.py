"""Shortcuts of options A, B and C (ResNet, arXiv 1512.03385, section 4.1, table 3)."""

from trainers.experiments.classifiers import Comparison, Net, experiment, listed_errors

ERRORS = {"A": "25.03", "B": "24.52", "C": "24.19"}


def _verdict(figures):
    a, b, c = (one["test_error"] for one in figures.values())
    return f"The test errors (%) are {listed_errors(figures)}", a > b > c


EXPERIMENT = experiment(
    Comparison(
        title="Shortcuts of options A, B and C",
        source="ResNet (arXiv 1512.03385), section 4.1, table 3",
        found="on ImageNet, B is a little better than A, and C a little better than B: projections are not essential.",
        nets={
            option: Net(
                "cifar_resnet56",
                quick="cifar_resnet32",
                arguments={"shortcut": option},
                paper=f"{error} (ResNet-34, ImageNet, 10 crops)",
            )
            for option, error in ERRORS.items()
        },
        images=10_000,
        verdict=_verdict,
    )
)
