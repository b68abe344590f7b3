"""The folder of a run."""

import pathlib

import pytest

from keras_resnets.errors import ArgumentError
from trainers.engine.run_folder import RunFolder

PROC = pathlib.Path("/proc/self/fdinfo")


def test_a_run_that_can_be_written_is_left_as_it_is(tmp_path):
    RunFolder(tmp_path).check_writable()
    assert [*tmp_path.iterdir()] == []


@pytest.mark.skipif(not PROC.exists(), reason="needs Linux's /proc, where not even root makes a file")
def test_a_run_that_cannot_be_written_is_said_with_a_remedy():
    with pytest.raises(
        ArgumentError, match=f"^--model_dir={PROC} cannot be written .*: make it writable, or copy the "
    ):
        RunFolder(PROC).check_writable()
