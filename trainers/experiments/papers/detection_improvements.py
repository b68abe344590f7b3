"""Box refinement, global context, multi-scale testing and ensembles (ResNet, arXiv 1512.03385, appendix B)."""

import functools

import keras
import tensorflow as tf

from keras_resnets import Ensemble
from trainers.engine.predictor import predictor
from trainers.engine.run_folder import RunFolder
from trainers.experiments.experiment import Experiment, Report, Table, run_member
from trainers.experiments.small_detectors import open_scenes, scale_of, train_backbone, train_detector
from trainers.plots.figures import stacked_bars
from trainers.tasks.detection import Detection
from trainers.tasks.registry import restored

FIGURES = ("map_50", "map", "coco_map_75")
# Detectors that are trained, by their options.
TRAINED = {
    "baseline": {},
    "other_seed": {"seed": 1},
    "context": {"global_context": True},
}
# Detectors of `TRAINED`, with options that change only their inference.
TESTED = {
    "baseline": ("baseline", {}),
    "box voting": ("baseline", {"voting_iou": 0.5}),
    "box refinement": ("baseline", {"box_refinement": True}),
    "box refinement and voting": ("baseline", {"box_refinement": True, "voting_iou": 0.5}),
    "global context": ("context", {}),
    "multi-scale": ("baseline", {"scales": (0.75, 1.0, 1.5)}),
    "all of these": ("context", {"box_refinement": True, "voting_iou": 0.5, "scales": (0.75, 1.0, 1.5)}),
}
# Detectors whose proposals are united, and detectors whose scores are averaged.
ENSEMBLES = {
    "the other seed": (("other_seed",), ("other_seed",)),
    "two nets' proposals": (("baseline", "other_seed"), ("baseline",)),
    "two nets' scores": (("baseline",), ("baseline", "other_seed")),
    "two nets' proposals and scores": (("baseline", "other_seed"), ("baseline", "other_seed")),
}


def members(setting):
    """Returns the members: see `trainers.experiments.experiment.Experiment`."""
    scale = scale_of(setting)
    return {
        "backbone": functools.partial(train_backbone, scale),
        **{name: functools.partial(_train, setting, scale, options) for name, options in TRAINED.items()},
        "tests": functools.partial(_test, setting, scale),
    }


def _train(setting, scale, options, folder):
    return train_detector(setting, scale, folder, **options)[2]


def _test(setting, scale, folder):
    """Measures all rows of `TESTED` and `ENSEMBLES`."""
    for name, options in TRAINED.items():  # Another shard may still be training them.
        run_member(setting.folder / name, functools.partial(_train, setting, scale, options))
    dataset = open_scenes(setting, scale)
    figures = {}
    for name, (trained, options) in TESTED.items():
        figures[name] = _measured(*_restored(setting, dataset, trained, options))
    for name, groups in ENSEMBLES.items():
        restored = {member: _restored(setting, dataset, member, {}) for member in dict.fromkeys(sum(groups, ()))}
        task = next(iter(restored.values()))[0]
        proposers, classifiers = ([restored[member][1] for member in group] for group in groups)
        figures[name] = _measured(task, Ensemble(proposers, classifiers))
        keras.backend.clear_session()
    return figures


def _restored(setting, dataset, name, options):
    """Returns the task and the detector of a trained member, with some options changed."""
    run = RunFolder(setting.folder / name / "run")
    member = restored(run, dataset, config=Detection.with_options(run.config(), options))
    return member.task, member.model


def _measured(task, model):
    metrics = task.metrics(predictor(task, model, tf.distribute.get_strategy())())
    return {name: metrics[name] for name in FIGURES}


def report(figures):
    """Returns the `Report` of the members' figures."""
    tests = figures["tests"]
    rows = [[name, *(f"{one[figure]:.1%}" for figure in FIGURES)] for name, one in tests.items()]
    table = Table("Faster R-CNN with ResNet's conv5 as its head", ("test", "mAP@.5", "mAP@[.5,.95]", "mAP@.75"), rows)
    return Report([table], [_verdict(tests)], lambda folder: [_draw(tests, folder)])


def _verdict(tests):
    base = tests["baseline"]["map"]
    changes = [f"{name} {100 * (one['map'] - base):+.1f}" for name, one in tests.items() if name != "baseline"]
    return f"Compared with the baseline, mAP@[.5,.95] changes by (points): {', '.join(changes)}."


def _draw(tests, folder):
    path = folder / "detection_improvements.png"
    bars = {"mAP@[.5,.95]": [100 * one["map"] for one in tests.values()]}
    stacked_bars(list(tests), bars, "%", "Improvements of Faster R-CNN", path)
    return path


EXPERIMENT = Experiment(
    title="Improvements of Faster R-CNN",
    source="ResNet (arXiv 1512.03385), appendix B, table 9",
    found="box refinement adds 2 to 3 points of mAP@[.5,.95] on COCO, global context 1 of mAP@.5, multi-scale testing "
    "2.5, and an ensemble of three nets 2.5.",
    datasets=("digit_scenes",),
    members=members,
    report=report,
)
