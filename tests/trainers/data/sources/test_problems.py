"""Reports of problems of a data set."""

import pytest

from keras_resnets import ArgumentError
from trainers.data.sources.problems import CAUSES, Damage, Problems


def test_a_line_for_each_cause_at_the_end(capsys):
    with Problems("voc:PATH", strict=False) as problems:
        for name in ("1.xml", "2.xml"):
            with problems.leave_out("image", name):
                raise Damage("the file does not exist", name.replace("xml", "jpg"))
        problems.report("object", "3.xml: object 1", "outside of the image")
        problems.note("image", "4.xml", "listed more than once", "2 times", "taken once")
        assert capsys.readouterr().err == ""
    assert capsys.readouterr().err.splitlines() == [
        "voc:PATH: 2 images: the file does not exist (e.g. 1.xml: 1.jpg); left out",
        "voc:PATH: 1 object: outside of the image (3.xml: object 1); left out",
        "voc:PATH: 1 image: listed more than once (4.xml: 2 times); taken once",
    ]


def test_the_first_problem_is_an_error_where_that_is_asked_for(capsys):
    with pytest.raises(ArgumentError) as error, Problems("voc:PATH", strict=True) as problems:
        problems.note("image", "4.xml", "listed more than once", "2 times", "taken once")
        problems.report("image", "1.xml", "the file does not exist", "1.jpg")
    assert str(error.value) == ("1.xml: 1.jpg: the file does not exist: mend it, or go on without --strict (left out).")
    assert "listed more than once" in capsys.readouterr().err


def test_causes_beyond_a_number_are_counted(capsys):
    with Problems("voc:PATH", strict=False) as problems:
        for cause in range(CAUSES + 2):
            problems.report("image", "1.xml", f"cause {cause}")
    *_, last = lines = capsys.readouterr().err.splitlines()
    assert len(lines) == CAUSES + 1 and last == "voc:PATH: 2 problems of 2 other causes"
