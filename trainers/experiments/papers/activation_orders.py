"""Orders of batch normalization, ReLU and addition (identity mappings, arXiv 1603.05027, section 4, table 2)."""

from trainers.experiments.classifiers import Comparison, Net, experiment

BEST, WORST = "full_pre_activation", "bn_after_addition"
ORDERS = {  # test errors at depths 110 and 164
    "original": ("6.61", "5.93"),
    "bn_after_addition": ("8.17", "6.50"),
    "relu_before_addition": ("7.84", "6.14"),
    "relu_only_pre_activation": ("6.71", "5.91"),
    "full_pre_activation": ("6.37", "5.46"),
}
# Depth -> net, and the one that replaces it with --scale=quick. The nets of depth 164 have bottlenecks.
NETS = {"110": ("cifar_resnet110", "cifar_resnet20"), "164": ("cifar_resnet164", "cifar_resnet29")}


def _verdict(figures):
    sentences, right = [], True
    for depth in NETS:
        errors = {order: figures[f"{order}-{depth}"]["test_error"] for order in ORDERS}
        best, worst = ([order for order in ORDERS if errors[order] == end(errors.values())] for end in (min, max))
        right = right and best == [BEST] and worst == [WORST]
        sentences.append(
            f"at depth {depth} (here {figures[f'{BEST}-{depth}']['model']}), {' and '.join(best)} is the best order "
            f"and {' and '.join(worst)} the worst"
        )
    sentence = "; ".join(sentences)
    return sentence[0].upper() + sentence[1:], right


EXPERIMENT = experiment(
    Comparison(
        title="Orders of activations",
        source="Identity mappings (arXiv 1603.05027), section 4, table 2",
        found="full pre-activation is the best at both depths, batch normalization after the addition the worst.",
        nets={
            f"{order}-{depth}": Net(
                model,
                quick=quick,
                arguments={"activation_order": order, "bottleneck": depth == "164"},
                paper=ORDERS[order][i],
                recipe="cifar_warmup",
            )
            for i, (depth, (model, quick)) in enumerate(NETS.items())
            for order in ORDERS
        },
        images=8_640,
        verdict=_verdict,
    )
)
