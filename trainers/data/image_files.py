"""Image files, and those of folders."""

import collections
import os
import pathlib
import sys
from collections.abc import Collection, Sequence

from keras_resnets.errors import ArgumentError

# Of the formats that are decoded. Whether a file really is one of them, its first bytes tell.
EXTENSIONS = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".gif", ".webp"}
# Kinds of files that are passed over, besides those of other endings, and their plurals.
HIDDEN_FILE, HIDDEN_FOLDER = "hidden file", "hidden folder"
BROKEN_LINK, REPEATED_FOLDER = "broken link", "link to a folder that is read already"
NO_ENDING, UNSORTED = "file without ending", "image outside of the folders of classes"
PLURALS = {
    HIDDEN_FILE: "hidden files",
    HIDDEN_FOLDER: "hidden folders",
    BROKEN_LINK: "broken links",
    REPEATED_FOLDER: "links to folders that are read already",
    NO_ENDING: "files without ending",
    UNSORTED: "images outside of the folders of classes",
}


class PassedOver(collections.Counter):
    """Numbers of files that a data set does not take, by their kinds: an ending like ".webp", or words."""

    def __str__(self):
        """Returns e.g. "6 .webp, 1 .jfif, 2 hidden files"."""
        counts = sorted(self.items(), key=lambda item: (not item[0].startswith("."), item[0]))
        return ", ".join(f"{count} {kind if count == 1 else PLURALS.get(kind, kind)}" for kind, count in counts)

    @property
    def remedy(self) -> str:
        """What to do about images that are not read, behind the others of an error; "" if there are none."""
        return "; TIFF is not read: save it as PNG" if self[".tif"] or self[".tiff"] else ""

    def say(self, origin: str) -> None:
        """Says on stderr what has been passed over in `origin`, if anything has."""
        if self:
            print(f"{origin}: passed over: {self}", file=sys.stderr)


def image_files(folder: str | pathlib.Path, passed_over: PassedOver) -> list[pathlib.Path]:
    """Returns the files in `folder` and the folders below it that have one of `EXTENSIONS`: see `files_below`."""
    return files_below(folder, EXTENSIONS, passed_over)


def files_below(folder: str | pathlib.Path, endings: Collection[str], passed_over: PassedOver) -> list[pathlib.Path]:
    """Returns the files in `folder` and the folders below it that have one of `endings`, in lower case, sorted.

    Links are followed, but not to a folder that encloses the link: it would be read again and again. What is hidden is
    passed over: tools leave copies of images there.

    Args:
        folder: the folder.
        endings: e.g. ".xml".
        passed_over: where the other files are counted.

    Raises:
        ArgumentError: if a folder cannot be read.
    """
    start = pathlib.Path(os.path.abspath(folder))
    seen = {os.path.realpath(path) for path in (start, *start.parents)}
    files, waiting = [], [pathlib.Path(folder)]
    while waiting:
        current = waiting.pop()
        for entry in listing(current):
            kind = kind_of(entry)
            if kind in endings:
                files.append(current / entry.name)
            elif kind is not None:
                passed_over[kind] += 1
            elif (real := os.path.realpath(entry.path)) in seen:
                passed_over[REPEATED_FOLDER] += 1
            else:
                seen.add(real)
                waiting.append(current / entry.name)
    return sorted(files)


def listing(folder: str | pathlib.Path) -> list[os.DirEntry]:
    """Returns what a folder contains, sorted by name.

    Raises:
        ArgumentError: if it cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise ArgumentError(f"{folder} cannot be read ({error.strerror}): allow it, or move it away.") from error


def kind_of(entry: os.DirEntry) -> str | None:
    """Returns the kind of a file: its ending in lower case, e.g. ".jpg", or words; None for a folder."""
    # Of a link to itself, the methods of `entry` raise an error.
    is_folder = os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()
    if entry.name.startswith(".") or entry.name == "__MACOSX":
        return HIDDEN_FOLDER if is_folder else HIDDEN_FILE
    if is_folder:
        return None
    if not os.path.isfile(entry.path):
        return BROKEN_LINK
    return os.path.splitext(entry.name)[1].lower() or NO_ENDING


def find_images(paths: Sequence[str]) -> list[pathlib.Path]:
    """Returns the image files that a user names; those that are passed over in folders are counted on stderr.

    Args:
        paths: files, and folders whose image files are found at any depth.

    Raises:
        ArgumentError: if a path does not exist, a folder has no image files or cannot be read, or there are no paths.
    """
    files = []
    for path in map(pathlib.Path, paths):
        if not path.exists():
            raise ArgumentError(f"{path} does not exist: give image files or folders.")
        passed_over = PassedOver()
        found = image_files(path, passed_over) if path.is_dir() else [path]
        if not found:
            others = f" ({passed_over}{passed_over.remedy})" if passed_over else ""
            raise ArgumentError(f"{path} has no image files{others}: give image files or folders of them.")
        passed_over.say(str(path))
        files += found
    if not files:
        raise ArgumentError("nothing to predict: give image files or folders after the flags.")
    return files
