"""The largest batch that fits into memory."""

import json

import pytest
from photos import save_photos

from keras_resnets import ArgumentError
from trainers.runtime.memory import available_memory
from trainers.tasks.batch_size import largest_batch

SIZES = [2**i for i in range(11)]


@pytest.mark.parametrize(
    "room, limit, expected, tried",
    [
        (100, 1e9, 64, [4, 8, 16, 32, 64, 128]),  # 128 is more than there is room for, as a GPU says.
        (1e9, 100, 64, [4, 8, 16, 32, 64]),  # 128 would be more than the limit: it is not tried.
        (1e9, 1e9, 1024, [4, 8, 16, 32, 64, 128, 256, 512, 1024]),
        (11, 1e9, 1, [4, 2, 1]),
        (1e9, 12, 2, [4, 2]),
    ],
)
def test_sizes_are_doubled_as_long_as_they_fit(room, limit, expected, tried):
    sizes = []

    def memory(size):
        sizes.append(size)
        return 10 + size if 10 + size <= room else None

    assert largest_batch(SIZES, memory, limit) == (expected, 10 + expected)
    assert sizes == tried


def test_without_any_room_the_error_says_what_to_do():
    with pytest.raises(ArgumentError, match="--batch_size=auto: not even a step of 1 fits into memory: use smaller"):
        largest_batch(SIZES, lambda size: None, 1e9)


def test_the_available_memory_is_that_of_a_machine():
    assert 2**28 < available_memory() < 2**50


@pytest.mark.slow
def test_a_run_keeps_the_size_that_was_chosen(tmp_path, run_command):
    save_photos(tmp_path / "photos", {"train": 20, "val": 4})
    flags = ["--model=cifar_resnet8", "--filters=4,8,16", f"--dataset=folder:{tmp_path}/photos", "--image_size=32"]
    flags += [f"--model_dir={tmp_path}/run", "--batch_size=auto"]
    process = run_command("trainers.classification", *flags, "--steps=1")
    assert process.returncode == 0, process.stderr
    assert "--batch_size=auto: 16 images, whose steps take " in process.stderr  # Of 20, as many as a power of two.
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["recipe"]["batch_size"] == 16
    process = run_command("trainers.classification", *flags, "--steps=2")
    assert process.returncode == 0 and "--batch_size=auto" not in process.stderr
    assert json.loads((tmp_path / "run" / "results.json").read_text())["step"] == 2
