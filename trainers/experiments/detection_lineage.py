"""R-CNN, SPPnet, Fast R-CNN and Faster R-CNN on one data set, with one small backbone: what each step has gained."""

import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf
from sklearn import datasets

import keras_resnets
from keras_resnets import RCNN, FasterRCNN, FastRCNN
from trainers.data.proposals.methods import selective_search
from trainers.experiments.detection_timing import noise_inputs, split_seconds
from trainers.experiments.experiment import Experiment, Report, Table
from trainers.experiments.small_detectors import (
    FULL,
    HEAD,
    MOST_PROPOSALS,
    QUICK,
    STAGES,
    train_backbone,
    train_detector,
)
from trainers.plots.figures import stacked_bars
from trainers.runtime.measuring import in_turns

SECOND_TABLE = ((("zfnet", 256), ("vgg16", 512)), (300, 2000))  # nets with their proposal networks' filters, proposals
HEIGHT, WIDTH = 600, 1000  # px


@dataclasses.dataclass(frozen=True)
class Row:
    """A detector of the first table: its name there, its system, and whether its training alternates."""

    title: str
    system: str
    alternating: bool = False


ROWS = {
    "rcnn": Row("R-CNN", "rcnn"),
    "spp_net": Row("SPPnet", "spp_net"),
    "fast_rcnn": Row("Fast R-CNN", "fast_rcnn"),
    "faster_rcnn_alternating": Row("Faster R-CNN, four steps", "faster_rcnn", alternating=True),
    "faster_rcnn_joint": Row("Faster R-CNN, joint", "faster_rcnn"),
}


def members(setting):
    """Returns the members: see `trainers.experiments.experiment.Experiment`."""
    scale = QUICK if setting.quick else FULL
    found = {"backbone": functools.partial(train_backbone, scale)}
    found |= {name: functools.partial(_detector, setting, scale, row) for name, row in ROWS.items()}
    found |= {"shared_convolution": functools.partial(_shared_convolution, scale)}
    for (net, filters), counts in ((pair, SECOND_TABLE[1]) for pair in SECOND_TABLE[0]):
        for count in counts:
            found[f"{net}_{count}"] = functools.partial(_published_net, net, filters, count, scale)
    found["fast_rcnn_vgg16_2000"] = functools.partial(_with_selective_search, scale)
    return found | {"sampling": functools.partial(_sampling, scale)}


def _detector(setting, scale, row, folder):
    """Trains and measures a detector of the first table."""
    return train_detector(setting, scale, folder, system=row.system, alternating=row.alternating, **HEAD)[2]


def _shared_convolution(scale, folder):
    """Times R-CNN as in its paper, on squares of 227 pixels, and Fast R-CNN, on the same 2,000 proposals."""
    inputs, seconds = noise_inputs(256, 256, MOST_PROPOSALS), {}
    for name, build in (("rcnn", RCNN), ("fast_rcnn", FastRCNN)):
        net = keras_resnets.ResNet(**STAGES, include_top=False)
        seconds[name] = split_seconds(build(10, net, pool_size=7, **HEAD), [inputs], scale.repeats)
    return seconds


def _published_net(net, filters, count, scale, folder):
    """Times Faster R-CNN of one of the papers' nets on an image of 600x1000."""
    detector = FasterRCNN(20, net, rpn_filters=filters, test_post_nms_topk=count)
    return split_seconds(detector, [noise_inputs(HEIGHT, WIDTH)], scale.repeats)


def _with_selective_search(scale, folder):
    """Times Fast R-CNN of VGG-16 on 2,000 proposals, and selective search on a photograph of that size."""
    photo = tf.image.resize(datasets.load_sample_images().images[0], (HEIGHT, WIDTH))
    photo = tf.cast(photo, tf.uint8).numpy()
    search = {"search": lambda: selective_search(photo, MOST_PROPOSALS)}
    inputs = noise_inputs(HEIGHT, WIDTH, MOST_PROPOSALS)
    seconds = split_seconds(FastRCNN(20, "vgg16"), [inputs], scale.repeats)
    return {**seconds, "proposals": in_turns(search, scale.repeats)["search"]}


def _sampling(scale, folder):
    """Times a step of Fast R-CNN on 128 regions: 64 of each of 2 images, or 1 of each of 128."""
    steps = {}
    for images, regions in ((2, 64), (128, 1)):
        net = keras_resnets.ResNet(**STAGES, include_top=False)
        detector = FastRCNN(10, net, pool_size=7, roi_batch_size=regions, **HEAD)
        detector.compile(keras.optimizers.SGD(1e-3))
        one = noise_inputs(256, 256, MOST_PROPOSALS)
        inputs = {name: tf.constant(np.repeat(value, images, axis=0)) for name, value in one.items()}
        targets = {"boxes": tf.constant([[[20.0, 20, 80, 80]]] * images), "classes": tf.constant([[0]] * images)}
        step = tf.function(detector.train_step)
        step((inputs, targets))
        steps[f"{images}x{regions}"] = functools.partial(step, (inputs, targets))
    return in_turns(steps, scale.repeats)


def report(figures):
    """Returns the `Report` of the members' figures."""
    detectors = {name: figures[name] for name in ROWS}
    tables = [_detectors_table(detectors), _nets_table(figures), _shared_table(figures), _sampling_table(figures)]
    return Report(tables, _verdict(figures), lambda folder: [_draw(detectors, folder)])


PARTS = ("proposals", "convolution", "regions")


def _test_seconds(figures):
    """Returns the seconds of each of `PARTS` for an image, those of selective search where it was used."""
    seconds = dict(figures["test_seconds"])
    seconds["proposals"] += figures.get("proposal_seconds", 0.0)
    return seconds


def _detectors_table(detectors):
    rows = []
    for name, figures in detectors.items():
        seconds = _test_seconds(figures)
        stages = figures["stages"] or {"training": figures["seconds"]}
        disk = figures["bytes"] + figures.get("proposal_bytes", 0)
        rows.append(
            [
                ROWS[name].title,
                f"{figures['map_50']:.1%}",
                ", ".join(f"{stage} {stage_seconds:.0f} s" for stage, stage_seconds in stages.items()),
                f"{figures['seconds']:.0f}",
                f"{disk / 1e6:.0f}",
                f"{figures['proposals']:.0f}",
                *(_milliseconds(seconds[part]) for part in PARTS),
                _milliseconds(sum(seconds.values())),
            ]
        )
    headings = ("detector", "mAP@.5", "stages", "training s", "disk MB", "regions of an image")
    return Table("One backbone, one data set (test times in ms an image)", (*headings, *PARTS, "total"), rows)


def _nets_table(figures):
    rows = [["VGG-16", "Fast R-CNN, selective search", "2000", *_columns(figures["fast_rcnn_vgg16_2000"])]]
    for net, title in (("vgg16", "VGG-16"), ("zfnet", "ZF")):
        for count in SECOND_TABLE[1]:
            rows.append([title, "Faster R-CNN", str(count), *_columns(figures[f"{net}_{count}"])])
    title = f"The papers' nets on an image of {HEIGHT}x{WIDTH}, untrained (ms; arXiv 1506.01497, table 5)"
    return Table(title, ("net", "system", "regions of an image", *PARTS, "total"), rows)


def _shared_table(figures):
    rows = [
        [title, *_columns(figures["shared_convolution"][name])]
        for name, title in (("rcnn", "R-CNN, warped to 227x227"), ("fast_rcnn", "Fast R-CNN"))
    ]
    return Table("2,000 given proposals, the small backbone, 256x256 (ms)", ("system", *PARTS, "total"), rows)


def _sampling_table(figures):
    rows = [[name, _milliseconds(seconds)] for name, seconds in figures["sampling"].items()]
    return Table("Sampling: images x regions of a step (ms)", ("sample", "step"), rows)


def _columns(seconds):
    return [*(_milliseconds(seconds[part]) for part in PARTS), _milliseconds(sum(seconds.values()))]


def _milliseconds(seconds):
    return f"{1000 * seconds:.0f}" if seconds >= 0.01 else f"{1000 * seconds:.1f}"


def _verdict(figures):
    shared = figures["shared_convolution"]
    convolution = shared["rcnn"]["convolution"] / shared["fast_rcnn"]["convolution"]
    total = sum(shared["rcnn"].values()) / sum(shared["fast_rcnn"].values())
    search = figures["fast_rcnn"]["proposal_seconds"]
    joint = figures["faster_rcnn_joint"]
    network = joint["test_seconds"]["proposals"]
    staged, single = figures["rcnn"]["seconds"], figures["fast_rcnn"]["seconds"]
    sampling = figures["sampling"]
    return [
        f"At 2,000 proposals, shared convolution is {convolution:.0f} times as fast as R-CNN's, and all of an image "
        f"{total:.1f} times.",
        f"The proposals of Faster R-CNN take {_milliseconds(network)} ms an image, those of selective search "
        f"{_milliseconds(search)} ms ({search / max(network, 1e-6):.0f} times as long).",
        f"One stage of training (Fast R-CNN) took {single:.0f} s and reached an mAP of "
        f"{figures['fast_rcnn']['map_50']:.1%}; R-CNN's stages took {staged:.0f} s and reached "
        f"{figures['rcnn']['map_50']:.1%}.",
        f"Joint training of Faster R-CNN took {joint['seconds']:.0f} s ({joint['map_50']:.1%}), four steps "
        f"{figures['faster_rcnn_alternating']['seconds']:.0f} s "
        f"({figures['faster_rcnn_alternating']['map_50']:.1%}).",
        f"A step on 64 regions of each of 2 images is {sampling['128x1'] / sampling['2x64']:.0f} times as fast as one "
        "on 1 of each of 128.",
    ]


def _draw(detectors, folder):
    path = folder / "detection_lineage.png"
    labels = [f"{ROWS[name].title}\nmAP@.5 {figures['map_50']:.1%}" for name, figures in detectors.items()]
    seconds = [_test_seconds(figures) for figures in detectors.values()]
    bars = {part: [1000 * one[part] for one in seconds] for part in PARTS}
    stacked_bars(labels, bars, "ms for a test image", "From R-CNN to Faster R-CNN", path)
    return path


EXPERIMENT = Experiment(
    title="The detection lineage",
    source="R-CNN (arXiv 1311.2524), SPPnet (1406.4729), Fast R-CNN (1504.08083), Faster R-CNN (1506.01497)",
    found="R-CNN with VGG-16 takes 47 s for an image, Fast R-CNN 0.32 s without selective search, and Faster R-CNN "
    "0.2 s with its proposals; the mean average precision on VOC 2007 rises from 66.0 to 66.9 and 69.9 %.",
    datasets=("digit_scenes",),
    members=members,
    report=report,
)
