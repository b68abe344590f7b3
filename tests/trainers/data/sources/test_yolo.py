"""Data sets in YOLO's format."""

import numpy as np
import pytest
from annotated_images import load, sizes, write_image

from keras_resnets import ArgumentError
from trainers.data.registry import open_detection_dataset

BOX = "1 0.5 0.5 0.25 0.5"  # of an image with 60 x 40 pixels


def write(root, split, **lines):
    """Writes images of 60, 61 ... x 40 pixels, and their labels; None for no file of labels."""
    for position, (name, text) in enumerate(lines.items()):
        write_image(root / split / "images" / f"{name}.jpg", 60 + position, 40)
        if text is not None:
            (root / split / "labels").mkdir(exist_ok=True)
            (root / split / "labels" / f"{name}.txt").write_text(text)


def data_yaml(root, text="train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['cat', 'dog']\n"):
    (root / "data.yaml").write_text(text)
    return f"yolo:{root}"


@pytest.fixture
def root(tmp_path):
    write(tmp_path, "train", a=BOX, b="0 0.5 0.5 1 1\n" + BOX)
    write(tmp_path, "valid", c=BOX)
    return tmp_path


def boxes(split):
    return [example["boxes"].round(3).tolist() for example in load(split)]


def test_boxes_in_pixels_of_roboflows_folders(root):
    dataset = open_detection_dataset(data_yaml(root), strict=True)
    assert dataset.labels == ("cat", "dog") and dataset.max_boxes == 2
    assert boxes(dataset.train) == [[[22.5, 10, 37.5, 30]], [[0, 0, 61, 40], [22.875, 10, 38.125, 30]]]
    assert [example["classes"].tolist() for example in load(dataset.train)] == [[1], [0, 1]]
    assert sizes(dataset.test) == [(60, 40)]


@pytest.mark.parametrize(
    "text",
    [
        "path: .\ntrain: train/images\nval: valid/images\nnames: {0: cat, 1: dog}",
        "train: [train/images]\nvalid: valid\nnames: [cat, dog]",
        "path: /content/datasets/mine\ntrain: train/images\nval: valid/images\nnames: [cat, dog]",
        "train: /content/mine/train/images\nval: D:\\mine\\valid\\images\nnames: [cat, dog]",
        "train: train.txt\nval: valid/images\nnames: [cat, dog]",
        "path: D:\\mine\ntrain: D:\\mine\\train\\images\nval: valid/images\nnames: [cat, dog]",
    ],
    ids=["names by number", "a list", "no such path", "of another machine", "a file of files", "of Windows"],
)
def test_forms_of_data_yaml(text, root):
    (root / "train.txt").write_text("./train/images/a.jpg\n/content/mine/train/images/b.jpg\n")
    dataset = open_detection_dataset(data_yaml(root, text) + "/data.yaml", strict=True)
    assert dataset.labels == ("cat", "dog") and sizes(dataset.train) == [(60, 40), (61, 40)]
    assert sizes(dataset.test) == [(60, 40)] and len(boxes(dataset.test)[0]) == 1


def test_the_path_of_another_machine(tmp_path, capsys):
    """Images lie in `images`, which without `path` might be another split's."""
    for split in ("images", "valid/images"):
        write_image(tmp_path / split / "a.jpg", 60, 40)
    text = "path: /home/someone/data\ntrain: /home/someone/data/images\nval: valid/images\nnames: [cat, dog]\n"
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text(BOX)
    assert open_detection_dataset(data_yaml(tmp_path, text), strict=True).train.size == 1
    example = f"{tmp_path}/data.yaml: /home/someone/data/images, but {tmp_path}/images"
    said = f"yolo:{tmp_path}: 2 paths: it does not exist (e.g. {example}); the latter is used"
    assert said in capsys.readouterr().err
    remedy = "does not exist in /home/someone/data: delete its line 'path: /home/someone/data', or state"
    with pytest.raises(ArgumentError, match=remedy):
        open_detection_dataset(data_yaml(tmp_path, text.replace("data/images", "data/photos")), strict=True)


@pytest.mark.parametrize("layout", ["labels", "beside", "deeper"])
def test_files_of_labels_without_image_are_counted(layout, root, capsys):
    """Whose images are lost, and their objects with them."""
    name = data_yaml(root)
    if layout == "beside":
        for path in [*root.glob("*/labels/*.txt")]:
            path.rename(path.parent.parent / "images" / path.name)
    folder = root / "train" / {"labels": "labels", "beside": "images", "deeper": "labels/day"}[layout]
    folder.mkdir(exist_ok=True)
    images = root / "train" / "images" / ("day" if layout == "deeper" else ".")
    for lost in ("x", "y"):
        (folder / f"{lost}.txt").write_text(BOX)
    (folder / "empty.txt").write_text("")
    (folder / "notes.txt").write_text("0 and 1 are the classes\n")
    (folder / "scan.txt").write_text(BOX)
    images.mkdir(exist_ok=True)
    (images / "scan.tif").write_bytes(b"")  # counted as a .tif
    open_detection_dataset(name)
    said = f"yolo:{root}: 2 label files: no image of its name (e.g. {folder}/x.txt); left out"
    assert said in capsys.readouterr().err
    with pytest.raises(ArgumentError, match=r"x\.txt: no image of its name: mend it, or go on without --strict"):
        open_detection_dataset(name, strict=True)


def test_labels_of_another_splits_images_have_their_image(tmp_path, capsys):
    for name in "abc":
        write(tmp_path, ".", **{name: BOX})
    (tmp_path / "train.txt").write_text("images/a.jpg\n")
    (tmp_path / "val.txt").write_text("images/b.jpg\n")
    name = data_yaml(tmp_path, "train: train.txt\nval: val.txt\nnames: [cat, dog]\n")
    assert open_detection_dataset(name, strict=True).train.size == 1
    assert "label file" not in capsys.readouterr().err


def test_darknets_own_files_are_not_passed_over(tmp_path, capsys):
    write(tmp_path, ".", a=BOX, b=BOX)
    (tmp_path / "obj.names").write_text("cat\ndog\n")
    (tmp_path / "obj.data").write_text("classes = 2\nnames = data/obj.names\n")
    assert open_detection_dataset(f"yolo:{tmp_path}", strict=True).labels == ("cat", "dog")
    assert "passed over" not in capsys.readouterr().err


@pytest.mark.parametrize("file", ["data.yaml", "classes.txt", "train.txt"])
def test_names_that_are_not_utf8_are_refused(file, root):
    data_yaml(root, "train: train.txt\nval: valid/images\nnames: [cat, B\u00e4r]\n")
    (root / "train.txt").write_text("train/images/a.jpg\n# B\u00e4r\n")
    (root / "classes.txt").write_text("cat\nB\u00e4r\n")
    if file == "classes.txt":
        (root / "data.yaml").unlink()
    assert open_detection_dataset(f"yolo:{root}").labels == ("cat", "B\u00e4r")
    text = (root / file).read_text()
    (root / file).write_text(text, "utf-16")
    assert open_detection_dataset(f"yolo:{root}").labels == ("cat", "B\u00e4r")
    (root / file).write_text(text, "latin-1")
    line = text[: text.index("\u00e4")].count("\n") + 1
    with pytest.raises(ArgumentError, match=rf"{file} is not UTF-8 \(line {line}\), .*: save it as UTF-8"):
        open_detection_dataset(f"yolo:{root}")


def test_a_polygon_has_the_box_around_it(root):
    (root / "train" / "labels" / "a.txt").write_text("0 0.1 0.5 0.5 0.25 0.9 0.5 0.5 0.75")
    (root / "train" / "labels" / "b.txt").write_text("1 0.5 0.25 0.75 0.25 0.75 0.5")
    found = boxes(open_detection_dataset(data_yaml(root), strict=True).train)
    np.testing.assert_allclose(np.concatenate(found), [[6, 10, 54, 30], [30.5, 10, 45.75, 20]], atol=1e-3)


def test_keypoints_are_passed_over(root):
    name = data_yaml(root, "train: train/images\nval: valid/images\nnames: [cat, dog]\nkpt_shape: [2, 3]\n")
    for path in root.glob("*/labels/*.txt"):
        path.write_text(f"{BOX} 0.1 0.1 2 0.9 0.9 2")
    assert boxes(open_detection_dataset(name, strict=True).test) == [[[22.5, 10, 37.5, 30]]]


def test_images_without_labels_are_background(root, capsys):
    write(root, "train", d=None, e="\n")
    dataset = open_detection_dataset(data_yaml(root), strict=True)
    assert [len(found) for found in boxes(dataset.train)] == [1, 2, 0, 0]
    example = f"({root}/train/images/d.jpg: {root}/train/labels/d.txt)"
    assert f"yolo:{root}: 1 image: no file of labels {example}; read without objects" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line, cause",
    [
        ("2 0.5 0.5 0.25 0.5", "no such class: the data set has 0 to 1"),
        ("-1 0.5 0.5 0.25 0.5", "no such class: the data set has 0 to 1"),
        ("cat 0.5 0.5 0.25 0.5", "not numbers alone"),
        ("1 0.5 0.5 0 0.5", "box without width or height"),
        ("1 30 20 15 10", "not shares of the image's sides, 0 to 1"),
        ("1 0.5 0.5 0.25", "neither a class and a box, nor a class and a polygon"),
    ],
)
def test_damaged_lines_alone_are_left_out(line, cause, root, capsys):
    path = root / "train" / "labels" / "a.txt"
    path.write_text(f"{line}\n{BOX}\n{BOX}\n")
    assert boxes(open_detection_dataset(data_yaml(root)).train)[0] == [[22.5, 10, 37.5, 30]]
    assert f"yolo:{root}: 1 object: {cause} ({path}: line 1: {line}); left out" in capsys.readouterr().err
    with pytest.raises(ArgumentError, match=f"line 1: {line}: {cause}: mend it, or go on without --strict"):
        open_detection_dataset(f"yolo:{root}", strict=True)


def test_a_tenth_is_held_out_where_there_are_no_splits(tmp_path, capsys):
    write(tmp_path, ".", **{f"i{i:02}": BOX for i in range(20)})
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    dataset = open_detection_dataset(f"yolo:{tmp_path}", strict=True)
    assert dataset.labels == ("cat", "dog") and (dataset.train.size, dataset.test.size) == (18, 2)
    assert "measured with 2 of its 20 images, always the same" in capsys.readouterr().err


def test_a_data_yaml_without_splits(root, capsys):
    """As supervision writes it."""
    write_image(root / "preview.jpg", 90, 40)
    dataset = open_detection_dataset(data_yaml(root, "nc: 2\nnames: [cat, dog]\n"), strict=True)
    assert sizes(dataset.train) == [(60, 40), (61, 40)] and sizes(dataset.test) == [(60, 40)]
    assert f"yolo:{root}: 1 image outside of the folders of splits: not used" in capsys.readouterr().err


def test_links_to_folders_are_followed_once(root):
    (root / "photos").symlink_to(root / "train")
    (root / "train" / "images" / "back").symlink_to(root)
    name = data_yaml(root, "train: photos/images\nval: valid/images\nnames: [cat, dog]\n")
    assert open_detection_dataset(name, strict=True).train.size > 1


def test_a_test_split_beside_val_stays_untouched(root, capsys):
    write(root, "test", f="nonsense")
    name = data_yaml(root, "train: train/images\nval: valid/images\ntest: test/images\nnames: [cat, dog]\n")
    assert open_detection_dataset(name, strict=True).test.size == 1
    assert f"yolo:{root}: measured with val; not used: test" in capsys.readouterr().err


def test_the_same_images_in_both_splits_are_said(root, capsys):
    open_detection_dataset(data_yaml(root, "train: train/images\nval: train/images\nnames: [cat, dog]\n"))
    assert "2 of 2 images to measure with are training images, too" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text, message",
    [
        ("train: train/images\nval: valid/images\n", "must have the names of the classes, and none twice"),
        ("train: train/images\nnames: [cat, ~]\n", "a name is empty, not a text: quote it"),
        ("train: train/images\nnames: [cat, [dog]]\n", "a name is a list, not a text: quote it"),
        ("train: [[train]]\nnames: [cat, dog]\n", "train is a list, not a text: quote it"),
        ("train: train/images\nnc: 1000000000000\n", "nc='1000000000000' must be a whole number from 1 to 100000"),
        ("train: train/images\nnames: [cat, cat]\n", "must have the names .*: cat is there twice"),
        ("names: {1: cat, 2: dog}\ntrain: train/images\n", "the numbers of its names must be 0, 1 ... 1"),
        ("val: valid/images\nnames: [cat, dog]\n", "has no images to train on .only val.; expected is a data.yaml"),
        ("train: train/labels\nnames: [cat, dog]\n", "train of .*data.yaml has no image: .*train/labels has none"),
        ("train: nowhere\nnames: [cat, dog]\n", "nowhere of .*data.yaml does not exist in"),
        ("train: train/images\nnames: cat\n", "names must be a list, or numbers with names"),
        ("- a list", "has no names, train and val; expected is"),
        ("names: [", "data.yaml cannot be read"),
    ],
)
def test_files_that_are_no_data_yaml(text, message, root):
    with pytest.raises(ArgumentError, match=message):
        open_detection_dataset(data_yaml(root, text))


def test_folders_that_are_no_data_sets(root):
    with pytest.raises(ArgumentError, match=r"has neither a data\.yaml nor a classes\.txt or obj\.names; expected is"):
        open_detection_dataset(f"yolo:{root}")
    empty = root / "empty"
    (empty / "images").mkdir(parents=True)
    (empty / "classes.txt").write_text("cat\n")
    with pytest.raises(ArgumentError, match=rf"has no images to train on \(no image in {empty}\); expected is"):
        open_detection_dataset(f"yolo:{empty}")


def test_images_of_other_formats_are_counted(root, capsys):
    for name in ("d.tif", "e.tif"):
        (root / "train" / "images" / name).write_bytes(b"")
    open_detection_dataset(data_yaml(root), strict=True)
    assert f"yolo:{root}: passed over: 2 .tif\n" in capsys.readouterr().err


def test_names_are_as_written(root):
    names = ["no", "010", "1:30", "1.10", "0x10", "nose", "2026-12-01", "true"]
    name = data_yaml(root, f"train: train/images\nval: valid/images\ntest: ~\nnames: [{', '.join(names)}]\n")
    assert open_detection_dataset(name, strict=True).labels == tuple(names)


def test_nested_aliases_are_not_printed_whole(root):
    nested = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9))
    text = f"a0: &a0 [cat]\n{nested}train: *a8\nnames: "
    for names in ("*a8", "{x: *a8}", "[cat, dog]"):
        with pytest.raises(ArgumentError) as error:
            open_detection_dataset(data_yaml(root, f"{text}{names}\n"))
        assert len(str(error.value)) < 1000


def test_lines_are_numbered_as_in_the_file(root, capsys):
    path = root / "train" / "labels" / "a.txt"
    path.write_text(f"{BOX}\n\n{BOX}\n{BOX}\n1 0.5\n")
    assert len(boxes(open_detection_dataset(data_yaml(root)).train)[0]) == 1
    message = capsys.readouterr().err
    assert f"2 objects: an object that is there already (e.g. {path}: line 3: {BOX}); taken once" in message
    assert f"{path}: line 5: 1 0.5); left out" in message


def test_labels_beside_the_images_of_a_data_set_in_a_folder_images(tmp_path):
    folder = tmp_path / "images" / "mine"
    for split in ("train", "valid"):
        write_image(folder / split / "a.jpg", 60, 40)
        (folder / split / "a.txt").write_text(BOX)
        other = tmp_path / "labels" / "mine" / split / "a.txt"
        other.parent.mkdir(parents=True)
        other.write_text("")
    dataset = open_detection_dataset(data_yaml(folder, "train: train\nval: valid\nnames: [cat, dog]\n"), strict=True)
    assert boxes(dataset.train) == boxes(dataset.test) == [[[22.5, 10, 37.5, 30]]]


def test_labels_beside_images_in_a_folder_images(root):
    for path in [*root.glob("*/labels/*.txt")]:
        path.rename(path.parent.parent / "images" / path.name)
    dataset = open_detection_dataset(data_yaml(root), strict=True)
    assert [len(found) for found in boxes(dataset.train)] == [1, 2]
