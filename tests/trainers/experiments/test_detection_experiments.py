"""What the experiments on detection report, and how a detector's parts are timed."""

import numpy as np
import pytest
from PIL import Image

import keras_resnets
from keras_resnets import RCNN, FasterRCNN, FastRCNN
from trainers.experiments import detection_improvements, detection_lineage, noc_heads
from trainers.experiments.detection_timing import noise_inputs, split_seconds
from trainers.experiments.experiment import Setting, write_report

SMALL = {"pool_size": 4, "head": "mlp", "head_units": 8}


def detector(build, **options):
    return build(3, keras_resnets.ResNet((1, 1, 1), (8, 8, 8), include_top=False), **SMALL, **options)


@pytest.mark.parametrize(
    "build, options, proposals",
    [
        (RCNN, {"warp_size": 32, "warp_context": 2}, 60),
        (FastRCNN, {}, 60),
        (FasterRCNN, {"anchor_sizes": (16, 32), "rpn_filters": 8, "test_post_nms_topk": 20}, None),
    ],
)
def test_a_detectors_parts_are_timed(build, options, proposals):
    images = [noise_inputs(64, 96, proposals, seed) for seed in (0, 1)]
    seconds = split_seconds(detector(build, **options), images, 2)
    assert seconds.keys() == {"convolution", "proposals", "regions"}
    assert 0 < seconds["convolution"] < 30 and 0 < seconds["regions"] < 30
    assert (seconds["proposals"] > 0) == (proposals is None)  # Those that are given take no time.


def test_regions_of_noise_lie_in_the_image():
    boxes = noise_inputs(600, 1000, 2000)["proposals"][0]
    assert boxes.shape == (2000, 4) and np.all(boxes >= 0) and np.all(boxes <= [1000, 600, 1000, 600])
    assert np.min(boxes[:, 2:] - boxes[:, :2]) > 15.9


def lineage_figures():
    """Figures that are easy to compute with."""
    parts = {"convolution": 0.02, "proposals": 0.0, "regions": 0.08}
    detectors = {
        name: {
            "seconds": 100.0 * (number + 1),
            "stages": None,
            "map_50": 0.1 * (number + 1),
            "map": 0.05,
            "bytes": 3_000_000,
            "proposals": 500.0,
            "test_seconds": parts,
        }
        for number, name in enumerate(detection_lineage.ROWS)
    }
    for name in ("rcnn", "spp_net", "fast_rcnn"):
        detectors[name] |= {"proposal_seconds": 0.4, "proposal_bytes": 2_000_000}
    detectors["rcnn"] |= {"stages": {"fine_tuning": 60.0, "svms": 40.0}}
    detectors["faster_rcnn_joint"]["test_seconds"] = {**parts, "proposals": 0.01}
    nets = {f"{net}_{count}": parts for net in ("zfnet", "vgg16") for count in (300, 2000)}
    return {
        **detectors,
        **nets,
        "backbone": {"seconds": 1.0, "top1_error": 0.1},
        "fast_rcnn_vgg16_2000": {**parts, "proposals": 1.5},
        "shared_convolution": {"rcnn": {**parts, "convolution": 30.0}, "fast_rcnn": parts},
        "sampling": {"2x64": 0.5, "128x1": 16.0},
    }


def test_the_lineages_report_says_what_was_measured(tmp_path):
    figures = lineage_figures()
    setting = Setting(tmp_path, "digit_scenes", quick=True)
    assert list(detection_lineage.members(setting)) == [
        *["backbone", "rcnn", "spp_net", "fast_rcnn", "faster_rcnn_alternating", "faster_rcnn_joint"],
        *["shared_convolution", "zfnet_300", "zfnet_2000", "vgg16_300", "vgg16_2000", "fast_rcnn_vgg16_2000"],
        "sampling",
    ]
    report = detection_lineage.report(figures)
    verdict = " ".join(report.verdict)
    assert "shared convolution is 1500 times as fast as R-CNN's, and all of an image 300.8 times" in verdict
    assert "take 10 ms an image, those of selective search 400 ms (40 times as long)" in verdict
    assert "(Fast R-CNN) took 300 s and reached an mAP of 30.0%; R-CNN's stages took 100 s and reached 10.0%" in verdict
    assert "is 32 times as fast as one on 1 of each of 128" in verdict
    rows = {row[0]: row[1:] for row in report.tables[0].rows}
    assert rows["R-CNN"] == ["10.0%", "fine_tuning 60 s, svms 40 s", "100", "5", "500", "400", "20", "80", "500"]
    assert rows["Faster R-CNN, joint"][-4:] == ["10", "20", "80", "110"]
    members = {name: {"figures": one, "versions": {"keras": "3.15"}} for name, one in figures.items()}
    text = write_report(setting, detection_lineage.EXPERIMENT, members).read_text()
    assert verdict in text and "| R-CNN | 10.0% | fine_tuning 60 s, svms 40 s |" in text
    with Image.open(tmp_path / "detection_lineage.png") as picture:
        assert picture.width > 400 and "(detection_lineage.png)" in text


def test_the_other_reports_say_what_changed(tmp_path):
    heads = {
        name: {"parameters": 1000, "map_50": 0.5, "map": 0.25, "test_seconds": {"regions": 0.1}, "seconds": 60.0}
        for name in noc_heads.ROWS
    }
    heads["2conv3fc"]["map_50"], heads["maxout2conv3fc"]["map_50"] = 0.525, 0.51
    verdict = noc_heads.report(heads).verdict[0]
    assert verdict.startswith("The best head here is 2conv3fc (52.5%)")
    assert "by +2.5 points, and a second scale by -1.5." in verdict
    names = [*detection_improvements.TESTED, *detection_improvements.ENSEMBLES]
    tests = {name: {"map_50": 0.5, "map": 0.3, "coco_map_75": 0.2} for name in names}
    tests["box voting"]["map"] = 0.31
    report = detection_improvements.report({"tests": tests})
    assert "box voting +1.0, box refinement +0.0" in report.verdict[0]
    for experiment, figures in ((noc_heads, heads), (detection_improvements, {"tests": tests})):
        for picture in experiment.report(figures).draw(tmp_path):
            assert Image.open(picture).width > 400
