"""Plain and residual nets of 20 to 110 layers (ResNet, arXiv 1512.03385, sections 4.1 and 4.2)."""

from trainers.experiments.classifiers import Comparison, Net, experiment

# Depth -> (depth of the net that replaces it with --scale=quick, test errors of plain and residual nets, their recipe).
DEPTHS = {
    20: (8, "a curve", "8.75", "cifar"),
    32: (14, "a curve", "7.51", "cifar"),
    44: (20, "a curve", "7.17", "cifar"),
    56: (32, "a curve", "6.97", "cifar"),
    110: (44, "over 60", "6.43", "cifar_warmup"),
}


def _nets():
    nets = {}
    for label, model, index in (("plain", "cifar_plainnet", 0), ("ResNet", "cifar_resnet", 1)):
        for depth, (quick, *errors, recipe) in DEPTHS.items():
            net = Net(f"{model}{depth}", quick=f"{model}{quick}", paper=errors[index], recipe=recipe)
            nets[f"{label}-{depth}"] = net
    return nets


def _verdict(figures):
    changes = {}
    for kind in ("plain", "ResNet"):
        errors = [one["test_error"] for label, one in figures.items() if label.startswith(kind)]
        changes[kind] = errors[-1] - errors[0]
    sentence = (
        f"From the shallowest net to the deepest, the test error of plain nets changes by "
        f"{100 * changes['plain']:+.2f} points, that of residual nets by {100 * changes['ResNet']:+.2f}"
    )
    return sentence, changes["plain"] > 0 > changes["ResNet"]


EXPERIMENT = experiment(
    Comparison(
        title="Plain and residual nets",
        source="ResNet (arXiv 1512.03385), sections 4.1 and 4.2, figures 4 and 6, table 6",
        found="with depth, the error of plain nets grows (on ImageNet from 27.94 to 28.54 % for 18 and 34 layers), and "
        "that of residual nets falls (from 27.88 to 25.03 %).",
        nets=_nets(),
        images=8_640,
        verdict=_verdict,
    )
)
