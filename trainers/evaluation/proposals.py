"""Recall of region proposals."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainers.data.detection_dataset import Annotation
from trainers.data.proposals.cache import ProposalCache, split_proposals
from trainers.data.registry import absolute, open_detection_dataset, title
from trainers.data.split import Split
from trainers.metrics.percent import percent
from trainers.metrics.recall import average_recall, recall
from trainers.plots.figures import proposal_recall
from trainers.runtime.atomic_files import write_json

COUNTS = (100, 300, 1000, 2000)  # proposals of an image
DRAWN_IOUS = np.linspace(0.5, 1, 101)


def measure_recall(
    dataset_name: str,
    methods: Mapping[str, Mapping],
    limit: int,
    output: pathlib.Path,
    data_dir: str | None = None,
    download: bool = False,
) -> dict[str, dict]:
    """Measures how many objects of a data set's test images the proposals of several methods cover.

    Writes `recall.json`, `recall.png` and the proposals, which are found once, into a folder.

    Args:
        dataset_name: a value of --dataset.
        methods: dict of names of `trainers.data.proposals.methods.METHODS` -> their settings.
        limit: the largest number of proposals of an image.
        output: the folder.
        data_dir, download: see `open_detection_dataset`.

    Returns:
        The figures: see `measure`.
    """
    caches = {name: ProposalCache(output / "proposals", name, limit, **settings) for name, settings in methods.items()}
    dataset = open_detection_dataset(dataset_name, data_dir, download, evaluation=True)
    counts = [count for count in COUNTS if count < limit] + [limit]
    figures, curves = measure(caches, dataset.test, counts)
    output.mkdir(parents=True, exist_ok=True)
    report = {"dataset": absolute(dataset_name), "images": dataset.test.size, "methods": figures}
    write_json(output / "recall.json", report)
    proposal_recall(DRAWN_IOUS, curves, counts, f"Region proposals on {title(dataset_name)}", output / "recall.png")
    return figures


def measure(
    caches: Mapping[str, ProposalCache], split: Split, counts: Sequence[int]
) -> tuple[dict[str, dict[str, Any]], dict[str, np.ndarray]]:
    """Finds the proposals of a split by several methods, and measures their recall.

    Args:
        caches: the proposals, by the methods' names.
        split: of a `DetectionDataset`.
        counts: how many proposals of an image are taken, best first.

    Returns:
        Two dicts with the methods' names as keys:

        - Figures as in recall.json: `settings`, `seconds_per_image` (when they were found), and `recall`, a list of a
          dict for each count: `proposals` (the count), `found` (how many of these an image has, on average),
          `recall_50`, `recall_70` and `average_recall`, from 0 to 1, None if there are no objects.
        - (counts, 101) float64, the recall at the IoUs 0.5, 0.505 ... 1.
    """
    annotations = _annotations(split)
    figures, curves = {}, {}
    for method, cache in caches.items():
        boxes, seconds = split_proposals(cache, split, method)
        recall_50, recall_70 = _or_none(recall(boxes, annotations, (0.5, 0.7), counts).T)
        columns = {
            "proposals": counts,
            "found": [float(np.mean([min(len(rows), count) for rows in boxes])) for count in counts],
            "recall_50": recall_50,
            "recall_70": recall_70,
            "average_recall": _or_none(average_recall(boxes, annotations, counts)),
        }
        figures[method] = {
            "settings": cache.settings,
            "seconds_per_image": float(seconds.mean()),
            "recall": [dict(zip(columns, row)) for row in zip(*columns.values())],
        }
        curves[method] = recall(boxes, annotations, DRAWN_IOUS, counts)
    return figures, curves


def _annotations(split):
    """Returns the `Annotation`s of a split, in the order of their index."""
    fields = [field.name for field in dataclasses.fields(Annotation)]

    def objects(key):
        example = split.load(key)
        return key["index"], {name: example[name] for name in fields if name in example}

    annotations = [None] * split.size
    for index, arrays in split.keys(None).map(objects).as_numpy_iterator():
        annotations[index] = Annotation(**arrays)
    return annotations


def _or_none(values):
    """Returns an array as lists; None, JSON's null, in place of NaN."""
    return np.where(np.isnan(values), None, values).tolist()


def table(figures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Returns lines of text: a heading, and a line for each method and number of proposals of `measure`'s figures."""
    width = max(map(len, figures))
    lines = [f"{'method':{width}}  proposals   found  recall@.5  recall@.7  average recall  seconds/image"]
    for method, results in figures.items():
        for row in results["recall"]:
            shares = [percent(row[name]) for name in ("recall_50", "recall_70", "average_recall")]
            lines.append(
                f"{method:{width}}  {row['proposals']:9}  {row['found']:6.0f}  {shares[0]:>9}  {shares[1]:>9}  "
                f"{shares[2]:>14}  {results['seconds_per_image']:13.2f}"
            )
    return lines
