"""Data sets in the format of PASCAL VOC."""

import re

import numpy as np
import pytest
from annotated_images import load, sizes, write_image

from keras_resnets import ArgumentError
from trainers.data.sources.voc import LABELS, open_voc
from trainers.data.split_names import OLDER_RUNS

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


BAD_OBJECTS = [
    (object_xml("unicorn", 1, 1, 9, 9), "no such class in the data set", "PATH/labels.txt may list others"),
    (object_xml("cow"), "no bndbox", ""),
    (object_xml("", 1, 1, 9, 9), "no name", ""),
    (object_xml("cow", 12, 1, 10, 9), "xmax is not larger than xmin", "xmin=12 xmax=10"),
    (object_xml("cow", 1, 6, 9, 4), "ymax is not larger than ymin", "ymin=6 ymax=4"),
    (object_xml("cow", 1, "high", 9, 9), "ymin is not a number", "ymin=high"),
    (object_xml("cow", "nan", 1, 9, 9), "xmin is not a number", "xmin=nan"),
    (object_xml("cow", 1, 1, 9), "ymax is not a number", "ymax=None"),
    (
        object_xml("cow", 61, 1, 90, 9),
        "outside of the image",
        "xmin=61 ymin=1 xmax=90 ymax=9; width=60 height=50",
    ),
]


def name_of(path, element, position):
    return f"{path}: object {position} ({element.split('</name>')[0].split('>')[-1]})"


def test_damaged_objects_alone_are_left_out(year, capsys):
    (year.parent / "labels.txt").write_text("\n".join(LABELS))
    good = [object_xml(label, 2, 2, 9, 9) for label in ("cat", "dog")]
    path = annotate(year, "1", good[0], *[element for element, *_ in BAD_OBJECTS], good[1])
    dataset = open_voc(year.parent, strict=False)
    assert [labels_of(example) for example in load(dataset.train)] == [["cat", "dog"], ["chair"]]
    lines = capsys.readouterr().err.splitlines()
    for position, (element, cause, detail) in enumerate(BAD_OBJECTS, 2):
        example = name_of(path, element, position) + (detail and f": {detail}")
        assert f"voc:{year.parent}: 1 object: {cause} ({example}); left out" in lines


@pytest.mark.parametrize("element, cause, detail", BAD_OBJECTS)
def test_a_damaged_object_is_an_error_where_that_is_asked_for(element, cause, detail, year):
    (year.parent / "labels.txt").write_text("\n".join(LABELS))
    path = annotate(year, "1", element)
    with pytest.raises(ArgumentError) as error:
        open_voc(year.parent, strict=True)
    problem = f"{name_of(path, element, 1)}{detail and f': {detail}'}: {cause}"
    assert str(error.value) == f"{problem}: mend it, or go on without --strict (left out)."


def test_a_box_partly_outside_is_clipped(year, capsys):
    path = annotate(year, "1", object_xml("cow", 1, 11, 70.5, 60))
    dataset = open_voc(year.parent, strict=False)
    example = load(dataset.train)[0]
    assert example["boxes"].tolist() == [[0, 10, 60, 50]] and example["areas"].tolist() == [2400]
    example = f"{path}: object 1 (cow): xmin=1 ymin=11 xmax=70.5 ymax=60; width=60 height=50"
    assert f"1 object: partly outside of the image ({example}); clipped" in capsys.readouterr().err


def test_boxes_are_checked_against_the_image_not_its_stated_size(year, capsys):
    path = annotate(year, "1", object_xml("cow", 1, 1, 60, 50), width=30, height=25)
    dataset = open_voc(year.parent, strict=False)
    assert load(dataset.train)[0]["boxes"].tolist() == [[0, 0, 60, 50]]
    example = f"{path}: width=30 height=25, but {year / 'JPEGImages' / '1.jpg'} has width=60 height=50"
    message = f"the stated size is not that of the file ({example}); the size of the file is used"
    assert message in capsys.readouterr().err


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
    assert f"1 image: not XML ({xml}/1.xml: no element found: line 1, column 20); left out" in message
    assert f"1 image: cannot be read ({xml}/2.xml: No such file or directory); left out" in message
    assert f"1 image: it does not exist ({xml}/3.xml: {jpeg}/3.jpg); left out" in message
    assert f"1 image: it cannot be decoded: it is damaged ({xml}/4.xml: {jpeg}/4.jpg); left out" in message
    listed = f"{year}/ImageSets/Main/trainval.txt: 5, 2 times"
    assert f"1 image: listed more than once ({listed}); taken once" in message
    with pytest.raises(ArgumentError, match=r"1\.xml: no element .*: not XML: mend it, or go on"):
        open_voc(tmp_path, strict=True)


def test_a_cause_is_one_line_with_its_number_and_an_example(year, capsys):
    (year.parent / "labels.txt").write_text("\n".join(LABELS))
    annotate(year, "1", *[object_xml("unicorn", 1, 1, 5, 5)] * 25, *[object_xml("cow", 1, 1, x, 9) for x in (98, 99)])
    open_voc(year.parent, strict=False)
    *_, unknown, clipped = capsys.readouterr().err.splitlines()
    assert unknown.startswith(f"voc:{year.parent}: 25 objects: no such class in the data set (e.g. {year}")
    assert unknown.endswith("1.xml: object 1 (unicorn): PATH/labels.txt may list others); left out")
    assert clipped.startswith(f"voc:{year.parent}: 2 objects: partly outside of the image (e.g. {year}")


def test_folders_that_are_no_data_sets(tmp_path):
    with pytest.raises(ArgumentError, match="nowhere: there is no ImageSets/Main in it .* no XML file; expected are"):
        open_voc(tmp_path / "nowhere", strict=False)
    year = write_year(tmp_path / "VOC2007", val={"1": 60})
    message = r"lists no images to train on in ImageSets/Main \(found: val.txt\); expected are"
    (year / "ImageSets" / "Main" / "cow_val.txt").write_text("1 -1\n")
    with pytest.raises(ArgumentError, match=message.replace("val.txt", "cow_val.txt, val.txt")):
        open_voc(tmp_path, strict=False)
    (year / "ImageSets" / "Main" / "train.txt").write_text("2\n")
    with pytest.raises(
        ArgumentError, match=r"has no training image that can be used \(1 image: cannot be read\); expected are"
    ):
        open_voc(tmp_path, strict=False)


def test_training_images_without_any_object(year):
    annotate(year, "1", width=60)
    annotate(year, "2", width=61)
    with pytest.raises(ArgumentError, match="has no object in its training images; expected are"):
        open_voc(year.parent, strict=False)


def first_box(split):
    return load(split)[0]["boxes"].tolist()[0]


def test_an_xmin_of_0_anywhere_shows_that_coordinates_count_from_0(year, capsys):
    """As those of datumaro, CVAT, Label Studio and pascal-voc-writer."""
    path = annotate(year, "2", object_xml("cow", 0, 12, 10, 20), width=61)
    dataset = open_voc(year.parent, strict=True)
    assert first_box(dataset.train) == [11, 21, 30, 40] and first_box(dataset.test) == [11, 21, 30, 40]
    assert load(dataset.train)[1]["boxes"].tolist() == [[0, 12, 10, 20]]
    shown = f"{path}: object 1 (cow) shows (xmin=0 ymin=12 xmax=10 ymax=20)"
    assert f"coordinates count from 0, as {shown}: nothing is subtracted" in capsys.readouterr().err


@pytest.mark.parametrize("first, box", [("0", [11, 21, 30, 40]), ("1", [10, 20, 30, 40]), ("auto", [10, 20, 30, 40])])
def test_a_flag_where_that_cannot_be_shown(first, box, year):
    dataset = open_voc(year.parent, strict=True, voc_first_pixel=first)
    assert first_box(dataset.train) == box and dataset.voc_first_pixel == str(11 - box[0])


def test_a_box_of_one_pixel(year):
    annotate(year, "1", object_xml("cow", 7, 9, 7, 9))
    assert first_box(open_voc(year.parent, strict=True).train) == [6, 8, 7, 9]
    with pytest.raises(ArgumentError, match="xmin=7 xmax=7: xmax is not larger than xmin"):
        open_voc(year.parent, strict=True, voc_first_pixel="0")


@pytest.mark.parametrize("ending", [".png", ".JPG", ".jpeg"])
def test_images_with_other_endings(ending, year):
    for file in sorted((year / "JPEGImages").iterdir()):
        file.rename(file.with_suffix(ending))
    dataset = open_voc(year.parent, strict=True)
    assert widths(dataset.train) == [60, 61] and widths(dataset.test) == [62]


def test_an_image_by_the_name_in_its_annotation(year):
    (year / "JPEGImages" / "1.jpg").rename(year / "JPEGImages" / "photo.jpg")
    path = annotate(year, "1", "<filename>photo.jpg</filename>", object_xml(*CHAIR))
    assert widths(open_voc(year.parent, strict=True).train) == [60, 61]
    path.write_text(path.read_text().replace("photo.jpg", "C:\\photos\\photo.jpg"))
    assert widths(open_voc(year.parent, strict=True).train) == [60, 61]


@pytest.mark.parametrize("lists", [True, False], ids=["ImageSets", "no lists"])
@pytest.mark.parametrize("stated", ["61.png", "..\\photos\\61", "60.png"], ids=["moved on", "a path", "all the same"])
def test_an_image_of_the_xml_files_own_name_is_taken_before_a_stated_one(stated, lists, tmp_path, capsys):
    """People rename and copy images, and leave <filename>: boxes would lie on another image."""
    for width in (60, 61, 62):
        write_image(tmp_path / "JPEGImages" / f"{width}.png", width, 50)
        annotate(tmp_path, str(width), f"<filename>{stated}</filename>", object_xml(*CHAIR), width=width)
    if lists:
        (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
        (tmp_path / "ImageSets" / "Main" / "default.txt").write_text("60\n61\n62\n")
    dataset = open_voc(tmp_path, strict=False)
    assert sorted(widths(dataset.train) + widths(dataset.test)) == [60, 61, 62]
    message = capsys.readouterr().err
    assert "the stated size" not in message and "no such path" not in message
    first = 61 if stated == "60.png" else 60
    example = f"{tmp_path}/Annotations/{first}.xml: {stated}, but {tmp_path}/JPEGImages/{first}.png"
    cause = "<filename> is another image than that of the XML file's own name"
    assert f"voc:{tmp_path}: 2 images: {cause} (e.g. {example}); the latter is used" in message
    with pytest.raises(ArgumentError, match=f"{re.escape(cause)}: mend it"):
        open_voc(tmp_path, strict=True)


def test_of_two_images_of_the_xml_files_own_name_the_stated_one_is_taken(year):
    write_image(year / "JPEGImages" / "1.png", 90, 50)
    annotate(year, "1", "<filename>1.png</filename>", object_xml(*CHAIR), width=90)
    assert widths(open_voc(year.parent, strict=True).train) == [90, 61]


@pytest.mark.parametrize("copy", ["0 (copy)", "9"])
def test_an_image_has_one_xml_file(copy, tmp_path, capsys):
    for width in (60, 61, 62):
        write_beside(tmp_path, width, "dog", 1, 2, 30, 40)
    text = (tmp_path / "61.xml").read_text().replace("<xmin>1<", "<xmin>20<")
    (tmp_path / f"{copy}.xml").write_text(text)
    dataset = open_voc(tmp_path, strict=False)
    assert sorted(widths(dataset.train) + widths(dataset.test)) == [60, 61, 62]
    found = load(dataset.train) + load(dataset.test)
    assert {tuple(example["boxes"][0]) for example in found} == {(0, 1, 30, 40)}
    example = f"{tmp_path}/{copy}.xml: {tmp_path}/61.jpg, of {tmp_path}/61.xml"
    assert f"1 image: the image of another XML file ({example}); left out" in capsys.readouterr().err
    with pytest.raises(ArgumentError, match="the image of another XML file: mend it"):
        open_voc(tmp_path, strict=True)


@pytest.mark.parametrize("images", ["JPEGImages", "images", "."])
def test_an_image_in_a_folder_beside_that_of_the_xml_files_is_not_remarkable(images, tmp_path, capsys):
    for position, stated in enumerate(["1.png", "C:\\photos\\2.jpg", ""], 1):
        write_image(tmp_path / images / f"{position}.png", 60, 50)
        annotate(tmp_path, str(position), f"<filename>{stated}</filename>", object_xml(*CHAIR))
    open_voc(tmp_path, strict=True)
    message = capsys.readouterr().err
    assert "no such path" not in message and "/Annotations/" not in message


@pytest.mark.parametrize(
    "text, cause",
    [
        ("<annotations><image id='0' name='1.jpg'><box/></image></annotations>", "CVAT's own XML, not VOC's: export"),
        (
            "<annotation><object><name>cow</name><polygon><pt><x>1</x><y>2</y></pt></polygon></object></annotation>",
            "LabelMe's own XML, not VOC's: convert",
        ),
        ("<?xml version='1.0' encoding='gbk'?><annotation>\u732b</annotation>", "not in UTF-8: save it as UTF-8"),
        ("<annotation>\u6807</annotation>", "not in UTF-8: save it as UTF-8"),
    ],
    ids=["CVAT", "LabelMe", "GBK", "GBK without a word"],
)
def test_other_xml_is_named_in_the_refusal(text, cause, tmp_path, capsys):
    for name in ("1", "2"):
        write_image(tmp_path / f"{name}.jpg", 60, 50)
        (tmp_path / f"{name}.xml").write_bytes(text.encode("gbk"))
    with pytest.raises(ArgumentError, match=rf"has 0 images \(2 images: {cause}"):
        open_voc(tmp_path, strict=False)
    message = capsys.readouterr().err
    assert "its classes are" not in message and "coordinates count" not in message


def test_an_archive_of_cvat(tmp_path, capsys):
    """Its only list is default.txt, and an image without objects has no annotation file."""
    names = {f"frame {i:02}": 60 + i for i in range(20)}
    root = write_year(tmp_path, default=names)
    (root / "labelmap.txt").write_text("# label:color_rgb:parts:actions\nbackground:::\nvest:1,1,1::\nchair:::\n")
    (root / "Annotations" / "frame 03.xml").unlink()
    dataset = open_voc(root, strict=True)
    assert dataset.labels == ("vest", "chair") and (dataset.train.size, dataset.test.size) == (18, 2)
    boxes = {tuple(e["size"]): len(e["boxes"]) for split in (dataset.train, dataset.test) for e in load(split)}
    assert boxes.pop((63, 50)) == 0 and set(boxes.values()) == {1} and len(boxes) == 19
    message = capsys.readouterr().err
    assert f"voc:{root}: has no validation images: measured with 2 of its 20 images, always the same" in message
    assert f"voc:{root}: 1 of 2 classes have no object in the training images: vest" in message
    assert f"1 image: no annotation file ({root}/Annotations/frame 03.xml); read without objects" in message


def write_beside(folder, width, label, *box):
    """Writes an image and its XML file beside each other."""
    write_image(folder / f"{width}.jpg", width, 50)
    text = f"<annotation><filename>{width}.jpg</filename>{object_xml(label, *box)}</annotation>"
    (folder / f"{width}.xml").write_text(text)


def test_roboflows_folders(tmp_path, capsys):
    for split, width in (("train", 60), ("train", 61), ("valid", 62), ("test", 63), (".", 64)):
        write_beside(tmp_path / split, width, "dog" if width == 61 else "helmet", 1, 2, 30, 40)
    dataset = open_voc(tmp_path, strict=True)
    assert dataset.labels == ("dog", "helmet")
    assert widths(dataset.train) == [60, 61] and widths(dataset.test) == [62]
    message = capsys.readouterr().err
    assert "its classes are the names of its objects: dog, helmet" in message
    assert f"voc:{tmp_path}: measured with valid; not used: test" in message
    assert "1 XML file outside of the folders of splits: not used" in message


def test_labelimgs_folder(tmp_path, capsys):
    for width in range(60, 80):
        write_beside(tmp_path, width, "dog", 1, 2, 30, 40)
    write_image(tmp_path / "unlabelled.jpg", 90, 50)
    write_beside(tmp_path / ".ipynb_checkpoints", 91, "cat", 1, 2, 3, 4)
    dataset = open_voc(tmp_path, strict=True)
    assert dataset.labels == ("dog",) and (dataset.train.size, dataset.test.size) == (18, 2)
    message = f"1 image without an XML file left out (e.g. {tmp_path}/unlabelled.jpg)"
    assert message in capsys.readouterr().err


def test_images_and_annotations_in_folders_beside_each_other(tmp_path):
    for width in (60, 61):
        write_beside(tmp_path / "annotations", width, "dog", 1, 2, 30, 40)
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "annotations" / f"{width}.jpg").rename(tmp_path / "images" / f"{width}.jpg")
    dataset = open_voc(tmp_path, strict=True)
    assert sorted(widths(dataset.train) + widths(dataset.test)) == [60, 61]


def test_val_is_measured_with_and_test_stays_untouched(tmp_path, capsys):
    write_year(tmp_path, train={"1": 61}, val={"2": 62}, test={"3": 63})
    assert widths(open_voc(tmp_path, strict=True).test) == [62]
    assert f"voc:{tmp_path}: measured with val; not used: test" in capsys.readouterr().err


def test_names_that_differ_by_their_case_are_said(year, capsys):
    annotate(year, "1", object_xml("Helmet", 1, 2, 3, 4), object_xml("helmet", 5, 6, 9, 9))
    assert open_voc(year.parent, strict=True).labels == ("Helmet", "chair", "helmet")
    assert "classes whose names differ by case only: Helmet, helmet" in capsys.readouterr().err


def test_objects_that_are_all_difficult_are_trained_on(year, capsys):
    for image_id in ("1", "2", "3"):
        annotate(year, image_id, object_xml("cow", 1, 1, 9, 9, difficult=1), width=59 + int(image_id))
    assert not np.any(load(open_voc(year.parent, strict=True).train)[0]["ignored"])
    assert "all 3 objects are marked as crowd or difficult: they are read as ordinary" in capsys.readouterr().err
    annotate(year, "3", object_xml("cow", 1, 1, 9, 9), width=62)
    with pytest.raises(ArgumentError, match="every object of its training images is marked as crowd or difficult"):
        open_voc(year.parent, strict=True)


def test_a_run_keeps_its_classes(year):
    annotate(year, "1", object_xml("helmet", 1, 2, 3, 4), object_xml("cow", 5, 6, 9, 9))
    assert open_voc(year.parent, strict=False).labels == ("chair", "cow", "helmet")
    dataset = open_voc(year.parent, strict=False, labels=LABELS)
    assert dataset.labels == LABELS and labels_of(load(dataset.train)[0]) == ["cow"]


def test_a_mask_is_not_the_image_of_its_name(year, capsys):
    (year / "JPEGImages" / "1.jpg").unlink()
    write_image(year / "SegmentationClass" / "1.png", 60, 50)
    assert widths(open_voc(year.parent, strict=False).train) == [61]
    assert f"1 image: it does not exist ({year}/Annotations/1.xml: {year}/JPEGImages/1.jpg)" in capsys.readouterr().err


def test_links_to_folders_are_followed(tmp_path, capsys):
    for width in (60, 61):
        write_beside(tmp_path / "photos" / "day", width, "dog", 1, 2, 30, 40)
    (tmp_path / "photos" / "day" / "scan.tif").write_bytes(b"")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "day").symlink_to(tmp_path / "photos" / "day")
    dataset = open_voc(tmp_path / "data", strict=True)
    assert (dataset.train.size, dataset.test.size) == (1, 1)
    assert f"voc:{tmp_path}/data: passed over: 1 .tif\n" in capsys.readouterr().err


def test_a_run_is_measured_with_the_split_of_its_training(tmp_path):
    write_year(tmp_path, train={"1": 61}, val={"2": 62}, test={"3": 63})
    for measured, width in ((None, 62), ("val", 62), ("test", 63), (OLDER_RUNS, 63)):
        dataset = open_voc(tmp_path, strict=True, measured=measured)
        assert widths(dataset.test) == [width] and dataset.measured == ("val" if width == 62 else "test")
