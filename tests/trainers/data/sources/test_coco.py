"""Data sets in COCO's format."""

import json
import shutil

import numpy as np
import pytest
from annotated_images import load, sizes, write_image

from keras_resnets import ArgumentError
from trainers.data.sources.coco import open_coco

CATEGORIES = [{"id": 90, "name": "toothbrush"}, {"id": 1, "name": "person"}, {"id": 18, "name": "dog"}]
DOG = {"id": 7, "image_id": 1, "category_id": 18, "bbox": [10, 20, 30.5, 8], "area": 100.5, "iscrowd": 0}


def write_images(folder, widths):
    """Writes images, and returns their entries: those of ids 1, 2, ... have the widths that are given."""
    entries = []
    for identifier, width in enumerate(widths, 1):
        write_image(folder / f"{identifier:03}.jpg", width, 50)
        entries.append({"id": identifier, "file_name": f"{identifier:03}.jpg", "width": width, "height": 50})
    return entries


def write_json(path, images, annotations, categories=CATEGORIES):
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))


class Files:
    """Two training images and a test image; `open` opens the data set after changes."""

    def __init__(self, root):
        self.root, self.folder = root, root / "images"
        self.train, self.test = root / "train.json", root / "test.json"
        self.images = write_images(self.folder, [60, 61, 62])
        self.annotations = [DOG]
        self.write()

    def write(self):
        write_json(self.train, [image for image in self.images if image["id"] != 3], self.annotations)
        write_json(self.test, self.images[2:3], [{**DOG, "image_id": 3}])

    def open(self, strict=False):
        return open_coco(f"{self.folder},{self.train},{self.folder},{self.test}", strict)


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


def boxes(split):
    return [example["boxes"].tolist() for example in load(split)]


def test_objects_as_annotated(files):
    crowd = {"id": 8, "image_id": 1, "category_id": 90, "bbox": [0, 0, 60, 50], "iscrowd": 1}
    files.annotations.append(crowd)
    files.write()
    dataset = files.open(strict=True)
    assert dataset.labels == ("person", "dog", "toothbrush")
    first, second = load(dataset.train)
    np.testing.assert_array_equal(first["boxes"], [[10, 20, 40.5, 28], [0, 0, 60, 50]])
    assert first["classes"].tolist() == [1, 2] and first["ignored"].tolist() == [False, True]
    assert first["areas"].tolist() == [100.5, 3000]
    assert second["boxes"].shape == (0, 4) and second["size"].tolist() == [61, 50]
    assert sizes(dataset.test) == [(62, 50)] and (dataset.max_boxes, dataset.side) == (2, None)


def test_a_tenth_of_one_file_is_the_test_split(tmp_path):
    images = write_images(tmp_path, range(50, 70))
    write_json(tmp_path / "all.json", images, [{**DOG, "image_id": image["id"]} for image in images])
    datasets = [open_coco(f"{tmp_path},{tmp_path / 'all.json'}", strict=True) for _ in range(2)]
    train, test = ([sizes(split) for split in (dataset.train, dataset.test)] for dataset in datasets)
    assert train == test
    assert sorted(train[0] + train[1]) == [(width, 50) for width in range(50, 70)] and len(train[1]) == 2
    assert all(len(found) == 1 for found in boxes(datasets[0].test))


BAD_ANNOTATIONS = [
    ({"category_id": 2}, "(None): there is no category with its category_id=2"),
    ({"category_id": [1]}, "(None): there is no category with its category_id=[1]"),
    ({"image_id": 99}, "(dog): there is no image with its image_id=99"),
    ({"bbox": None}, "(dog): bbox=None is not four numbers"),
    ({"bbox": [1, 2, 3]}, "(dog): bbox=[1, 2, 3] is not four numbers"),
    ({"bbox": [1, "two", 3, 4]}, "(dog): bbox=[1, 'two', 3, 4] is not four numbers"),
    ({"bbox": [1, 2, float("nan"), 4]}, "(dog): bbox=[1, 2, nan, 4] is not four numbers"),
    ({"bbox": [1, 2, 0, 4]}, "(dog): bbox=[1, 2, 0, 4]: its width is not positive"),
    ({"bbox": [1, 2, 3, -4]}, "(dog): bbox=[1, 2, 3, -4]: its height is not positive"),
    (
        {"bbox": [1, 50, 3, 4]},
        "(dog): bbox=[1, 50, 3, 4] is outside of the image, which has width=60 height=50",
    ),
]


def test_damaged_annotations_alone_are_left_out(files, capsys):
    bad = [{**DOG, "id": 100 + position, **change} for position, (change, _) in enumerate(BAD_ANNOTATIONS)]
    files.annotations = [DOG, *bad, {**DOG, "bbox": [1, 2, 3, 4]}, "no annotation"]
    files.write()
    assert boxes(files.open().train) == [[[10, 20, 40.5, 28], [1, 2, 4, 6]], []]
    lines = capsys.readouterr().err.splitlines()
    for position, (_, message) in enumerate(BAD_ANNOTATIONS):
        assert f"{files.train}: annotation {100 + position} {message}: left out" in lines
    assert f"{files.train}: annotation 13 (None): there is no image with its image_id=None: left out" in lines
    assert len(lines) == 12 and lines[-1].endswith(": 11 problems (left out: 11)")


@pytest.mark.parametrize("change, message", BAD_ANNOTATIONS)
def test_a_damaged_annotation_is_an_error_where_that_is_asked_for(change, message, files):
    files.annotations = [{**DOG, **change}]
    files.write()
    with pytest.raises(ArgumentError) as error:
        files.open(strict=True)
    assert str(error.value) == f"{files.train}: annotation 7 {message}: mend it, or go on without --strict (left out)."


def test_a_box_partly_outside_is_clipped(files, capsys):
    files.annotations = [{**DOG, "bbox": [-1, 40, 30, 11]}, {**DOG, "bbox": [50, 0, 10.001, 50]}]
    files.write()
    assert boxes(files.open().train) == [[[0, 40, 29, 50], [50, 0, 60, 50]], []]
    line, _ = capsys.readouterr().err.splitlines()  # Rounding errors, as of the second, are not reported.
    outside = "bbox=[-1, 40, 30, 11] is partly outside of the image, which has width=60 height=50"
    assert line == f"{files.train}: annotation 7 (dog): {outside}: clipped"


def test_damaged_images_are_left_out(files, capsys):
    write_image(files.folder / "wide.jpg", 90, 50)
    (files.folder / "text.jpg").write_text("no image")
    files.images += [
        {"id": 1, "file_name": "wide.jpg"},
        {"id": 4, "file_name": "wide.jpg", "width": 50, "height": 50},
        {"id": 5, "file_name": "text.jpg"},
        {"id": 6, "file_name": "none.jpg"},
        {"file_name": "wide.jpg"},
        "wide.jpg",
    ]
    files.annotations = [{**DOG, "image_id": identifier} for identifier in (1, 4, 5, 6)]
    write_json(files.train, [image for image in files.images if image != files.images[2]], files.annotations)
    assert sizes(files.open().train) == [(60, 50), (61, 50), (90, 50)]
    message, train, folder = capsys.readouterr().err, files.train, files.folder
    assert f"{train}: image 3 (wide.jpg): another image has its id=1, too: image left out" in message
    assert f"{train}: image id=4: width=50, but {folder}/wide.jpg has width=90 height=50: the size of the" in message
    assert f"{train}: image id=5: {folder}/text.jpg cannot be decoded: image left out" in message
    assert f"{train}: image id=6: {folder}/none.jpg does not exist: image left out" in message
    assert f"{train}: image 7 (wide.jpg): it has no id or no file_name: image left out" in message
    assert f"{train}: image 8 (None): it has no id or no file_name: image left out" in message
    assert "6 problems (image left out: 5, the size of the image is used: 1)" in message


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", r"train\.json is not JSON \(Expecting property name"),
        ("[]", r"train\.json has no list of images; expected is"),
        ('{"images": [], "annotations": 5}', r"train\.json has no list of annotations; expected is"),
        ('{"images": [], "annotations": [], "categories": []}', "must have categories, and no two with the same id"),
        ('{"images": [], "annotations": [], "categories": [{"id": "1", "name": "a"}]}', "a whole number as its id"),
        ('{"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}]}', "the same categories: only one"),
    ],
)
def test_files_that_are_not_cocos(content, message, files):
    files.train.write_text(content)
    with pytest.raises(ArgumentError, match=message):
        files.open()


def test_paths_that_are_no_data_sets(files):
    for spec in ("a", "a,b,c", "a,"):
        with pytest.raises(ArgumentError, match=f"--dataset=coco:{spec} is not two or four paths; expected is coco:"):
            open_coco(spec, strict=False)
    with pytest.raises(ArgumentError, match="there is no folder nowhere; expected is"):
        open_coco(f"nowhere,{files.train}", strict=False)
    with pytest.raises(ArgumentError, match="none.json cannot be read; expected is"):
        open_coco(f"{files.folder},none.json", strict=False)
    shutil.rmtree(files.folder)
    files.folder.mkdir()
    with pytest.raises(ArgumentError, match="has no training image that can be used; expected is"):
        files.open()
