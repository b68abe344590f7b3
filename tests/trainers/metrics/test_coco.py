"""Average precision of COCO, by hand and against pycocotools reading files."""

import json
import pathlib

import numpy as np
import pytest
from detections import as_predictions, random_images
from diamonds import diamond
from pycocotools import mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from trainers.metrics.coco import coco_metrics
from trainers.metrics.masks import encode

NAMES = ["map", "coco_map_50", "coco_map_75", "map_small", "map_medium", "map_large"]
CATEGORIES = [3, 7, 18, 44, 90]  # as in COCO's files, some numbers are missing
ALL_RIGHT = pytest.approx(1.0, abs=1e-14)  # pycocotools adds 2e-16 to what it divides by
SIZE = [560, 560]  # px, of images with masks
A, B = [0, 0, 100, 100], [200, 200, 300, 300]


def metrics_of(*images, num_classes=1):
    return coco_metrics(as_predictions(images), num_classes)


def write_coco_files(images, folder):
    """Writes the objects as COCO's annotations are, and the detections as its results are; returns both paths."""

    def row(image, box, label, **more):
        x1, y1, x2, y2 = map(int, box)
        return {
            "image_id": 100 + 7 * image,
            "category_id": CATEGORIES[label],
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            **more,
        }

    annotations = [
        row(image, box, label, area=float(area), iscrowd=int(ignored))
        for image, (_, objects) in enumerate(images)
        for box, label, ignored, area in objects
    ]
    dataset = {
        "images": [{"id": 100 + 7 * image} for image in range(len(images))],
        "categories": [{"id": number, "name": str(number)} for number in CATEGORIES],
        "annotations": [{"id": 500 + 3 * place, **annotation} for place, annotation in enumerate(annotations)],
    }
    results = [
        row(image, box, label, score=score)
        for image, (detections, _) in enumerate(images)
        for box, label, score in detections
    ]
    paths = folder / "objects.json", folder / "detections.json"
    for path, content in zip(paths, (dataset, results)):
        path.write_text(json.dumps(content))
    return map(str, paths)


def test_the_same_as_pycocotools_reading_files(tmp_path):
    images = random_images(seed=2, count=60, num_classes=len(CATEGORIES), mask_area=0.75)
    objects, detections = write_coco_files(images, tmp_path)
    objects = COCO(objects)
    evaluation = COCOeval(objects, objects.loadRes(detections), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()

    figures, by_class = coco_metrics(as_predictions(images), len(CATEGORIES))
    assert figures == dict(zip(NAMES, evaluation.stats[:6].tolist()))
    assert all(0.1 < figures[name] < 0.9 for name in NAMES)
    assert len(set(figures.values())) == len(NAMES)
    expected = [np.mean(evaluation.eval["precision"][:, :, place, 0, 2]) for place in range(len(CATEGORIES))]
    np.testing.assert_allclose(by_class[:-1], expected[:-1], rtol=1e-14)
    assert np.isnan(by_class[-1]) and expected[-1] == -1


def diamond_runs(box):
    return mask.merge(mask.frPyObjects([diamond(map(int, box))], *SIZE))["counts"]


def with_diamonds(images):
    """Returns the predictions of images whose masks are diamonds in the boxes, and the size of all images."""
    predictions = as_predictions(images)
    for name, boxes, classes in (("masks", "boxes", "classes"), ("true_masks", "true_boxes", "true_classes")):
        predictions[name] = np.empty(predictions[classes].shape, object)
        for place in zip(*np.nonzero(predictions[classes] >= 0)):
            predictions[name][place] = diamond_runs(predictions[boxes][place])
    return {**predictions, "sizes": np.int32([SIZE] * len(images))}


def test_masks_are_compared_as_by_pycocotools_reading_files(tmp_path):
    images = random_images(seed=2, count=60, num_classes=len(CATEGORIES), mask_area=0.5)
    paths = list(write_coco_files(images, tmp_path))
    for path, rows in zip(paths, (lambda content: content["annotations"], lambda content: content)):
        content = json.loads(pathlib.Path(path).read_text())
        for row in rows(content):
            x, y, width, height = row.pop("bbox") if "score" in row else row["bbox"]
            runs = diamond_runs([x, y, x + width, y + height]).decode()
            row["segmentation"] = {"size": SIZE, "counts": runs}
        if isinstance(content, dict):
            content["images"] = [{**image, "height": SIZE[0], "width": SIZE[1]} for image in content["images"]]
        pathlib.Path(path).write_text(json.dumps(content))
    objects = COCO(paths[0])
    evaluation = COCOeval(objects, objects.loadRes(paths[1]), "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()

    figures, _ = coco_metrics(with_diamonds(images), len(CATEGORIES), of_masks=True)
    assert figures == dict(zip(NAMES, evaluation.stats[:6].tolist()))
    of_boxes, _ = coco_metrics(with_diamonds(images), len(CATEGORIES))
    assert all(0.05 < figures[name] < 0.9 and figures[name] != of_boxes[name] for name in NAMES)


def test_a_wrong_mask_in_a_right_box_does_not_count():
    predictions = with_diamonds([([(A, 0, 0.5)], [(A, 0, False, 5000)])])
    assert coco_metrics(predictions, 1, of_masks=True)[0]["map"] == ALL_RIGHT
    whole = np.zeros(SIZE, np.uint8)
    whole[:100, :100] = 1  # An IoU of a half with the diamond: right at one of the ten thresholds at most.
    predictions["masks"][0, 0] = encode(whole[np.newaxis])[0]
    assert coco_metrics(predictions, 1)[0]["map"] == ALL_RIGHT
    assert coco_metrics(predictions, 1, of_masks=True)[0]["map"] <= 0.1 + 1e-9


def test_one_medium_object_that_is_found():
    box = [10, 10, 50, 50]
    figures, by_class = metrics_of(([(box, 0, 0.5)], [(box, 0, False, 1600)]))
    assert figures == {name: None if name in ("map_small", "map_large") else ALL_RIGHT for name in NAMES}
    assert by_class.tolist() == [ALL_RIGHT]


def test_small_and_large_are_told_by_the_area_of_the_object():
    for area, name in [(1000, "map_small"), (5000, "map_medium"), (9500, "map_large")]:
        figures, _ = metrics_of(([(A, 0, 0.5)], [(A, 0, False, area)]))
        assert [key for key in NAMES[3:] if figures[key] is not None] == [name]


def test_an_iou_of_exactly_a_threshold_is_enough():
    # IoU 0.75: right at 0.5, 0.55 ... 0.75, six of the ten thresholds.
    figures, _ = metrics_of(([([0, 0, 100, 75], 0, 0.5)], [(A, 0, False, 10000)]))
    assert figures["map"] == pytest.approx(0.6, abs=1e-14)
    assert figures["coco_map_50"] == figures["coco_map_75"] == ALL_RIGHT


def test_any_number_of_detections_may_lie_in_a_crowd():
    crowd = [([10, 10, 30, 30], 0, 0.9), ([40, 40, 90, 90], 0, 0.8)]
    figures, _ = metrics_of((crowd + [(B, 0, 0.7)], [(A, 0, True, 10000), (B, 0, False, 10000)]))
    assert figures["map"] == ALL_RIGHT


def test_nothing_detected():
    figures, by_class = metrics_of(([], [(A, 1, False, 10000)]), num_classes=2)
    assert figures == {name: None if name in ("map_small", "map_medium") else 0.0 for name in NAMES}
    np.testing.assert_array_equal(by_class, [np.nan, 0.0])


def test_no_objects():
    for images in ([], [([], [])], [([(A, 0, 0.9)], [])], [([(A, 0, 0.9)], [(A, 0, True, 10000)])]):
        figures, by_class = metrics_of(*images, num_classes=2)
        assert figures == dict.fromkeys(NAMES)
        np.testing.assert_array_equal(by_class, [np.nan, np.nan])


def test_nothing_is_printed(capsys):
    metrics_of(([(A, 0, 0.9)], [(A, 0, False, 10000)]))
    assert capsys.readouterr() == ("", "")
