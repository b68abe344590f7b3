"""Data sets in the format of PASCAL VOC."""

import numpy as np
import pytest
from annotated_images import load, sizes, write_image

from keras_resnets import ArgumentError
from trainers.data.sources.problems import NAMED
from trainers.data.sources.voc import LABELS, open_voc

CHAIR = ("chair", 11, 21, 30, 40)


def object_xml(label, *box, inside="", difficult=0):
    names = ("xmin", "ymin", "xmax", "ymax")
    corners = "".join(f"<{name}>{value}</{name}>" for name, value in zip(names, box))
    bndbox = f"<bndbox>{corners}</bndbox>" if box else ""
    return f"<object><name>{label}</name>{inside}<difficult>{difficult}</difficult>{bndbox}</object>"


def annotate(year, image_id, *objects, width=60, height=50):
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    path = year / "Annotations" / f"{image_id}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<annotation>{size}{''.join(objects)}</annotation>")
    return path


def write_year(year, **splits):
    """Writes images with a chair each, e.g. of train={"000001": 60}: the name and width of an image."""
    lists = year / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    for split, images in splits.items():
        (lists / f"{split}.txt").write_text("".join(f"{image_id}\n" for image_id in images))
        for image_id, width in images.items():
            write_image(year / "JPEGImages" / f"{image_id}.jpg", width, 50)
            annotate(year, image_id, object_xml(*CHAIR), width=width)
    return year


@pytest.fixture
def year(tmp_path):
    return write_year(tmp_path / "VOC2007", trainval={"1": 60, "2": 61}, test={"3": 62})


def widths(split):
    return [width for width, _ in sizes(split)]


def labels_of(example):
    return [LABELS[index] for index in example["classes"]]


def test_objects_as_annotated(year):
    part = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox></part>"
    annotate(
        year,
        "1",
        object_xml("person", 1, 1, 60, 50, inside=part, difficult=1),
        object_xml("tvmonitor", "45.70", 2, "50.2", 12),
    )
    annotate(year, "2", width=61)
    dataset = open_voc(year.parent, strict=True)
    first, second = load(dataset.train)
    np.testing.assert_array_equal(first["boxes"], np.float32([[0, 0, 60, 50], [44.7, 1, 50.2, 12]]))
    assert labels_of(first) == ["person", "tvmonitor"] and first["ignored"].tolist() == [True, False]
    np.testing.assert_allclose(first["areas"], [3000, 5.5 * 11], rtol=1e-6)
    assert second["boxes"].shape == (0, 4) and second["size"].tolist() == [61, 50]
    assert [value.dtype for value in first.values()][:4] == [np.float32, np.int32, bool, np.float32]
    assert (dataset.max_boxes, dataset.side, len(dataset.labels)) == (2, None, 20)
    assert dataset.labels == tuple(sorted(dataset.labels))


def test_all_years_are_trained_on_and_those_with_annotated_test_images_measured(tmp_path, capsys):
    write_year(tmp_path / "VOC2007", trainval={"1": 61, "2": 62}, train={"1": 61}, val={"2": 62}, test={"3": 63})
    later = write_year(tmp_path / "VOC2012", trainval={"4": 64}, test={"5": 65, "6": 66, "7": 67})
    for image_id in ("5", "6"):
        (later / "Annotations" / f"{image_id}.xml").unlink()
    (tmp_path / "VOCcode").mkdir()
    dataset = open_voc(tmp_path, strict=True)
    assert widths(dataset.train) == [61, 62, 64] and widths(dataset.test) == [63]
    assert f"{later}: only 1 of 3 test images are annotated: not used" in capsys.readouterr().err


def test_train_and_val_where_no_test_images_are_annotated(tmp_path):
    write_year(tmp_path, trainval={"1": 61, "2": 62}, train={"1": 61}, val={"2": 62})
    dataset = open_voc(tmp_path, strict=True)
    assert widths(dataset.train) == [61] and widths(dataset.test) == [62]


def test_train_where_there_is_no_trainval(tmp_path):
    dataset = open_voc(write_year(tmp_path / "own", train={"1": 61}, test={"3": 63}), strict=True)
    assert widths(dataset.train) == [61] and widths(dataset.test) == [63]


def test_labels_of_ones_own(year):
    (year.parent / "labels.txt").write_text("helmet\nsafety vest\n\n")
    for image_id in ("1", "2", "3"):
        annotate(year, image_id, object_xml("safety vest", 1, 1, 5, 5))
    dataset = open_voc(year.parent, strict=False)
    assert dataset.labels == ("helmet", "safety vest") and load(dataset.test)[0]["classes"].tolist() == [1]
    (year.parent / "labels.txt").write_text("helmet\nhelmet\n")
    with pytest.raises(ArgumentError, match=r"labels\.txt must have a class on each line, and none twice"):
        open_voc(year.parent, strict=False)


BAD_OBJECTS = {
    "(unicorn): there is no such class (PATH/labels.txt may list others than VOC's)": object_xml("unicorn", 1, 1, 9, 9),
    "(cow): it has no bndbox": object_xml("cow"),
    "(cow): xmax=10 is not larger than xmin=12": object_xml("cow", 12, 1, 10, 9),
    "(cow): ymax=4 is not larger than ymin=4": object_xml("cow", 1, 4, 9, 4),
    "(cow): ymin=high is not a number": object_xml("cow", 1, "high", 9, 9),
    "(cow): xmin=nan is not a number": object_xml("cow", "nan", 1, 9, 9),
    "(cow): ymax=None is not a number": object_xml("cow", 1, 1, 9),
    "(cow): xmin=61 ymin=1 xmax=90 ymax=9 is outside of the image, which has width=60 height=50": object_xml(
        "cow", 61, 1, 90, 9
    ),
}


def test_damaged_objects_alone_are_left_out(year, capsys):
    good = [object_xml(label, 2, 2, 9, 9) for label in ("cat", "dog")]
    path = annotate(year, "1", good[0], *BAD_OBJECTS.values(), good[1])
    dataset = open_voc(year.parent, strict=False)
    assert [labels_of(example) for example in load(dataset.train)] == [["cat", "dog"], ["chair"]]
    *lines, count = capsys.readouterr().err.splitlines()
    expected = enumerate(BAD_OBJECTS, 2)
    assert lines == [f"{path}: object {position} {message}: left out" for position, message in expected]
    assert count == f"voc:{year.parent}: 8 problems (left out: 8)"


@pytest.mark.parametrize("message", BAD_OBJECTS)
def test_a_damaged_object_is_an_error_where_that_is_asked_for(message, year):
    path = annotate(year, "1", BAD_OBJECTS[message])
    with pytest.raises(ArgumentError) as error:
        open_voc(year.parent, strict=True)
    assert str(error.value) == f"{path}: object 1 {message}: mend it, or go on without --strict (left out)."


def test_a_box_partly_outside_is_clipped(year, capsys):
    path = annotate(year, "1", object_xml("cow", 0, 11, 70.5, 60))
    dataset = open_voc(year.parent, strict=False)
    example = load(dataset.train)[0]
    assert example["boxes"].tolist() == [[0, 10, 60, 50]] and example["areas"].tolist() == [2400]
    message = "xmin=0 ymin=11 xmax=70.5 ymax=60 is partly outside of the image, which has width=60 height=50: clipped"
    assert f"{path}: object 1 (cow): {message}" in capsys.readouterr().err


def test_boxes_are_checked_against_the_image_not_its_stated_size(year, capsys):
    path = annotate(year, "1", object_xml("cow", 1, 1, 60, 50), width=30, height=25)
    dataset = open_voc(year.parent, strict=False)
    assert load(dataset.train)[0]["boxes"].tolist() == [[0, 0, 60, 50]]
    message = f"width=30 height=25, but {year / 'JPEGImages' / '1.jpg'} has width=60 height=50"
    assert f"{path}: {message}: the size of the image is used" in capsys.readouterr().err


def test_damaged_files_leave_out_their_image(tmp_path, capsys):
    images = {str(i): 60 + i for i in range(1, 6)}
    year = write_year(tmp_path / "VOC2007", trainval=images, test={"9": 69})
    (year / "Annotations" / "1.xml").write_text("<annotation><object>")
    (year / "Annotations" / "2.xml").unlink()
    (year / "JPEGImages" / "3.jpg").unlink()
    (year / "JPEGImages" / "4.jpg").write_bytes((year / "JPEGImages" / "4.jpg").read_bytes()[:700])
    with open(year / "ImageSets" / "Main" / "trainval.txt", "a") as file:
        file.write("5\n")
    dataset = open_voc(tmp_path, strict=False)
    assert widths(dataset.train) == [65] and widths(dataset.test) == [69]
    message = capsys.readouterr().err
    xml, jpeg = year / "Annotations", year / "JPEGImages"
    assert f"{xml}/1.xml: it is not XML (no element found: line 1, column 20): image left out" in message
    assert f"{xml}/2.xml: it cannot be read (No such file or directory): image left out" in message
    assert f"{xml}/3.xml: {jpeg}/3.jpg does not exist: image left out" in message
    assert f"{xml}/4.xml: {jpeg}/4.jpg cannot be decoded: image left out" in message
    assert f"{year}/ImageSets/Main/trainval.txt: 5 is listed 2 times: taken once" in message
    assert f"voc:{tmp_path}: 5 problems (image left out: 4, taken once: 1)" in message
    with pytest.raises(ArgumentError, match=r"1\.xml: it is not XML .*: mend it, or go on without --strict"):
        open_voc(tmp_path, strict=True)


def test_many_problems_are_counted(year, capsys):
    annotate(year, "1", *[object_xml("unicorn", 1, 1, 5, 5)] * 25, object_xml("cow", 1, 1, 99, 9))
    open_voc(year.parent, strict=False)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == NAMED + 1
    assert lines[-1] == f"voc:{year.parent}: 26 problems, {NAMED} of them named above (left out: 25, clipped: 1)"


def test_folders_that_are_no_data_sets(tmp_path):
    with pytest.raises(ArgumentError, match="nowhere: there is no ImageSets/Main in it or its folders; expected are"):
        open_voc(tmp_path / "nowhere", strict=False)
    year = write_year(tmp_path / "VOC2007", val={"1": 60})
    with pytest.raises(ArgumentError, match="lists no images to train on in ImageSets/Main; expected are"):
        open_voc(tmp_path, strict=False)
    (year / "ImageSets" / "Main" / "train.txt").write_text("2\n")
    with pytest.raises(ArgumentError, match="has no training image that can be used; expected are"):
        open_voc(tmp_path, strict=False)
    (year / "ImageSets" / "Main" / "val.txt").rename(year / "ImageSets" / "Main" / "trainval.txt")
    with pytest.raises(ArgumentError, match="lists no annotated test images in ImageSets/Main; expected are"):
        open_voc(tmp_path, strict=False)


def test_training_images_without_any_object(year):
    annotate(year, "1", width=60)
    annotate(year, "2", width=61)
    with pytest.raises(ArgumentError, match="has no object in its training images; expected are"):
        open_voc(year.parent, strict=False)
