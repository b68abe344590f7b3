"""Text files of data sets: lists of images, names of classes, tables."""

import codecs
import pathlib

from keras_resnets.errors import ArgumentError
from keras_resnets.images.formats import GIT_LFS

UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(file: pathlib.Path) -> str:
    """Returns the text of a file in UTF-8, or in UTF-16 if a byte order mark says so, without that mark.

    Raises:
        ArgumentError: if it is neither, as names would change.
        OSError: if it cannot be read.
    """
    content = file.read_bytes()
    check_fetched(file, content)
    try:
        text = content.decode("utf-16" if content.startswith(UTF16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_utf8(file, content.count(b"\n", 0, error.start) + 1) from error
    if "\0" in text:  # UTF-16 without a byte order mark
        raise _not_utf8(file, 1)
    return text


def check_fetched(file: str | pathlib.Path, content: bytes) -> None:
    """Raises ArgumentError if the content of a file is a pointer of Git LFS: the file was not fetched."""
    if content.startswith(GIT_LFS):
        raise ArgumentError(f"{file} is a pointer of Git LFS, not the file itself: run git lfs pull.")


def lines_of(file: pathlib.Path) -> list[str]:
    """Returns the lines of a file that are not blank, without spaces around them; errors as of `read_text`."""
    return [line.strip() for line in read_text(file).splitlines() if line.strip()]


def _not_utf8(file, line):
    return ArgumentError(
        f"{file} is not UTF-8 (line {line}), but maybe Latin-1 or UTF-16: save it as UTF-8, which Excel calls 'CSV "
        "UTF-8'."
    )
