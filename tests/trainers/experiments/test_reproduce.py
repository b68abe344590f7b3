"""The papers' experiments: their members, which continue where they stopped, and their reports."""

import base64
import concurrent.futures
import dataclasses
import json
import platform
import re
import threading
import time

import keras
import pytest
from photos import save_photos

import keras_resnets
from keras_resnets import ArgumentError
from keras_resnets.models import registry
from keras_resnets.models.cifar import units_of_depth
from trainers.engine.checkpoints import restore_model
from trainers.engine.run_folder import RunFolder
from trainers.experiments import classifiers
from trainers.experiments.classifiers import Comparison, Net, comparison_report
from trainers.experiments.experiment import Experiment, Report, Setting, Table, check_setting, run_member, write_report
from trainers.experiments.html_report import write_html
from trainers.experiments.papers import crops_and_ensembles
from trainers.experiments.registry import EXPERIMENTS, find
from trainers.experiments.reproduce import reproduce
from trainers.plots.figures import by_depth
from trainers.recipes import classification
from trainers.tasks.multi_view import MultiViewNet, evaluate_ensemble
from trainers.tasks.protocols import PROTOCOLS

COMPARISONS = [name for name in EXPERIMENTS if getattr(find(name).report, "func", None) is comparison_report]


@pytest.fixture
def setting(tmp_path):
    return Setting(tmp_path / "small", "digits", quick=True)


class Small:
    """An experiment whose members are recorded in `runs`; the second one fails until `ready`."""

    def __init__(self):
        self.runs, self.ready = [], True
        self.experiment = Experiment(
            title="Small & quick",
            source="A paper",
            found="it works.",
            datasets=("digits", "idx:"),
            full_dataset="idx:all",
            members=lambda setting: {"first": self.member("first"), "second": self.member("second")},
            report=self.report,
        )

    def member(self, name):
        def run(folder):
            self.runs.append(name)
            if name == "second" and not self.ready:
                raise KeyboardInterrupt
            return {"value": len(name)}

        return run

    def report(self, figures):
        table = Table("Lengths", ("name", "length"), [[name, str(one["value"])] for name, one in figures.items()])
        return Report([table], [f"{len(figures)} members <measured>."], self.draw)

    def draw(self, folder):
        path = folder / "lengths.png"
        by_depth({"All": {"a": [1, 2]}}, "x", "y", "Lengths", path)
        return [path]


def test_a_complete_member_is_not_run_again(setting):
    small = Small()
    small.ready = False
    with pytest.raises(KeyboardInterrupt):
        reproduce(small.experiment, setting)
    small.ready = True
    path = reproduce(small.experiment, setting)
    assert small.runs == ["first", "second", "second"]
    assert "| second | 6 |" in path.read_text() and "![lengths](lengths.png)" in path.read_text()
    reproduce(small.experiment, setting)
    assert small.runs == ["first", "second", "second"]


def test_versions_are_those_of_the_members(setting, monkeypatch):
    """The report may be written with others."""
    small = Small()
    monkeypatch.setattr(platform, "python_version", lambda: "3.0")
    reproduce(small.experiment, setting, (1, 2))
    monkeypatch.undo()
    reproduce(small.experiment, setting, (2, 2))
    settings = json.loads((setting.folder / "results.json").read_text())["settings"]
    assert settings["python"] == f"3.0, {platform.python_version()}" and settings["keras"] == keras.__version__


def test_a_folder_is_begun_anew_if_the_data_set_could_not_be_opened(setting):
    """It has the folder of a member by then, but nothing that was trained."""
    tiny = classifiers.experiment(
        Comparison("Tiny nets", "A paper", "it is.", {"one": Net("cifar_resnet8")}, 32, lambda one: ("One", True))
    )
    with pytest.raises(ArgumentError, match="folder:/nowhere: there is no such folder"):
        reproduce(tiny, dataclasses.replace(setting, dataset="folder:/nowhere"))
    assert reproduce(tiny, setting).exists()
    with pytest.raises(ArgumentError, match="holds this experiment with --dataset=digits"):
        reproduce(tiny, dataclasses.replace(setting, dataset="folder:/nowhere"))


@pytest.mark.parametrize("content", ["{", "{}", '{"value": 5}', "[]"])
def test_damaged_figures_are_named(content, setting):
    small = Small()
    reproduce(small.experiment, setting)
    file = setting.folder / "first" / "figures.json"
    file.write_text(content)
    with pytest.raises(ArgumentError, match=f"{file} .*[Rr]emove it and repeat the command\\."):
        reproduce(small.experiment, setting)
    file.unlink()
    reproduce(small.experiment, setting)
    assert small.runs == ["first", "second", "first"]


def test_a_folder_has_one_setting(setting):
    reproduce(Small().experiment, setting)
    with pytest.raises(ArgumentError, match="holds this experiment with --dataset=digits --scale=quick: repeat these"):
        reproduce(Small().experiment, dataclasses.replace(setting, quick=False))


def test_shards_share_the_members(setting):
    small = Small()
    assert reproduce(small.experiment, setting, (2, 2)) is None and small.runs == ["second"]
    assert reproduce(small.experiment, setting, (1, 2)).exists() and small.runs == ["second", "first"]


def test_the_default_data_set_depends_on_the_scale():
    experiment = Small().experiment
    assert experiment.choose_dataset(None, quick=True) == "digits"
    assert experiment.choose_dataset(None, quick=False) == "idx:all"
    assert experiment.choose_dataset("idx:some", quick=True) == "idx:some"
    assert dataclasses.replace(experiment, full_dataset=None).choose_dataset(None, quick=False) == "digits"


def test_the_report_of_a_folder_is_one_page_without_requests(setting, capsys):
    for name in ("one", "two"):
        reproduce(Small().experiment, dataclasses.replace(setting, folder=setting.folder.parent / name))
    others = {"a_run": '{"top1_error": 0.1}', "damaged": "{"}
    for name, text in others.items():
        (setting.folder.parent / name).mkdir()
        (setting.folder.parent / name / "results.json").write_text(text)
    page = write_html(setting.folder.parent).read_text()
    said = capsys.readouterr().err
    assert all(f"left out: {setting.folder.parent / name / 'results.json'} is damaged, of" in said for name in others)
    assert page.count("<td>second</td><td>6</td>") == 2
    assert page.count("Small &amp; quick") == 4 and page.count("2 members &lt;measured&gt;.") == 4
    assert "dataset digits, scale quick" in page and f"keras {keras.__version__}" in page
    assert not re.search(r"https?:|//|<script|<link", re.sub(r"base64,[^\"]*", "", page))
    pictures = re.findall(r'src="data:image/png;base64,([^"]*)"', page)
    original = (setting.folder.parent / "one" / "lengths.png").read_bytes()
    assert len(pictures) == 2 and base64.b64decode(pictures[0]) == original


def test_the_files_of_a_folder_are_checked_once_for_all_nets(tmp_path, capsys):
    save_photos(tmp_path, {"train": 40, "val": 2})
    next((tmp_path / "train").rglob("*.jpg")).write_bytes(b"no JPEG")
    comparison = Comparison("Tiny nets", "A paper", "it is.", {}, 32, lambda one: ("One", True))
    setting = Setting(tmp_path / "out", f"folder:{tmp_path}", quick=True)
    tasks = [classifiers.make_task(comparison, Net(f"cifar_resnet{depth}"), setting) for depth in (8, 14)]
    assert tasks[0].dataset.train.size == tasks[1].dataset.train.size
    assert capsys.readouterr().err.count("it cannot be decoded") == 1


def test_nets_are_trained_and_reported(setting):
    """One of them diverges. A trained net is not trained again."""
    comparison = Comparison(
        title="Tiny nets",
        source="A paper",
        found="they are small.",
        nets={
            "residual": Net("cifar_resnet110", quick="cifar_resnet8", paper="6.43"),
            "wild": Net("cifar_plainnet8", changes={"learning_rate": 1e30}, batch_normalization=False),
        },
        images=96,
        verdict=lambda figures: (f"There are {len(figures)}", True),
    )
    text = reproduce(classifiers.experiment(comparison), setting).read_text()
    results = json.loads((setting.folder / "results.json").read_text())
    residual, wild = results["members"]["residual"], results["members"]["wild"]
    assert residual["model"] == "cifar_resnet8" and residual["steps"] == 3 and not residual["diverged"]
    assert [step for step, _ in residual["test"]] == [3] and residual["test"][0][1] == residual["test_error"]
    assert residual["training"][-1][1] == residual["training_error"]
    assert wild["diverged"] and wild["test_error"] is None
    assert f"| residual | cifar_resnet8 | 75,290 | {100 * residual['training_error']:.2f} |" in text
    assert "| wild | cifar_plainnet8, without batch normalization | 74,810 | diverged | diverged | - |" in text
    assert "| wild | digits | learning_rate 1e+30 |" in text and "Settings: dataset digits, scale quick, python" in text
    assert "There are 2: as expected from the paper." in text and results["pictures"] == ["small.png"]
    # If the figures of a finished run are lost, the same command reads them from the run.
    (setting.folder / "residual" / "figures.json").unlink()
    reproduce(classifiers.experiment(comparison), setting)
    assert json.loads((setting.folder / "results.json").read_text())["members"]["residual"] == residual


@pytest.mark.parametrize("name", COMPARISONS)
def test_nets_of_experiments_can_be_built(name, setting):
    """The nets and their replacements exist; shallow ones of the same family are built with the same arguments."""
    built = set()
    members = find(name).members(setting)
    assert len(members) > 1
    for member in members.values():
        _, net, _ = member.args
        for model in {net.model, net.quick or net.model}:
            family, depth = re.fullmatch(r"(.*?)(\d*)", model).groups()
            if family.startswith("cifar"):
                arguments = dict(net.arguments)
                order = arguments.get("activation_order", "original")
                _, bottleneck = units_of_depth(int(depth), arguments.get("bottleneck"), order)
                built.add((f"{family}{11 if bottleneck else 8}", json.dumps(arguments)))
            else:
                registry.find(model)
    for model, arguments in built:
        assert keras_resnets.create_model(model, **json.loads(arguments)).output_shape == (None, 10)


@pytest.mark.parametrize("name", COMPARISONS)
def test_the_papers_errors_are_those_of_the_registry(name, setting):
    compared = 0
    for member in find(name).members(setting).values():
        _, net, _ = member.args
        error = registry.find(net.model).error
        if not net.arguments and re.fullmatch(r"[\d.]+", net.paper):
            # Table 1 of arXiv 1603.05027 has the median of five runs, not the best.
            assert net.paper == ("6.61" if name == "shortcut_variants" else error)
            compared += 1
    assert compared or name not in ("plain_vs_residual", "deep", "layer_responses")


def test_the_papers_tables_are_complete(setting):
    def errors(name):
        return [member.args[1].paper for member in find(name).members(setting).values()]

    variants = ["6.61", "fail", "fail", "12.35", "fail (biases 0 to -5)", "8.70", "9.81", "12.86", "6.91", "12.22"]
    assert errors("shortcut_variants") == [*variants, "fail"]
    orders = ["6.61", "8.17", "7.84", "6.71", "6.37", "5.93", "6.50", "6.14", "5.91", "5.46"]
    assert errors("activation_orders") == orders
    assert errors("preactivation_depth") == ["5.93", "7.61", "5.46", "4.92"]


def net_figures(test_error, training_error=0.6, measured=None, diverged=False):
    """Returns a member's figures."""
    return {
        "model": "a_net",
        "arguments": {"shortcut": "A"},
        "parameters": 1234,
        "recipe": "digits",
        "changes": {"learning_rate": 0.5, "clip_norm": 1.0},
        "augmentation": "pad_and_crop",
        "steps": 20,
        "batch_size": 32,
        "train_images": 1437,
        "test_images": 360,
        "diverged": diverged,
        "training": [[10, 0.9], [20, training_error]],
        "test": [] if diverged else [[20, test_error]],
        "training_error": None if diverged else training_error,
        "test_error": None if diverged else test_error,
        "initial": measured,
        **({} if diverged else {"trained": measured}),
    }


@pytest.mark.parametrize("diverged", [False, True])
@pytest.mark.parametrize("name", COMPARISONS)
def test_reports_of_experiments(name, diverged, setting):
    """All nets have the same figures, or all have diverged: neither is as in the papers."""
    measured = {"conv1_conv": 0.5, "conv2_conv": 0.25}
    if name == "gradient_flow":
        measured = {"gradients": measured, "sum_rule": {"conv2": 1e-7, "conv3": 2e-7, "conv4": 1e-7}}
    experiment = find(name)
    labels = experiment.members(setting)
    setting.folder.mkdir()
    figures = net_figures(0.45, measured=measured, diverged=diverged)
    members = dict.fromkeys(labels, {"figures": figures, "versions": {"keras": "3.15"}})
    text = write_report(setting, experiment, members).read_text()
    (verdict,) = json.loads((setting.folder / "results.json").read_text())["verdict"]
    errors = "diverged | diverged" if diverged else "60.00 | 45.00"
    without = sum(label.endswith("_without_bn") for label in labels)
    assert text.count(f"| a_net (shortcut A) | 1,234 | {errors} |") == len(labels) - without
    assert text.count(f"| a_net (shortcut A), without batch normalization | 1,234 | {errors} |") == without
    recipe = "digits | learning_rate 0.5, clip_norm 1.0 | pad_and_crop"
    assert f"| {', '.join(labels)} | {recipe} | 20 | 32 | 1437 | 360 |" in text
    assert text.count("![") == (2 if name in ("layer_responses", "gradient_flow") else 1)
    if diverged:
        assert re.fullmatch(r"Nothing can be compared: .* diverged: not as expected from the paper\.", verdict)
    elif name == "gradient_flow":
        assert "obeys the sum rule to 2.0e-07: as expected" in verdict
    else:
        assert verdict.endswith(": not as expected from the paper.")


@pytest.mark.parametrize(
    "name, errors",
    [
        ("degradation", [0.1, 0.2]),
        ("plain_vs_residual", [0.10, 0.11, 0.12, 0.13, 0.6, 0.09, 0.08, 0.07, 0.07, 0.06]),
        ("shortcut_options", [0.25, 0.24, 0.23]),
        ("deep", [0.06, 0.08]),
        ("shortcut_variants", [0.06, None, None, 0.12, None, 0.08, 0.09, 0.13, 0.07, 0.12, None]),
        ("activation_orders", [0.066, 0.08, 0.07, 0.067, 0.063, 0.059, 0.065, 0.061, 0.059, 0.054]),
        ("preactivation_depth", [0.059, 0.076, 0.054, 0.049]),
        ("layer_responses", [0.1, 0.2, 0.09, 0.08, 0.07]),
        ("inception_vs_residual", [0.4, 0.3]),
        ("deep_regularized", [0.08, 0.07]),
    ],
)
def test_verdicts(name, errors, setting):
    """For errors as in the papers, and for the opposite. Training errors equal test errors, or 0 for `deep`."""

    def verdict(errors):
        training = [0.0 if name == "deep" else error for error in errors]
        figures = [
            net_figures(error, one, {"conv1_conv": 10 * (error or 0)}, diverged=error is None)
            for error, one in zip(errors, training)
        ]
        return find(name).report(dict(zip(find(name).members(setting), figures, strict=True))).verdict[0]

    assert verdict(errors).endswith(": as expected from the paper.")
    opposite = [None if error is None else 1 - error for error in errors]
    assert verdict(opposite).endswith(": not as expected from the paper.")


def test_a_deep_net_with_a_high_training_error_does_not_overfit(setting):
    figures = dict(zip(find("deep").members(setting), [net_figures(0.06, 0.0), net_figures(0.08, 0.1)]))
    assert find("deep").report(figures).verdict[0].endswith(": not as expected from the paper.")


@pytest.mark.parametrize("name", COMPARISONS)
def test_any_data_set_will_do(name, setting, tmp_path):
    """A quick experiment on photographs samples all classes, and trains with the augmentation of the net's recipe."""
    save_photos(tmp_path / "photos", {"train": 80, "val": 8})
    setting = dataclasses.replace(setting, dataset=f"folder:{tmp_path / 'photos'}")
    comparison, net, _ = next(iter(find(name).members(setting).values())).args
    task = classifiers.make_task(dataclasses.replace(comparison, train_images=40), net, setting)
    train = task.dataset.train
    assert {int(train.load(key)["label"]) for key in train.keys(None)} == {0, 1} and train.size == 40
    own = classification.RECIPES[net.recipe].augmentation
    assert task.recipe.augmentation == own != classification.RECIPES["digits"].augmentation


def test_orders_of_activations_must_be_the_papers_at_both_depths():
    experiment, right = find("activation_orders"), [0.06, 0.09, 0.08, 0.07, 0.05]
    for first, second in ((right, right[::-1]), (right[::-1], right)):
        labels = experiment.members(Setting("folder", "digits", quick=True))
        figures = dict(zip(labels, map(net_figures, first + second), strict=True))
        assert experiment.report(figures).verdict[0].endswith(": not as expected from the paper.")


def test_a_member_is_run_by_one_process_at_a_time(setting, capsys):
    check_setting(setting)
    begun, go_on = threading.Event(), threading.Event()

    def measured(folder):
        begun.set()
        assert go_on.wait(60)
        return {"value": 1}

    with concurrent.futures.ThreadPoolExecutor() as pool:
        first = pool.submit(run_member, setting.folder / "one", measured)
        assert begun.wait(60)
        second = pool.submit(run_member, setting.folder / "one", lambda folder: {"value": 2})
        while "waiting for another process that runs one" not in capsys.readouterr().err:
            time.sleep(0.01)
        # The folder holds nothing but a lock, yet it is in use.
        with pytest.raises(ArgumentError, match="holds this experiment with --dataset=digits --scale=quick"):
            check_setting(dataclasses.replace(setting, quick=False))
        go_on.set()
        assert first.result() == second.result() == {"value": 1}


@pytest.mark.slow
def test_crops_and_ensembles(setting, monkeypatch):
    """The errors are those of an evaluation with these protocols, alone and as an ensemble."""
    nets = {name: Net("cifar_resnet8", changes=crops_and_ensembles.SCALES) for name in crops_and_ensembles.NETS}
    comparison = dataclasses.replace(crops_and_ensembles.COMPARISON, images=64, train_images=64, nets=nets)
    monkeypatch.setattr(crops_and_ensembles, "NETS", nets)
    monkeypatch.setattr(crops_and_ensembles, "COMPARISON", comparison)
    monkeypatch.setattr(classifiers, "QUICK_TEST", 6)
    text = reproduce(crops_and_ensembles.EXPERIMENT, setting).read_text()
    figures = json.loads((setting.folder / "results.json").read_text())["members"]
    rows = {(one["net"], one["protocol"]): one for one in figures["tests"]["rows"]}
    assert list(rows)[: len(PROTOCOLS)] == [("first", protocol) for protocol in PROTOCOLS] and len(rows) == 16
    for name in nets:
        assert rows[name, "single_crop"]["top1_error"] == figures[name]["test_error"]
    assert rows["ensemble of three", "144_crop"]["views"] == 432

    members = []
    for name, net in nets.items():
        task, run = classifiers.make_task(comparison, net, setting), RunFolder(setting.folder / name / "run")
        model = task.build_model()
        members.append(MultiViewNet(run.path, task, model, restore_model(model, run), "ten_crop"))
    _, expected = evaluate_ensemble(members, task.dataset)
    together = rows["ensemble of three", "ten_crop"]
    assert {key: together[key] for key in ("top1_error", "top5_error")} == {
        key: expected[key] for key in ("top1_error", "top5_error")
    }
    best = rows.pop(("greedy search", "of all these"))
    assert best["top1_error"] <= min(one["top1_error"] for one in rows.values() if one["net"] in nets)
    assert "The greedy search, on the same test images, chooses cifar_resnet8 with " in text
    assert "| cifar_resnet8 | twelve_crop | 12 | " in text and text.count("![") == 2


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--experiment=deep", "--shard=3/2"], "--shard=3/2 must be I/N with 1 <= I <= N, such as 1/2."),
        (
            ["--experiment=deep", "--dataset=voc:x"],
            "--dataset=voc:x is not for this experiment: use digits, idx:..., tfds:..., folder:..., one_digit_scenes.",
        ),
        (
            ["--experiment=noc_heads", "--dataset=digits"],
            "--dataset=digits is not for this experiment: use digit_scenes.",
        ),
        ([], "pass either --experiment=NAME or --report."),
        (["--report", "--scale=full"], "--scale has no effect with --report: leave it out."),
        (["--experiment=deep", "--report"], "pass either --experiment=NAME or --report."),
    ],
)
def test_arguments_that_cannot_work(arguments, message, run_command, tmp_path):
    process = run_command("trainers.reproduce", *arguments, f"--output={tmp_path}")
    assert process.returncode == 1 and process.stderr.strip().splitlines()[-1] == f"error: {message}"


def test_a_report_of_nothing(run_command, tmp_path):
    process = run_command("trainers.reproduce", "--report", f"--output={tmp_path}")
    assert process.returncode == 1 and f"--output={tmp_path} holds no complete experiment" in process.stderr
