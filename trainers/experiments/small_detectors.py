"""Detectors with one small backbone on `digit_scenes`: what the experiments on detection share."""

import dataclasses
import functools
import pathlib

import numpy as np

from keras_resnets.detection.region_detector import RegionDetector
from trainers.data.classification_dataset import IMAGENET_MEAN, IMAGENET_STD
from trainers.data.detection_dataset import DetectionDataset
from trainers.data.proposals.cache import ProposalCache, split_proposals
from trainers.data.proposals.with_proposals import propose_by
from trainers.data.registry import open_dataset, open_detection_dataset
from trainers.data.split import sample
from trainers.engine.checkpoints import trained_model
from trainers.engine.run_folder import RunFolder
from trainers.engine.train import train
from trainers.experiments.detection_timing import split_seconds
from trainers.experiments.experiment import Setting, run_member
from trainers.runtime.measuring import folder_bytes
from trainers.tasks import classification
from trainers.tasks.classification import Classification
from trainers.tasks.configuration import Choices
from trainers.tasks.detection import Detection, configure
from trainers.tasks.detection_config import BoxChoices

STAGES = {"block_counts": (1, 1, 1), "filters": (32, 64, 128)}
# Two fully connected layers, for detectors that must have the same head.
HEAD = {"head": "mlp", "head_units": 256}
METHOD, MOST_PROPOSALS = "selective_search", 2000
WEIGHTS = "backbone.weights.h5"


@dataclasses.dataclass(frozen=True)
class Scale:
    """The size of an experiment on detection: a value of --scale.

    Attributes:
        train: number of training images.
        test: number of test images.
        backbone_steps: training steps of the backbone.
        steps: training steps of a detector.
        timed_images: number of test images whose inference is timed.
        repeats: measurements of everything else that is timed.
    """

    train: int
    test: int
    backbone_steps: int
    steps: int
    timed_images: int
    repeats: int


QUICK = Scale(train=400, test=100, backbone_steps=200, steps=300, timed_images=10, repeats=3)
FULL = Scale(train=1000, test=200, backbone_steps=3000, steps=3000, timed_images=50, repeats=5)


def scale_of(setting: Setting) -> Scale:
    """Returns the `Scale` of a setting."""
    return QUICK if setting.quick else FULL


def train_backbone(scale: Scale, folder: pathlib.Path) -> dict:
    """Pretrains the backbone as a classifier of digits, in place of ImageNet.

    Args:
        scale: a `Scale`.
        folder: folder of the member `backbone`; the weights are written to `WEIGHTS` in it.

    Returns:
        The member's figures: `seconds` and `top1_error`.
    """
    # Detectors normalize by ImageNet's statistics.
    dataset = dataclasses.replace(open_dataset("one_digit_scenes"), mean=IMAGENET_MEAN, std=IMAGENET_STD)
    steps = {"steps": scale.backbone_steps, "batch_size": 32}
    config = classification.configure(Choices("one_digit_scenes", dataset, "digits", steps), "resnet", arguments=STAGES)
    task, run = Classification(config, dataset), RunFolder(folder / "run")
    results = train(task, run, jit_compile="auto")
    model = trained_model(task, run)
    model.save_weights(folder / WEIGHTS)
    return {"seconds": results["seconds"], "top1_error": results["top1_error"]}


def open_scenes(setting: Setting, scale: Scale) -> DetectionDataset:
    """Returns the part of the experiment's data set that the scale uses."""
    whole = open_detection_dataset(setting.dataset, setting.data_dir, setting.download)
    return dataclasses.replace(whole, train=sample(whole.train, scale.train), test=sample(whole.test, scale.test))


def train_detector(
    setting: Setting,
    scale: Scale,
    folder: pathlib.Path,
    *,
    system: str = "faster_rcnn",
    alternating: bool = False,
    seed: int = 0,
    **options,
) -> tuple[Detection, RegionDetector, dict]:
    """Trains a detector that starts from the experiment's backbone, and measures it.

    Args:
        setting: a `Setting`; its member `backbone` is trained first if it is incomplete.
        scale: a `Scale`.
        folder: the member's folder; the training run is its subfolder `run`.
        system, alternating: see `trainers.tasks.detection.configure`.
        seed: seed of the initial weights and of the order of the images.
        **options: options of the detector.

    Returns:
        The task, the trained detector, and the member's figures: `step`, `seconds`, `stages`, `map_50` and `map` of the
        training's results; `bytes`, the size of the run's files; `proposals`, their mean number on a test image;
        `test_seconds`, see `split_seconds`; and, if proposals are inputs, `proposal_seconds` per image and
        `proposal_bytes` of all images.
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
    results = train(task, run)
    model = trained_model(task, run)
    return task, model, figures | _measured(task, model, run, results, scale)


def _search(proposals, dataset):
    """Finds the proposals of all images; returns the mean seconds per image, and the bytes of all on disk."""
    cache = ProposalCache(proposals["folder"], proposals["method"], proposals["limit"])
    seconds = [split_proposals(cache, split, METHOD)[1] for split in (dataset.train, dataset.test)]
    return float(np.concatenate(seconds).mean()), folder_bytes(proposals["folder"])


def _measured(task, model, run, results, scale):
    """Returns the figures that do not depend on whether proposals are inputs."""
    batches = task.evaluation_batches().unbatch().batch(1).take(scale.timed_images)
    images = [task.inputs(batch) for batch in batches]
    given = [one["proposals"] if "proposals" in one else model.propose(one)[1] for one in images]
    names = ("step", "seconds", "stages", "map_50", "map")
    return {
        **{name: results.get(name) for name in names},
        "bytes": folder_bytes(run.path),
        "proposals": float(np.mean([np.sum(np.any(boxes > 0, axis=-1)) for boxes in given])),
        "test_seconds": split_seconds(model, images, 1),
    }
