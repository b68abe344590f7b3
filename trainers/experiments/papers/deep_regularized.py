"""The net of 1,202 layers with dropout (ResNet, arXiv 1512.03385, section 4.2, last paragraph)."""

from trainers.experiments.classifiers import Comparison, Net, experiment


def _verdict(figures):
    without, with_dropout = figures.values()
    change = with_dropout["test_error"] - without["test_error"]
    return f"Dropout changes the test error by {100 * change:+.2f} points", change < 0


EXPERIMENT = experiment(
    Comparison(
        title="The deepest net with dropout",
        source="ResNet (arXiv 1512.03385), section 4.2, last paragraph",
        found="the net of 1,202 layers overfits; stronger regularization, which the paper does not try, may help.",
        nets={
            label: Net(
                "cifar_resnet1202", quick="cifar_resnet56", arguments=arguments, paper=paper, recipe="cifar_warmup"
            )
            for label, arguments, paper in (
                ("ResNet-1202", {}, "7.93"),
                ("ResNet-1202_dropout_0.5", {"dropout_rate": 0.5}, "not tried"),
            )
        },
        images=8_640,
        verdict=_verdict,
    )
)
