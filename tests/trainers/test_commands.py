"""The commands, as a user runs them: in processes of their own."""

import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from keras_resnets.errors import ArgumentError
from keras_resnets.serving import SavedModelSession, predict_files
from trainers.data.sample_files import write_digits
from trainers.data.sources.digits import digit_arrays
from trainers.serving.export import slug
from trainers.serving.predictions import table

EXPORT = pathlib.Path(__file__).parents[2] / "saved_models" / "cifar_resnet20_digits" / "1"


@pytest.mark.slow
def test_deterministic_training_with_every_augmentation(tmp_path, run_command):
    flags = ["--model=cifar_resnet8", "--dataset=digits", f"--model_dir={tmp_path}", "--steps=2", "--batch_size=8"]
    arguments = [*flags, "--recipe=imagenet_modern", "--deterministic"]
    process = run_command("trainers.classification", *arguments)
    assert process.returncode == 0, process.stderr


def is_png(path):
    return Image.open(path).format == "PNG" and Image.open(path).width > 200


def test_train_evaluate_export_predict(tmp_path, run_command):
    def run(module, *arguments):
        process = run_command(module, *arguments)
        assert process.returncode == 0, process.stderr
        return process

    model_dir, export = tmp_path / "run", tmp_path / "export"
    flags = ["--model=cifar_resnet8", "--dataset=digits", f"--model_dir={model_dir}", "--steps=60", "--batch_size=16"]
    flags += ["--filters=8,16,32"]
    first = run("trainers.classification", *flags)
    results = json.loads((model_dir / "results.json").read_text())
    assert {"top1_error", "top5_error", "seconds", "step"} <= results.keys()
    assert f"top-1 error {results['top1_error']:.2%}" in first.stdout
    assert json.loads((model_dir / "config.json").read_text())["arguments"] == {"filters": [8, 16, 32]}
    assert "training: 100%" in first.stderr and "images/s" in first.stderr
    assert is_png(model_dir / "learning_curve.png")
    # Again: nothing is left to train.
    assert run("trainers.classification", *flags).stdout == first.stdout

    run("trainers.evaluate", f"--model_dir={model_dir}")
    evaluation = json.loads((model_dir / "evaluation.json").read_text())
    assert evaluation["images"] == 360 and evaluation["step"] == 60
    assert evaluation["top1_error"] == results["top1_error"] and evaluation["top5_error"] == results["top5_error"]
    assert is_png(model_dir / "confusion_matrix.png")

    assert run("trainers.export", f"--model_dir={model_dir}", f"--output={export}").stdout == f"{export / '1'}\n"
    _, images, _, labels = digit_arrays()
    answers = SavedModelSession(export)("serving_default", images=np.repeat(images[..., np.newaxis], 3, axis=-1))
    # What is served is as good as what was evaluated, image by image.
    assert 1 - np.mean(answers["classes"][:, 0] == labels) == pytest.approx(evaluation["top1_error"], abs=1e-9)

    write_digits(tmp_path / "images")
    printed = run("trainers.predict", f"--export={export}", "--json", tmp_path / "images").stdout
    predictions = json.loads(printed)
    assert [prediction["file"] for prediction in predictions] == [
        str(tmp_path / f"images/{i}/0.png") for i in range(10)
    ]
    expected = [answers["classes"][np.flatnonzero(labels == digit)[0]].tolist() for digit in range(10)]
    assert [prediction["classes"] for prediction in predictions] == expected


def test_the_export_of_the_repository_reads_digits():
    _, images, _, labels = digit_arrays()
    answers = SavedModelSession(EXPORT)("serving_default", images=np.repeat(images[..., np.newaxis], 3, axis=-1))
    assert np.mean(answers["classes"][:, 0] == labels) >= 0.98
    assert [label.decode() for label in answers["labels"][0]] == [str(i) for i in answers["classes"][0]]


def test_a_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(ArgumentError, match="files has '.*/missing.png', which is not an existing file: pass paths of"):
        next(predict_files(SavedModelSession(EXPORT), [tmp_path / "missing.png"]))


def test_files_that_cannot_be_decoded_are_named_and_the_others_answered(tmp_path, run_command):
    write_digits(tmp_path)
    (tmp_path / "bad.png").write_bytes(b"no image")
    (tmp_path / "7" / "notes.txt").touch()
    process = run_command("trainers.predict", f"--export={EXPORT}", tmp_path / "7", tmp_path / "bad.png")
    assert process.returncode == 1
    lines = process.stdout.splitlines()
    assert lines[0].startswith(f"{tmp_path}/7/0.png") and "7 9" in lines[0]
    assert lines[1].startswith(f"{tmp_path}/bad.png") and "cannot be decoded" in lines[1]
    assert process.stderr.splitlines()[-1] == "error: 1 of 2 files could not be decoded"
    assert process.stderr.count("passed over: 1 .txt") == 1


@pytest.mark.parametrize(
    "name, flag, message",
    [
        ("cifar_resnet20_digits", "--output={new}", "error: --output is for detectors, and "),
        ("cifar_resnet20_digits", "--classes=1", "error: --classes is for localizers, and --export="),
        ("faster_rcnn_digit_scenes", "--folder_is_label", "error: --folder_is_label is for classification nets, and "),
    ],
)
def test_flags_of_the_other_kind_of_export(name, flag, message, tmp_path, run_command):
    write_digits(tmp_path)
    export = f"--export={EXPORT.parents[1] / name}"
    process = run_command("trainers.predict", export, flag.format(new=tmp_path / "new"), tmp_path / "7")
    assert process.returncode == 1 and process.stdout == "" and not (tmp_path / "new").exists()
    assert process.stderr.splitlines()[-1].startswith(message)


def test_a_table_says_which_answers_are_the_folders_names():
    answer = {"labels": ["cat", "dog"], "probabilities": [0.9, 0.1]}
    answers = [{"file": "images/cat/1.png", **answer}, {"file": "images/dog/2.png", **answer}]
    assert table(answers) == [f"images/{name}.png  cat 90.00%  dog 10.00%" for name in ("cat/1", "dog/2")]
    assert table(answers, folder_is_label=True) == [
        "images/cat/1.png  right  cat 90.00%  dog 10.00%",
        "images/dog/2.png  WRONG  cat 90.00%  dog 10.00%",
        "1 of 2 right",
    ]


@pytest.mark.parametrize(
    "dataset, name",
    [("digits", "digits"), ("tfds:cifar10", "cifar10"), ("folder:/data/my pets/", "my_pets"), ("tfds:a/b:1.0", "1_0")],
)
def test_what_a_data_set_is_called_in_the_name_of_an_export(dataset, name):
    assert slug(dataset) == name


def test_help_shows_every_flag(run_command):
    process = run_command("trainers.evaluate", "--help")
    assert process.returncode == 0 and process.stderr == ""
    assert all(f"--{flag}" in process.stdout for flag in ("model_dir", "dataset", "data_dir", "[no]download"))


TRAIN = ["trainers.classification", "--model=cifar_resnet8", "--dataset=digits", "--model_dir={new}"]


@pytest.mark.parametrize(
    "command, message",
    [
        ([*TRAIN, "--model=cifar_resnet2"], "--model=cifar_resnet2: depth=2 must be 6n+2 or 9n+2"),
        ([*TRAIN, "--dataset=folder:/nowhere"], "--dataset=folder:/nowhere: there is no such folder"),
        ([*TRAIN, "--model=resnet18", "--image_size=16"], "input_shape=(16, 16, 3) is too small"),
        ([*TRAIN, "--steps=0"], "flag --steps=0: 0 is not a positive integer"),
        ([*TRAIN, "--step=9"], "error: Unknown command line flag 'step'. Did you mean: steps"),
        ([*TRAIN, "--model_dir=/proc/run"], "No such file or directory: '/proc/run'"),
        (
            ["trainers.classification"],
            "error: --model_dir is required: pass --model_dir=...; --model is required: pass --mod",
        ),
        (["trainers.predict", "--export={new}", str(EXPORT)], "has no image files"),
        (["trainers.predict", "--export={new}", "--classes=", __file__], "--classes= must be numbers of classes"),
    ],
)
def test_what_cannot_work_ends_in_one_line(command, message, tmp_path, run_command):
    module, *arguments = [part.format(new=tmp_path / "new") for part in command]
    process = run_command(module, *arguments)
    assert process.returncode == 1
    assert message in process.stderr
    assert "Traceback" not in process.stderr and process.stdout == ""
    lines = process.stderr.splitlines()
    assert [line for line in lines if line.startswith("error: ")] == lines[-1:]
    assert not (tmp_path / "new").exists()
