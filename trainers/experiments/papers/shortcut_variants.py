"""Other shortcuts than the identity (identity mappings, arXiv 1603.05027, section 3, table 1)."""

from trainers.experiments.classifiers import Comparison, Net, experiment, in_percent

FAIL = 3  # multiple of the original's test error that the paper's table calls "fail" (20 and 6.61 %)

# All rows of the table: label -> (arguments of the builder, the paper's test error).
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


def _verdict(figures):
    errors = {label: 1.0 if one["diverged"] else one["test_error"] for label, one in figures.items()}
    original, best = errors["original"], min(errors, key=errors.get)
    failed = [label for label, error in errors.items() if error > FAIL * original]
    sentence = (
        f"The best is {best} ({in_percent(errors[best])} %, original {in_percent(original)} %); "
        f"{', '.join(failed) or 'none'} failed (more than {FAIL} times the original's error)"
    )
    return sentence, original < min(error for label, error in errors.items() if label != "original")


EXPERIMENT = experiment(
    Comparison(
        title="Other shortcuts than the identity",
        source="Identity mappings (arXiv 1603.05027), section 3, table 1 (ResNet-110, medians of 5 runs)",
        found="the identity is the best shortcut; scaling, gates, convolutions and dropout on it raise the error, or "
        "the training fails.",
        nets={
            label: Net(
                "cifar_resnet110", quick="cifar_resnet20", arguments=arguments, paper=error, recipe="cifar_warmup"
            )
            for label, (arguments, error) in SHORTCUTS.items()
        },
        images=8_640,
        verdict=_verdict,
    )
)
