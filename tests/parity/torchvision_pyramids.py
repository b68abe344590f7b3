"""Writes answers of torchvision's detectors with a feature pyramid, in a process without TensorFlow.

python torchvision_pyramids.py full 2 FOLDER
python torchvision_pyramids.py frozen FOLDER
python torchvision_pyramids.py narrow REFERENCE.npz

Of the full net, `fasterrcnn_resnet50_fpn` is version 1 and `fasterrcnn_resnet50_fpn_v2` is 2. FOLDER/images.npz has
images (H, W, 3) uint8, RGB. Afterwards FOLDER has net.pth and net.safetensors, the state dict, and answers.npz: of
image i, `{i}_proposals` (R, 4) in pixels of the resized image, and of its detections, `{i}_boxes` (D, 4), `{i}_scores`
(D,) and `{i}_labels` (D,), where 0 would be the background. They are computed in float64: where neighbours have the
same score but for rounding, torchvision's own answers in float32 change with the layout of its tensors in memory.

Of `frozen`, a net on `resnet_fpn_backbone`, FOLDER has net.safetensors and answers.npz: an image (H, W, 3) float32, and
the maps (h, w, C) of the pyramid for it, `{epsilon}_{level}`, with an epsilon of 0 and of torchvision's default.

REFERENCE has the same of narrow nets of both versions, on the images of `tests/support/torch_pyramids.py`, by names
that begin with "v1_" or "v2_"; `v1_state_dict` and `v2_state_dict`, JSON of the tensors' shapes; and images that
torchvision's detectors resize, `{i}_resized` (H, W, 3) float32. It is
`tests/keras_resnets/references/torchvision_pyramids.npz`.
"""

import json
import pathlib
import sys

import numpy as np
import torch
from safetensors.torch import save_file
from torchvision.models import detection, resnet
from torchvision.models.detection._utils import overwrite_eps
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN, resnet_fpn_backbone
from torchvision.models.detection.faster_rcnn import FasterRCNN, FastRCNNConvFCHead, FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign
from torchvision_faster_rcnn import randomize

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import torch_pyramids as narrow

STAGES = ["layer1", "layer2", "layer3", "layer4"]


class NarrowResNet(resnet.ResNet):
    """A net of one bottleneck a stage, the first of `narrow.FILTERS`."""

    def __init__(self):
        super().__init__(resnet.Bottleneck, [1, 1, 1, 1])
        self.conv1 = torch.nn.Conv2d(3, narrow.FILTERS, 7, stride=2, padding=3, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(narrow.FILTERS)

    def _make_layer(self, block, planes, *args, **kwargs):
        if planes == 64:
            self.inplanes = narrow.FILTERS
        return super()._make_layer(block, planes * narrow.FILTERS // 64, *args, **kwargs)


def narrow_detector(version):
    """Puts a narrow detector together as torchvision does those of version 1 and 2."""
    channels, units = narrow.CHANNELS, narrow.UNITS
    norm_layer = torch.nn.BatchNorm2d if version == 2 else None
    backbone = BackboneWithFPN(
        NarrowResNet(),
        {stage: str(i) for i, stage in enumerate(STAGES)},
        [4 * narrow.FILTERS * 2**i for i in range(4)],
        channels,
        norm_layer=norm_layer,
    )
    heads = {
        1: lambda: TwoMLPHead(channels * 49, units),
        2: lambda: FastRCNNConvFCHead((channels, 7, 7), 4 * [channels], [units], norm_layer=norm_layer),
    }
    return FasterRCNN(
        backbone,
        min_size=narrow.SHORT_SIDE,
        max_size=narrow.LONG_SIDE,
        rpn_anchor_generator=AnchorGenerator(tuple((size,) for size in narrow.ANCHOR_SIZES), 5 * ((0.5, 1.0, 2.0),)),
        rpn_head=RPNHead(channels, 3, conv_depth=version),
        rpn_pre_nms_top_n_test=100,
        rpn_post_nms_top_n_test=60,
        box_roi_pool=MultiScaleRoIAlign([str(i) for i in range(4)], 7, 2, canonical_scale=narrow.CANONICAL_SIZE),
        box_head=heads[version](),
        box_predictor=FastRCNNPredictor(units, narrow.CLASSES + 1),
        box_detections_per_img=30,
    )


def filled(detector, version):
    """Gives a detector the tensors of `narrow.tensors`; returns it and the shapes of its tensors."""
    shapes = {name: list(value.shape) for name, value in detector.state_dict().items()}
    values = narrow.tensors(shapes, version)
    detector.load_state_dict({name: torch.from_numpy(value) for name, value in values.items()})
    return detector.eval(), shapes


def answers(detector, images):
    """Returns the proposals and detections of images, by "0_boxes" and the like."""
    found, proposals = {}, []
    dtype = next(detector.parameters()).dtype
    hook = detector.rpn.register_forward_hook(lambda module, inputs, outputs: proposals.extend(outputs[0]))
    for i, image in enumerate(images):
        with torch.no_grad():
            (detections,) = detector([_as_tensor(image).to(dtype)])
        found |= {f"{i}_{name}": value.numpy() for name, value in {"proposals": proposals[i], **detections}.items()}
    hook.remove()
    return found


def _as_tensor(image):
    return torch.from_numpy(image.transpose(2, 0, 1) / np.float32(255))


def resized(detector, image):
    """Returns what a detector makes of an image before it is normalized, (H, W, 3) float32 of 0 to 255."""
    values, _ = detector.transform.resize(_as_tensor(image), None)
    return 255 * values.numpy().transpose(1, 2, 0)


def full(version, folder):
    """Writes weights and answers of a whole detector."""
    name = {"1": "fasterrcnn_resnet50_fpn", "2": "fasterrcnn_resnet50_fpn_v2"}[version]
    detector = getattr(detection, name)(weights=None, weights_backbone=None).eval()
    gains = {name: narrow.gain_of(name, int(version)) for name, _ in detector.named_modules()}
    randomize(detector, np.random.default_rng(0), gains)
    folder = pathlib.Path(folder)
    torch.save(detector.state_dict(), folder / "net.pth")
    save_file({key: value.contiguous() for key, value in detector.state_dict().items()}, folder / "net.safetensors")
    with np.load(folder / "images.npz") as images:
        np.savez(folder / "answers.npz", **answers(detector.double(), images.values()))


def frozen(folder):
    """Writes weights and maps of a detector whose batch normalization is frozen, with variances of about 1e-5."""
    folder, random = pathlib.Path(folder), np.random.default_rng(0)
    detector = FasterRCNN(resnet_fpn_backbone(backbone_name="resnet50", weights=None), 91).eval()
    randomize(detector, random)
    for layer in detector.modules():
        if isinstance(layer, FrozenBatchNorm2d):
            variance = torch.from_numpy(random.uniform(0.2e-5, 5e-5, len(layer.weight))).float()
            layer.running_var.copy_(variance)
            layer.weight.copy_(variance.sqrt() / 2)
    save_file({key: value.contiguous() for key, value in detector.state_dict().items()}, folder / "net.safetensors")
    image = random.normal(0, 1, (96, 128, 3)).astype("float32")
    maps = {"image": image}
    for epsilon in (FrozenBatchNorm2d(1).eps, 0.0):
        overwrite_eps(detector, epsilon)
        with torch.no_grad():
            levels = detector.backbone(torch.from_numpy(image.transpose(2, 0, 1))[None])
        maps |= {f"{epsilon:g}_{i}": level[0].numpy().transpose(1, 2, 0) for i, level in enumerate(levels.values())}
    np.savez(folder / "answers.npz", **maps)


def reference(path):
    """Writes the answers of narrow detectors."""
    values = {}
    for version in (1, 2):
        detector, shapes = filled(narrow_detector(version), version)
        found = answers(detector, narrow.images())
        values |= {f"v{version}_{name}": value for name, value in found.items()}
        values[f"v{version}_state_dict"] = json.dumps(shapes)
    for i, image in enumerate(narrow.images()[:2]):
        values[f"{i}_resized"] = resized(detector, image)[::5, ::5]
    np.savez_compressed(path, **values)


if __name__ == "__main__":
    {"full": full, "frozen": frozen, "narrow": reference}[sys.argv[1]](*sys.argv[2:])
