"""Pictures of a run, as PNG files."""

import itertools

import matplotlib
import numpy as np

matplotlib.use("Agg")  # No window, also where there is a display.
from matplotlib import pyplot as plt  # noqa: E402

from trainers.runtime.atomic_files import atomic_file  # noqa: E402

LARGEST_NUMBERED = 20  # classes of a confusion matrix whose cells show their counts
MOST_CURVES = 20  # classes whose curves of precision are drawn one by one
LINE_STYLES = ("-", "--", ":", "-.")


def learning_curve(lines, series, ylabel, title, path):
    """Draws figures of a run over its steps, in percent.

    Args:
        lines: of metrics.jsonl, as dicts; not every line has every figure.
        series: list of (figure's key, label, arguments of matplotlib's `plot`); the figures are fractions.
        ylabel: what they are.
        title: heading.
        path: the PNG file to write.
    """
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for key, label, style in series:
        points = [(line["step"], 100 * line[key]) for line in lines if line.get(key) is not None]
        if points:
            axes.plot(*zip(*points), label=f"{label} (last: {points[-1][1]:.2f} %)", **style)
    axes.set(title=title, xlabel="step", ylabel=f"{ylabel} (%)", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    _save(figure, path)


def error_curves(curves, title, path):
    """Draws the training error (thin, dashed) and the test error (bold) of several runs over their steps, in percent.

    Args:
        curves: dict from a run's name to a pair of lists of (step, error): the training's and the test's, fractions.
        title: heading.
        path: the PNG file to write.
    """
    figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
    axes.set_prop_cycle(color=plt.get_cmap("tab20" if len(curves) > 10 else "tab10").colors)
    for name, (training, test) in curves.items():
        (line,) = axes.plot(*_percent(test), linewidth=2, marker=".", label=name)
        axes.plot(*_percent(training), linewidth=1, linestyle="--", color=line.get_color())
    axes.set(title=f"{title} (test bold, training dashed)", xlabel="step", ylabel="error (%)", ylim=(0, None))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=8)
    _save(figure, path)


def _percent(points):
    """Returns the steps and the errors in percent."""
    return [step for step, _ in points], [100 * error for _, error in points]


def by_depth(panels, xlabel, ylabel, title, path, log=False):
    """Draws curves of figures of a net's layers, in panels one above the other.

    Args:
        panels: dict from a panel's heading to a dict from a curve's name to its values, one for each layer.
        xlabel: what the layers are.
        ylabel: what the values are.
        title: heading.
        path: the PNG file to write.
        log: whether the values' axis is logarithmic.
    """
    figure, columns = plt.subplots(len(panels), figsize=(9, 4 * len(panels)), layout="constrained", squeeze=False)
    for axes, (heading, curves) in zip(columns[:, 0], panels.items()):
        for name, values in curves.items():
            axes.plot(range(1, len(values) + 1), values, label=name)
        axes.set(title=heading, xlabel=xlabel, ylabel=ylabel, yscale="log" if log else "linear")
        axes.grid(alpha=0.3)
        if curves:
            axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))  # beside the curves, not over them
    figure.suptitle(title)
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


def precision_recall(curves, labels, title, path):
    """Draws each class's interpolated precision over recall; the area below it is its average precision (AP).

    Classes without objects are left out. Of more than 20 others, those 20 are drawn that have the most objects, and the
    mean of the rest.

    Args:
        curves: a `trainers.metrics.voc.ClassCurve` for each class.
        labels: the classes' names.
        title: heading.
        path: the PNG file to write.
    """
    figure, axes = plt.subplots(figsize=(8, 5.5), layout="constrained")
    axes.set_prop_cycle(color=plt.get_cmap("tab20").colors)
    recalls = np.linspace(0, 1, 1001)

    def draw(chosen, name, **style):
        precision = np.mean([curve.precision_at(recalls) for curve in chosen], axis=0)
        average_precision = np.mean([curve.average_precision for curve in chosen])
        # The name comes last: matplotlib leaves out what begins with "_".
        axes.plot(100 * recalls, 100 * precision, label=f"{100 * average_precision:.1f} %  {name}", **style)

    with_objects = [index for index, curve in enumerate(curves) if curve.ground_truths]
    by_objects = sorted(with_objects, key=lambda index: -curves[index].ground_truths)
    for index in sorted(by_objects[:MOST_CURVES]):
        draw([curves[index]], labels[index])
    rest = [curves[index] for index in by_objects[MOST_CURVES:]]
    if rest:
        draw(rest, f"mean of {len(rest)} others", linewidth=2, linestyle="--", color="black")
    axes.set(title=title, xlabel="recall (%)", ylabel="precision (%)", xlim=(0, 100), ylim=(0, 102))
    axes.grid(alpha=0.3)
    if with_objects:
        figure.legend(loc="outside right upper", title="AP", fontsize=8)
    _save(figure, path)


def proposal_recall(iou_thresholds, recalls, counts, title, path):
    """Draws the share of the objects that region proposals cover, over the IoU that is asked for.

    Args:
        iou_thresholds: (thresholds,) increasing IoUs.
        recalls: dict from the name of a method to its (counts, thresholds) recalls, from 0 to 1; a line style for each.
        counts: (counts,) how many proposals of an image are taken; a colour for each.
        title: heading.
        path: the PNG file to write.
    """
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for (method, curves), style in zip(recalls.items(), itertools.cycle(LINE_STYLES)):
        for index, (count, curve) in enumerate(zip(counts, curves)):
            axes.plot(iou_thresholds, 100 * curve, style, color=f"C{index}", label=f"{method}, {count}")
    limits = (iou_thresholds[0], iou_thresholds[-1])
    axes.set(title=title, xlabel="IoU, at least", ylabel="recall (%)", xlim=limits, ylim=(0, 102))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    _save(figure, path)


def stacked_bars(labels, bars, xlabel, title, path):
    """Draws a horizontal bar for each label, made of parts.

    Args:
        labels: their names, the first one on top.
        bars: dict from the name of a part to its lengths, one for each label.
        xlabel: what they are.
        title: heading.
        path: the PNG file to write.
    """
    figure, axes = plt.subplots(figsize=(8, 1.2 + 0.6 * len(labels)), layout="constrained")
    left = np.zeros(len(labels))
    for name, lengths in bars.items():
        axes.barh(labels, lengths, left=left, label=name)
        left += lengths
    axes.invert_yaxis()
    axes.set(title=title, xlabel=xlabel)
    axes.legend()
    _save(figure, path)


def intervals(labels, shares, xlabel, title, path):
    """Draws shares as points, each with an interval.

    Args:
        labels: their names, the first one on top.
        shares: a (share, low, high) for each label, fractions, which are drawn in percent.
        xlabel: what they are.
        title: heading.
        path: the PNG file to write.
    """
    figure, axes = plt.subplots(figsize=(8, 1.2 + 0.3 * len(labels)), layout="constrained")
    share, low, high = 100 * np.transpose(shares)
    axes.errorbar(share, labels, xerr=[share - low, high - share], fmt="o", capsize=3)
    axes.invert_yaxis()
    axes.set(title=title, xlabel=xlabel)
    axes.grid(alpha=0.3)
    _save(figure, path)


def _save(figure, path):
    with atomic_file(path, shared=True) as stream:
        figure.savefig(stream, format="png", dpi=120)
    plt.close(figure)
