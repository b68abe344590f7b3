"""`coco:FOLDER,TRAIN.json,FOLDER,TEST.json`: COCO (arXiv 1405.0312), or other data in its format.

The folders have the images. `coco:FOLDER,ANNOTATIONS.json` has a random tenth of the images as its test split, always
the same. `coco:FOLDER` is a folder with both: COCO's own or CVAT's (`annotations/instances_NAME.json`), Roboflow's
(`train/` and `valid/` with a JSON file each), or one with the JSON files in it. Names with `train`, `val`, `valid` or
`test` tell the splits; `test` is measured with only where there is no `val`.
"""

import json
import os
import pathlib
import re
import reprlib

from keras_resnets.errors import ArgumentError
from trainers.data.detection_dataset import DetectionDataset
from trainers.data.registry import Purpose
from trainers.data.sources.annotated_files import AnnotatedImage, AnnotatedObject, file_dataset, number, twice
from trainers.data.sources.image_index import ImageIndex
from trainers.data.sources.masks import mask_box
from trainers.data.sources.problems import Damage, Problems, counted
from trainers.data.sources.split_words import split_word
from trainers.data.sources.text_files import check_fetched
from trainers.data.split_names import choose_splits

LAYOUT = (
    "expected is coco:FOLDER,TRAIN.json,FOLDER,TEST.json, coco:FOLDER,ANNOTATIONS.json or coco:FOLDER, with folders of "
    "images and files of COCO's images, annotations and categories"
)


def open_coco(
    spec: str,
    strict: bool,
    labels: tuple[str, ...] | None = None,
    purpose: Purpose = "training",
    masks: bool = False,
) -> DetectionDataset:
    """Opens data in COCO's format; crowds are ignored objects.

    An object without a box has the box around its mask. A category that only groups others is no class, and two
    categories of one name are one class.

    Args:
        spec: one, two or four paths with commas between them, see above.
        strict: whether a damaged file or object is an error; if not, it is reported on stderr and skipped.
        labels: of the run that the data are for, which may have been begun when every category was a class; None for
            no run.
        purpose: what the data set is for; of one to be measured with alone, no training image needs an object.
        masks: whether annotations have the masks of `segmentation`; an object without one is then left out.

    Raises:
        ArgumentError: if a path does not exist, a JSON file is not COCO's, the two have different categories, no image
            or object can be used, or, if strict, one is damaged.
    """
    paths = spec.split(",")
    if len(paths) not in (1, 2, 4) or not all(paths):
        raise ArgumentError(f"--dataset=coco:{spec} is not one, two or four paths; {LAYOUT}.")
    with Problems(f"coco:{spec}", strict) as problems:
        sources = _sources_in(paths[0], problems) if len(paths) == 1 else list(zip(paths[::2], paths[1::2]))
        contents = [_content(file, problems) for _, file in sources]
        categories = _categories(sources, contents)
        classes, names = _classes(categories, contents, labels, problems)
        train, *test = (
            _images(folder, file, content, classes, names, problems)
            for (folder, file), content in zip(sources, contents)
        )
        return file_dataset(names, train, test[0] if test else None, LAYOUT, problems, purpose=purpose, masks=masks)


def _sources_in(folder, problems):
    """Returns the folders of images and JSON files of the splits to train on and, if there is one, to measure with."""
    root = pathlib.Path(folder)
    if root.is_file():
        raise ArgumentError(
            f"--dataset=coco:{folder} is a file, and the folder of its images is missing: pass "
            f"--dataset=coco:IMAGES,{folder}."
        )
    folders = [path for path in sorted(root.glob("*")) if split_word(path.name)]
    in_splits = [files[0] for files in (list(path.glob("*.json")) for path in folders) if len(files) == 1]
    files = [*sorted(root.glob("*.json")), *sorted(root.glob("annotations/*.json")), *in_splits]
    files = [file for file in files if file.name.startswith("instances")] or files
    by_split = {}
    for file in files:
        by_split.setdefault(split_word(f"{file.parent.relative_to(root)}/{file.stem}"), []).append(file)
    chosen = choose_splits(by_split)
    if chosen.train is None and len(files) == 1:
        return [(_image_folder(root, files[0]), files[0])]
    splits = [split for split in (chosen.train, chosen.test) if split is not None]
    if chosen.train is None or any(len(by_split[split]) > 1 for split in splits):
        found = ", ".join(map(str, files)) or "none"
        raise ArgumentError(
            f"--dataset=coco:{folder}: its JSON files do not tell which one to train on (found: {found}); {LAYOUT}."
        )
    chosen.say(problems.dataset)
    if others := by_split.get(""):
        problems.say(f"{counted(len(others), 'JSON file')} without the name of a split: not used (e.g. {others[0]})")
    return [(_image_folder(root, by_split[split][0]), by_split[split][0]) for split in splits]


def _image_folder(root, file):
    if file.parent not in (root, root / "annotations"):
        return file.parent
    name = file.stem.removeprefix("instances_")
    folders = [root / name, root / "images" / name, root / "images"]
    return next((folder for folder in folders if folder.is_dir()), root)


def _content(file, problems):
    try:
        text = pathlib.Path(file).read_bytes()
    except OSError as error:
        raise ArgumentError(f"--dataset={problems.dataset}: {file} cannot be read; {LAYOUT}.") from error
    check_fetched(file, text)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArgumentError(f"{file} is not JSON ({error}): mend it, or fetch it again.") from error
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise ArgumentError(f"{file} has no list of {key}; {LAYOUT}.")
    return content


def _entries(content, key):
    """Returns the entries of a list, {} for those that are no dicts."""
    return [entry if isinstance(entry, dict) else {} for entry in content[key]]


def _key(identifier):
    """Returns an id, as a whole number where that is what it says; None if it is neither a number nor a text."""
    if type(identifier) is int:
        return identifier
    if isinstance(identifier, str):
        return int(identifier) if re.fullmatch(r"-?\d{1,18}", identifier) else identifier
    return int(identifier) if isinstance(identifier, float) and identifier.is_integer() else None


def _categories(sources, contents):
    """Returns {id: category} of all files in the order of the ids; a category is (name, supercategory)."""
    (first, categories), *others = (
        (file, _categories_of(file, content)) for (_, file), content in zip(sources, contents)
    )
    for file, other in others:
        different = [key for key in {**categories, **other} if categories.get(key, "")[:1] != other.get(key, "")[:1]]
        if different:
            name, _ = categories.get(different[0]) or other[different[0]]
            raise ArgumentError(
                f"{first} and {file} must have the same categories: only one has {different[0]} ({name})."
            )
    return categories


def _categories_of(file, content):
    entries = _entries(content, "categories")
    keys, names = [_key(entry.get("id")) for entry in entries], [entry.get("name") for entry in entries]
    if None in keys or not all(isinstance(name, str) and name for name in names):
        raise ArgumentError(f"{file}: every category must have a number or a text as its id, and a name.")
    if not keys or twice(keys):
        raise ArgumentError(f"{file} must have categories, and no two with the same id.")
    categories = zip(keys, [(name, str(entry.get("supercategory"))) for name, entry in zip(names, entries)])
    numbered = all(isinstance(key, int) for key in keys)
    return dict(sorted(categories) if numbered else categories)


def _classes(categories, contents, labels, problems):
    """Returns {id of a category: index of its class}, and the names of the classes."""
    names = [name for name, _ in categories.values()]
    if names == list(labels or ()):
        return {key: index for index, key in enumerate(categories)}, names
    groups = {above for _, above in categories.values()}
    empty = [key for key, (name, above) in categories.items() if name in groups and above != name]
    if empty:
        used = {_key(entry.get("category_id")) for content in contents for entry in _entries(content, "annotations")}
        empty = [key for key in empty if key not in used]
    for key in empty:
        problems.say(f"category {key} ({categories[key][0]}) groups others, and no object has it: it is no class")
    kept = {key: name for key, (name, _) in categories.items() if key not in empty}
    for name in twice(kept.values()):
        problems.say(f"several categories are called {name}: they are one class")
    unique = list(dict.fromkeys(kept.values()))
    return {key: unique.index(name) for key, name in kept.items()}, unique


def _images(folder, file, content, classes, names, problems):
    """Returns a list of `AnnotatedImage`s."""
    if not pathlib.Path(folder).is_dir():
        raise ArgumentError(f"--dataset={problems.dataset}: there is no folder {folder}; {LAYOUT}.")
    images, by_file, index = {}, {}, ImageIndex(folder, problems)
    for position, entry in enumerate(_entries(content, "images"), 1):
        identifier, stated = _key(entry.get("id")), entry.get("file_name", entry.get("filename"))
        with problems.leave_out("image", f"{file}: image {position} ({stated})"):
            if identifier is None or not isinstance(stated, str):
                raise Damage("no id or no file_name")
            if images.get(identifier) is not None:
                raise Damage("the id of another image", f"id={identifier}")
            images[identifier] = None  # unless its file is found
            name = f"{file}: image id={identifier}"
            path = index.find(name, [stated])
            if path in by_file:
                problems.note("image", name, "the file of another id", stated, "read once, with the objects of both")
            size = (number(entry.get(side)) for side in ("width", "height"))
            images[identifier] = by_file.setdefault(path, AnnotatedImage(name, path, [], *size))
    found = list(by_file.values())
    if not found:
        _propose_folder(folder, file, content, problems)
    _add_objects(file, content, classes, names, images, problems)
    return found


def _propose_folder(folder, file, content, problems):
    """Stops where images that a file states exist, but all in another folder."""
    stated = [entry.get("file_name", entry.get("filename")) for entry in _entries(content, "images")]
    paths = [os.path.join(folder, name) for name in stated if isinstance(name, str)]
    others = [os.path.dirname(os.path.abspath(path)) for path in paths if os.path.isfile(path)]
    if others:
        other = os.path.commonpath(others)
        raise ArgumentError(
            f"--dataset={problems.dataset}: the images of {file} are in {other}, not in {folder}: pass "
            f"--dataset=coco:{other},{file}."
        )


def _add_objects(file, content, classes, names, images, problems):
    for position, entry in enumerate(_entries(content, "annotations"), 1):
        index = classes.get(_key(entry.get("category_id")))
        name = f"{file}: annotation {entry.get('id', position)} ({None if index is None else names[index]})"
        with problems.leave_out("object", name):
            identifier = _key(entry.get("image_id"))
            if identifier not in images:
                raise Damage("no image with the image_id", f"image_id={entry.get('image_id')}")
            if index is None:
                raise Damage("no category with the category_id", f"category_id={entry.get('category_id')}")
            image = images[identifier]
            if image is None:  # It is counted, and its objects go with it.
                continue
            image.objects.append(
                AnnotatedObject(
                    name=name,
                    stated=f"bbox={entry.get('bbox')}",
                    box=_box(entry, name, problems),
                    index=index,
                    ignored=bool(number(entry.get("iscrowd"))),
                    area=number(entry.get("area")),
                    segmentation=entry.get("segmentation"),
                )
            )


def _box(entry, name, problems):
    try:
        return _stated_box(entry.get("bbox"))
    except Damage:
        if not entry.get("segmentation"):
            raise
    problems.note("object", name, "a mask and no box", "", "the box around the mask is used")
    return mask_box(entry["segmentation"])


def _stated_box(bbox):
    values = [number(value) for value in bbox] if isinstance(bbox, list) else []
    if len(values) != 4 or None in values:
        raise Damage("bbox is not four numbers", f"bbox={reprlib.repr(bbox)}")
    x, y, width, height = values
    for side, value in (("width", width), ("height", height)):
        if value <= 0:
            raise Damage(f"the {side} of bbox is not positive", f"bbox={bbox}")
    return [x, y, x + width, y + height]
