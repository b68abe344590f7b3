"""Finds image files by the paths that annotation files state, which are often those of another machine."""

import functools
import os
import pathlib
import re
import urllib.parse
from collections.abc import Sequence

from trainers.data.image_files import EXTENSIONS, PassedOver, image_files
from trainers.data.sources.problems import Damage, Problems
from trainers.data.sources.split_words import split_word


class ImageIndex:
    """The image files below a folder.

    Args:
        folder: the folder.
        problems: where files are noted that are found by their names, or outside of the folder.
        outside: whether a stated path may lead out of the folder.
        says_folders: whether it is noted that the file of a path without folders is in another one.
    """

    def __init__(
        self, folder: str | pathlib.Path, problems: Problems, outside: bool = False, says_folders: bool = True
    ):
        self._folder, self._problems = pathlib.Path(folder), problems
        self._outside, self._says_folders = outside, says_folders
        self._passed_over = PassedOver()

    def find(self, name: str | pathlib.Path, stated: Sequence[str], near: pathlib.Path | None = None) -> pathlib.Path:
        """Returns the file of an image.

        The first of the stated paths that exists is returned. If none does, the file is found by the last part of one:
        `..\\upload\\4\\a.png` and `/data/local-files/?d=images/a.png` are `a.png` in any folder, `A.PNG` where there is
        no other, and a path without the ending of an image has any. Of several files, the one in `near` is returned, or
        the one whose folders have the names of the path's last ones.

        A file of the same name is no other image's: where there is the stated folder, the file is looked for in it
        alone, and a file of another split is never taken. If the file's folders are not the stated ones, that is a
        problem; else it is noted.

        Args:
            name: of the image, for messages.
            stated: paths, best first.
            near: the folder that they are relative to; None for the index's.

        Returns:
            The file, or `near` with the first path if there is no file.

        Raises:
            Damage: if several files fit equally well, or there is only one outside of the folder, and it may not be.
        """
        near = near or self._folder
        existing = [path for path in stated if os.path.isfile(os.path.join(near, path))]
        for path in existing:
            if _is_below(near / path, self._folder):
                return near / path
        if existing and self._outside:
            self._problems.note("image", name, f"outside of {self._folder}", existing[0], "read there")
            return near / existing[0]
        for path in stated:
            for parts in _readings(path):
                found = [file for file in self._by_name.get(parts[-1].lower(), ()) if self._may_be(file, parts, near)]
                if found:
                    return self._noted(_best(found, parts, near, path), name, path, parts, near)
        if existing:
            raise Damage(f"outside of {self._folder}", existing[0])
        return near / stated[0]

    def has(self, stated: str) -> bool:
        """Whether there is a file with the name of a path, in any folder, and with any ending if it has none."""
        return any(parts[-1].lower() in self._by_name for parts in _readings(stated))

    @functools.cached_property
    def files(self) -> list[pathlib.Path]:
        """All image files, but not hidden ones."""
        return image_files(self._folder, self._passed_over)

    def say_passed_over(self, *endings: str) -> None:
        """Says on stderr what `files` does not have, except files with `endings`, which the reader itself reads."""
        others = {kind: count for kind, count in self._passed_over.items() if kind not in endings}
        PassedOver(others).say(self._problems.dataset)

    def _may_be(self, file, parts, near):
        """Whether a file of the same name may be the stated one: it is neither another folder's nor another split's."""
        folders, inner = parts[:-1], file.parent.relative_to(self._folder)
        split = split_word("/".join(folders)) or split_word(os.path.relpath(near, self._folder))
        if split and split_word(inner) not in ("", split):
            return False
        if not folders:
            return True
        stated = near.joinpath(*folders)
        if os.path.isdir(stated) and _is_below(stated, self._folder):
            return _is_below(file, stated)
        return folders[-1].lower() not in self._folder_names or folders[-1].lower() in _lower(inner.parts)

    def _noted(self, file, name, stated, parts, near):
        """Returns a file that is found by its name, and says so."""
        inner = _lower(file.parent.relative_to(self._folder).parts)
        if len(parts) > 1 and inner and parts[-2].lower() not in inner:
            self._problems.report("image", name, "no such path", f"{stated}, but {file}", "the latter is used")
        elif file.parent != near.joinpath(*parts[:-1]) and (len(parts) > 1 or self._says_folders):
            self._problems.note("image", name, "no such path", stated, "the only file of the same name is used")
        return file

    @functools.cached_property
    def _by_name(self):
        """The files by their names, with and without ending, in lower case."""
        by_name = {}
        for file in self.files:
            for key in (file.name.lower(), file.stem.lower()):
                by_name.setdefault(key, []).append(file)
        return by_name

    @functools.cached_property
    def _folder_names(self):
        """The names of the folders with images, and of those above them, in lower case."""
        return {name for file in self.files for name in _lower(file.parent.relative_to(self._folder).parts)}


def last_part(path: str) -> str:
    """Returns the last part of a path of any machine."""
    return _readings(path)[-1][-1]


def _is_below(path, folder):
    """Whether a path is a folder's or leads into it; links are not followed."""
    path, folder = os.path.abspath(path), os.path.abspath(folder)
    return path == folder or path.startswith(os.path.join(folder, ""))


def _lower(parts):
    return [part.lower() for part in parts]


def _readings(path):
    """Returns the parts of a path of Linux or Windows, and those of an address with its query; one if both agree."""
    plain = re.split(r"[\\/]", path)
    parts = re.split(r"[\\/?&=#]", urllib.parse.unquote(path))
    images = [i for i, part in enumerate(parts) if os.path.splitext(part)[1].lower() in EXTENSIONS]
    address = parts[: images[-1] + 1] if images else plain
    return [address] if address[-1] == plain[-1] else [plain, address]


def _best(files, parts, near, stated):
    """Returns the only file of the best rank."""
    ranks = [_rank(file, parts, near) for file in files]
    best = [file for file, rank in zip(files, ranks) if rank == max(ranks)]
    if len(best) > 1:
        raise Damage("several files of this name", f"{stated} may be {best[0]} or {best[1]}")
    return best[0]


def _rank(file, parts, near):
    common = 0
    for one, other in zip(reversed(file.parent.parts), reversed(parts[:-1])):
        if one.lower() != other.lower():
            break
        common += 1
    return file.parent == near, common, file.name == parts[-1]
