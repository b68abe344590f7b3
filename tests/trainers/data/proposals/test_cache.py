"""Region proposals that are kept on disk."""

import time

import numpy as np
import pytest
from processes import SUPPORT, start
from rectangles import rectangle_dataset, rectangles

from keras_resnets import ArgumentError
from trainers.data.proposals.cache import ProposalCache, split_proposals
from trainers.data.proposals.methods import METHODS

IMAGES = rectangles(3, seed=5)[0]
PROGRAM = """
import sys
folder, support = sys.argv[1:]
sys.path.append(support)
from rectangles import rectangle_dataset
from trainers.data.proposals.cache import ProposalCache, split_proposals
cache = ProposalCache(folder, "selective_search_quality", 100)
split_proposals(cache, rectangle_dataset(40, seed=6).test, "killed")
"""


def files(folder):
    """Returns the times of the files of all proposals by their paths; nothing else is there."""
    found = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert all(path.suffix == ".npz" for path in found)
    return found


@pytest.mark.parametrize("method", METHODS)
def test_proposals_are_found_once(method, tmp_path):
    image = IMAGES[0]
    first, seconds = ProposalCache(tmp_path, method, 50)(image)
    np.testing.assert_array_equal(first, METHODS[method](image, 50))
    before = files(tmp_path)
    again, same_seconds = ProposalCache(tmp_path, method, 50)(image.copy())
    np.testing.assert_array_equal(again, first)
    assert again.dtype == np.float32 and again.shape[1:] == (4,)
    assert same_seconds == seconds > 0 and files(tmp_path) == before and len(before) == 1


def test_what_is_kept_is_returned(tmp_path):
    cache = ProposalCache(tmp_path, "edge_boxes")
    cache(IMAGES[0])
    (file,) = files(tmp_path)
    kept = np.float32([[1, 2, 3, 4]])
    np.savez(file, boxes=kept, seconds=7.5)
    boxes, seconds = cache(IMAGES[0])
    np.testing.assert_array_equal(boxes, kept)
    assert seconds == 7.5
    assert not np.array_equal(cache(IMAGES[1])[0], kept)


def test_an_image_without_proposals_is_kept_too(tmp_path):
    for _ in range(2):
        boxes, _ = ProposalCache(tmp_path, "edge_boxes")(np.zeros((20, 30, 3), np.uint8))
        assert boxes.shape == (0, 4) and boxes.dtype == np.float32


def test_other_settings_and_images_have_other_files(tmp_path):
    model = tmp_path / "model.yml"
    model.write_text("forest")
    cache = ProposalCache(tmp_path / "kept", "edge_boxes", model=model)
    # Other models, also of the same name, are other settings.
    assert cache.settings["model"] != ProposalCache(tmp_path, "edge_boxes").settings["model"]
    model.write_text("another forest")
    assert cache.settings["model"] != ProposalCache(tmp_path, "edge_boxes", model=model).settings["model"]

    folder = tmp_path / "kept"
    settings = [{}, {"limit": 50}, {"seed": 1}, {"mode": "quality"}]
    caches = [ProposalCache(folder, "selective_search", **changes) for changes in settings]
    caches += [ProposalCache(folder, "selective_search_quality"), ProposalCache(folder, "edge_boxes")]
    image = IMAGES[0]
    for number, cache in enumerate(caches, 1):
        cache(image)
        assert len(files(folder)) == number
    # The same values in another shape, and one that differs by a little, are other images.
    caches[0](image.reshape(48, 192, 3))
    image = image.copy()
    image[0, 0, 0] ^= 1
    caches[0](image)
    assert len(files(folder)) == len(caches) + 2
    # Defaults that are given are the defaults.
    ProposalCache(folder, "selective_search", 2000, seed=0, mode="fast")(IMAGES[0])
    assert len(files(folder)) == len(caches) + 2
    assert caches[3].settings == {"limit": 2000, "mode": "quality", "seed": 0}


def test_damaged_files_are_reported_and_computed_again(tmp_path, capsys):
    cache = ProposalCache(tmp_path, "edge_boxes", 10)
    boxes, _ = cache(IMAGES[0])
    (file,) = files(tmp_path)
    content, random = file.read_bytes(), np.random.default_rng(0)
    middle = content.index(b"boxes") + 60
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    damaged = [b"", b"no proposals", content[:-1], content[: len(content) // 2], flipped, bytes(len(content))]
    for wrong in damaged:
        file.write_bytes(wrong)
        np.testing.assert_array_equal(cache(IMAGES[0])[0], boxes)
        message = capsys.readouterr().err
        assert message.startswith(f"{file} is damaged (") and message.endswith("): computed again\n")
        np.testing.assert_array_equal(np.load(file)["boxes"], boxes)
    # What has only bits that do not matter changed may be kept; wrong boxes never are.
    for _ in range(200):
        wrong = bytearray(content)
        for place in random.integers(len(content), size=random.integers(1, 4)):
            wrong[place] = random.integers(256)
        file.write_bytes(wrong)
        np.testing.assert_array_equal(cache(IMAGES[0])[0], boxes)


def test_files_that_cannot_be_read_are_errors_of_the_disk(tmp_path):
    cache = ProposalCache(tmp_path, "edge_boxes", 10)
    cache(IMAGES[0])
    (file,) = files(tmp_path)
    file.unlink()
    file.mkdir()
    with pytest.raises(IsADirectoryError):
        cache(IMAGES[0])


@pytest.mark.parametrize("workers", [1, 3])
def test_a_split_has_its_proposals_in_order(workers, tmp_path, capsys):
    split = rectangle_dataset(12, seed=3).test
    cache = ProposalCache(tmp_path, "selective_search", 40)
    boxes, seconds = split_proposals(cache, split, "proposals", workers)
    images = rectangles(12, seed=3)[0]
    assert len(boxes) == 12 and seconds.shape == (12,) and np.all(seconds > 0)
    for found, image in zip(boxes, images):
        np.testing.assert_array_equal(found, METHODS["selective_search"](image, 40))
    before = files(tmp_path)
    assert len(before) == 12
    again, same_seconds = split_proposals(cache, split, "proposals", workers)
    assert files(tmp_path) == before and np.array_equal(same_seconds, seconds)
    assert all(np.array_equal(*pair) for pair in zip(again, boxes))
    assert "damaged" not in capsys.readouterr().err


def test_errors_of_an_image_are_raised(tmp_path):
    with pytest.raises(ArgumentError, match="mode='slow' is unknown"):
        cache = ProposalCache(tmp_path, "selective_search", mode="slow")
        split_proposals(cache, rectangle_dataset(12, seed=3).test, "proposals")
    with pytest.raises(ArgumentError, match="method='search' is unknown: use selective_search, "):
        ProposalCache(tmp_path, "search")


@pytest.mark.slow
def test_a_killed_run_goes_on(tmp_path):
    process = start(["-c", PROGRAM, tmp_path, SUPPORT])
    while len(list(tmp_path.rglob("*.npz"))) < 5:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    process.kill()
    process.communicate()
    for partial in tmp_path.rglob("*.partial"):  # What it was writing, if it was.
        partial.unlink()
    before = files(tmp_path)
    assert 5 <= len(before) < 40
    cache = ProposalCache(tmp_path, "selective_search_quality", 100)
    boxes, _ = split_proposals(cache, rectangle_dataset(40, seed=6).test, "goes on")
    after = files(tmp_path)
    assert len(after) == 40 and before.items() <= after.items()
    for found, image in zip(boxes[::8], rectangles(40, seed=6)[0][::8]):
        np.testing.assert_array_equal(found, METHODS["selective_search_quality"](image, 100))
