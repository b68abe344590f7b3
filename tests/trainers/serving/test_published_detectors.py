"""Published detectors without a run."""

import dataclasses
import hashlib

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from keras_resnets.detection.coco import LABELS
from keras_resnets.detection.registry import DETECTORS
from keras_resnets.detection.resizing import TORCHVISION
from trainers.serving.published_detectors import class_names, resizing_for


def test_the_canvas_is_torchvisions_for_one_image_and_fits_all(tmp_path):
    files = []
    for i, (width, height) in enumerate([(320, 240), (100, 200)]):
        files.append(tmp_path / f"{i}.png")
        Image.fromarray(np.zeros((height, width, 3), "uint8")).save(files[-1])
    assert resizing_for(files[:1]).canvas == (800, 1088)  # 800x1066
    assert resizing_for(files).canvas == (1344, 1088)  # 1333x666 as well
    assert resizing_for(files).as_torchvision
    (tmp_path / "damaged.png").write_bytes(b"no image")
    assert resizing_for([tmp_path / "damaged.png"]) == TORCHVISION


@pytest.mark.parametrize(
    "height, width, size", [(601, 818, (800, 1088)), (600, 818, (800, 1090)), (9, 600, (19, 1333))]
)
def test_an_image_alone_is_as_large_as_torchvision_makes_it(height, width, size, tmp_path):
    Image.fromarray(np.zeros((height, width, 3), "uint8")).save(tmp_path / "a.png")
    resized, _ = resizing_for([tmp_path / "a.png"]).resize(np.zeros((height, width, 3), "uint8"))
    assert resized.shape == (*size, 3)


@pytest.mark.parametrize("classes", [2, 90])
def test_only_torchvisions_own_file_has_the_names_of_coco(classes, tmp_path, monkeypatch):
    name, file = "faster_rcnn_resnet50_fpn", tmp_path / "net.safetensors"
    logits = np.zeros((classes + 1, 4), "float32")
    names = ("backbone.body.conv1", "rpn.head.cls_logits", "roi_heads.box_predictor.cls_score")
    save_file({f"{module}.weight": logits for module in names}, file)
    assert class_names(name, str(file)) == tuple(str(i + 1) for i in range(classes))
    assert class_names(name, "coco") == LABELS
    checksum = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    monkeypatch.setitem(DETECTORS, name, dataclasses.replace(DETECTORS[name], checksum=checksum))
    assert class_names(name, str(file)) == LABELS


@pytest.mark.parametrize(
    "command, flags, message",
    [
        ("predict", ["--weights=coco", "--export=x"], "error: --weights=coco is for --detector: pass that as well"),
        (
            "predict",
            ["--detector=faster_rcnn_resnet50_fpn", "--weights=none.pth"],
            "--weights=none.pth is no existing file",
        ),
        ("predict", ["--detector=faster_rcnn_resnet50_fpn", "--classes=1"], "--classes is for localizers"),
        (
            "export",
            ["--model_dir=x", "--frozen_batch_norm_epsilon=0"],
            "--frozen_batch_norm_epsilon=0 is for --detector: pass that as well, or leave it out.",
        ),
        ("export", [], "error: --model_dir is required: pass --model_dir=..., or --detector=NAME instead."),
        ("export", ["--detector=faster_rcnn_resnet50_fpn", "--best"], "--best is for --model_dir, not --detector="),
        ("export", ["--detector=faster_rcnn_resnet50_fpn", "--nms_threshold=2"], "error: --nms_threshold=2.0 must be"),
    ],
)
def test_wrong_flags_end_in_one_line(command, flags, message, tmp_path, run_command):
    Image.fromarray(np.zeros((8, 8, 3), "uint8")).save(tmp_path / "a.png")
    arguments = [tmp_path / "a.png"] if command == "predict" else []
    process = run_command(f"trainers.{command}", *flags, *arguments)
    assert process.returncode == 1 and message in process.stderr and "Traceback" not in process.stderr
