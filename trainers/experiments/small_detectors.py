"""Detectors of one small backbone on `digit_scenes`: what the experiments on detection have in common."""

import dataclasses
import functools
import pathlib

import numpy as np

from trainers.data.classification_dataset import IMAGENET_MEAN, IMAGENET_STD
from trainers.data.proposals.cache import ProposalCache, split_proposals
from trainers.data.proposals.with_proposals import propose_by
from trainers.data.registry import open_dataset, open_detection_dataset
from trainers.data.split import sample
from trainers.engine import train as engine_train
from trainers.engine.checkpoints import trained_model
from trainers.engine.run_folder import RunFolder
from trainers.experiments.detection_timing import split_seconds
from trainers.experiments.experiment import run_member
from trainers.tasks import classification
from trainers.tasks.classification import Classification
from trainers.tasks.configuration import Choices
from trainers.tasks.detection import Detection, configure
from trainers.tasks.detection_config import BoxChoices
from trainers.tasks.registry import procedure

STAGES = {"block_counts": (1, 1, 1), "filters": (32, 64, 128)}
# The same network of regions for all: fc6 and fc7.
HEAD = {"head": "mlp", "head_units": 256}
METHOD, MOST_PROPOSALS = "selective_search", 2000
WEIGHTS = "backbone.weights.h5"


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much of everything: of images, of steps of training, and of repetitions of what is timed."""

    train: int
    test: int
    backbone_steps: int
    steps: int
    timed_images: int
    repeats: int


QUICK = Scale(train=400, test=100, backbone_steps=200, steps=300, timed_images=10, repeats=3)
FULL = Scale(train=1000, test=200, backbone_steps=3000, steps=3000, timed_images=50, repeats=5)


def train_backbone(scale, folder):
    """Trains the backbone to tell digits, as the papers' were trained on ImageNet."""
    # Detectors normalize by ImageNet's statistics.
    dataset = dataclasses.replace(open_dataset("one_digit_scenes"), mean=IMAGENET_MEAN, std=IMAGENET_STD)
    steps = {"steps": scale.backbone_steps, "batch_size": 32}
    config = classification.configure(Choices("one_digit_scenes", dataset, "digits", steps), "resnet", arguments=STAGES)
    task, run = Classification(config, dataset), RunFolder(folder / "run")
    results = engine_train.train(task, run, jit_compile="auto")
    model = trained_model(task, run)
    model.save_weights(folder / WEIGHTS)
    return {"seconds": results["seconds"], "top1_error": results["top1_error"]}


def open_scenes(setting, scale):
    """Returns the data set of an experiment, as much of it as the scale says."""
    whole = open_detection_dataset(setting.dataset, setting.data_dir, setting.download)
    return dataclasses.replace(whole, train=sample(whole.train, scale.train), test=sample(whole.test, scale.test))


def train_detector(setting, scale, folder, *, system="faster_rcnn", alternating=False, seed=0, **options):
    """Trains a detector, which starts from the experiment's backbone, and measures it.

    Args:
        setting: a `Setting`, whose member `backbone` is trained first, where that was not done.
        scale: a `Scale`.
        folder: of the member.
        system, alternating: see `trainers.tasks.detection.configure`.
        seed: of the initial weights and the order of the images.
        **options: of the detector.

    Returns:
        The task, its detector, and the figures of the member: `step`, `seconds`, `stages`, `map_50` and `map` of the
        training's results; `bytes` of its files; `proposals`, how many a test image has; `test_seconds`, see
        `trainers.experiments.detection_timing`; and, where proposals are given, `proposal_seconds` and `proposal_bytes`
        of an image and of all.
    """
    backbone = setting.folder / "backbone"
    run_member(backbone, functools.partial(train_backbone, scale))
    dataset, figures, proposals = open_scenes(setting, scale), {}, None
    if system != "faster_rcnn":
        proposals = {"folder": str(setting.folder / "proposals"), "method": METHOD, "limit": MOST_PROPOSALS}
        figures["proposal_seconds"], figures["proposal_bytes"] = _search(proposals, dataset)
        dataset = propose_by(dataset, **proposals)
    choices = BoxChoices(
        setting.dataset,
        dataset,
        "digit_scenes",
        {"steps": scale.steps},
        init_weights=str(backbone / WEIGHTS),
        seed=seed,
        backbone="resnet",
        options=options,
        **STAGES,
    )
    config = configure(choices, system=system, proposals=proposals, alternating=alternating)
    task, run = Detection(config, dataset), RunFolder(folder / "run")
    results = procedure(config)(task, run)
    model = trained_model(task, run)
    return task, model, figures | _measured(task, model, run, results, scale)


def _search(proposals, dataset):
    """Finds the proposals of all images; returns the mean of the seconds that one took, and the bytes on disk."""
    cache = ProposalCache(proposals["folder"], proposals["method"], proposals["limit"])
    seconds = [split_proposals(cache, split, METHOD)[1] for split in (dataset.train, dataset.test)]
    return float(np.concatenate(seconds).mean()), _bytes(proposals["folder"])


def _measured(task, model, run, results, scale):
    batches = task.evaluation_batches().unbatch().batch(1).take(scale.timed_images)
    images = [task.inputs(batch) for batch in batches]
    given = [one["proposals"] if "proposals" in one else model.propose(one)[1] for one in images]
    names = ("step", "seconds", "stages", "map_50", "map")
    return {
        **{name: results.get(name) for name in names},
        "bytes": _bytes(run.path),
        "proposals": float(np.mean([np.sum(np.any(boxes > 0, axis=-1)) for boxes in given])),
        "test_seconds": split_seconds(model, images, 1),
    }


def _bytes(folder):
    return sum(file.stat().st_size for file in pathlib.Path(folder).rglob("*") if file.is_file())
