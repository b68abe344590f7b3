"""Tables of labels."""

import shutil

import pytest
from labelled_images import examples
from PIL import Image

from keras_resnets.errors import ArgumentError
from trainers.data.registry import open_dataset


@pytest.fixture
def write(tmp_path):
    """A function that writes the lines of a CSV file beside the images 0.png, ..., 5.png, and returns --dataset."""
    (tmp_path / "photos").mkdir()
    for i in range(6):
        Image.new("L", (8, 8), 10 * i).save(tmp_path / "photos" / f"{i}.png")

    def write_lines(*lines, name="labels.csv"):
        (tmp_path / name).write_text("\n".join(lines), "utf-8-sig")
        return f"csv:{tmp_path / name}"

    return write_lines


def levels(split):
    """Returns the number of each image in its file's name, and its label."""
    return [(int(example["image"][0, 0, 0]) // 10, int(example["label"])) for example in examples(split)]


TRAIN, TEST = [(0, 1), (1, 0), (2, 1)], [(3, 0), (4, 1)]
ROWS = ["0.png,dog", "1.png,cat", "2.png,dog", "3.png,cat", "4.png,dog"]


@pytest.mark.parametrize(
    "lines",
    [
        ["file,label,split", *(f"photos/{row},train" for row in ROWS[:3]), *(f"photos/{row},val" for row in ROWS[3:])],
        # Google's AutoML: no names, the split first, and addresses.
        [*(f"TRAIN,gs://b/{row}" for row in ROWS[:3]), *(f"VALIDATION,gs://b/{row}" for row in ROWS[3:])],
        # Another delimiter, order and case, names without ending, a test split beside the validation split.
        [
            "Subset;Class;Image_ID",
            *(f"train;{row.split(',')[1]};{row[0]}" for row in ROWS[:3]),
            *(f"valid;{row.split(',')[1]};{row[0]}" for row in ROWS[3:]),
            "test;dog;5",
        ],
        # Windows.
        [
            "filename,class,set",
            *(f"C:\\data\\photos\\{row},train" for row in ROWS[:3]),
            *(f"C:\\data\\photos\\{row},test" for row in ROWS[3:]),
        ],
    ],
    ids=["names", "no_names", "other_names", "windows"],
)
def test_tables_with_splits(lines, write):
    dataset = open_dataset(write(*lines))
    assert dataset.labels == ("cat", "dog") and dataset.side is None
    assert levels(dataset.train) == TRAIN and levels(dataset.test) == TEST


def test_a_folder_with_a_table_for_each_split(write, tmp_path):
    write(*ROWS[:3], name="train.csv")
    write(*ROWS[3:], name="valid.csv")
    dataset = open_dataset(f"csv:{tmp_path}")
    assert levels(dataset.train) == TRAIN and levels(dataset.test) == TEST


def test_a_table_that_is_no_splits_is_named(write, tmp_path, capsys):
    for lines, name in ((ROWS[:3], "train.csv"), (ROWS[3:], "dev.csv"), (ROWS[:1], "sample_submission.csv")):
        write(*lines, name=name)
    dataset = open_dataset(f"csv:{tmp_path}")
    assert levels(dataset.train) == TRAIN and levels(dataset.test) == TEST
    said = f"csv:{tmp_path}: 1 file without the name of a split: not used (e.g. sample_submission.csv)"
    assert said in capsys.readouterr().err


def test_a_column_for_each_class_as_roboflow_writes_it(tmp_path, capsys):
    for split, numbers in (("train", range(3)), ("valid", range(3, 5)), ("test", range(5, 6))):
        (tmp_path / split).mkdir()
        for i in numbers:
            Image.new("L", (8, 8), 10 * i).save(tmp_path / split / f"{i}.png")
        rows = "".join(f"{i}.png, {int(i % 2 == 0)}, {i % 2}\n" for i in numbers)
        (tmp_path / split / "_classes.csv").write_text(f"filename, Dog, Cat\n{rows}{numbers[0]}.png, 0, 0\n")
    dataset = open_dataset(f"csv:{tmp_path}")
    assert dataset.labels == ("Cat", "Dog")
    assert levels(dataset.train) == TRAIN and levels(dataset.test) == TEST
    message = capsys.readouterr().err
    assert f"2 rows: no class (e.g. {tmp_path / 'train' / '_classes.csv'}: line 5: 0.png); left out" in message
    assert f"csv:{tmp_path}: measured with valid; not used: test" in message
    for split in ("valid", "test"):
        (tmp_path / split / "_classes.csv").unlink()
    with pytest.raises(ArgumentError, match="has training images, but none to measure with"):
        open_dataset(f"csv:{tmp_path}", evaluation=True)


def test_without_splits_images_are_held_out(write):
    name = write(*ROWS)
    with pytest.raises(ArgumentError, match="names no images to measure with; .*--holdout=0.2"):
        open_dataset(name)
    dataset = open_dataset(name, holdout=0.5)
    assert sorted(levels(dataset.train) + levels(dataset.test)) == TRAIN + TEST
    assert sorted(label for _, label in levels(dataset.test)) == [0, 1, 1]
    assert levels(open_dataset(name, evaluation=True).test) == TRAIN + TEST


@pytest.mark.parametrize(
    "lines, message",
    [
        ([*ROWS, "0.png,cat"], "0.png has the labels 'dog' and 'cat', and a classifier gives one"),
        ([*ROWS, "5.png,cat|dog"], "5.png has the labels 'cat|dog', and a classifier gives one"),
        (["0.png,dog,cat", "1.png,cat,cat"], "begins with '0.png,dog,cat', which is neither a row with one label nor"),
        (["filename,cat,dog", "0.png,0,x"], "begins with 'filename,cat,dog', which is neither a row with one label"),
        (
            ["filename, cat, dog", "0.png, 0, 1", "1.png, 1, 1"],
            "1.png has the labels 'cat' and 'dog', and a classifier",
        ),
        (["filename,cat,cat", "0.png,0,1"], "labels.csv has two columns 'cat': rename one"),
        (["0.png,dog", "1.png,dog"], "has one class only .dog."),
        (
            ["file,label,split", "0.png,a,train", "1.png,b,train", "2.png,c,val"],
            "no training image has .* label 'c'",
        ),
        (["file,label,split", "0.png,a,val", "1.png,b,val"], "has the split 'val', but no 'train'"),
        ([], "labels.csv is empty; expected is a file with"),
        (["file,x1,y1,x2,y2,class", "0.png,1,2,3,4,dog"], "is a table of boxes, .*: train a detector"),
        (["file,label"], "labels.csv has the names of the columns, but no row"),
    ],
)
def test_tables_that_are_refused(lines, message, write):
    with pytest.raises(ArgumentError, match=message):
        open_dataset(write(*lines), holdout=0.5)


def test_rows_that_cannot_be_used_are_counted_by_cause(write, capsys):
    name = write(*ROWS, "7.png,cat", "8.png,dog", "5.png", "0.png,dog", ",dog", "")
    dataset = open_dataset(name, evaluation=True)
    assert levels(dataset.test) == TRAIN + TEST
    message = capsys.readouterr().err
    assert f"{name}: 2 images: it does not exist (e.g. " in message
    assert f"{name}: 1 row: too few columns (" in message
    assert f"{name}: 1 row: file that is listed already (" in message
    assert f"{name}: 1 row: no file or no label (" in message


@pytest.mark.parametrize("encoding, label, line", [("latin-1", "B\u00e4r", 3), ("utf-16-le", "cat", 1)])
def test_tables_that_are_not_utf8_are_refused(encoding, label, line, write, tmp_path):
    name = write()
    (tmp_path / "labels.csv").write_text(f"file,label\n0.png,dog\n1.png,{label}\n", encoding)
    with pytest.raises(ArgumentError, match=rf"labels.csv is not UTF-8 \(line {line}\), .*: save it as UTF-8"):
        open_dataset(name, holdout=0.5)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_names_are_what_the_encoding_says(encoding, write, tmp_path):
    name = write()
    (tmp_path / "labels.csv").write_text("file,label\n0.png,dog\n1.png,B\u00e4r\n", encoding)
    assert open_dataset(name, evaluation=True).labels == ("B\u00e4r", "dog")


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(ArgumentError, match="cannot be read .*; expected is a file with the columns file,label"):
        open_dataset(f"csv:{tmp_path / 'labels.csv'}")


def test_training_images_are_not_measured_with(write, tmp_path):
    name = write("file,label,split", *(f"{row},train" for row in ROWS))
    with pytest.raises(ArgumentError, match="has training images, but none to measure with"):
        open_dataset(name, evaluation=True)
    (tmp_path / "labels.csv").unlink()
    name = write(*ROWS, name="train.csv")
    with pytest.raises(ArgumentError, match="has training images, but none to measure with"):
        open_dataset(f"csv:{tmp_path}", evaluation=True)
    assert open_dataset(name, evaluation=True).test.size == 5


def test_a_missing_image_is_not_that_of_another_class(write, tmp_path, capsys):
    for folder in ("cat", "dog"):
        (tmp_path / folder).mkdir()
        shutil.copy(tmp_path / "photos" / "5.png", tmp_path / folder / f"{folder}.png")
    (tmp_path / "photos" / "1.png").rename(tmp_path / "dog" / "1.png")
    dataset = open_dataset(write("cat/1.png,cat", "dog/1.png,dog", "cat/cat.png,cat"), evaluation=True)
    assert sorted(levels(dataset.test)) == [(1, 1), (5, 0)]
    assert f"1 image: it does not exist ({tmp_path}/cat/1.png)" in capsys.readouterr().err


def test_two_tables_of_one_split_are_refused(write, tmp_path):
    for name in ("train.csv", "train_labels.csv", "val.csv"):
        write(*ROWS, name=name)
    with pytest.raises(ArgumentError, match="has train.csv and train_labels.csv for one split: move one of them away"):
        open_dataset(f"csv:{tmp_path}")


def test_the_best_name_of_a_column_is_taken(write, capsys):
    rows = [f"{row.split(',')[0]},x,{row.split(',')[1]},y" for row in ROWS]
    name = write("filename,name,label,target", *rows)
    assert open_dataset(name, holdout=0.5).labels == ("cat", "dog")
    said = f"{name}: {name.removeprefix('csv:')}: its column 'label' is read as the label, not 'target'\n"
    assert said in capsys.readouterr().err
    with pytest.raises(ArgumentError, match="has two columns 'label': rename one"):
        open_dataset(write("filename,label,label", "0.png,a,b"), holdout=0.5)


def test_rows_of_unknown_splits_are_counted_by_value(write, capsys):
    splits = ["train", "train", "val", "extra", ""]
    name = write("file,label,split", *(f"{row},{split}" for row, split in zip(ROWS, splits)), "5.png,cat,extra")
    assert levels(open_dataset(name).train) == TRAIN[:2]
    message = capsys.readouterr().err
    assert f"{name}: 2 rows: the split 'extra', which is not known (e.g. " in message
    assert f"{name}: 1 row: the split '', which is not known (" in message


def test_splits_of_unknown_names_are_said(write, capsys):
    name = write("file,label,split", *(f"{row},fold{i % 2 + 1}" for i, row in enumerate(ROWS)))
    said = (
        f"{name}: its splits are not known ('fold1', 'fold2'), and all rows are read as of one split; known are train"
    )
    dataset = open_dataset(name, holdout=0.5)
    assert dataset.train.size + dataset.test.size == 5 and said in capsys.readouterr().err
    with pytest.raises(ArgumentError, match="names no images to measure with"):
        open_dataset(name)
    assert said in capsys.readouterr().err


def test_images_in_both_splits_are_said(write, tmp_path, capsys):
    (tmp_path / "photos" / "9.png").symlink_to(tmp_path / "photos" / "1.png")
    rows = ["file,label,split", *(f"photos/{row},train" for row in ROWS[:3])]
    open_dataset(write(*rows, "photos/9.png,cat,val", "photos/4.png,dog,val"))
    said = "1 of 2 images to measure with are training images, too: figures will be too good"
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("train", [["TRAIN", "train", "Train"], ["TRAIN", "Train", "TRAIN"]])
def test_case_has_no_meaning_in_the_column_split(train, write, capsys):
    rows = ["file,label,split", *(f"photos/{row},{split}" for row, split in zip(ROWS, [*train, "Valid", "VALID"]))]
    dataset = open_dataset(write(*rows))
    assert levels(dataset.train) == TRAIN and levels(dataset.test) == TEST
    assert "not used" not in capsys.readouterr().err
