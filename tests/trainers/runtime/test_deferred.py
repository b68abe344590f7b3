"""Commands check their flags before they load TensorFlow: a TensorFlow that cannot be imported shows it."""

import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[3]
COMMANDS = sorted(path.stem for path in (ROOT / "trainers").glob("*.py") if not path.stem.startswith("_"))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_needs_no_tensorflow(command, without_tensorflow):
    process = without_tensorflow("-m", f"trainers.{command}", "--help")
    summary = (ROOT / "trainers" / f"{command}.py").read_text().partition('"""')[2].splitlines()[0]
    assert process.returncode == 0 and process.stderr == ""
    assert process.stdout.startswith(f"{summary}\n") and "\nflags:\n" in process.stdout


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["reproduce", "--experiment=depth", "--output=x"], "value should be one of <activation_orders|"),
        (["benchmark", "--what=everything"], "value should be one of <import_time|build_resnet101|"),
        (["evaluate", "--model_dir=x", "--protocol=two_crop"], "value should be one of <single_crop|ten_crop|"),
        (["detection", "--step=1"], "error: Unknown command line flag 'step'. Did you mean: steps"),
        (["evaluate"], "error: --model_dir is required: pass --model_dir=... (--help explains the flags)\n"),
    ],
)
def test_wrong_flags_need_no_tensorflow(arguments, message, without_tensorflow):
    process = without_tensorflow("-m", "trainers", *arguments)
    assert process.returncode == 1 and process.stdout == "" and message in process.stderr


TRAIN = ["classification", "--model_dir=/nowhere", "--model=cifar_resnet8", "--dataset=digits"]
DETECT = ["detection", "--model_dir=/nowhere", "--dataset=digit_scenes"]
LOCALIZE = ["localization_rcnn", "--model_dir=/nowhere", "--dataset=one_digit_scenes", "--localizer_dir=/nowhere"]
EVALUATE = ["evaluate", f"--model_dir={ROOT / 'tests' / 'trainers' / 'engine' / 'saved' / 'run'}"]
PREDICT = ["predict", __file__]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([*TRAIN, "x"], "unexpected argument 'x': flags are written --name=value."),
        ([*TRAIN, "--model=resnet5"], "error: --model='resnet5' is unknown: use resnet50, "),
        ([*TRAIN, "--dataset=digitz"], "--dataset=digitz is unknown (did you mean digits?): use digits, "),
        ([*TRAIN, "--recipe=fast"], "--recipe=fast is unknown: use cifar, "),
        ([*TRAIN, "--ema_decay=1"], "--ema_decay=1.0 must be less than 1, "),
        ([*TRAIN, "--learning_rate=nan"], "--learning_rate=nan must be a finite number, also as float32."),
        ([*TRAIN, "--learning_rate=1e39"], "--learning_rate=1e+39 must be a finite number, also as float32."),
        ([*TRAIN, "--weight_decay=1e39"], "--weight_decay=1e+39 must be a finite number"),
        ([*TRAIN, "--max_hours=inf"], "--max_hours=inf must be a finite number"),
        ([*TRAIN, "--stage_learning_rates=conv2=1e39"], "--stage_learning_rates=conv2=1e39 must be NAME=NUMBER, "),
        ([*DETECT, "--roi_smooth_l1_beta=1e39"], "--roi_smooth_l1_beta=1e+39 must be a "),
        (
            [*DETECT, "--delta_stds=1,1,1,1e39"],
            "--delta_stds=(1.0, 1.0, 1.0, 1e+39) must be a list of 4, ",
        ),
        (
            [*TRAIN, "--image_size=10000000"],
            "flag --image_size=10000000: 10000000 is not an integer in",
        ),
        (
            [*TRAIN, "--second_side=10000000"],
            "flag --second_side=10000000: 10000000 is not an integer",
        ),
        ([*DETECT, "--short_side=9000"], "--short_side=9000 makes images of 9000 x 9000 pixels, more than 25000000: "),
        ([*DETECT, "--long_side=9000"], "--long_side=9000 makes images of 9000 x 9000 pixels, more than 25000000: "),
        (
            [*DETECT, "--canvas=10,9000000"],
            "--canvas=10,9000000 makes images of 10 x 9000000 pixels, ",
        ),
        ([*TRAIN, "--filters=8,x"], "--filters=8,x must be integers, separated by commas."),
        ([*TRAIN, "--model=resnet", "--filters=8"], "--filters=8 has 1: pass as many."),
        ([*TRAIN, "--stage_learning_rates=conv2"], "--stage_learning_rates=conv2 must be NAME=NUMBER, "),
        ([*TRAIN, "--init_weights=/nowhere.h5"], "--init_weights=/nowhere.h5 is no existing file: "),
        ([*TRAIN, "--init_weights=/"], "--init_weights=/ is a folder without a run of trainers.classification: "),
        ([*TRAIN, "--class_weights=even"], "--class_weights=even must be NAME=NUMBER, separated by commas, "),
        ([*TRAIN, "--class_weights=1=2,1=3"], "--class_weights=1=2,1=3 must be NAME=NUMBER, "),
        ([*TRAIN, "--class_weights=1=1e30"], "--class_weights=1=1e30: only proportions count, pass at most 1e+06."),
        ([*TRAIN, "--patience=0"], "flag --patience=0: 0 is not a positive integer"),
        ([*TRAIN, "--max_hours=-1"], "flag --max_hours=-1: -1.0 is not a non-negative number"),
        (
            [*TRAIN, "--find_learning_rate", "--patience=2"],
            "--patience=2 has no effect with --find_learning_rate: ",
        ),
        (
            [*TRAIN, "--find_learning_rate", "--max_hours=2"],
            "--max_hours=2.0 has no effect with --find",
        ),
        ([*TRAIN, "--max_hours=nan"], "--max_hours=nan must be a finite number"),
        ([*TRAIN, "--batch_size=auto", "--distribution=mirrored"], "--batch_size=auto works with --distribution=one"),
        ([*TRAIN, "--replicas=2"], "--replicas=2 is for --distribution=mirrored only: "),
        ([*TRAIN, "--distribution=multi_worker"], "--distribution=multi_worker needs TF_CONFIG, and it is not set: "),
        ([*TRAIN, "--tpu=local"], "--tpu=local is for --distribution=tpu only: "),
        ([*TRAIN, "--auxiliary_weight=0.4", "--remat"], "--auxiliary_weight=0.4 cannot be combined with --remat, "),
        ([*DETECT, "--dataset=digits"], "--dataset=digits has no boxes or is unknown"),
        ([*DETECT, "--backbone=vgg13"], "--backbone=vgg13 is unknown: use resnet, "),
        ([*DETECT, "--backbone=inception_v3"], "--backbone=inception_v3 is unknown: use resnet, "),
        ([*DETECT, "--recipe=fast"], "--recipe=fast is unknown: use rcnn, "),
        ([*DETECT, "--strict"], "--strict is for voc:, coco:, "),
        ([*DETECT, "--voc_first_pixel=0"], "--voc_first_pixel is for voc:, not for --dataset=digit_scenes."),
        ([*DETECT, "--remat"], "--remat is for classification: "),
        ([*DETECT, "--canvas=x"], "--canvas=x must be integers, separated by commas."),
        ([*DETECT, "--rpn_nms_threshold=2"], "--rpn_nms_threshold=2.0 must be a number in [0, 1]."),
        ([*DETECT, "--head_units=8"], "--head_units=8 has no effect without --head: "),
        ([*DETECT, "--batch_size=auto", "--alternating"], "--batch_size=auto works without --alternating: "),
        (
            [*DETECT, "--find_learning_rate", "--system=rcnn"],
            "--find_learning_rate works without --system=rcnn: leave one of them out.",
        ),
        ([*DETECT, "--svm"], "--svm=True is not an argument of this model: "),
        ([*DETECT, "--system=rcnn", "--alternating"], "--alternating has no effect with --system=rcnn: "),
        ([*DETECT, "--system=spp_net"], "--system=spp_net does not train the convolutions: pass --init_weights, "),
        (["localization", *DETECT[1:], "--backbone=vgg13"], "--backbone=vgg13 is unknown: use resnet, "),
        (LOCALIZE, "--localizer_dir=/nowhere holds no run of trainers.localization: train one there first."),
        ([*TRAIN, f"--model_dir={__file__}"], f"--model_dir={__file__}: {__file__} is a file: choose another folder."),
        ([*TRAIN, f"--model_dir={__file__}/run"], f"/run: {__file__} is a file: choose another folder."),
        (["evaluate", "--model_dir=/nowhere"], "--model_dir=/nowhere holds no run: train one there first."),
        ([*EVALUATE, "--dataset=digit"], "--dataset=digit is unknown (did you mean digits?): use digits, "),
        ([*EVALUATE, "--scales=x"], "--scales=x must be numbers, separated by commas."),
        ([*PREDICT, f"--output={__file__}"], f"--output={__file__}: {__file__} is a file: choose another folder."),
        (["export", *EVALUATE[1:], f"--output={__file__}"], f"--output={__file__}: {__file__} is a file: "),
        (["reproduce", f"--output={__file__}", "--report"], f"--output={__file__}: {__file__} is a file: "),
        (["sample_images", f"--output={__file__}"], f"--output={__file__}: {__file__} is a file: "),
        (["export", "--model_dir=/nowhere"], "--model_dir=/nowhere holds no run: train one there first."),
        (["export", *EVALUATE[1:], "--format=onnx", "--batch_size=2"], "--batch_size is for --format=saved_model, "),
        (["predict", "--export=/nowhere", "/nowhere.png"], "/nowhere.png does not exist: give image files or folders."),
        ([*PREDICT, "--export=/nowhere"], "/nowhere holds no SavedModel: "),
        ([*PREDICT, "--export=/nowhere", "--classes=-1"], "--classes=-1 must be numbers of classes, from 0 on."),
        (PREDICT, "pass either --export=FOLDER, --detector=NAME or --server=HOST:PORT."),
        ([*PREDICT, "--server=x:1"], "--server=x:1 needs --model=NAME, "),
        (["prediction_service", "--export=/nowhere"], "/nowhere holds no SavedModel: "),
        (["proposals", "--dataset=digits", "--method=edge_boxes", "--output=x"], "--dataset=digits has no boxes or "),
        (
            ["proposals", "--dataset=digit_scenes", "--method=selective_search", "--output=x", "--edge_model=x"],
            "--edge_model=x is for --method=edge_boxes: ",
        ),
        (["reproduce", "--output=x"], "pass either --experiment=NAME or --report."),
        (["reproduce", "--output=x", "--report", "--scale=full"], "--scale has no effect with --report: "),
        (["reproduce", "--output=x", "--experiment=degradation", "--shard=3/2"], "--shard=3/2 must be I/N "),
        (["reproduce", "--output=x", "--experiment=degradation", "--dataset=digitz"], "--dataset=digitz is unknown "),
        (["conformance", "--model=resnet5"], "error: --model='resnet5' is unknown: use resnet50, "),
        (
            ["conformance", "--model=localizer_resnet18", "--format=onnx"],
            "error: --model='localizer_resnet18' is unknown: ",
        ),
        (
            ["benchmark"],
            "--what is required, and may be repeated: pass --what=NAME, with import_time, build_resnet101, ",
        ),
        (
            [*EVALUATE, "--nms_threshold=0.5", "--detection_iou=0.4"],
            "--detection_iou is the old name of --nms_threshold, which is given as well: leave --detection_iou out.",
        ),
        (["models", f"--readme={ROOT / 'CHANGELOG.md'}"], "--readme must have the lines "),
    ],
)
def test_values_that_cannot_work_need_no_tensorflow(arguments, message, without_tensorflow):
    process = without_tensorflow("-m", "trainers", *arguments)
    assert process.returncode == 1 and process.stdout == ""
    assert process.stderr.startswith("error: ") and process.stderr.count("\n") == 1 and message in process.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes to every folder")
def test_a_run_that_cannot_be_written_is_refused_before_it_is_evaluated(tmp_path, without_tensorflow):
    run = pathlib.Path(EVALUATE[1].partition("=")[2])
    (tmp_path / "config.json").write_bytes((run / "config.json").read_bytes())
    tmp_path.chmod(0o555)
    process = without_tensorflow("-m", "trainers", "evaluate", f"--model_dir={tmp_path}")
    assert process.returncode == 1
    assert process.stderr.startswith(f"error: --model_dir={tmp_path} cannot be written (Permission denied), ")


@pytest.mark.parametrize("folder", ["", "1"])
def test_the_file_of_exported_weights_is_named(folder, tmp_path, without_tensorflow):
    file = tmp_path / "1" / "model.weights.h5"
    file.parent.mkdir()
    file.touch()
    process = without_tensorflow("-m", "trainers", *TRAIN, f"--init_weights={tmp_path / folder}")
    assert process.returncode == 1
    assert f"is a folder without a run of trainers.classification: give its file {file}.\n" in process.stderr


def test_a_console_script_shows_its_commands_docstring(tmp_path, without_tensorflow):
    script = tmp_path / "keras-resnets-evaluate"
    script.write_text("import sys\nfrom trainers.evaluate import run\nsys.exit(run())")
    process = without_tensorflow(script, "--help")
    assert process.returncode == 0 and process.stderr == ""
    assert process.stdout.startswith("Measures a trained net on the test images, every one once.\n")


def test_right_flags_load_it(without_tensorflow):
    process = without_tensorflow("-m", "trainers.sample_images", "--output=/nowhere")
    assert process.returncode == 1 and process.stderr.endswith("ImportError: TensorFlow has been imported\n")


def test_a_program_that_imports_trainers_has_all_of_keras_resnets(without_tensorflow):
    process = without_tensorflow("-c", "import trainers, keras_resnets")
    assert process.returncode == 1 and process.stderr.endswith("ImportError: TensorFlow has been imported\n")


LOAD = """
import sys

sys.argv = ["-m"]
sys.orig_argv = [sys.executable, "-m", "trainers.evaluate"]
import trainers
import keras_resnets
from keras_resnets.detection.options import FasterRCNNOptions
from keras_resnets.errors import ArgumentError
from trainers.runtime import deferred

assert not hasattr(keras_resnets, "ResNet50") and "tensorflow" not in sys.modules
deferred.execute()
assert not deferred.is_deferring()
assert keras_resnets.ArgumentError is ArgumentError and keras_resnets.detection.FasterRCNNOptions is FasterRCNNOptions
assert keras_resnets.serving.SavedModelSession and keras_resnets.FasterRCNN.OPTIONS is FasterRCNNOptions
import keras

keras.models.load_model("tests/keras_resnets/models/saved/resnet_a.keras")  # has layers of the package
"""


def test_what_was_deferred_is_whole_afterwards(in_new_process):
    process = in_new_process(LOAD)
    assert process.returncode == 0, process.stderr
