"""Evaluation of a run on a test split."""

import pathlib

import tensorflow as tf

from keras_resnets import ArgumentError
from keras_resnets.detection.options import make_options
from trainers.data.registry import absolute
from trainers.engine.checkpoints import restore_model
from trainers.engine.loop import predictor
from trainers.engine.run_folder import RunFolder
from trainers.evaluation.ensembles import Member, answer
from trainers.evaluation.protocols import PROTOCOLS
from trainers.tasks.classification import Classification
from trainers.tasks.detection import SYSTEMS, Detection
from trainers.tasks.localization import Localization
from trainers.tasks.registry import TASKS

# Options of a detector that change nothing that was trained.
TEST_OPTIONS = (
    "box_refinement",
    "canonical_size",
    "nms_threshold",
    "max_detections",
    "scales",
    "scales_per_region",
    "score_threshold",
    "test_post_nms_topk",
    "test_pre_nms_topk",
    "voting_iou",
)


DEFAULT_PROTOCOL = "single_crop"


def evaluate(
    run,
    dataset_name=None,
    data_dir=None,
    download=False,
    best=False,
    *,
    options=None,
    ensemble=(),
    classifier_dir=None,
    protocol=None,
    crop_size=None,
    short_side=None,
    search=False,
):
    """Evaluates the last checkpoint of a run on each test image, by default as training did.

    Writes `evaluation.json`, and what belongs to it, into the run's folder: of classes, 50 at most,
    `confusion_matrix.png`; of detections, `per_class.csv` and `precision_recall.png`.

    Args:
        run: a `RunFolder`.
        dataset_name: a value of --dataset with the run's classes; by default the run's own.
        data_dir: see `open_dataset`; by default the run's own.
        download: see `open_dataset`.
        best: whether to evaluate the best checkpoint instead.
        options: of a detector, a dict of `TEST_OPTIONS` that are others than in its training.
        ensemble: paths of other runs with the same classes. Detectors find and classify regions together; of
            classification nets, the probabilities are averaged, and a path may be followed by ":" and the protocol of
            this member.
        classifier_dir: of a localization: the run of `trainers.classification` whose likeliest classes are guessed, in
            addition to the evaluation with the true ones.
        protocol: of a classification: a name of `PROTOCOLS`, for all members without their own; by
            default "single_crop".
        crop_size, short_side: of a classification: see `Member`; for the run, not for others.
        search: of a classification: whether to take only those members that `greedy_search` finds.

    Returns:
        The task and the content of evaluation.json: `model`, `dataset`, `step`, `images`, what of `options`, `ensemble`
        and `classifier_dir` is given, and the task's metrics; of a classification `protocol`, what is given of
        `crop_size` and `short_side`, and the figures of `trainers.evaluation.ensembles.answer`.

    Raises:
        ArgumentError: if there is no checkpoint, the classes differ, or something has no use.
    """
    config = run.config()
    dataset_name = absolute(dataset_name or config["dataset"])
    kind = TASKS[config["task"]]
    views = {"protocol": protocol, "crop_size": crop_size, "short_side": short_side, "search": search}
    views = {name: value for name, value in views.items() if value}
    _check_uses(kind, options, ensemble, classifier_dir, views)
    if options:
        make_options({**config["options"], **options}, SYSTEMS[config["system"]].model.OPTIONS)
    joined = joined_runs(run, ensemble, dataset_name)
    dataset = kind.open_dataset(config, dataset_name, data_dir or config["data_dir"], download)
    _check_labels(f"--dataset={dataset_name}", dataset.labels, run)
    config = {**config, "dataset": dataset_name}
    task, model, step = _restored(kind, run, config, dataset, options, best)
    if classifier_dir is not None:
        task.use_classifier(RunFolder(classifier_dir))
    others = [
        (other, its_protocol, *_restored(kind, other, other.config(), dataset, options, best))
        for other, its_protocol in joined
    ]
    if kind is Classification:
        views["protocol"] = protocol = protocol or DEFAULT_PROTOCOL
        members = [Member(run.path, task, model, step, protocol, crop_size, short_side)]
        for other, its_protocol, *rest in others:
            members.append(Member(other.path, *rest, its_protocol or protocol))
        predictions, metrics = answer(members, dataset, search)
    else:
        model = task.ensemble([model, *(other_model for _, _, _, other_model, _ in others)]) if others else model
        predictions = predictor(task, model, tf.distribute.get_strategy())()
        metrics = task.metrics(predictions)
    given = {"options": options, "ensemble": [str(text) for text in ensemble], **views}
    given = {name: value for name, value in given.items() if value}
    if classifier_dir is not None:
        given["classifier_dir"] = str(classifier_dir)
    results = {"model": task.name, "dataset": dataset_name, "step": step, "images": dataset.test.size, **given}
    results |= metrics
    run.write_evaluation(results)
    task.report(predictions, metrics, run)
    return task, results


def joined_runs(run, ensemble, dataset_name):
    """Returns the other members of an ensemble: a list of their `RunFolder`s and protocols, or None for the run's own.

    Args:
        run: the `RunFolder` that they join.
        ensemble, dataset_name: see `evaluate`.

    Raises:
        ArgumentError: for one that does not go with the run, or was trained on its test images.
    """
    joined = [_run_and_protocol(text) for text in ensemble]
    for text, (other, protocol) in zip(ensemble, joined):
        _check_member(text, protocol, other.config(), run, dataset_name)
    return joined


def _run_and_protocol(text):
    """Returns the `RunFolder` and the protocol, or None, of "DIR" or "DIR:PROTOCOL"."""
    path, separator, protocol = text.rpartition(":")
    if not separator or pathlib.Path(text).is_dir():
        path, protocol = text, None
    elif protocol not in PROTOCOLS:
        raise ArgumentError(f"--ensemble={text}: protocol {protocol!r} is unknown: use {', '.join(PROTOCOLS)}.")
    if not path or not RunFolder(path).exists():
        raise ArgumentError(f"--ensemble={text} is no run: give folders of runs, DIR or DIR:PROTOCOL, with commas.")
    return RunFolder(path), protocol


def _restored(kind, run, config, dataset, options, best):
    """Returns a run's task, its model with other options, and the step of its checkpoint."""
    if options:
        config = {**config, "options": {**config["options"], **options}}
    task = kind(config, dataset)
    model = task.build_model()
    return task, model, restore_model(model, run, best)


def _check_uses(kind, options, ensemble, classifier_dir, views):
    """Raises ArgumentError for what a task has no use for."""
    for task, given in (("detection", options or {}), ("classification", views)):
        for name, value in given.items():
            if kind is not TASKS[task]:
                raise ArgumentError(f"--{name}={value} is for runs of trainers.{task}: leave it out.")
    if ensemble and kind not in (Classification, Detection):
        raise ArgumentError(
            f"--ensemble={','.join(ensemble)} is for runs of trainers.classification and trainers.detection: "
            "leave it out."
        )
    if "search" in views and not ensemble:
        raise ArgumentError("--search chooses among several runs: give others with --ensemble, or leave it out.")
    if classifier_dir is not None and not issubclass(kind, Localization):
        raise ArgumentError(f"--classifier_dir={classifier_dir} is for runs of trainers.localization: leave it out.")


def _check_member(text, protocol, member, run, dataset_name):
    """Raises ArgumentError if a member of an ensemble does not go with a run, or was trained on its test images."""
    config = run.config()
    if member["task"] != config["task"]:
        raise ArgumentError(
            f"--ensemble={text} is a run of trainers.{member['task']}, and {run.path} of trainers.{config['task']}: "
            "leave it out."
        )
    if protocol is not None and config["task"] != "classification":
        raise ArgumentError(f"--ensemble={text}: protocols are for runs of trainers.classification: leave it out.")
    _check_labels(f"--ensemble={text}", member["labels"], run)
    if config["task"] == "detection":
        if {member["system"], config["system"]} != {"faster_rcnn"}:
            raise ArgumentError(f"--ensemble={text}: it and {run.path} must be of Faster R-CNN: leave it out.")
        if member["resizing"] != config["resizing"]:
            raise ArgumentError(
                f"--ensemble={text} and {run.path} do not resize images to the same size: leave it out."
            )
    held_out = config.get("holdout")
    if held_out and member["dataset"] == dataset_name == config["dataset"] and member["holdout"] != held_out:
        raise ArgumentError(
            f"--ensemble={text} was trained on images that {run.path} is measured with: train it with "
            f"--holdout={held_out}, or leave it out."
        )


def _check_labels(source, labels, run):
    trained = run.config()["labels"]
    if list(labels) != trained:
        raise ArgumentError(
            f"{source} has the classes {_some(labels)}, and {run.path} was trained on {_some(trained)}: "
            "choose one with the same classes."
        )


def _some(labels):
    return f"{', '.join(labels[:5])}{' ...' if len(labels) > 5 else ''} ({len(labels)})"
