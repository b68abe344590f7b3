"""Tables of boxes."""

import pytest
from annotated_images import load, sizes, write_image

from keras_resnets import ArgumentError
from trainers.data.registry import open_detection_dataset

ROWS = "images/a.jpg,1,2,30,40,dog\nimages/a.jpg,0,0,5,5,cat\nimages/b.jpg,,,,,\nimages/c.jpg,10,10,20,20,cat\n"


@pytest.fixture
def root(tmp_path):
    for position, name in enumerate("abc"):
        write_image(tmp_path / "images" / f"{name}.jpg", 60 + position, 50)
    (tmp_path / "val.csv").write_text("images/c.jpg,10,10,20,20,dog\n")
    (tmp_path / "train.csv").write_text(ROWS)
    return tmp_path


def boxes(split):
    return [example["boxes"].tolist() for example in load(split)]


def test_rows_as_in_keras_retinanet(root):
    dataset = open_detection_dataset(f"csv:{root}", strict=True)
    assert dataset.labels == ("cat", "dog") and sizes(dataset.train) == [(60, 50), (61, 50), (62, 50)]
    assert boxes(dataset.train) == [[[1, 2, 30, 40], [0, 0, 5, 5]], [], [[10, 10, 20, 20]]]
    assert load(dataset.train)[0]["classes"].tolist() == [1, 0] and sizes(dataset.test) == [(62, 50)]


@pytest.mark.parametrize(
    "text",
    [
        "file,x1,y1,x2,y2,class\nimages/a.jpg,1,2,30,40,dog\nb.jpg,,,,,\n",
        "\ufefffilename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,60,50,dog,1,2,30,40\nb.jpg,61,50,,,,,\n",
        "ImageID;LabelName;XMin;XMax;YMin;YMax\na;dog;1;30;2;40\nb;;;;;\n",
        "file,x1,y1,x2,y2,class\nC:\\photos\\images\\a.jpg,1,2,30,40,dog\nb.jpg\n",
    ],
    ids=["names", "TensorFlow's", "Open Images'", "paths of Windows"],
)
def test_names_of_columns(text, root):
    (root / "train.csv").write_text(text)
    dataset = open_detection_dataset(f"csv:{root}", strict=True)
    assert dataset.labels == ("dog",) and boxes(dataset.train) == [[[1, 2, 30, 40]], []]


OPEN_IMAGES = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf\n"


@pytest.mark.parametrize("given", ["", "annotations", "annotations/train-annotations-bbox.csv"])
def test_open_images_as_datumaro_writes_it(given, tmp_path, capsys):
    # The identifier 7 is in both splits, each with its own image.
    for split, side, ids in (("train", 60, "7 8"), ("validation", 80, "7"), ("test", 90, "9")):
        lines = [f"{id},,{'dog' if id == '8' else 'cat'},1.0,0.1,0.5,0.2,0.6,-1,-1,-1\n" for id in ids.split()]
        table = tmp_path / "annotations" / f"{split}-annotations-bbox.csv"
        table.parent.mkdir(exist_ok=True)
        table.write_text(OPEN_IMAGES + "".join(lines))
        table.with_name(f"{split}-annotations-human-imagelabels.csv").write_text(
            "ImageID,Source,LabelName,Confidence\n"
        )
        for id, ending in zip(ids.split(), (".jpg", ".PNG")):
            write_image(tmp_path / "images" / split / f"{id}{ending}", side, 50)
    dataset = open_detection_dataset(f"csv:{tmp_path / given}", strict=True)
    assert dataset.labels == ("cat", "dog") and "no such path" not in capsys.readouterr().err
    if given.endswith(".csv"):
        assert dataset.train.size == dataset.test.size == 1
    else:
        assert sizes(dataset.train) == [(60, 50), (60, 50)] and sizes(dataset.test) == [(80, 50)]
        assert boxes(dataset.train) == [[[6, 10, 30, 30]]] * 2 and boxes(dataset.test) == [[[8, 10, 40, 30]]]


def test_shares_of_the_sides_are_recognized(root, capsys):
    (root / "train.csv").write_text("images/a.jpg,0.5,0.1,1,0.9,dog\n")
    (root / "val.csv").write_text("images/b.jpg,0,0,1,1,dog\n")
    dataset = open_detection_dataset(f"csv:{root}", strict=True)
    assert boxes(dataset.train) == [[[30, 5, 60, 45]]] and boxes(dataset.test) == [[[0, 0, 61, 50]]]
    assert load(dataset.train)[0]["areas"].tolist() == [1200]
    assert f"csv:{root}: all boxes lie within 0..1: they are read as shares" in capsys.readouterr().err


def test_the_column_split_tells_which_rows_are_measured_with(root, capsys):
    table, splits = root / "boxes.csv", ["split", "train", "valid", "fold"]
    rows = ["file,x1,y1,x2,y2,class", *(f"{name}.jpg,1,2,30,40,dog" for name in "abc")]
    table.write_text("".join(f"{row},{split}\n" for row, split in zip(rows, splits)))
    dataset = open_detection_dataset(f"csv:{table}")
    assert sizes(dataset.train) == [(60, 50)] and sizes(dataset.test) == [(61, 50)] and dataset.measured == "valid"
    assert "1 row: the split 'fold', which is not known (" in capsys.readouterr().err
    resumed = open_detection_dataset(f"csv:{table}", labels=("dog",), measured="valid")
    assert sizes(resumed.train) == [(60, 50)]
    # A run that recorded no split was begun before the column was read.
    older = open_detection_dataset(f"csv:{table}", labels=("dog",))
    assert older.train.size == 2 and older.measured is None


def test_decimal_commas_are_named(root, capsys):
    (root / "train.csv").write_text("file;x1;y1;x2;y2;class\na.jpg;1,5;2;30;40;dog\nb.jpg;1.5;2;30;40;dog\n")
    assert boxes(open_detection_dataset(f"csv:{root}").train) == [[], [[1.5, 2, 30, 40]]]
    assert "1 object: box with decimal commas: write points (" in capsys.readouterr().err


def test_a_tenth_of_one_file_is_held_out(root, capsys):
    assert open_detection_dataset(f"csv:{root / 'train.csv'}", strict=True).test.size == 1
    assert "measured with 1 of its 3 images, always the same" in capsys.readouterr().err


def test_damaged_rows_alone_are_left_out(root, capsys):
    bad = ["a.jpg,5,5,5,9,cat", "a.jpg,5,5,x,9,cat", "a.jpg,5,5", ",1,1,2,2,cat", "a.jpg,1,1,2,2,", "d.jpg,1,1,2,2,cat"]
    (root / "train.csv").write_text(ROWS + "\n".join(bad))
    assert [len(found) for found in boxes(open_detection_dataset(f"csv:{root}").train)] == [2, 0, 1]
    message, name = capsys.readouterr().err, f"{root}/train.csv: line"
    sides = "box whose x2 or y2 is not larger than x1 or y1"
    assert f"1 object: {sides} ({name} 5: x1=5 y1=5 x2=5 y2=9); left out" in message
    assert f"1 object: box that is not four numbers ({name} 6: x1=5 y1=5 x2=x y2=9); left out" in message
    assert f"1 row: too few columns ({name} 7: a.jpg,5,5); left out" in message
    assert f"1 row: no file ({name} 8: ,1,1,2,2,cat); left out" in message
    assert f"1 object: no class ({name} 9: x1=1 y1=1 x2=2 y2=2); left out" in message
    assert f"1 image: it does not exist ({name} 10: {root}/d.jpg); left out" in message
    with pytest.raises(ArgumentError, match="line 7: a.jpg,5,5: too few columns: mend it"):
        open_detection_dataset(f"csv:{root}", strict=True)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "train.csv is empty; expected is a file with"),
        ("file,x1,y1,x2,y2,class\n", "train.csv has the names of the columns, but no row"),
        ("file,label\na.jpg,cat\n", "begins with 'file,label', which is neither a row"),
        ("a.jpg,cat,1,2,3,4,5\n", "begins with 'a.jpg,cat,1,2,3,4,5'"),
    ],
)
def test_files_that_are_no_tables_of_boxes(text, message, root):
    (root / "train.csv").write_text(text)
    with pytest.raises(ArgumentError, match=message):
        open_detection_dataset(f"csv:{root}")


def test_paths_that_are_no_data_sets(root):
    with pytest.raises(ArgumentError, match="none.csv cannot be read"):
        open_detection_dataset(f"csv:{root / 'none.csv'}")
    (root / "train.csv").unlink()
    (root / "notes.csv").write_text("")
    with pytest.raises(ArgumentError, match=r"has no train\.csv \(found: notes\.csv, val\.csv\); expected is"):
        open_detection_dataset(f"csv:{root}")


def test_rows_that_are_there_twice_are_taken_once(root, capsys):
    (root / "train.csv").write_text(ROWS + ROWS)
    assert [len(found) for found in boxes(open_detection_dataset(f"csv:{root}", strict=True).train)] == [2, 0, 1]
    message = capsys.readouterr().err
    assert "3 objects: an object that is there already (e.g. " in message
    assert "1 of 1 images to measure with are training images, too" in message
