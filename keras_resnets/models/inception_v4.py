"""Inception-v4 (Szegedy et al., 2016; arXiv 1602.07261, figure 9).

42,679,816 parameters, 12.25e9 multiply-adds at 299x299; top-1 / top-5 error of the paper, one crop: 20.0 / 5.0.
"""

from keras_resnets.models.auxiliary_head import auxiliary_classifier
from keras_resnets.models.builder import check_dropout, image_model
from keras_resnets.models.inception import Inception, pooled_with_dropout
from keras_resnets.weights.published import resolve

STEM = ["3x3,32/2 V", "3x3,32 V", "3x3,64"]
STEM_73X73 = [["max/2 V"], ["3x3,96/2 V"]]
STEM_71X71 = [["1x1,64", "3x3,96 V"], ["1x1,64", "1x7,64", "7x1,64", "3x3,96 V"]]
STEM_35X35 = [["3x3,192/2 V"], ["max/2 V"]]
A = [
    ["1x1,96"],
    ["1x1,64", "3x3,96"],
    ["1x1,64", "3x3,96", "3x3,96"],
    ["avg", "1x1,96"],
]
B = [
    ["1x1,384"],
    ["1x1,192", "1x7,224", "7x1,256"],
    ["1x1,192", "7x1,192", "1x7,224", "7x1,224", "1x7,256"],
    ["avg", "1x1,128"],
]
REDUCTION_B = [
    ["1x1,192", "3x3,192/2 V"],
    ["1x1,256", "1x7,256", "7x1,320", "3x3,320/2 V"],
    ["max/2 V"],
]
C = [
    ["1x1,256"],
    ["1x1,384", ("1x3,256", "3x1,256")],
    ["1x1,384", "3x1,448", "1x3,512", ("1x3,256", "3x1,256")],
    ["avg", "1x1,256"],
]


def reduction_a(k, l, m, n):  # noqa: E741, the letters of the table
    """Figure 7 with the numbers of table 1, from 35x35 to 17x17: also of the Inception-ResNets."""
    return [[f"3x3,{n}/2 V"], [f"1x1,{k}", f"3x3,{l}", f"3x3,{m}/2 V"], ["max/2 V"]]


def stem(net, x):
    """Figure 3, from 299x299 to 71x71x192, also of Inception-ResNet-v2; the next block begins with `STEM_35X35`."""
    x = net.stem(x, STEM, "conv1")
    return net.stage(x, [STEM_73X73, STEM_71X71], "conv2")


def InceptionV4(
    include_top=True,
    weights=None,
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="inception_v4",
    *,
    dropout_rate=0.2,
    auxiliary_head=False,
    width=1.0,
):
    """Inception-v4: the stem, 4 A, reduction A, 7 B, reduction B, 3 C.

    The layers `conv1_out` ... `conv5_out` are the last maps of each size: at 299x299, 147x147x64, 71x71x192,
    35x35x384, 17x17x1024 and 8x8x1536. Batch normalization has gammas, as in timm.

    Where drawings and code differ in the order of convolutions, it is as in TF-slim and timm, whose weights fit: 1x7
    before 7x1 in the stem (figure 3 has 7x1 first), 7x1, 1x7, 7x1, 1x7 in the longest branch of B (figure 5 has 1x7
    first), and 3x1 before 1x3 in that of C (figure 6 has 1x3 first). The other order has the same parameters.

    Args:
        include_top ... name: as in `keras_resnets.ResNet`; 299x299x3 by default, and at least 75x75.
        dropout_rate: share of the pooled features that is dropped in training; the paper keeps 0.8.
        auxiliary_head: whether to add TF-slim's second classifier on `conv4_out`; the model then has two outputs.
        width: factor of all filters, which are rounded to the nearest integer, 1 at least; published weights are for 1.

    Returns:
        A `keras.Model` with output (B, classes), or as `pooling` says.

    Raises:
        ArgumentError: (a ValueError) for an argument that cannot work.
    """
    check_dropout(dropout_rate, include_top, default=0.2)
    net = Inception(width=width)

    def trunk(x):
        x = stem(net, x)
        x = net.stage(x, [STEM_35X35, A, A, A, A], "conv3")
        x = net.stage(x, [reduction_a(192, 224, 256, 384), *7 * [B]], "conv4")
        return net.stage(x, [REDUCTION_B, C, C, C], "conv5")

    return image_model(
        trunk,
        include_top=include_top,
        weights=resolve(weights, "inception_v4", include_top, classes, width),
        input_tensor=input_tensor,
        input_shape=input_shape,
        pooling=pooling,
        classes=classes,
        classifier_activation=classifier_activation,
        name=name,
        default_size=299,
        minimum_size=75,
        head=pooled_with_dropout(dropout_rate),
        extend=auxiliary_classifier(net, include_top, classes, classifier_activation) if auxiliary_head else None,
    )
