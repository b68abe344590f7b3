"""Image files of a folder."""

import pathlib

EXTENSIONS = {".jpg", ".jpeg", ".png", ".bmp", ".gif"}


def image_files(folder: str | pathlib.Path) -> list[pathlib.Path]:
    """Returns the files in `folder` and the folders below it that have one of `EXTENSIONS`, sorted."""
    return sorted(
        file for file in pathlib.Path(folder).rglob("*") if file.suffix.lower() in EXTENSIONS and file.is_file()
    )
