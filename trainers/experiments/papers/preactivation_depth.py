"""Original and pre-activation units at 164 and 1,001 layers (identity mappings, arXiv 1603.05027, table 3)."""

from trainers.experiments.classifiers import Comparison, Net, experiment

QUICK_DEPTHS = {164: 29, 1001: 56}  # of the nets that replace them with --scale=quick
# Label -> (order of activations, the paper's test errors by depth).
UNITS = {
    "original": ("original", {164: "5.93", 1001: "7.61"}),
    "pre-activation": ("full_pre_activation", {164: "5.46", 1001: "4.92"}),
}


def _verdict(figures):
    original, original_deep, pre, pre_deep = (one["test_error"] for one in figures.values())
    sentence = (
        f"With depth, the test error of the original unit changes by {100 * (original_deep - original):+.2f} points, "
        f"that of pre-activation by {100 * (pre_deep - pre):+.2f}"
    )
    return sentence, original_deep > original and pre_deep < pre


EXPERIMENT = experiment(
    Comparison(
        title="Pre-activation and depth",
        source="Identity mappings (arXiv 1603.05027), section 4.2, table 3",
        found="with original units, 1,001 layers are hard to train and worse than 164; with pre-activation units, they "
        "are better.",
        nets={
            f"{label}-{depth}": Net(
                f"cifar_resnet{depth}",
                quick=f"cifar_resnet{quick}",
                arguments={"activation_order": order, "bottleneck": True},
                paper=errors[depth],
                recipe="cifar_warmup",
            )
            for label, (order, errors) in UNITS.items()
            for depth, quick in QUICK_DEPTHS.items()
        },
        images=7_200,
        verdict=_verdict,
    )
)
