"""Image files of folders."""

import pathlib
from collections.abc import Sequence

from keras_resnets.errors import ArgumentError

EXTENSIONS = {".jpg", ".jpeg", ".png", ".bmp", ".gif"}


def image_files(folder: str | pathlib.Path) -> list[pathlib.Path]:
    """Returns the files in `folder` and the folders below it that have one of `EXTENSIONS`, sorted."""
    return sorted(
        file for file in pathlib.Path(folder).rglob("*") if file.suffix.lower() in EXTENSIONS and file.is_file()
    )


def find_images(paths: Sequence[str]) -> list[pathlib.Path]:
    """Returns the image files that a user names.

    Args:
        paths: files, and folders whose image files are found at any depth.

    Raises:
        ArgumentError: if a path does not exist, a folder has no image files, or there are no paths.
    """
    files = []
    for path in map(pathlib.Path, paths):
        if not path.exists():
            raise ArgumentError(f"{path} does not exist: give image files or folders.")
        found = image_files(path) if path.is_dir() else [path]
        if not found:
            raise ArgumentError(f"{path} has no image files: give image files or folders of them.")
        files += found
    if not files:
        raise ArgumentError("nothing to predict: give image files or folders after the flags.")
    return files
