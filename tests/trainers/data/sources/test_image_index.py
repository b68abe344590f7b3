"""Image files by the paths that annotation files state."""

import pytest

from keras_resnets import ArgumentError
from trainers.data.sources.image_index import ImageIndex
from trainers.data.sources.problems import Damage, Problems


@pytest.fixture
def problems():
    with Problems("csv:PATH", strict=True) as problems:
        yield problems


def write(root, *files):
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"")


@pytest.mark.parametrize(
    "stated, there",
    [
        ("cat/1.jpg", "dog/1.jpg"),
        ("C:\\photos\\cat\\1.jpg", "photos/dog/1.jpg"),
        ("/data/local-files/?d=cat/1.jpg", "dog/1.jpg"),
        ("train/1.jpg", "valid/1.jpg"),
        ("/content/train/images/1.jpg", "valid/images/1.jpg"),
    ],
)
def test_a_missing_image_is_not_another_one_of_the_same_name(stated, there, tmp_path, problems):
    write(tmp_path, there, "cat/2.jpg", "photos/cat/2.jpg", "train/images/2.jpg")
    assert ImageIndex(tmp_path, problems).find("row 1", [stated]) == tmp_path / stated


def test_an_empty_folder_has_no_image_of_another(tmp_path, problems):
    write(tmp_path, "dog/1.jpg")
    (tmp_path / "cat").mkdir()
    assert ImageIndex(tmp_path, problems).find("row 1", ["cat/1.jpg"]) == tmp_path / "cat/1.jpg"


def test_an_annotation_has_no_image_of_another_split(tmp_path, problems):
    write(tmp_path, "valid/1.jpg", "2.jpg")
    index = ImageIndex(tmp_path, problems)
    assert index.find("1.xml", ["1.jpg", "1"], near=tmp_path / "train") == tmp_path / "train" / "1.jpg"
    assert index.find("2.xml", ["2.jpg", "2"], near=tmp_path / "train") == tmp_path / "2.jpg"


def test_what_is_found_by_its_name_is_said_and_of_another_folder_refused_if_strict(tmp_path, problems, capsys):
    write(tmp_path, "photos/1.jpg")
    with Problems("csv:PATH", strict=False) as lenient:
        found = ImageIndex(tmp_path, lenient).find("row 1", ["cat/1.jpg"])
        assert found == ImageIndex(tmp_path, problems).find("row 2", ["1.jpg"]) == tmp_path / "photos" / "1.jpg"
    said = f"1 image: no such path (row 1: cat/1.jpg, but {found}); the latter is used"
    assert said in capsys.readouterr().err
    with pytest.raises(ArgumentError, match="row 1: cat/1.jpg, but .*: no such path: mend it"):
        ImageIndex(tmp_path, problems).find("row 1", ["cat/1.jpg"])


@pytest.mark.parametrize("path", ["../1.jpg", "{}/1.jpg"])
def test_a_path_out_of_the_folder_is_said_or_refused(path, tmp_path, problems, capsys):
    write(tmp_path, "1.jpg", "photos/2.jpg")
    path, folder = path.format(tmp_path), tmp_path / "photos"
    with pytest.raises(Damage, match="outside of"):
        ImageIndex(folder, problems).find("1.xml", [path])
    with Problems("csv:PATH", strict=True) as noted:
        assert ImageIndex(folder, noted, outside=True).find("row 1", [path]).samefile(tmp_path / "1.jpg")
    assert f"csv:PATH: 1 image: outside of {folder} (row 1: {path}); read there" in capsys.readouterr().err


@pytest.mark.parametrize("folder", [".", "cat/..", "../{}"])
def test_a_stated_folder_may_have_others_below_it(folder, tmp_path, problems, monkeypatch):
    write(tmp_path, "cat/day/1.jpg", "dog/1.jpg")
    monkeypatch.chdir(tmp_path)
    found = ImageIndex(folder.format(tmp_path.name), problems).find("row 1", ["cat/1.jpg"])
    assert found.samefile(tmp_path / "cat" / "day" / "1.jpg")
