"""Several crops and several nets (Inception-v4, arXiv 1602.07261, tables 2 to 5; GoogLeNet, arXiv 1409.4842)."""

import dataclasses
import functools
import time

import numpy as np

from trainers.engine.checkpoints import trained_model
from trainers.engine.run_folder import RunFolder
from trainers.experiments.classifiers import (
    Comparison,
    Net,
    comparison_report,
    experiment,
    in_percent,
    make_task,
    train_net,
)
from trainers.experiments.experiment import Report, Table, run_member
from trainers.metrics.classification import errors
from trainers.plots.figures import intervals
from trainers.runtime.progress import Progress
from trainers.tasks.multi_view import MultiViewNet, greedy_search
from trainers.tasks.protocols import PROTOCOLS

# The nets are trained on objects of several sizes, as in the papers; on digits, `make_task` changes the augmentation.
SCALES = {"augmentation": "random_resized_crop"}
NETS = {
    "first": Net("cifar_resnet110", quick="cifar_resnet20", recipe="cifar_warmup", changes=SCALES),
    "second": Net("cifar_resnet56", quick="cifar_resnet14", changes=SCALES),
    "third": Net("cifar_resnet20", quick="cifar_resnet8", changes=SCALES),
}
FIRST, TESTS = "first", "tests"
ENSEMBLE, SEARCH = "ensemble of three", "greedy search"
ENSEMBLE_PROTOCOLS = ("single_crop", "ten_crop", "144_crop")
# The papers' top-1 and top-5 errors on ImageNet, in %.
PAPER = {
    (FIRST, "single_crop"): "20.0/5.0 (Inception-v4)",
    (FIRST, "ten_crop"): "21.43/5.71 (ResNet-152)",
    (FIRST, "twelve_crop"): "18.7/4.2 (Inception-v4)",
    (FIRST, "144_crop"): "17.7/3.8 (Inception-v4)",
    (FIRST, "multi_scale"): "19.38/4.49 (ResNet-152)",
    (ENSEMBLE, "144_crop"): "16.4/3.1 (one Inception-v4 and three Inception-ResNet-v2)",
}


def members(setting):
    """Returns the members: see `trainers.experiments.experiment.Experiment`."""
    trained = {name: functools.partial(train_net, COMPARISON, net, setting) for name, net in NETS.items()}
    return trained | {TESTS: functools.partial(_test, setting)}


def _test(setting, folder):
    """Evaluates the first net with all protocols, and each net and the ensemble with `ENSEMBLE_PROTOCOLS`.

    Returns:
        A dict of `rows`, a list of dicts (`net`, `protocol`, `views`, `images_per_second` or None, and the figures of
        `errors`), and `found`, the (net, protocol) pairs that the greedy search chose. Both are empty if a net has
        diverged.
    """
    trained = [run_member(setting.folder / name, member) for name, member in members(setting).items() if name in NETS]
    if any(one["diverged"] for one in trained):
        return {"rows": [], "found": []}
    rows, answers = [], {}
    for name, net in NETS.items():
        task, run = make_task(COMPARISON, net, setting), RunFolder(setting.folder / name / "run")
        model = trained_model(task, run)
        for protocol in PROTOCOLS if name == FIRST else ENSEMBLE_PROTOCOLS:
            labels, answers[name, protocol], seconds = _answers(MultiViewNet(run.path, task, model, 0, protocol))
            views, rate = PROTOCOLS[protocol].views_of_an_image, len(labels) / seconds
            rows.append(_row(name, protocol, views, rate, labels, answers[name, protocol]))
    for protocol in ENSEMBLE_PROTOCOLS:
        together = np.mean([answers[name, protocol] for name in NETS], axis=0)
        views = len(NETS) * PROTOCOLS[protocol].views_of_an_image
        rows.append(_row(ENSEMBLE, protocol, views, None, labels, together))
    chosen = [list(answers)[i] for i, _ in greedy_search(labels, list(answers.values()))]
    views = sum(PROTOCOLS[protocol].views_of_an_image for _, protocol in chosen)
    together = np.mean([answers[one] for one in chosen], axis=0)
    rows.append(_row(SEARCH, "of all these", views, None, labels, together))
    return {"rows": rows, "found": chosen}


def _answers(member):
    """Returns labels and probabilities, see `MultiViewNet.predict`, and the seconds that the prediction took."""
    dataset = member.task.dataset
    total = dataset.test.size * member.protocol.views_of_an_image
    start = time.monotonic()
    with Progress(total, member.description["member"], "views") as progress:
        labels, probabilities = member.predict(dataset, progress)
    return labels, probabilities, time.monotonic() - start


def _row(name, protocol, views, rate, labels, probabilities):
    figures = errors(labels, probabilities)[1]
    return {"net": name, "protocol": protocol, "views": views, "images_per_second": rate, **figures}


def report(figures):
    """Returns the `Report` of the members' figures."""
    models = {name: figures[name]["model"] for name in NETS}
    tests, trained = figures[TESTS]["rows"], comparison_report(COMPARISON, figures)
    if not tests:
        return trained
    rows = [
        [
            models.get(one["net"], one["net"]),
            one["protocol"],
            str(one["views"]),
            _interval(one, "top1"),
            _interval(one, "top5"),
            f"{one['images_per_second']:.1f}" if one["images_per_second"] else "-",
            PAPER.get((one["net"], one["protocol"]), "-"),
        ]
        for one in tests
    ]
    columns = ("net", "protocol", "views", "top-1 error, % (95 %)", "top-5 error, % (95 %)", "images/s", "papers")
    chosen = ", ".join(f"{models[name]} with {protocol}" for name, protocol in figures[TESTS]["found"])
    return Report(
        [Table("Tests", columns, rows), *trained.tables],
        [*trained.verdict, f"The greedy search, on the same test images, chooses {chosen}."],
        lambda folder: [_draw(models, tests, folder), *trained.draw(folder)],
    )


def _interval(one, name):
    if f"{name}_error" not in one:  # of a data set with few classes
        return "-"
    low, high = one[f"{name}_interval"]
    return f"{in_percent(one[f'{name}_error'])} ({in_percent(low)}-{in_percent(high)})"


def _verdict(figures):
    error = {(one["net"], one["protocol"]): one["top1_error"] for one in figures[TESTS]["rows"]}
    changes = {name: error[FIRST, name] - error[FIRST, "single_crop"] for name in PROTOCOLS if name != "single_crop"}
    gain = error[ENSEMBLE, "144_crop"] - min(error[name, "144_crop"] for name in NETS)
    listed = ", ".join(f"{name} {100 * change:+.2f}" for name, change in changes.items())
    sentence = (
        f"Compared with a single crop, the top-1 error of the first net changes by (points) {listed}; with 144 crops, "
        f"the ensemble's differs from that of its best net by {100 * gain:+.2f}"
    )
    return sentence, max(changes["ten_crop"], changes["144_crop"], gain) < 0


def _draw(models, tests, folder):
    path = folder / "crops_and_ensembles_tests.png"
    labels = [f"{models.get(one['net'], one['net'])}, {one['protocol']}" for one in tests]
    shares = [(one["top1_error"], *one["top1_interval"]) for one in tests]
    intervals(labels, shares, "top-1 error (%), with its 95 % interval", COMPARISON.title, path)
    return path


COMPARISON = Comparison(
    title="Crops and ensembles",
    source="Inception-v4 (arXiv 1602.07261), section 5, tables 2 to 5; ResNet (arXiv 1512.03385), tables 3 to 5",
    found="more crops lower the error, and so do more nets.",
    nets=NETS,
    images=19_200,
    verdict=_verdict,
)
EXPERIMENT = dataclasses.replace(experiment(COMPARISON), members=members, report=report)
