"""The values of --dataset."""

import importlib
import inspect
import os
import re

import pytest

from keras_resnets.errors import ArgumentError
from trainers.data.registry import SOURCES, absolute, open_dataset, open_detection_dataset, title, usage

COCO = "coco:FOLDER[,TRAIN.json,FOLDER,TEST.json]"


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.kind)
def test_the_openers_of_a_row_take_its_argument_and_options(source):
    given = {
        "classification": {"data_dir", "download", "purpose", "measured"},
        "detection": {"data_dir", "download", "strict", "voc_first_pixel", "labels", "measured", "purpose", "masks"},
    }
    assert source.classification or source.detection
    for target, options in given.items():
        if opener := getattr(source, target):
            module, function = opener.split(".")
            opened = getattr(importlib.import_module(f"trainers.data.sources.{module}"), function)
            arguments = ["argument"] if source.argument else []
            inspect.signature(opened).bind(*arguments, **dict.fromkeys(options & {*source.options}))


@pytest.mark.parametrize("name", ["digit", "folder", "idx:", "mnist", "digits:", "digits:x", "voc:PATH"])
def test_unknown_data_sets(name):
    known = "digits, one_digit_scenes, idx:PATH, folder:PATH, csv:PATH or tfds:NAME"
    with pytest.raises(ArgumentError, match=f"--dataset={name} is unknown.*: use {known}.$"):
        open_dataset(name)


@pytest.mark.parametrize("name", ["digits", "voc", "coco:", "folder:PATH"])
def test_data_sets_without_boxes(name):
    known = re.escape(f"digit_scenes, one_digit_scenes, voc:PATH, {COCO}, yolo:PATH, csv:PATH or tfds:NAME")
    with pytest.raises(ArgumentError, match=f"--dataset={name} has no boxes or is unknown.*: use {known}.$"):
        open_detection_dataset(name)


def test_a_name_that_is_nearly_right_is_suggested():
    with pytest.raises(ArgumentError, match="--dataset=foldr:x is unknown .did you mean folder.."):
        open_dataset("foldr:x")
    with pytest.raises(ArgumentError, match="--dataset=digit_scene has no boxes or is unknown .did you mean digit_sc"):
        open_detection_dataset("digit_scene")


def test_strict_is_for_files_that_are_checked():
    message = "--strict is for voc:, coco:, yolo:, csv:, not for --dataset=tfds:voc/2007"
    with pytest.raises(ArgumentError, match=message):
        open_detection_dataset("tfds:voc/2007", strict=True)


@pytest.mark.parametrize("name", ["voc:PATH", "yolo:PATH", "csv:PATH", "tfds:coco/2017"])
def test_data_without_masks_are_refused_where_masks_are_learned(name):
    known = re.escape(f"digit_scenes, one_digit_scenes, {COCO}")
    with pytest.raises(ArgumentError, match=f"--dataset={name} has no masks of its objects: use {known}.$"):
        open_detection_dataset(name, masks=True)


def test_paths_become_absolute_and_names_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute("folder:a,b") == f"folder:{tmp_path}{os.sep}a,b"
    assert absolute("coco:a,b.json") == f"coco:{tmp_path}{os.sep}a,{tmp_path}{os.sep}b.json"
    assert absolute("voc:/data/VOC") == "voc:/data/VOC"
    for name in ("digits", "tfds:coco/2017", "unknown:x"):
        assert absolute(name) == name


def test_titles_are_the_last_part():
    names = ["digits", "tfds:coco/2017", "folder:/data/birds/", "idx:fashion"]
    assert [title(name) for name in names] == ["digits", "2017", "birds", "fashion"]


def test_help_texts_list_the_values():
    assert usage("classification") == "digits, one_digit_scenes, idx:PATH, folder:PATH, csv:PATH or tfds:NAME"
