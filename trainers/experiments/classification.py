"""The papers' experiments on classification, as rows of a table: see `trainers.experiments.classifiers`.

ResNet (He et al., 2015; arXiv 1512.03385), identity mappings (He et al., 2016; arXiv 1603.05027) and Inception-v4
(Szegedy et al., 2016; arXiv 1602.07261). With --scale=quick, shallower nets stand for some.
"""

import numpy as np

from keras_resnets import analysis
from trainers.experiments.classifiers import Measurement, Net, Row, experiment, percent, test_images, training_batch
from trainers.experiments.experiment import Table
from trainers.plots.figures import by_depth

TRAINED = 0.01  # training error of a net that can be trained, at most
ROUNDING = 1e-5  # of sums that are equal, in float32
VANISHED = 1e-3  # the first gradient, as a multiple of the last one, that is called so, at most
FAIL = 3  # multiple of the original's test error that arXiv 1603.05027, table 1, calls "fail" (20 and 6.61 %)
HALF = 0.5  # test error whose first step is reported
CURVE = "a curve"
PRE_ACTIVATION = "full_pre_activation"
LATER = {"recipe": "cifar_warmup"}  # of all nets of arXiv 1603.05027


def _test(one):
    """Returns the test error; of what has diverged, where that may be, 1."""
    return 1.0 if one["test_error"] is None else one["test_error"]


def _listed(figures):
    """Returns the test errors as a text."""
    return ", ".join(f"{label} {percent(one['test_error'])}" for label, one in figures.items())


def _deeper(figures):
    """Returns a shallow and a deep net's figures, and how they compare."""
    shallow, deep = figures.values()
    sentence = (
        f"The deeper net has a training error of {percent(deep['training_error'])} % (the shallower one "
        f"{percent(shallow['training_error'])} %) and a test error of {percent(deep['test_error'])} % "
        f"({percent(shallow['test_error'])} %)"
    )
    return shallow, deep, sentence


def _degradation(figures):
    shallow, deep, sentence = _deeper(figures)
    holds = deep["training_error"] > shallow["training_error"] and deep["test_error"] > shallow["test_error"]
    return sentence, holds


DEGRADATION = experiment(
    Row(
        name="degradation",
        title="Degradation of plain nets",
        source="ResNet (arXiv 1512.03385), section 4.2, figure 6",
        found="the training and test errors of plain nets grow with their depth.",
        nets={"plain-20": Net("cifar_plainnet20", paper=CURVE), "plain-56": Net("cifar_plainnet56", paper=CURVE)},
        images=24_000,
        verdict=_degradation,
    )
)


def _plain_vs_residual(figures):
    changes = {}
    for kind in ("plain", "ResNet"):
        errors = [one["test_error"] for label, one in figures.items() if label.startswith(kind)]
        changes[kind] = errors[-1] - errors[0]
    sentence = (
        f"From the shallowest net to the deepest, the test error of plain nets changes by "
        f"{100 * changes['plain']:+.2f} points, that of residual nets by {100 * changes['ResNet']:+.2f}"
    )
    return sentence, changes["plain"] > 0 > changes["ResNet"]


PLAIN_VS_RESIDUAL = experiment(
    Row(
        name="plain_vs_residual",
        title="Plain and residual nets",
        source="ResNet (arXiv 1512.03385), sections 4.1 and 4.2, figures 4 and 6, table 6",
        found="with depth, the error of plain nets grows (on ImageNet from 27.94 to 28.54 % for 18 and 34 layers), and "
        "that of residual nets falls (from 27.88 to 25.03 %).",
        nets={
            "plain-20": Net("cifar_plainnet20", quick="cifar_plainnet8", paper=CURVE),
            "plain-32": Net("cifar_plainnet32", quick="cifar_plainnet14", paper=CURVE),
            "plain-44": Net("cifar_plainnet44", quick="cifar_plainnet20", paper=CURVE),
            "plain-56": Net("cifar_plainnet56", quick="cifar_plainnet32", paper=CURVE),
            "plain-110": Net("cifar_plainnet110", quick="cifar_plainnet44", paper="over 60", **LATER),
            "ResNet-20": Net("cifar_resnet20", quick="cifar_resnet8", paper="8.75"),
            "ResNet-32": Net("cifar_resnet32", quick="cifar_resnet14", paper="7.51"),
            "ResNet-44": Net("cifar_resnet44", quick="cifar_resnet20", paper="7.17"),
            "ResNet-56": Net("cifar_resnet56", quick="cifar_resnet32", paper="6.97"),
            "ResNet-110": Net("cifar_resnet110", quick="cifar_resnet44", paper="6.43", **LATER),
        },
        images=8_640,
        verdict=_plain_vs_residual,
    )
)


def _shortcut_options(figures):
    a, b, c = (one["test_error"] for one in figures.values())
    return f"The test errors (%) are {_listed(figures)}", a > b > c


SHORTCUT_OPTIONS = experiment(
    Row(
        name="shortcut_options",
        title="Shortcuts of options A, B and C",
        source="ResNet (arXiv 1512.03385), section 4.1, table 3",
        found="on ImageNet B is a little better than A, and C a little better than B: projections are not essential.",
        nets={
            option: Net(
                "cifar_resnet56",
                quick="cifar_resnet32",
                arguments={"shortcut": option},
                paper=f"{error} (ResNet-34, ImageNet, 10 crops)",
            )
            for option, error in {"A": "25.03", "B": "24.52", "C": "24.19"}.items()
        },
        images=10_000,
        verdict=_shortcut_options,
    )
)


def _deep(figures):
    shallow, deep, sentence = _deeper(figures)
    trained = deep["training_error"] <= max(TRAINED, shallow["training_error"])
    return sentence, trained and deep["test_error"] > shallow["test_error"]


DEEP = experiment(
    Row(
        name="deep",
        title="More than 1,000 layers",
        source="ResNet (arXiv 1512.03385), section 4.2, table 6",
        found="1,202 layers can be trained (training error below 0.1 %), but overfit.",
        nets={
            "ResNet-110": Net("cifar_resnet110", quick="cifar_resnet20", paper="6.43", **LATER),
            "ResNet-1202": Net("cifar_resnet1202", quick="cifar_resnet110", paper="7.93", **LATER),
        },
        images=7_200,
        verdict=_deep,
    )
)


def _measure_responses(task, model):
    return analysis.layer_responses(model, test_images(task))


def _mean_response(one):
    return float(np.mean(list(one["trained"].values())))


def _responses_table(figures):
    # Before training, batch normalization has no statistics yet.
    rows = [
        [label, str(len(one["initial"])), f"{_mean_response(one):.3f}" if "trained" in one else percent(None)]
        for label, one in figures.items()
    ]
    columns = ("net", "3x3 convolutions", "standard deviation")
    return [Table("Responses after training, mean of all layers", columns, rows)]


def _draw_responses(figures, path):
    curves = {label: list(one["trained"].values()) for label, one in figures.items() if "trained" in one}
    panels = {
        "In their order": curves,
        "Sorted": {label: sorted(values, reverse=True) for label, values in curves.items()},
    }
    by_depth(panels, "3x3 convolution", "standard deviation", "Responses of layers after training", path)


def _layer_responses(figures):
    means = {label: _mean_response(one) for label, one in figures.items()}
    smaller = all(means[f"ResNet-{depth}"] < means[f"plain-{depth}"] for depth in (20, 56))
    falling = means["ResNet-20"] > means["ResNet-56"] > means["ResNet-110"]
    listed = ", ".join(f"{label} {mean:.3f}" for label, mean in means.items())
    return f"The mean standard deviations of the responses are {listed}", smaller and falling


LAYER_RESPONSES = experiment(
    Row(
        name="layer_responses",
        title="Responses of layers",
        source="ResNet (arXiv 1512.03385), section 4.2, figure 7",
        found="residual nets have smaller responses than plain nets, and deeper ones smaller responses.",
        nets={
            "plain-20": Net("cifar_plainnet20", paper=CURVE),
            "plain-56": Net("cifar_plainnet56", paper=CURVE),
            "ResNet-20": Net("cifar_resnet20", paper="8.75"),
            "ResNet-56": Net("cifar_resnet56", paper="6.97"),
            "ResNet-110": Net("cifar_resnet110", paper="6.43", **LATER),
        },
        images=7_200,
        verdict=_layer_responses,
        measurement=Measurement(_measure_responses, _responses_table, _draw_responses),
    )
)


def _shortcut_variants(figures):
    best = min(figures, key=lambda label: _test(figures[label]))
    failed = [label for label, one in figures.items() if _test(one) > FAIL * _test(figures["original"])]
    sentence = (
        f"The best is {best} ({percent(figures[best]['test_error'])} %, original "
        f"{percent(figures['original']['test_error'])} %); "
        f"{', '.join(failed) or 'none'} failed (more than {FAIL} times the original's)"
    )
    others = [_test(one) for label, one in figures.items() if label != "original"]
    return sentence, _test(figures["original"]) < min(others)


# Table 1 of arXiv 1603.05027, all rows: label -> (arguments of the builder, the paper's error).
SHORTCUTS = {
    "original": ({}, "6.61"),
    "constant_scaling_0_1": ({"shortcut": "constant_scaling", "shortcut_scale": 0.0, "branch_scale": 1.0}, "fail"),
    "constant_scaling_0.5_1": ({"shortcut": "constant_scaling", "branch_scale": 1.0}, "fail"),
    "constant_scaling_0.5_0.5": ({"shortcut": "constant_scaling"}, "12.35"),
    "exclusive_gating_0": ({"shortcut": "exclusive_gating", "gate_bias": 0.0}, "fail (biases 0 to -5)"),
    "exclusive_gating_-6": ({"shortcut": "exclusive_gating", "gate_bias": -6.0}, "8.70"),
    "exclusive_gating_-7": ({"shortcut": "exclusive_gating", "gate_bias": -7.0}, "9.81"),
    "shortcut_only_gating_0": ({"shortcut": "shortcut_only_gating", "gate_bias": 0.0}, "12.86"),
    "shortcut_only_gating_-6": ({"shortcut": "shortcut_only_gating", "gate_bias": -6.0}, "6.91"),
    "convolution_1x1": ({"shortcut": "C"}, "12.22"),
    "dropout_0.5": ({"shortcut": "dropout", "shortcut_dropout": 0.5}, "fail"),
}
SHORTCUT_VARIANTS = experiment(
    Row(
        name="shortcut_variants",
        title="Other shortcuts than the identity",
        source="Identity mappings (arXiv 1603.05027), section 3, table 1 (ResNet-110, medians of 5 runs)",
        found="the identity is the best; scaling, gates, convolutions and dropout on the shortcut harm or fail.",
        nets={
            label: Net("cifar_resnet110", quick="cifar_resnet20", arguments=arguments, paper=error, **LATER)
            for label, (arguments, error) in SHORTCUTS.items()
        },
        images=8_640,
        verdict=_shortcut_variants,
    )
)


def _activation_orders(figures):
    ranked = {}
    for depth in NETS_OF_ORDERS:
        errors = {order: figures[f"{order}-{depth}"]["test_error"] for order in ORDERS}
        ranked[depth] = [[order for order in ORDERS if errors[order] == end(errors.values())] for end in (min, max)]
    here = {depth: figures[f"{PRE_ACTIVATION}-{depth}"]["model"] for depth in NETS_OF_ORDERS}
    listed = "; ".join(
        f"of depth {depth} (here {here[depth]}), {' and '.join(best)} is the best and {' and '.join(worst)} the worst"
        for depth, (best, worst) in ranked.items()
    )
    return f"Of the orders {listed}", all(ends == [[PRE_ACTIVATION], ["bn_after_addition"]] for ends in ranked.values())


ORDERS = {  # errors of depths 110 and 164
    "original": ("6.61", "5.93"),
    "bn_after_addition": ("8.17", "6.50"),
    "relu_before_addition": ("7.84", "6.14"),
    "relu_only_pre_activation": ("6.71", "5.91"),
    PRE_ACTIVATION: ("6.37", "5.46"),
}
# Of bottlenecks, option B widens the map in the first unit.
NETS_OF_ORDERS = {"110": ("cifar_resnet110", "cifar_resnet20"), "164": ("cifar_resnet164", "cifar_resnet29")}
ACTIVATION_ORDERS = experiment(
    Row(
        name="activation_orders",
        title="Orders of activations",
        source="Identity mappings (arXiv 1603.05027), section 4, table 2",
        found="full pre-activation is the best at both depths, batch normalization after the addition the worst.",
        nets={
            f"{order}-{depth}": Net(
                model,
                quick=quick,
                arguments={"activation_order": order, "bottleneck": depth == "164"},
                paper=ORDERS[order][i],
                **LATER,
            )
            for i, (depth, (model, quick)) in enumerate(NETS_OF_ORDERS.items())
            for order in ORDERS
        },
        images=8_640,
        verdict=_activation_orders,
    )
)


def _preactivation_depth(figures):
    original, original_deep, pre, pre_deep = (one["test_error"] for one in figures.values())
    sentence = (
        f"With depth, the test error of the original unit changes by {100 * (original_deep - original):+.2f} points, "
        f"that of pre-activation by {100 * (pre_deep - pre):+.2f}"
    )
    return sentence, original_deep > original and pre_deep < pre


PREACTIVATION_DEPTH = experiment(
    Row(
        name="preactivation_depth",
        title="Pre-activation and depth",
        source="Identity mappings (arXiv 1603.05027), section 4.2, table 3",
        found="1,001 layers of original units are hard to train and worse than 164, of pre-activation units better.",
        nets={
            f"{label}-{depth}": Net(
                f"cifar_resnet{depth}",
                quick=f"cifar_resnet{quick}",
                arguments={"activation_order": order, "bottleneck": True},
                paper=errors[depth],
                **LATER,
            )
            for label, order, errors in (
                ("original", "original", {164: "5.93", 1001: "7.61"}),
                ("pre-activation", PRE_ACTIVATION, {164: "5.46", 1001: "4.92"}),
            )
            for depth, quick in ((164, 29), (1001, 56))
        },
        images=7_200,
        verdict=_preactivation_depth,
    )
)


def _first_step(one):
    """Returns the first step with a test error below `HALF`, as a text, and the mean test error of all evaluations."""
    steps = [step for step, error in one["test"] if error < HALF]
    return f"step {steps[0]}" if steps else "none", float(np.mean([error for _, error in one["test"]] or [1.0]))


def _inception_vs_residual(figures):
    (plain_step, plain_mean), (residual_step, residual_mean) = (_first_step(one) for one in figures.values())
    sentence = (
        f"Inception-v4 was first below {HALF:.0%} at {plain_step}, Inception-ResNet-v2 at {residual_step}; over all "
        f"evaluations their mean test errors are {plain_mean:.1%} and {residual_mean:.1%}, and in the end "
        f"{_listed(figures)} %"
    )
    return sentence, residual_mean < plain_mean


# The statistics of 0.9997, for ImageNet's many steps, would still be those of an untrained net.
INCEPTION = {"recipe": "inception", "changes": {"batch_norm_momentum": 0.9}}
INCEPTION_VS_RESIDUAL = experiment(
    Row(
        name="inception_vs_residual",
        title="Inception with and without residual connections",
        source="Inception-v4 (arXiv 1602.07261), section 5, figures 20 to 26, table 2 (ImageNet, 299x299)",
        found="residual connections make the training much quicker; the final errors are nearly the same.",
        nets={
            "Inception-v4": Net("inception_v4", paper="20.0 (ImageNet)", **INCEPTION),
            "Inception-ResNet-v2": Net("inception_resnet_v2", paper="19.9 (ImageNet)", **INCEPTION),
        },
        images=1_600,
        train_images=320,  # so that there are several epochs
        quick_changes={"optimizer": "adam", "learning_rate": 1e-3},  # so few steps of SGD teach Inception-v4 nothing
        image_size=75,
        verdict=_inception_vs_residual,
    )
)


def _measure_gradients(task, model):
    images, labels = training_batch(task)
    return {
        "gradients": analysis.gradient_norms(model, images, labels),
        "sum_rule": analysis.sum_rule_deviations(model, images),
    }


TIMES = {"initial": "before training", "trained": "after training"}


def _flow_ratio(one, time):
    """Returns the first convolution's gradient as a multiple of the last one's, or None."""
    norms = list(one[time]["gradients"].values()) if time in one else [0.0]
    return norms[0] / norms[-1] if norms[-1] else None


def _number(value):
    return "-" if value is None else f"{value:.3g}"


def _flow_tables(figures):
    ratios = [[label, *(_number(_flow_ratio(one, time)) for time in TIMES)] for label, one in figures.items()]
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


def _draw_flow(figures, path):
    panels = {
        heading.capitalize(): {
            label: list(one[time]["gradients"].values()) for label, one in figures.items() if time in one
        }
        for time, heading in TIMES.items()
    }
    by_depth(panels, "convolution", "norm of the kernel's gradient", "Gradients by depth", path, log=True)


def _gradient_flow(figures):
    ratios = ", ".join(f"{label} {_number(_flow_ratio(one, 'initial'))}" for label, one in figures.items())
    net = figures["pre-activation-56"]
    deviation = max(value for time in TIMES if time in net for value in net[time]["sum_rule"].values())
    sentence = (
        f"Before training, the first convolution's gradient is this multiple of the last one's: {ratios}. The "
        f"pre-activation net obeys the sum rule to {deviation:.1e}"
    )
    normalized = [_flow_ratio(figures[f"{label}-56"], "initial") for label in FLOW]
    return sentence, deviation < ROUNDING and all(ratio and ratio > VANISHED for ratio in normalized)


FLOW = {
    "plain": Net("cifar_plainnet56"),
    "original": Net("cifar_resnet56"),
    "pre-activation": Net("cifar_resnet56", arguments={"activation_order": PRE_ACTIVATION}),
}
# Without batch normalization, the recipe's learning rate of 0.1 would end in infinity at once.
CAREFUL = {"learning_rate": 0.01, "clip_norm": 1.0}
GRADIENT_FLOW = experiment(
    Row(
        name="gradient_flow",
        title="Gradients by depth, and the sum rule",
        source="Identity mappings (arXiv 1603.05027), equations 4 and 5; ResNet (arXiv 1512.03385), section 4.1",
        found="with identities between the units, x_L is x_l plus what the branches add, and all units have gradients; "
        "with batch normalization, the gradients of plain nets do not vanish either.",
        nets={f"{label}-56": net for label, net in FLOW.items()}
        | {
            f"{label}-56_without_bn": Net(
                net.model, arguments=net.arguments, changes=CAREFUL, batch_normalization=False
            )
            for label, net in FLOW.items()
        },
        images=7_200,
        verdict=_gradient_flow,
        measurement=Measurement(_measure_gradients, _flow_tables, _draw_flow),
    )
)


def _deep_regularized(figures):
    without, with_dropout = figures.values()
    change = with_dropout["test_error"] - without["test_error"]
    return f"Dropout changes the test error by {100 * change:+.2f} points", change < 0


DEEP_REGULARIZED = experiment(
    Row(
        name="deep_regularized",
        title="The deepest net with dropout",
        source="ResNet (arXiv 1512.03385), section 4.2, last paragraph",
        found="the 1,202-layer net overfits, and stronger regularization, which it did not try, may help.",
        nets={
            "ResNet-1202": Net("cifar_resnet1202", quick="cifar_resnet56", paper="7.93", **LATER),
            "ResNet-1202_dropout_0.5": Net(
                "cifar_resnet1202",
                quick="cifar_resnet56",
                arguments={"dropout_rate": 0.5},
                paper="not tried",
                **LATER,
            ),
        },
        images=8_640,
        verdict=_deep_regularized,
    )
)
