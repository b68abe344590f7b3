"""Data sets in COCO's format."""

import json
import shutil

import numpy as np
import pytest
from annotated_images import load, sizes, write_image

from keras_resnets import ArgumentError
from trainers.data.sources.coco import open_coco
from trainers.metrics.masks import decode

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
        self.name = f"coco:{self.folder},{self.train},{self.folder},{self.test}"
        self.images = write_images(self.folder, [60, 61, 62])
        self.annotations = [DOG]
        self.write()

    def write(self):
        write_json(self.train, [image for image in self.images if image["id"] != 3], self.annotations)
        write_json(self.test, self.images[2:3], [{**DOG, "image_id": 3}])

    def open(self, strict=False):
        return open_coco(self.name.removeprefix("coco:"), strict)


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
    ({"category_id": 2}, "(None): category_id=2: no category with the category_id"),
    ({"category_id": [1]}, "(None): category_id=[1]: no category with the category_id"),
    ({"image_id": 99}, "(dog): image_id=99: no image with the image_id"),
    ({"bbox": None}, "(dog): bbox=None: bbox is not four numbers"),
    ({"bbox": [1, 2, 3]}, "(dog): bbox=[1, 2, 3]: bbox is not four numbers"),
    ({"bbox": [1, "two", 3, 4]}, "(dog): bbox=[1, 'two', 3, 4]: bbox is not four numbers"),
    ({"bbox": [1, 2, float("nan"), 4]}, "(dog): bbox=[1, 2, nan, 4]: bbox is not four numbers"),
    ({"bbox": [1, 2, 0, 4]}, "(dog): bbox=[1, 2, 0, 4]: the width of bbox is not positive"),
    ({"bbox": [1, 2, 3, -4]}, "(dog): bbox=[1, 2, 3, -4]: the height of bbox is not positive"),
    ({"bbox": [1, 50, 3, 4]}, "(dog): bbox=[1, 50, 3, 4]; width=60 height=50: outside of the image"),
    ({"bbox": [], "segmentation": [[1, 2, 3]]}, "(dog): mask with fewer than three points, or half a point"),
    ({"bbox": [], "segmentation": {"counts": [5], "size": [0, 0]}}, "(dog): mask whose run lengths cannot be read"),
    ({"bbox": [], "segmentation": {"counts": 5}}, "(dog): mask whose run lengths cannot be read"),
]


def test_damaged_annotations_alone_are_left_out(files, capsys):
    bad = [{**DOG, "id": 100 + position, **change} for position, (change, _) in enumerate(BAD_ANNOTATIONS)]
    files.annotations = [DOG, *bad, {**DOG, "bbox": [1, 2, 3, 4]}, "no annotation"]
    files.write()
    assert boxes(files.open().train) == [[[10, 20, 40.5, 28], [1, 2, 4, 6]], []]
    lines = [line.removeprefix(f"{files.name}: ") for line in capsys.readouterr().err.splitlines()]
    name = f"{files.train}: annotation"
    example = f"(e.g. {name} 100 (None): category_id=2)"
    assert f"2 objects: no category with the category_id {example}; left out" in lines
    example = f"(e.g. {name} 102 (dog): image_id=99)"
    assert f"2 objects: no image with the image_id {example}; left out" in lines
    assert f"4 objects: bbox is not four numbers (e.g. {name} 103 (dog): bbox=None); left out" in lines
    example = f"({name} 109 (dog): bbox=[1, 50, 3, 4]; width=60 height=50)"
    assert f"1 object: outside of the image {example}; left out" in lines
    assert sum(line.endswith("left out") for line in lines) == 8  # a line for each cause


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
    # Rounding errors, as of the second, are not reported.
    example = f"{files.train}: annotation 7 (dog): bbox=[-1, 40, 30, 11]; width=60 height=50"
    assert f"1 object: partly outside of the image ({example}); clipped" in capsys.readouterr().err


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
    assert f"1 image: the id of another image ({train}: image 3 (wide.jpg): id=1); left out" in message
    wrong = f"{train}: image id=4: width=50, but {folder}/wide.jpg has width=90 height=50"
    assert f"1 image: the stated size is not that of the file ({wrong}); the size of the file is used" in message
    text = f"{train}: image id=5: {folder}/text.jpg"
    assert f"1 image: it cannot be decoded as JPEG, PNG, BMP, GIF or WebP ({text}); left out" in message
    assert f"1 image: it does not exist ({train}: image id=6: {folder}/none.jpg); left out" in message
    assert f"2 images: no id or no file_name (e.g. {train}: image 7 (wide.jpg)); left out" in message


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", r"train\.json is not JSON \(Expecting property name"),
        ("[]", r"train\.json has no list of images; expected is"),
        ('{"images": [], "annotations": 5}', r"train\.json has no list of annotations; expected is"),
        ('{"images": [], "annotations": [], "categories": []}', "must have categories, and no two with the same id"),
        ('{"images": [], "annotations": [], "categories": [{"id": [1], "name": "a"}]}', "a number or a text as its id"),
        ('{"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}]}', "the same categories: only one"),
    ],
)
def test_files_that_are_not_cocos(content, message, files):
    files.train.write_text(content)
    with pytest.raises(ArgumentError, match=message):
        files.open()


def test_paths_that_are_no_data_sets(files):
    for spec in ("a,b,c", "a,"):
        with pytest.raises(ArgumentError, match=f"coco:{spec} is not one, two or four paths; expected is"):
            open_coco(spec, strict=False)
    with pytest.raises(ArgumentError, match="there is no folder nowhere; expected is"):
        open_coco(f"nowhere,{files.train}", strict=False)
    with pytest.raises(ArgumentError, match="none.json cannot be read; expected is"):
        open_coco(f"{files.folder},none.json", strict=False)
    shutil.rmtree(files.folder)
    files.folder.mkdir()
    with pytest.raises(
        ArgumentError, match=r"has no training image that can be used \(\d images: it does not exist\); exp"
    ):
        files.open()


def test_ids_as_texts_and_filename(files):
    images = [{"id": str(image["id"]), "filename": image["file_name"]} for image in files.images]
    annotations = [{**DOG, "image_id": "1", "category_id": "18", "iscrowd": "0", "bbox": ["10", "20", "30.5", "8"]}]
    categories = [{"id": str(entry["id"]), "name": entry["name"]} for entry in CATEGORIES]
    write_json(files.train, images[:2], annotations, categories)
    write_json(files.test, images[2:], [{**DOG, "image_id": 3}])
    dataset = files.open(strict=True)
    first = load(dataset.train)[0]
    assert first["boxes"].tolist() == [[10, 20, 40.5, 28]] and not first["ignored"][0]
    assert dataset.labels == ("person", "dog", "toothbrush") and first["classes"].tolist() == [1]


def mask_of(box, compressed):
    """Returns a run-length encoding of a box of an image with 60 x 50 pixels."""
    from pycocotools import mask

    x1, y1, x2, y2 = box
    pixels = np.zeros((50, 60), np.uint8, order="F")
    pixels[y1:y2, x1:x2] = 1
    if compressed:
        encoded = mask.encode(pixels)
        return {**encoded, "counts": encoded["counts"].decode()}
    column = pixels.T.reshape(-1)
    ends = np.flatnonzero(np.diff(column)) + 1
    return {"size": [50, 60], "counts": np.diff([0, *ends, len(column)]).tolist()}


@pytest.mark.parametrize(
    "segmentation",
    [
        [[10, 20, 40.5, 20, 40.5, 28, 10, 28]],
        [[10, 20, 15, 20, 15, 28], [30, 21, 40.5, 21, 40.5, 22]],
        mask_of([10, 20, 40, 28], compressed=False),
        mask_of([10, 20, 40, 28], compressed=True),
    ],
    ids=["a polygon", "two polygons", "runs", "compressed runs"],
)
@pytest.mark.parametrize("bbox", [None, [], [0, 0, 0, 0]])
def test_masks_without_boxes(segmentation, bbox, files, capsys):
    files.annotations = [{**DOG, "bbox": bbox, "segmentation": segmentation}]
    files.write()
    x2 = 40 if isinstance(segmentation, dict) else 40.5
    assert boxes(files.open(strict=True).train)[0] == [[10, 20, x2, 28]]
    example = f"{files.train}: annotation 7 (dog)"
    assert f"1 object: a mask and no box ({example}); the box around the mask is used" in capsys.readouterr().err


def test_crowds_where_all_objects_are_crowds(files, capsys):
    """CVAT marks each mask so."""
    files.annotations = [{**DOG, "iscrowd": 1}]
    files.write()
    write_json(files.test, files.images[2:], [{**DOG, "image_id": 3, "iscrowd": 1}])
    assert load(files.open(strict=True).train)[0]["ignored"].tolist() == [False]
    assert "all 2 objects are marked as crowd or difficult: they are read as ordinary" in capsys.readouterr().err


def test_normalized_boxes(files, capsys):
    files.annotations = [{**DOG, "bbox": [0.5, 0.2, 0.5, 0.6], "area": 0.3}]
    files.write()
    write_json(files.test, files.images[2:], [{**DOG, "image_id": 3, "bbox": [0, 0, 0.5, 1]}])
    dataset = files.open(strict=True)
    assert boxes(dataset.train)[0] == [[30, 10, 60, 40]] and boxes(dataset.test) == [[[0, 0, 31, 50]]]
    assert load(dataset.train)[0]["areas"].tolist() == [900]
    assert "all boxes lie within 0..1: they are read as shares of the images' sides" in capsys.readouterr().err


@pytest.mark.parametrize("group", ["animals", "dog"])
def test_a_category_that_only_groups_is_no_class(group, files, capsys):
    """Roboflow's first category, which may be called like one of the others."""
    categories = [
        {"id": 0, "name": group, "supercategory": "none"},
        {"id": 18, "name": "dog", "supercategory": group},
        {"id": 19, "name": "cat", "supercategory": group},
    ]
    write_json(files.train, files.images[:2], [DOG], categories)
    write_json(files.test, files.images[2:], [{**DOG, "image_id": 3, "category_id": 19}], categories)
    dataset = files.open(strict=True)
    assert dataset.labels == ("dog", "cat") and load(dataset.train)[0]["classes"].tolist() == [0]
    message = f"{files.name}: category 0 ({group}) groups others, and no object has it: it is no class"
    assert message in capsys.readouterr().err
    begun = open_coco(files.name.removeprefix("coco:"), strict=True, labels=(group, "dog", "cat"))
    assert begun.labels == (group, "dog", "cat")  # of a run that was begun when it was one


def test_two_categories_of_one_name_are_one_class(files, capsys):
    categories = [{"id": 1, "name": "dog"}, {"id": 18, "name": "dog"}, {"id": 19, "name": "cat"}]
    write_json(files.train, files.images[:2], [DOG, {**DOG, "category_id": 1, "bbox": [1, 2, 3, 4]}], categories)
    write_json(files.test, files.images[2:], [], categories)
    dataset = files.open(strict=True)
    assert dataset.labels == ("dog", "cat") and load(dataset.train)[0]["classes"].tolist() == [0, 0]
    assert f"{files.name}: several categories are called dog: they are one class" in capsys.readouterr().err


@pytest.mark.parametrize(
    "prefix",
    ["images\\", "..\\..\\media\\upload\\4\\", "/data/local-files/?d=images/", "https://host/x%20y/", "s3://bucket/"],
)
def test_paths_of_other_machines(prefix, files, capsys):
    images = [{**image, "file_name": prefix + image["file_name"]} for image in files.images]
    write_json(files.train, images[:2], [DOG])
    write_json(files.test, images[2:], [{**DOG, "image_id": 3}])
    dataset = files.open(strict=True)
    assert sizes(dataset.train) == [(60, 50), (61, 50)] and sizes(dataset.test) == [(62, 50)]
    example = f"(e.g. {files.train}: image id=1: {prefix}001.jpg)"
    assert f"3 images: no such path {example}; the only file of the same name is used" in capsys.readouterr().err


def test_a_name_that_two_files_have(files, capsys):
    write_image(files.folder / "more" / "a.jpg", 70, 50)
    write_image(files.folder / "other" / "a.jpg", 71, 50)
    files.images[:2] = [{"id": 1, "file_name": "C:\\a.jpg"}, {"id": 2, "file_name": "C:\\more\\a.jpg"}]
    files.annotations = [{**DOG, "image_id": 2}]
    files.write()
    assert sizes(files.open().train) == [(70, 50)]
    found = f"C:\\a.jpg may be {files.folder}/more/a.jpg or {files.folder}/other/a.jpg"
    example = f"{files.train}: image 1 (C:\\a.jpg): {found}"
    assert f"1 image: several files of this name ({example}); left out" in capsys.readouterr().err


def roboflow(root):
    return [(root / split, root / split / "_annotations.coco.json") for split in ("train", "valid", "test")]


def cocos_own(root):
    names = ("train2017", "val2017", "test2017")
    return [(root / name, root / "annotations" / f"instances_{name}.json") for name in names]


def datumaro(root):
    names = ("train", "val", "test")
    return [(root / "images" / name, root / "annotations" / f"instances_{name}.json") for name in names]


def own(root):
    return [(root / "images", root / f"{name}.json") for name in ("Train", "Validation", "Test")]


@pytest.mark.parametrize("layout", [roboflow, cocos_own, datumaro, own])
def test_a_folder_with_its_splits(layout, tmp_path, capsys):
    for position, (folder, file) in enumerate(layout(tmp_path)):
        write_image(folder / f"{position}.jpg", 60 + position, 50)
        file.parent.mkdir(exist_ok=True)
        write_json(file, [{"id": 1, "file_name": f"{position}.jpg"}], [DOG])
    (tmp_path / "annotations").mkdir(exist_ok=True)
    (tmp_path / "annotations" / "captions_train2017.json").write_text("{")
    if layout in (roboflow, own):
        (tmp_path / "annotations" / "captions_train2017.json").unlink()
    dataset = open_coco(str(tmp_path), strict=True)
    assert sizes(dataset.train) == [(60, 50)] and sizes(dataset.test) == [(61, 50)]
    assert f"coco:{tmp_path}: measured with val" in capsys.readouterr().err


def test_a_file_that_is_no_splits_is_named(tmp_path, capsys):
    for position, name in enumerate(("train", "eval", "unlabeled")):
        write_image(tmp_path / "images" / f"{position}.jpg", 60 + position, 50)
        write_json(tmp_path / f"{name}.json", [{"id": 1, "file_name": f"{position}.jpg"}], [DOG])
    dataset = open_coco(str(tmp_path), strict=True)
    assert sizes(dataset.train) == [(60, 50)] and sizes(dataset.test) == [(61, 50)]
    unused = f"(e.g. {tmp_path / 'unlabeled.json'})"
    assert f"1 JSON file without the name of a split: not used {unused}" in capsys.readouterr().err


def test_a_folder_with_one_file(tmp_path):
    images = write_images(tmp_path / "images", range(50, 70))
    (tmp_path / "annotations").mkdir()
    write_json(tmp_path / "annotations" / "instances_default.json", images, [DOG])
    dataset = open_coco(str(tmp_path), strict=True)
    assert (dataset.train.size, dataset.test.size) == (18, 2)
    write_json(tmp_path / "annotations" / "instances_other.json", images, [DOG])
    with pytest.raises(ArgumentError, match="do not tell which one to train on .found: .*default.json, .*other.json.;"):
        open_coco(str(tmp_path), strict=True)


def test_a_name_that_no_file_can_have(files):
    files.images[0]["file_name"] = "\ud800.jpg"
    files.write()
    with pytest.raises(ArgumentError, match="image id=1: .*: it does not exist: mend it"):
        files.open(strict=True)


def test_the_folder_of_images_elsewhere_is_proposed(files):
    for image in files.images:
        image["file_name"] = str(files.folder / image["file_name"])
    files.write()
    (files.root / "export").mkdir()
    with pytest.raises(ArgumentError, match=f"not in .*export: pass --dataset=coco:{files.folder},{files.train}"):
        open_coco(f"{files.root / 'export'},{files.train}", strict=False)
    with pytest.raises(ArgumentError, match=f"train.json is a file, .*: pass --dataset=coco:IMAGES,{files.train}"):
        open_coco(str(files.train), strict=False)


def test_objects_of_images_that_are_left_out_are_not_counted_again(files, capsys):
    write_images(files.root / "elsewhere", [60])
    files.images[0]["file_name"] = str(files.root / "elsewhere" / "001.jpg")
    files.annotations.append({**DOG, "id": 8, "image_id": 2})
    files.write()
    (files.folder / "001.jpg").unlink()
    assert files.open().train.size == 1
    message = capsys.readouterr().err
    assert "1 image: outside of" in message and "no image with the image_id" not in message


def test_annotations_that_are_there_twice_are_taken_once(files, capsys):
    """As after a merge: average precision could be half at most."""
    other = {**DOG, "id": 9, "category_id": 1}
    files.annotations += [{**DOG, "id": 8}, other, {**DOG, "id": 10, "bbox": [10, 20, 30.5, 9]}]
    files.write()
    assert load(files.open(strict=True).train)[0]["classes"].tolist() == [1, 0, 1]
    example = f"{files.train}: annotation 8 (dog): bbox=[10, 20, 30.5, 8]"
    assert f"1 object: an object that is there already ({example}); taken once" in capsys.readouterr().err


def test_a_file_of_two_ids_is_one_image(files, capsys):
    files.images.append({**files.images[0], "id": 4})
    files.annotations += [{**DOG, "id": 8, "image_id": 4}, {**DOG, "id": 9, "image_id": 4, "category_id": 1}]
    files.write()
    dataset = files.open(strict=True)
    assert sizes(dataset.train) == [(60, 50), (61, 50)]
    assert load(dataset.train)[0]["classes"].tolist() == [1, 0]
    said = f"1 image: the file of another id ({files.train}: image id=4: 001.jpg); read once, with the objects of both"
    assert said in capsys.readouterr().err


def test_resized_images_are_said_with_a_remedy(files, capsys):
    files.images[0].update(width=120, height=100)
    files.write()
    files.open()
    message = capsys.readouterr().err
    assert "1 image: the stated size is not that of the file (" in message
    assert "if images were resized, take the original ones, or annotate these" in message


def test_a_pointer_of_git_lfs_is_named(files, capsys):
    (files.folder / "002.jpg").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n")
    assert files.open().train.size == 1
    assert "1 image: it is a pointer of Git LFS (run git lfs pull), not JPEG" in capsys.readouterr().err
    files.train.write_bytes((files.folder / "002.jpg").read_bytes())
    with pytest.raises(ArgumentError, match=r"train\.json is a pointer of Git LFS, .*: run git lfs pull"):
        files.open()


def test_masks_are_those_of_the_objects(files):
    """Of a polygon, run lengths, and a crowd; they are there only where they are asked for."""
    triangle = {**DOG, "segmentation": [[10, 20, 40.5, 20, 10, 28]]}
    runs = {"size": [50, 60], "counts": [100, 10, 40, 10, 2840]}
    crowd = {"id": 8, "image_id": 1, "category_id": 90, "bbox": [0, 0, 60, 50], "iscrowd": 1, "segmentation": runs}
    files.annotations = [triangle, crowd]
    files.write()
    assert all("masks" not in example for example in load(files.open().train))
    write_json(files.test, files.images[2:3], [{**triangle, "image_id": 3}])
    first, second = load(open_coco(files.name.removeprefix("coco:"), strict=True, masks=True).train)
    found = [decode(one, 50, 60) for one in first["masks"]]
    rows, columns = np.nonzero(found[0])
    assert [columns.min(), rows.min(), rows.max()] == [10, 20, 27] and abs(found[0].sum() - 30.5 * 8 / 2) < 8
    expected = np.zeros((50, 60))
    expected[:10, 2:4] = 1
    np.testing.assert_array_equal(found[1], expected)
    assert second["masks"].shape == (0,)


def test_objects_without_a_mask_are_left_out_and_counted(files, capsys):
    whole = {**DOG, "segmentation": [[10, 20, 40, 20, 40, 28]]}
    of_another_size = {"size": [9, 9], "counts": [40, 41]}
    files.annotations = [
        whole,
        {**DOG, "id": 8, "bbox": [1, 2, 3, 4]},
        {**DOG, "id": 9, "bbox": [5, 2, 3, 4], "segmentation": []},
        {**DOG, "id": 10, "bbox": [9, 2, 3, 4], "segmentation": of_another_size},
    ]
    files.write()
    write_json(files.test, files.images[2:3], [{**whole, "image_id": 3}])
    spec = files.name.removeprefix("coco:")
    assert [len(one["masks"]) for one in load(open_coco(spec, strict=False, masks=True).train)] == [1, 0]
    said = capsys.readouterr().err
    assert "2 objects: no mask (e.g." in said and "annotation 8 (dog)" in said and "left out" in said
    assert "1 object: mask of another size than its image" in said and "size=[9, 9]; height=50 width=60" in said
    with pytest.raises(ArgumentError, match="annotation 8 .dog.*no mask: mend it"):
        open_coco(spec, strict=True, masks=True)
    assert [len(one["boxes"]) for one in load(files.open(strict=True).train)] == [4, 0]
