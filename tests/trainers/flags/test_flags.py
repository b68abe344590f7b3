"""Values of flags, by a command that defines them: what cannot work is refused before the data are read."""

import pytest

TRAIN = ["trainers.classification", "--model=cifar_resnet8", "--dataset=digits", "--steps=1", "--batch_size=2"]
DETECT = ["trainers.detection", "--dataset=digit_scenes"]


@pytest.mark.parametrize(
    "command, message",
    [
        ([*TRAIN, "--stage_learning_rates=conv2"], "--stage_learning_rates=conv2 must be NAME=NUMBER, separated by"),
        (
            [*TRAIN, "--stage_learning_rates=conv2=-1"],
            "with numbers of 0 or more: for example conv2=0.1,predictions=10",
        ),
        ([*TRAIN, "--stage_learning_rates=conv2=inf"], "--stage_learning_rates=conv2=inf must be NAME=NUMBER"),
        ([*TRAIN, "--stage_learning_rates=conv2=1,conv2=2"], "--stage_learning_rates=conv2=1,conv2=2 must be"),
        (
            ["trainers.export", "--svd_ranks=fc6=1.5"],
            "--svd_ranks=fc6=1.5 must be NAME=NUMBER, separated by commas, with integers of 0 or more",
        ),
        ([*TRAIN, "--filters=8,16,x"], "--filters=8,16,x must be integers, separated by commas."),
        ([*DETECT, "--scales=1,x"], "--scales=1,x must be numbers, separated by commas."),
        ([*TRAIN, "--holdout=1.0"], "flag --holdout=1.0: use a number of images without a point, or a share between 0"),
        ([*TRAIN, "--holdout=abc"], "flag --holdout=abc: use a number of images without a point, or a share between 0"),
        ([*TRAIN, "--learning_rate=abc"], "flag --learning_rate=abc: use a number (--help explains the flags)"),
        ([*TRAIN, "--batch_size=abc"], "flag --batch_size=abc: use an integer (--help explains the flags)"),
        ([*TRAIN, "--jit_compile=fast"], "flag --jit_compile=fast: use auto, true or false"),
    ],
)
def test_a_wrong_value_is_named_with_what_it_must_be(command, message, tmp_path, run_command):
    module, *arguments = command
    process = run_command(module, f"--model_dir={tmp_path / 'run'}", *arguments)
    assert process.returncode == 1 and process.stdout == "" and "Traceback" not in process.stderr
    error = process.stderr.splitlines()[-1]
    assert error.startswith("error: ") and message in error
    assert not (tmp_path / "run").exists()


def test_an_old_name_sets_the_new_flag_and_warns(tmp_path, run_command):
    process = run_command(*DETECT, f"--model_dir={tmp_path / 'run'}", "--test_after_nms=0")
    *_, warning, error = process.stderr.splitlines()
    assert warning == "warning: --test_after_nms is now --test_post_nms_topk; the next release has the new name only"
    assert error.startswith("error: --test_post_nms_topk=0 must be a positive integer")
    shown = run_command("trainers.detection", "--help").stdout
    assert "--test_post_nms_topk: Number of top-scoring proposals" in shown and "--test_after_nms" not in shown


def test_help_shows_the_text_and_the_default_of_an_option(run_command):
    train = " ".join(run_command("trainers.detection", "--help").stdout.split())
    test = " ".join(run_command("trainers.evaluate", "--help").stdout.split())
    assert "--roi_background_iou: A region is background if its largest IoU with an object is in this" in train
    assert "half-open interval. Default: 0,0.5, unless the system or the recipe has another." in train
    assert "--score_threshold: Detections have scores above this. Default: that of the training." in test
