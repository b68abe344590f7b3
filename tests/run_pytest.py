"""Runs the tests of the files that Bazel names, without the slow ones: of some files, no test is left then."""

import sys

import pytest

if __name__ == "__main__":
    status = pytest.main(["-m", "not slow", "-p", "no:cacheprovider", "--import-mode=importlib", *sys.argv[1:]])
    sys.exit(0 if status == pytest.ExitCode.NO_TESTS_COLLECTED else status)
