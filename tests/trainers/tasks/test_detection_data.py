"""What a run of a detector keeps of its data, and says of them."""

import pytest
from annotated_images import load, write_image
from rectangles import dataset_of, make_task, rectangles

from keras_resnets import ArgumentError
from trainers.data.registry import open_detection_dataset
from trainers.engine.run_folder import RunFolder
from trainers.tasks.detection import Detection


@pytest.fixture(scope="module")
def config():
    return make_task(dataset_of(*rectangles(2, seed=5)), batch_size=2).config


@pytest.fixture
def voc(tmp_path):
    """A folder of VOC's format whose coordinates count from 0: the box is [0, 5, 10, 15]."""
    box = "<xmin>0</xmin><ymin>5</ymin><xmax>10</xmax><ymax>15</ymax>"
    for split in ("train", "val"):
        write_image(tmp_path / split / "a.jpg", 60, 50)
        (tmp_path / split / "a.xml").write_text(
            f"<annotation><object><name>helmet</name><bndbox>{box}</bndbox></object></annotation>"
        )
    return f"voc:{tmp_path}"


@pytest.mark.parametrize("first_pixel, top", [("auto", 5), ("0", 5), ("1", 4), (None, 4)])
def test_a_run_opens_its_data_as_it_was_trained(first_pixel, top, config, voc):
    """None: of a run from before there was a choice."""
    config = {key: value for key, value in config.items() if key != "voc_first_pixel"}
    config |= {"labels": ["helmet"], "dataset": voc}
    if first_pixel is not None:
        config["voc_first_pixel"] = first_pixel
    dataset = Detection.open_dataset({**config, "proposals": None}, voc, None, False)
    assert load(dataset.test)[0]["boxes"].tolist() == [[0, top, 10, 15]]
    another = Detection.open_dataset({**config, "proposals": None, "dataset": "voc:other"}, voc, None, False)
    assert load(another.test)[0]["boxes"].tolist() == [[0, 5, 10, 15]]


def test_runs_from_before_there_was_a_choice_go_on(config, tmp_path):
    run = RunFolder(tmp_path / "run")
    run.begin({key: value for key, value in config.items() if key != "voc_first_pixel"})
    run.check({**config, "voc_first_pixel": "1"})
    with pytest.raises(ArgumentError, match="holds a run with voc_first_pixel=1, not 0"):
        run.check({**config, "voc_first_pixel": "0"})


def test_more_objects_than_a_detector_finds_are_said(capsys):
    dataset = dataset_of(*rectangles(2, seed=5, objects=(3, 4)))
    make_task(dataset, batch_size=2)
    assert "objects, but" not in capsys.readouterr().err
    make_task(dataset, batch_size=2, options={"max_detections": 2})
    message = "an image has 3 objects, but a detector finds at most 2: evaluate and export with --max_detections=3"
    assert message in capsys.readouterr().err


def test_a_run_records_from_what_its_coordinates_count(voc):
    """With a new file, "auto" might find something else in a run that goes on."""
    assert make_task(open_detection_dataset(voc), batch_size=1).config["voc_first_pixel"] == "0"


def test_only_what_is_trained_on_needs_objects(config, voc, tmp_path):
    (tmp_path / "train" / "a.xml").write_text("<annotation></annotation>")
    with pytest.raises(ArgumentError, match="has no object in its training images"):
        open_detection_dataset(voc)
    dataset = Detection.open_dataset({**config, "labels": ["helmet"], "proposals": None}, voc, None, False)
    assert len(load(dataset.test)[0]["boxes"]) == 1
