"""COCO's average precision, by pycocotools."""

import contextlib
import io

import numpy as np
from pycocotools import mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from trainers.metrics.boxes import xywh
from trainers.metrics.masks import as_coco
from trainers.metrics.means import mean_of_defined
from trainers.metrics.predictions import Predictions

MAX_DETECTIONS = 100  # per class and image
AT_50, AT_75 = 0, 5  # indices of the IoU thresholds 0.5, 0.55 ... 0.95


def coco_metrics(
    predictions: Predictions, num_classes: int, of_masks: bool = False
) -> tuple[dict[str, float | None], np.ndarray]:
    """Computes COCO's average precisions, with at most 100 detections per class and image.

    Ignored objects are crowds: any number of detections may lie in one.

    Args:
        predictions: see `trainers.metrics.predictions`.
        num_classes: number of classes.
        of_masks: whether masks are compared, and not boxes.

    Returns:
        - Means over the classes, 0..1; None without an object that counts. `map` is the mean over the IoU thresholds
          0.5, 0.55 ... 0.95; `coco_map_50` and `coco_map_75` are at one threshold; `map_small`, `map_medium` and
          `map_large` are `map` for objects with areas of up to 32 * 32, up to 96 * 96, and more pixels.
        - The average precision of each class, whose mean `map` is: (num_classes,) float64; NaN for a class without
          objects.
    """
    evaluation = _evaluation(predictions, num_classes, of_masks)
    precision = evaluation.eval["precision"][..., 0]  # (IoU thresholds, recalls, classes, areas)
    precision[precision == -1] = np.nan
    everything, *by_area = np.moveaxis(precision, -1, 0)
    metrics = {
        "map": mean_of_defined(everything),
        "coco_map_50": mean_of_defined(everything[AT_50]),
        "coco_map_75": mean_of_defined(everything[AT_75]),
    }
    for name, values in zip(evaluation.params.areaRngLbl[1:], by_area):
        metrics[f"map_{name}"] = mean_of_defined(values)
    return metrics, everything.mean(axis=(0, 1))


def _evaluation(predictions, num_classes, of_masks):
    sides = xywh(predictions["boxes"])[..., 2:]
    found, given = {"area": sides[..., 0] * sides[..., 1]}, {}
    if of_masks:
        found, given = (_regions(predictions[name], predictions["sizes"]) for name in ("masks", "true_masks"))
    given |= {"area": predictions["areas"], "iscrowd": predictions["ignored"]}
    objects = _annotations(predictions["true_classes"], predictions["true_boxes"], **given)
    detections = _annotations(predictions["classes"], predictions["boxes"], score=predictions["scores"], **found)
    sizes = predictions["sizes"].tolist() if of_masks else [(0, 0)] * len(predictions["classes"])
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(
            *(_coco(sizes, num_classes, rows) for rows in (objects, detections)),
            iouType="segm" if of_masks else "bbox",
        )
        evaluation.params.maxDets = [MAX_DETECTIONS]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def _regions(masks, sizes):
    """Returns the columns of masks (N, D), None for padding: the masks as pycocotools takes them, and their areas."""
    segmentations, areas = np.empty(masks.shape, object), np.zeros(masks.shape)
    for place in zip(*np.nonzero(masks != None)):  # noqa: E711, of each entry
        segmentations[place] = as_coco(masks[place], *sizes[place[0]].tolist())
        areas[place] = mask.area(segmentations[place])
    return {"segmentation": segmentations, "area": areas}


def _annotations(classes, boxes, **columns):
    """Returns a dict for each row except padding. The ids begin at 1, since COCOeval takes 0 for "not matched"."""
    present = np.nonzero(classes >= 0)
    table = {
        "id": np.arange(1, len(present[0]) + 1),
        "image_id": present[0],
        "category_id": classes[present],
        "bbox": xywh(boxes[present]),
        **{name: column[present] for name, column in columns.items()},
    }
    return [dict(zip(table, row)) for row in zip(*(column.tolist() for column in table.values()))]


def _coco(sizes, num_classes, annotations):
    """Returns a `COCO` of objects or of detections; COCO.loadRes would fail without any detection."""
    coco = COCO()
    coco.dataset = {
        "images": [{"id": index, "height": height, "width": width} for index, (height, width) in enumerate(sizes)],
        "categories": [{"id": index} for index in range(num_classes)],
        "annotations": annotations,
    }
    coco.createIndex()
    return coco
