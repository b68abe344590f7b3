"""Average precision of COCO, by pycocotools."""

import contextlib
import io

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from trainers.metrics.boxes import xywh
from trainers.metrics.means import mean_of_defined

MOST_DETECTIONS = 100  # of each class in an image
AT_50, AT_75 = 0, 5  # places among the IoU thresholds 0.5, 0.55 ... 0.95


def coco_metrics(predictions, num_classes):
    """Computes COCO's average precisions, of at most 100 detections of each class in an image.

    An ignored object is a crowd to COCO: any number of detections may lie in it.

    Args:
        predictions: see `trainers.metrics.voc`.
        num_classes: how many classes there are.

    Returns:
        Two values:

        - A dict of floats from 0 to 1, means over the classes; None where there is no object that is not ignored.
          `map`, the mean over the IoU thresholds 0.5, 0.55 ... 0.95; `coco_map_50` and `coco_map_75`, at one threshold;
          `map_small`, `map_medium` and `map_large`, as `map`, of objects whose area is up to 32 * 32, up to 96 * 96 and
          above.
        - (num_classes,) float64: what `map` is the mean of; NaN for a class without objects.
    """
    evaluation = _evaluation(predictions, num_classes)
    precision = evaluation.eval["precision"][..., 0]  # (IoU thresholds, recalls, classes, areas)
    precision[precision == -1] = np.nan
    everything, *by_area = np.moveaxis(precision, -1, 0)
    figures = {
        "map": mean_of_defined(everything),
        "coco_map_50": mean_of_defined(everything[AT_50]),
        "coco_map_75": mean_of_defined(everything[AT_75]),
    }
    for name, values in zip(("small", "medium", "large"), by_area):
        figures[f"map_{name}"] = mean_of_defined(values)
    return figures, everything.mean(axis=(0, 1))


def _evaluation(predictions, num_classes):
    objects = _annotations(
        predictions["true_classes"],
        predictions["true_boxes"],
        area=predictions["areas"],
        iscrowd=predictions["ignored"],
    )
    sizes = xywh(predictions["boxes"])[..., 2:]
    detections = _annotations(
        predictions["classes"], predictions["boxes"], area=sizes[..., 0] * sizes[..., 1], score=predictions["scores"]
    )
    images = len(predictions["classes"])
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(*(_coco(images, num_classes, rows) for rows in (objects, detections)), iouType="bbox")
        evaluation.params.maxDets = [MOST_DETECTIONS]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _annotations(classes, boxes, **columns):
    """Returns a dict for each row that is not padding; ids begin at 1, as 0 means "not matched" to COCOeval."""
    present = np.nonzero(classes >= 0)
    table = {
        "id": np.arange(1, len(present[0]) + 1),
        "image_id": present[0],
        "category_id": classes[present],
        "bbox": xywh(boxes[present]),
        **{name: column[present] for name, column in columns.items()},
    }
    return [dict(zip(table, row)) for row in zip(*(column.tolist() for column in table.values()))]


def _coco(images, num_classes, annotations):
    """Also for detections, in place of COCO.loadRes, which fails if there are none."""
    coco = COCO()
    coco.dataset = {
        "images": [{"id": index} for index in range(images)],
        "categories": [{"id": index} for index in range(num_classes)],
        "annotations": annotations,
    }
    coco.createIndex()
    return coco
