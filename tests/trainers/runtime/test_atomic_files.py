"""Atomic writes."""

import json
import threading

import numpy as np
import pytest

from keras_resnets.errors import ArgumentError
from trainers.runtime.atomic_files import atomic_file, read_arrays, write_arrays, write_json, write_text


def test_the_old_file_stays_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "results.json"
    write_json(path, {"step": 1})
    with atomic_file(path) as stream:
        stream.write(b"half of it")
        assert json.loads(path.read_text()) == {"step": 1}
        stream.write(b", and the rest")
    assert path.read_text() == "half of it, and the rest"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "results.json"
    write_text(path, "old")
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(path, object())
    with pytest.raises(KeyboardInterrupt), atomic_file(path) as stream:
        stream.write(b"half of it")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_threads_that_write_the_same_file_do_not_mix(tmp_path):
    path, meeting = tmp_path / "report.md", threading.Barrier(2)

    def write(text):
        with atomic_file(path, shared=True) as stream:
            meeting.wait(timeout=60)  # Both files are open.
            stream.write(text)

    threads = [threading.Thread(target=write, args=[letter * 1000]) for letter in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in (b"a" * 1000, b"b" * 1000) and list(tmp_path.iterdir()) == [path]


def test_arrays_are_read_by_name(tmp_path):
    path = tmp_path / "arrays.npz"
    write_arrays(path, one=np.arange(3), two=np.zeros((2, 2), np.float32))
    assert read_arrays(path, "one").keys() == {"one"} and read_arrays(path).keys() == {"one", "two"}
    assert read_arrays(path)["two"].dtype == np.float32


@pytest.mark.parametrize("content", [b"", b"no arrays", None])
def test_damaged_arrays_are_an_error_with_a_remedy(content, tmp_path):
    path = tmp_path / "arrays.npz"
    write_arrays(path, one=np.arange(1000))
    path.write_bytes(path.read_bytes()[:500] if content is None else content)
    with pytest.raises(ArgumentError, match="arrays.npz is damaged .*: remove it, and give the same command again"):
        read_arrays(path)
