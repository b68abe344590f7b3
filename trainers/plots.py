"""Pictures of a run, as PNG files."""

import matplotlib
import numpy as np

matplotlib.use("Agg")  # No window, also where there is a display.
from matplotlib import pyplot as plt  # noqa: E402

LARGEST_NUMBERED = 20  # classes of a confusion matrix whose cells show their counts


def learning_curve(lines, title, path):
    """Draws training error (thin, dashed) and test error (bold) over steps, as the ResNet paper's figures do.

    Args:
        lines: of metrics.jsonl, as dicts: `training_error` where training was logged, `top1_error` where evaluated.
        title: heading.
        path: the PNG file to write.
    """
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for key, label, style in [
        ("training_error", "training", {"linewidth": 1, "linestyle": "--", "color": "tab:gray"}),
        ("top1_error", "test", {"linewidth": 2, "color": "tab:blue"}),
    ]:
        points = [(line["step"], 100 * line[key]) for line in lines if key in line]
        if points:
            axes.plot(*zip(*points), label=f"{label} (last: {points[-1][1]:.2f} %)", **style)
    axes.set(title=title, xlabel="step", ylabel="error (%)", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    _save(figure, path)


def confusion_matrix(counts, labels, title, path):
    """Draws how often each class was taken for each other one.

    Args:
        counts: (classes, classes) integers, rows the true classes.
        labels: the classes' names.
        title: heading.
        path: the PNG file to write.
    """
    side = max(4.0, 0.35 * len(labels) + 1.5)
    figure, axes = plt.subplots(figsize=(side, side), layout="constrained")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(title=title, xlabel="predicted", ylabel="true")
    axes.set_xticks(range(len(labels)), labels, rotation=90 if max(map(len, labels)) > 2 else 0)
    axes.set_yticks(range(len(labels)), labels)
    if len(labels) <= LARGEST_NUMBERED:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                color = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, count, ha="center", va="center", color=color, fontsize=8)
    _save(figure, path)


def _save(figure, path):
    figure.savefig(path, dpi=120)
    plt.close(figure)
