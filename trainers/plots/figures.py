"""Charts of results, as PNG files.

They are drawn without pyplot, so that importing this module neither loads matplotlib nor chooses a backend.
"""

from __future__ import annotations

import itertools
import pathlib
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trainers.plots.fonts import choose_fonts
from trainers.runtime.atomic_files import atomic_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from trainers.metrics.voc import ClassCurve

MAX_NUMBERED = 20  # classes of a confusion matrix with counts in its cells
MAX_CURVES = 20  # classes with a precision-recall curve of their own
LINE_STYLES = ("-", "--", ":", "-.")
Points = Sequence[tuple[int, float]]  # (step, fraction)


def learning_curve(
    lines: Iterable[Mapping[str, Any]],
    series: Iterable[tuple[str, str, Mapping[str, Any]]],
    ylabel: str,
    title: str,
    path: pathlib.Path,
    losses: Sequence[tuple[str, str, Mapping[str, Any]]] = (),
) -> None:
    """Draws metrics of a run over its steps, in percent, and below them its losses.

    Args:
        lines: of metrics.jsonl; a line may lack some of the metrics.
        series: (metric, label, arguments of matplotlib's `plot`) of each curve; the metrics are fractions.
        ylabel: of the metrics.
        title: heading.
        path: of the PNG file.
        losses: as `series`, of any positive numbers; none for a chart of the metrics alone.
    """
    panels = [(series, f"{ylabel} (%)", 100, " %"), *([(losses, "loss", 1, "")] if losses else [])]
    figure = _figure(7, 4.5 * len(panels))
    for axes, (curves, name, factor, unit) in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels):
        for key, label, style in curves:
            points = [(line["step"], factor * line[key]) for line in lines if line.get(key) is not None]
            if points:
                axes.plot(*zip(*points), label=f"{label} (last: {points[-1][1]:.2f}{unit})", **style)
        axes.set(title=title, xlabel="step", ylabel=name, ylim=(0, None))
        axes.grid(alpha=0.3)
        axes.legend()
    _save(figure, path)


def error_curves(curves: Mapping[str, tuple[Points, Points]], title: str, path: pathlib.Path) -> None:
    """Draws the training error (thin, dashed) and the test error (bold) of several runs over their steps, in percent.

    Args:
        curves: training errors and test errors of each run, by its name: (step, fraction) each.
        title: heading.
        path: of the PNG file.
    """
    figure = _figure(9, 5)
    axes = figure.subplots()
    axes.set_prop_cycle(color=_colors("tab20" if len(curves) > 10 else "tab10"))
    for name, (training, test) in curves.items():
        (line,) = axes.plot(*_percent(test), linewidth=2, marker=".", label=name)
        axes.plot(*_percent(training), linewidth=1, linestyle="--", color=line.get_color())
    axes.set(title=f"{title} (test bold, training dashed)", xlabel="step", ylabel="error (%)", ylim=(0, None))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=8)
    _save(figure, path)


def by_depth(
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    xlabel: str,
    ylabel: str,
    title: str,
    path: pathlib.Path,
    log: bool = False,
) -> None:
    """Draws values of a net's layers, in panels one above the other.

    Args:
        panels: values of each layer, by the heading of a panel and the name of a curve.
        xlabel: of the layers.
        ylabel: of the values.
        title: heading.
        path: of the PNG file.
        log: whether the axis of the values is logarithmic.
    """
    figure = _figure(9, 4 * len(panels))
    column = figure.subplots(len(panels), squeeze=False)[:, 0]
    for axes, (heading, curves) in zip(column, panels.items()):
        for name, values in curves.items():
            axes.plot(range(1, len(values) + 1), values, label=name)
        axes.set(title=heading, xlabel=xlabel, ylabel=ylabel, yscale="log" if log else "linear")
        axes.grid(alpha=0.3)
        if curves:
            axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))  # beside the curves, not over them
    figure.suptitle(title)
    _save(figure, path)


def log_log(
    panels: Mapping[str, Mapping[str, Mapping[float, float]]], xlabel: str, title: str, path: pathlib.Path
) -> None:
    """Draws curves on logarithmic axes, in panels side by side.

    Args:
        panels: values, all positive, by the panel's heading, the curve's name and the position.
        xlabel: of the positions.
        title: heading.
        path: of the PNG file.
    """
    figure = _figure(5 * len(panels), 4.5)
    for axes, (heading, curves) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items()):
        for name, values in curves.items():
            axes.loglog([*values], [*values.values()], marker=".", label=name)
        positions = sorted({position for values in curves.values() for position in values})
        axes.set(title=heading, xlabel=xlabel)
        axes.set_xticks(positions, map(str, positions))
        axes.set_xticks([], minor=True)
        axes.grid(alpha=0.3, which="both")
        axes.legend()
    figure.suptitle(title)
    _save(figure, path)


def range_test(
    rates: Sequence[float], losses: Sequence[float], suggested: float, title: str, path: pathlib.Path
) -> None:
    """Draws the loss over the learning rate, and the suggested one.

    Args:
        rates: learning rates, rising.
        losses: of each.
        suggested: a learning rate.
        title: heading.
        path: of the PNG file.
    """
    figure = _figure(7, 4.5)
    axes = figure.subplots()
    axes.semilogx(rates, losses)
    axes.axvline(suggested, color="tab:orange", linestyle="--", label=f"suggested: {suggested:g}")
    axes.set(title=title, xlabel="learning rate", ylabel="loss, smoothed")
    axes.grid(alpha=0.3)
    axes.legend()
    _save(figure, path)


def confusion_matrix(counts: np.ndarray, labels: Sequence[str], title: str, path: pathlib.Path) -> None:
    """Draws a confusion matrix.

    Args:
        counts: (classes, classes) integers; rows are true classes, columns predicted ones.
        labels: names of the classes.
        title: heading.
        path: of the PNG file.
    """
    side = max(4.0, 0.35 * len(labels) + 1.5)
    figure = _figure(side, side)
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(title=title, xlabel="predicted", ylabel="true")
    axes.set_xticks(range(len(labels)), labels, rotation=90 if max(map(len, labels)) > 2 else 0)
    axes.set_yticks(range(len(labels)), labels)
    if len(labels) <= MAX_NUMBERED:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                color = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, count, ha="center", va="center", color=color, fontsize=8)
    _save(figure, path)


def precision_recall(curves: Sequence[ClassCurve], labels: Sequence[str], title: str, path: pathlib.Path) -> None:
    """Draws the interpolated precision of each class over recall; the area below is its average precision (AP).

    Classes without objects are omitted. Of more than 20 classes, the 20 with the most objects have a curve each, and
    the others share one: their mean.

    Args:
        curves: of each class.
        labels: names of the classes.
        title: heading.
        path: of the PNG file.
    """
    figure = _figure(8, 5.5)
    axes = figure.subplots()
    axes.set_prop_cycle(color=_colors("tab20"))
    recalls = np.linspace(0, 1, 1001)

    def draw(chosen, name, **style):
        precision = np.mean([curve.precision_at(recalls) for curve in chosen], axis=0)
        average_precision = np.mean([curve.average_precision for curve in chosen])
        # The name comes last: matplotlib omits labels that begin with "_".
        axes.plot(100 * recalls, 100 * precision, label=f"{100 * average_precision:.1f} %  {name}", **style)

    with_objects = [index for index, curve in enumerate(curves) if curve.ground_truths]
    by_objects = sorted(with_objects, key=lambda index: -curves[index].ground_truths)
    for index in sorted(by_objects[:MAX_CURVES]):
        draw([curves[index]], labels[index])
    rest = [curves[index] for index in by_objects[MAX_CURVES:]]
    if rest:
        draw(rest, f"mean of {len(rest)} others", linewidth=2, linestyle="--", color="black")
    axes.set(title=title, xlabel="recall (%)", ylabel="precision (%)", xlim=(0, 100), ylim=(0, 102))
    axes.grid(alpha=0.3)
    if with_objects:
        figure.legend(loc="outside right upper", title="AP", fontsize=8)
    _save(figure, path)


def proposal_recall(
    iou_thresholds: Sequence[float],
    recalls: Mapping[str, np.ndarray],
    counts: Sequence[int],
    title: str,
    path: pathlib.Path,
) -> None:
    """Draws the recall of region proposals over the IoU threshold.

    Args:
        iou_thresholds: (thresholds,) increasing.
        recalls: (counts, thresholds) in 0..1, by the name of the method, which has a line style.
        counts: (counts,) proposals per image; each has a color.
        title: heading.
        path: of the PNG file.
    """
    figure = _figure(7, 4.5)
    axes = figure.subplots()
    for (method, curves), style in zip(recalls.items(), itertools.cycle(LINE_STYLES)):
        for index, (count, curve) in enumerate(zip(counts, curves)):
            axes.plot(iou_thresholds, 100 * curve, style, color=f"C{index}", label=f"{method}, {count}")
    limits = (iou_thresholds[0], iou_thresholds[-1])
    axes.set(title=title, xlabel="IoU, at least", ylabel="recall (%)", xlim=limits, ylim=(0, 102))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    _save(figure, path)


def stacked_bars(
    labels: Sequence[str], bars: Mapping[str, Sequence[float]], xlabel: str, title: str, path: pathlib.Path
) -> None:
    """Draws a horizontal stacked bar for each label.

    Args:
        labels: from top to bottom.
        bars: lengths of a part in each bar, by the name of the part.
        xlabel: of the lengths.
        title: heading.
        path: of the PNG file.
    """
    figure = _figure(8, 1.2 + 0.6 * len(labels))
    axes = figure.subplots()
    left = np.zeros(len(labels))
    for name, lengths in bars.items():
        axes.barh(labels, lengths, left=left, label=name)
        left += lengths
    axes.invert_yaxis()
    axes.set(title=title, xlabel=xlabel)
    axes.legend()
    _save(figure, path)


def intervals(
    labels: Sequence[str], shares: Sequence[tuple[float, float, float]], xlabel: str, title: str, path: pathlib.Path
) -> None:
    """Draws points with intervals, in percent.

    Args:
        labels: from top to bottom.
        shares: (value, low, high) of each label, fractions.
        xlabel: of the values.
        title: heading.
        path: of the PNG file.
    """
    figure = _figure(8, 1.2 + 0.3 * len(labels))
    axes = figure.subplots()
    share, low, high = 100 * np.transpose(shares)
    axes.errorbar(share, labels, xerr=[share - low, high - share], fmt="o", capsize=3)
    axes.invert_yaxis()
    axes.set(title=title, xlabel=xlabel)
    axes.grid(alpha=0.3)
    _save(figure, path)


def _figure(width: float, height: float) -> Figure:
    """Returns an empty figure; width and height are in inches."""
    from matplotlib.figure import Figure  # Imported here: commands start without it.

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure, path):
    choose_fonts(figure)
    with atomic_file(path, shared=True) as stream, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # What no font has, `choose_fonts` has said.
        figure.savefig(stream, format="png", dpi=120)


def _colors(name):
    from matplotlib import colormaps

    return colormaps[name].colors


def _percent(points):
    """Returns the steps, and the values in percent."""
    return [step for step, _ in points], [100 * value for _, value in points]
