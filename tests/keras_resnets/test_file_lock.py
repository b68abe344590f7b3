"""Locks of files. Two descriptors of one process exclude each other as those of two processes do."""

import threading

import pytest

from keras_resnets.file_lock import is_locked, locked


class Busy(Exception):
    pass


def refuse():
    raise Busy


def test_a_lock_excludes_others_until_its_end(tmp_path):
    path = tmp_path / "lock"
    with locked(path, on_wait=refuse):
        assert is_locked(path)
        with pytest.raises(Busy), locked(path, on_wait=refuse):
            raise AssertionError("two have the lock")
    assert not is_locked(path)
    with locked(path, on_wait=refuse):
        pass


def test_a_folder_is_locked_without_a_file_in_it(tmp_path):
    with locked(tmp_path, on_wait=refuse), pytest.raises(Busy), locked(tmp_path, on_wait=refuse):
        raise AssertionError("two have the lock")
    assert not [*tmp_path.iterdir()]


def test_an_error_frees_the_lock(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path / "lock", on_wait=refuse):
        raise KeyError
    assert not is_locked(tmp_path / "lock")


def test_whoever_does_not_refuse_waits(tmp_path):
    path, waiting, order = tmp_path / "lock", threading.Event(), []

    def second():
        with locked(path, on_wait=waiting.set):
            order.append("second")

    thread = threading.Thread(target=second)
    with locked(path, on_wait=refuse):
        thread.start()
        assert waiting.wait(timeout=60)
        order.append("first")
    thread.join(timeout=60)
    assert order == ["first", "second"]
