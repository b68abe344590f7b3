"""Published weights of ImageNet, one row a file, as keras.applications, torchvision and timm state them.

The rows are those of Keras 3.15, torchvision 0.29 and timm 1.0.31: `tests/parity/test_published_files.py` compares
them. Accuracies were measured on images that Pillow decoded and resized. keras.applications states no crop, and no
accuracy. Where timm states a size and crop for tests (`test_input_size`, `test_crop_pct`), rows have these, as timm's
validate.py does.
"""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

from keras_resnets.errors import ArgumentError
from keras_resnets.normalization import CAFFE, INCEPTION, TORCH, Normalization
from keras_resnets.weights.evaluation import Evaluation
from keras_resnets.weights.tags import IMAGENET

KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"
TORCHVISION = "https://download.pytorch.org/models"
CLASSES = 1000
# Our nets by timm's names. "resnet50_v1_5" is what timm and torchvision call resnet50.
TIMM = {
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "resnet50": "resnet50_v1_5",
    "resnet101": "resnet101_v1_5",
    "resnet152": "resnet152_v1_5",
    "resnetv2_18": "resnet18_v2",
    "resnetv2_34": "resnet34_v2",
    "resnetv2_50": "resnet50_v2",
    "resnetv2_101": "resnet101_v2",
    "inception_v4": "inception_v4",
    "inception_resnet_v2": "inception_resnet_v2_slim",
    "vgg16": "vgg16",
    "vgg19": "vgg19",
}
# Of the first SSD: torchvision's deviation of 1 / 255 is 1 in 0..255.
SSD = Normalization((255 * 0.48235, 255 * 0.45882, 255 * 0.40784), (1.0, 1.0, 1.0))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Published(Evaluation):
    """A published file of weights. What the installed libraries do not state is None.

    Attributes:
        net: the net's name in the registry.
        source: "keras.applications", "torchvision" or "timm".
        tag: the source's name of the weights, e.g. "IMAGENET1K_V2" or "resnet50.a1_in1k".
        file: URL, or the name of a repository on the Hugging Face Hub.
        classes: number of classes; 0 for a file without a classifier that can be used.
        top1: accuracy on ImageNet's validation images in %, with this preprocessing.
        license: e.g. "apache-2.0".
        checksum: MD5, or the first digits of SHA-256, or None for the Hub, which checks its files.
        notop, notop_checksum: the same for the net without its classifier, if that is another file.
        arguments: the builder's arguments for which the file is, besides the classes.
    """

    net: str
    source: str
    tag: str
    file: str
    classes: int = CLASSES
    top1: float | None = None
    license: str | None = None
    checksum: str | None = None
    notop: str | None = None
    notop_checksum: str | None = None
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=lambda: {"width": 1})

    @property
    def weights(self) -> str:
        """The builder's argument, e.g. "timm:resnet50.a1_in1k"."""
        return f"{self.source}:{self.tag}"


def _keras(net, path, checksum, notop_checksum, size=224, normalization=CAFFE):
    address = f"{KERAS}/{path}_weights_tf_dim_ordering_tf_kernels"
    return Published(
        net=net,
        source="keras.applications",
        tag=IMAGENET,
        file=f"{address}.h5",
        checksum=checksum,
        notop=f"{address}_notop.h5",
        notop_checksum=notop_checksum,
        size=size,
        normalization=normalization,
    )


def _torchvision(net, tag, file, short_side, top1, normalization=TORCH, classes=CLASSES):
    return Published(
        net=net,
        source="torchvision",
        tag=tag,
        file=f"{TORCHVISION}/{file}",
        checksum=file.removesuffix(".pth").rpartition("-")[2],
        size=224,
        crop=224 / short_side,
        pillow_filter="bilinear",
        normalization=normalization,
        classes=classes,
        top1=top1,
    )


def _timm(tag, size, crop, pillow_filter, normalization=TORCH, license="apache-2.0", **stated):
    name = tag.partition(".")[0]
    return Published(
        net=TIMM[name],
        source="timm",
        tag=tag,
        file=f"timm/{tag}",
        size=size,
        crop=crop,
        pillow_filter=pillow_filter,
        normalization=normalization,
        license=license,
        arguments={"width": 1, "stem": "timm"} if name.startswith("resnetv2") else {"width": 1},
        **stated,
    )


# The first row of a net is its "imagenet". Where the same weights can be had from timm, as .safetensors, timm's row is
# before torchvision's, which needs PyTorch to be read.
FILES = [
    _timm("resnet18.tv_in1k", 224, 0.875, "bilinear", license="bsd-3-clause", top1=69.758),
    _timm("resnet18.a1_in1k", 288, 1.0, "bicubic"),
    _timm("resnet18.a2_in1k", 288, 1.0, "bicubic"),
    _timm("resnet18.a3_in1k", 224, 0.95, "bicubic"),
    _timm("resnet18.fb_ssl_yfcc100m_ft_in1k", 224, 0.875, "bilinear", license="cc-by-nc-4.0"),
    _timm("resnet18.fb_swsl_ig1b_ft_in1k", 224, 0.875, "bilinear", license="cc-by-nc-4.0"),
    _timm("resnet18.gluon_in1k", 224, 0.875, "bicubic"),
    _torchvision("resnet18", "IMAGENET1K_V1", "resnet18-f37072fd.pth", 256, 69.758),
    _timm("resnet34.tv_in1k", 224, 0.875, "bilinear", license="bsd-3-clause", top1=73.314),
    _timm("resnet34.a1_in1k", 288, 1.0, "bicubic"),
    _timm("resnet34.a2_in1k", 288, 1.0, "bicubic"),
    _timm("resnet34.a3_in1k", 224, 0.95, "bicubic"),
    _timm("resnet34.bt_in1k", 288, 0.95, "bicubic"),
    _timm("resnet34.gluon_in1k", 224, 0.875, "bicubic"),
    _timm("resnet34.ra4_e3600_r224_in1k", 288, 1.0, "bicubic", INCEPTION),
    _torchvision("resnet34", "IMAGENET1K_V1", "resnet34-b627a593.pth", 256, 73.314),
    _keras("resnet50", "resnet/resnet50", "2cb95161c43110f7111970584f804107", "4d473c1dd8becc155b73f8504c6f6626"),
    _keras("resnet101", "resnet/resnet101", "f1aeb4b969a6efcfb50fad2f0c20cfc5", "88cf7a10940856eca736dc7b7e228a21"),
    _keras("resnet152", "resnet/resnet152", "100835be76be38e30d865e96f2aaae62", "ee4c566cf9a93f14d82f913c2dc6dd0c"),
    _timm("resnet50.tv_in1k", 224, 0.875, "bilinear", license="bsd-3-clause", top1=76.13),
    _timm("resnet50.a1_in1k", 288, 1.0, "bicubic"),
    _timm("resnet50.a1h_in1k", 224, 1.0, "bicubic"),
    _timm("resnet50.a2_in1k", 288, 1.0, "bicubic"),
    _timm("resnet50.a3_in1k", 224, 0.95, "bicubic"),
    _timm("resnet50.am_in1k", 224, 0.875, "bicubic"),
    _timm("resnet50.b1k_in1k", 288, 1.0, "bicubic"),
    _timm("resnet50.b2k_in1k", 288, 1.0, "bicubic"),
    _timm("resnet50.bamboo", 224, 1.0, "bicubic", license=None, classes=0),
    _timm("resnet50.bt_in1k", 288, 0.95, "bicubic"),
    _timm("resnet50.c1_in1k", 288, 1.0, "bicubic"),
    _timm("resnet50.c2_in1k", 288, 1.0, "bicubic"),
    _timm("resnet50.d_in1k", 288, 1.0, "bicubic"),
    _timm("resnet50.fb_ssl_yfcc100m_ft_in1k", 224, 0.875, "bilinear", license="cc-by-nc-4.0"),
    _timm("resnet50.fb_swsl_ig1b_ft_in1k", 224, 0.875, "bilinear", license="cc-by-nc-4.0"),
    _timm("resnet50.gluon_in1k", 224, 0.875, "bicubic"),
    _timm("resnet50.ra_in1k", 288, 0.95, "bicubic"),
    _timm("resnet50.ram_in1k", 288, 0.95, "bicubic"),
    _timm("resnet50.tv2_in1k", 224, 0.965, "bilinear", license="bsd-3-clause"),
    _torchvision("resnet50_v1_5", "IMAGENET1K_V1", "resnet50-0676ba61.pth", 256, 76.13),
    _torchvision("resnet50_v1_5", "IMAGENET1K_V2", "resnet50-11ad3fa6.pth", 232, 80.858),
    _timm("resnet101.tv_in1k", 224, 0.875, "bilinear", license="bsd-3-clause", top1=77.374),
    _timm("resnet101.a1_in1k", 288, 1.0, "bicubic"),
    _timm("resnet101.a1h_in1k", 288, 1.0, "bicubic"),
    _timm("resnet101.a2_in1k", 288, 1.0, "bicubic"),
    _timm("resnet101.a3_in1k", 224, 0.95, "bicubic"),
    _timm("resnet101.gluon_in1k", 224, 0.875, "bicubic"),
    _timm("resnet101.tv2_in1k", 224, 0.965, "bilinear", license="bsd-3-clause"),
    _torchvision("resnet101_v1_5", "IMAGENET1K_V1", "resnet101-63fe2227.pth", 256, 77.374),
    _torchvision("resnet101_v1_5", "IMAGENET1K_V2", "resnet101-cd907fc2.pth", 232, 81.886),
    _timm("resnet152.tv_in1k", 224, 0.875, "bilinear", license="bsd-3-clause", top1=78.312),
    _timm("resnet152.a1_in1k", 288, 1.0, "bicubic"),
    _timm("resnet152.a1h_in1k", 288, 1.0, "bicubic"),
    _timm("resnet152.a2_in1k", 288, 1.0, "bicubic"),
    _timm("resnet152.a3_in1k", 224, 0.95, "bicubic"),
    _timm("resnet152.gluon_in1k", 224, 0.875, "bicubic"),
    _timm("resnet152.tv2_in1k", 224, 0.965, "bilinear", license="bsd-3-clause"),
    _torchvision("resnet152_v1_5", "IMAGENET1K_V1", "resnet152-394f9c45.pth", 256, 78.312),
    _torchvision("resnet152_v1_5", "IMAGENET1K_V2", "resnet152-f82ba261.pth", 232, 82.284),
    _timm("resnetv2_18.ra4_e3600_r224_in1k", 288, 1.0, "bicubic", INCEPTION),
    _timm("resnetv2_34.ra4_e3600_r224_in1k", 288, 1.0, "bicubic", INCEPTION),
    _timm("resnetv2_50.a1h_in1k", 288, 1.0, "bicubic", INCEPTION),
    _timm("resnetv2_101.a1h_in1k", 288, 1.0, "bicubic", INCEPTION),
    _torchvision("googlenet", "IMAGENET1K_V1", "googlenet-1378be20.pth", 256, 69.778, INCEPTION),
    _keras(
        "inception_v3",
        "inception_v3/inception_v3",
        "9a0d58056eeedaa3f26cb7ebd46da564",
        "bcbd6486424b2319ff4ef7d526e38f63",
        299,
        INCEPTION,
    ),
    _timm("inception_v4.tf_in1k", 299, 0.875, "bicubic", INCEPTION),
    _keras(
        "inception_resnet_v2_slim",
        "inception_resnet_v2/inception_resnet_v2",
        "e693bd0210a403b3192acc6073ad2e96",
        "d19885ff4a710c122648d3b5c3b684e4",
        299,
        INCEPTION,
    ),
    _timm("inception_resnet_v2.tf_ens_adv_in1k", 299, 0.8975, "bicubic", INCEPTION),
    _timm("inception_resnet_v2.tf_in1k", 299, 0.8975, "bicubic", INCEPTION),
    _keras("vgg16", "vgg16/vgg16", "64373286793e3c8b2b4e3219cbf3544b", "6d6bbae143d832006294945121d1f1fc"),
    _timm("vgg16.tv_in1k", 224, 0.875, "bilinear", license="bsd-3-clause"),
    _torchvision("vgg16", "IMAGENET1K_V1", "vgg16-397923af.pth", 256, 71.592),
    _torchvision("vgg16", "IMAGENET1K_FEATURES", "vgg16_features-amdegroot-88682ab5.pth", 256, None, SSD, classes=0),
    _keras("vgg19", "vgg19/vgg19", "cbe5617147190e668d6c5d5026f83318", "253f8cb515780f3b799900260a226db6"),
    _timm("vgg19.tv_in1k", 224, 0.875, "bilinear", license="bsd-3-clause"),
    _torchvision("vgg19", "IMAGENET1K_V1", "vgg19-dcbb9e9d.pth", 256, 72.376),
]


def rows_of(net: str) -> list[Published]:
    """Returns the rows of a net of the registry, of which the first is its "imagenet"; none if nothing is published."""
    return [row for row in FILES if row.net == net]


def published(net: str, weights: str) -> Published:
    """Returns the row of a net's published weights.

    Args:
        net: the net's name in the registry.
        weights: "imagenet" or "SOURCE:TAG".

    Raises:
        ArgumentError: (a ValueError) if there is none.
    """
    for row in rows_of(net):
        if weights in (IMAGENET, row.weights):
            return row
    nets = ", ".join(sorted({row.net for row in FILES if weights in (IMAGENET, row.weights)}))
    if weights == IMAGENET:
        raise ArgumentError(
            f'weights="{weights}" of {net}: keras.applications, torchvision and timm publish none for this net; they '
            f"do for {nets}."
        )
    if nets:
        raise ArgumentError(f'weights="{weights}" of {net} is unknown; it is of {nets}.')
    close = difflib.get_close_matches(weights, [row.weights for row in rows_of(net)])
    raise ArgumentError(
        f'weights="{weights}" of {net} is unknown: use {", ".join([*close, IMAGENET])} '
        f"(keras_resnets.list_weights({net!r}) has all)."
    )
