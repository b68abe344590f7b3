"""Heads of regions, which follow the pooling of a region's features (NoC, arXiv 1504.06066)."""

import functools

from trainers.experiments.experiment import Experiment, Report, Table
from trainers.experiments.small_detectors import scale_of, train_backbone, train_detector
from trainers.plots.figures import stacked_bars
from trainers.runtime.measuring import parameters

UNITS = 256  # instead of the paper's 4,096
HEADS = {
    "2fc": {"head": "mlp", "head_layers": 2},
    "3fc": {"head": "mlp", "head_layers": 3},
    "4fc": {"head": "mlp", "head_layers": 4},
    "1conv3fc": {"head": "conv", "head_convolutions": 1},
    "2conv3fc": {"head": "conv", "head_convolutions": 2},
    "3conv3fc": {"head": "conv", "head_convolutions": 3},
    "maxout2conv3fc": {"head": "maxout", "head_convolutions": 2, "scales": (1.0, 1.5)},
    "conv5": {},
}


def members(setting):
    """Returns the members: see `trainers.experiments.experiment.Experiment`."""
    scale = scale_of(setting)
    heads = {name: functools.partial(_head, setting, scale, options) for name, options in HEADS.items()}
    return {"backbone": functools.partial(train_backbone, scale), **heads}


def _head(setting, scale, options, folder):
    units = {"head_units": UNITS} if options else {}
    _, model, figures = train_detector(setting, scale, folder, system="fast_rcnn", **options, **units)
    return {**figures, "parameters": parameters(model.region_network) + parameters(model.head)}


def report(figures):
    """Returns the `Report` of the members' figures."""
    heads = {name: figures[name] for name in HEADS}
    rows = [
        [
            name,
            f"{one['parameters']:,}",
            f"{one['map_50']:.1%}",
            f"{one['map']:.1%}",
            f"{1000 * one['test_seconds']['regions']:.0f}",
            f"{one['seconds']:.0f}",
        ]
        for name, one in heads.items()
    ]
    columns = ("head", "parameters", "mAP@.5", "mAP@[.5,.95]", "ms per image for regions", "training s")
    table = Table("Fast R-CNN with selective search and one backbone", columns, rows)
    return Report([table], [_verdict(heads)], lambda folder: [_draw(heads, folder)])


def _verdict(heads):
    best = max(heads, key=lambda name: heads[name]["map_50"])
    convolutions = heads["2conv3fc"]["map_50"] - heads["3fc"]["map_50"]
    merged = heads["maxout2conv3fc"]["map_50"] - heads["2conv3fc"]["map_50"]
    return (
        f"The best head here is {best} ({heads[best]['map_50']:.1%}); two convolutions before three fully connected "
        f"layers change the mAP by {100 * convolutions:+.1f} points, and a second scale by {100 * merged:+.1f}."
    )


def _draw(heads, folder):
    path = folder / "noc_heads.png"
    bars = {"mAP@.5": [100 * one["map_50"] for one in heads.values()]}
    stacked_bars(list(heads), bars, "%", "Heads of regions", path)
    return path


EXPERIMENT = Experiment(
    title="Heads of regions",
    source="NoC (arXiv 1504.06066)",
    found="deeper heads and convolutions help where there are enough images (2conv3fc: 58.9 % on VOC 2007 with ZF), "
    "and maxout over two scales adds about 1.8 points.",
    datasets=("digit_scenes",),
    members=members,
    report=report,
)
