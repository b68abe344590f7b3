"""`voc:PATH`: PASCAL VOC (doi 10.1007/s11263-009-0275-4), or other data in its format.

PATH is a folder with VOC2007, VOC2012, ... (VOCdevkit), or one of these folders. In each of them,
`ImageSets/Main/SPLIT.txt` lists the images of `JPEGImages`, and `Annotations/ID.xml` has their objects. An image is
`ID.jpg`, `ID` with another ending or, where there is neither, the file that `<filename>` states.

The training split is `trainval` (or `train`) of all years. The test split is `test` of the years whose test images are
annotated. Without such a year, or where there are `train` and `val` but no `trainval`, the splits are `train` and
`val`. Of a single list, e.g. CVAT's `default.txt`, a tenth is held out.

Without lists, all XML files in PATH are read. Folders named `train` and `valid` (or `val`, `test`) are the splits;
without them, a tenth is held out. An image lies beside its XML file, or is found by its name.

The labels are the lines of `PATH/labels.txt`, or those of CVAT's `PATH/labelmap.txt`. Without these files they are
VOC's where there are lists and all objects have VOC's names, and else the names of the objects.
"""

import dataclasses
import pathlib
import xml.etree.ElementTree

from keras_resnets.errors import ArgumentError
from trainers.data.detection_dataset import DetectionDataset
from trainers.data.registry import Purpose
from trainers.data.sources.annotated_files import AnnotatedImage, AnnotatedObject, file_dataset, number, twice
from trainers.data.sources.problems import Damage, Problems
from trainers.data.sources.text_files import lines_of
from trainers.data.sources.voc_folders import LABEL_MAP, LAYOUT, listed_splits, years_of

LABELS = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
NOT_UTF8 = 'not in UTF-8: save it as UTF-8, with encoding="utf-8" in its first line'


@dataclasses.dataclass(frozen=True)
class _Object:
    """An object as it is written: the box is xmin, ymin, xmax and ymax."""

    name: str
    label: str
    box: list[float]
    difficult: bool


def open_voc(
    path: str,
    strict: bool,
    voc_first_pixel: str = "auto",
    labels: tuple[str, ...] | None = None,
    measured: str | None = None,
    purpose: Purpose = "training",
) -> DetectionDataset:
    """Opens PASCAL VOC; difficult objects are ignored ones.

    Args:
        path: see above.
        strict: whether a damaged file or object is an error; if not, it is reported on stderr and skipped.
        voc_first_pixel: "1" where coordinates count from 1 and the last pixel is part of a box, as VOC's; "0" where
            they count from 0 and xmax - xmin is the width, as several tools write; "auto" for "0" where an xmin or
            ymin is 0, and else "1".
        labels: of the run that the data are for, in place of what `labels.txt` does not say; None for no run.
        measured: the split that this run was measured with, or `OLDER_RUNS`.
        purpose: what the data set is for; of one to be measured with alone, no training image needs an object.

    Raises:
        ArgumentError: if files are missing, no image or object can be used, or, if strict, one is damaged.
    """
    root = pathlib.Path(path)
    with Problems(f"voc:{path}", strict) as problems:
        *listed, measured = listed_splits(root, measured, problems)
        splits = [split and _parsed(split, problems) for split in listed]
        images = [image for split in splits for image in split or ()]
        labels = _labels(root, labels, images, problems)
        first = _first_pixel(images, labels, problems) if voc_first_pixel == "auto" else int(voc_first_pixel)
        classes = {label: index for index, label in enumerate(labels)}
        train, test = (split and [_counted(image, classes, first, problems) for image in split] for split in splits)
        dataset = file_dataset(labels, train, test, LAYOUT, problems, purpose=purpose)
        return dataclasses.replace(dataset, measured=measured, voc_first_pixel=str(first))


def _labels(root, of_run, images, problems):
    found = sorted({item.label for image in images for item in image.objects})
    if (root / "labels.txt").is_file():
        return _unique(root / "labels.txt", lines_of(root / "labels.txt"))
    if of_run is not None:
        return of_run
    if (root / LABEL_MAP).is_file():
        lines = [line for line in lines_of(root / LABEL_MAP) if not line.startswith("#")]
        labels = [line.split(":")[0].strip() for line in lines]  # of "label:color_rgb:parts:actions"
        return _unique(root / LABEL_MAP, [name for name in labels if name != "background" or name in found])
    if years_of(root) and set(found) <= set(LABELS):
        return LABELS
    if found:
        problems.say(f"its classes are the names of its objects: {', '.join(found)} (labels.txt may list them)")
    return found


def _unique(file, labels):
    if not labels or twice(labels):
        raise ArgumentError(f"{file} must have a class on each line, and none twice.")
    return labels


def _first_pixel(images, labels, problems):
    for image in images:
        for item in image.objects:
            if min(map(abs, item.box[:2])) < 0.5:
                problems.say(
                    f"coordinates count from 0, as {item.name} shows ({_stated(item.box)}): nothing is subtracted"
                )
                return 0
    if labels and tuple(labels) != LABELS:
        problems.say("coordinates count from 1, as VOC's do; if they count from 0, train with --voc_first_pixel=0")
    return 1


def _parsed(listed, problems):
    """Returns `AnnotatedImage`s whose objects are `_Object`s."""
    images = []
    for image in listed:
        with problems.leave_out("image", image.annotation):
            if image.may_be_empty and not image.annotation.is_file():
                problems.note("image", image.annotation, "no annotation file", "", "read without objects")
                images.append(AnnotatedImage(str(image.annotation), image.find(), []))
                continue
            root = _parse(image.annotation)
            images.append(
                AnnotatedImage(
                    name=str(image.annotation),
                    file=image.find(root.findtext("filename", "").strip()),
                    width=number(root.findtext("size/width")),
                    height=number(root.findtext("size/height")),
                    objects=_objects(image.annotation, root, problems),
                )
            )
    return _one_of_each_file(images, problems)


def _parse(file):
    try:
        root = xml.etree.ElementTree.parse(file).getroot()
    except OSError as error:
        raise Damage("cannot be read", error.strerror) from error
    except xml.etree.ElementTree.ParseError as error:
        raise Damage("not XML" if _is_utf8(file) else NOT_UTF8, str(error)) from error
    except (ValueError, LookupError) as error:  # an encoding that is not read, e.g. GBK
        raise Damage(NOT_UTF8, str(error)) from error
    if root.tag == "annotations":
        raise Damage("CVAT's own XML, not VOC's: export 'COCO 1.0' or 'Pascal VOC 1.1'")
    if root.find("object/polygon") is not None and root.find("object/bndbox") is None:
        raise Damage("LabelMe's own XML, not VOC's: convert it to COCO or VOC, e.g. with datumaro")
    return root


def _is_utf8(file):
    try:
        file.read_text("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _one_of_each_file(images, problems):
    """Returns the images without those whose file is another one's; the XML file of the same name keeps it."""
    owners = {}
    for image in images:
        if image.file not in owners or pathlib.Path(image.name).stem == image.file.stem:
            owners[image.file] = image
    for image in images:
        if image is not (owner := owners[image.file]):
            problems.report("image", image.name, "the image of another XML file", f"{image.file}, of {owner.name}")
    return [image for image in images if image is owners[image.file]]


def _objects(file, root, problems):
    objects = []
    for position, element in enumerate(root.findall("object"), 1):
        label = element.findtext("name", "").strip()
        name = f"{file}: object {position} ({label})"
        with problems.leave_out("object", name):
            if not label:
                raise Damage("no name")
            difficult = element.findtext("difficult", "").strip() == "1"
            objects.append(_Object(name, label, _box(element), difficult))
    return objects


def _box(element):
    """Returns xmin, ymin, xmax and ymax of an object, not of its parts."""
    box = element.find("bndbox")
    if box is None:
        raise Damage("no bndbox")
    values = {name: number(box.findtext(name)) for name in ("xmin", "ymin", "xmax", "ymax")}
    for name, value in values.items():
        if value is None:
            raise Damage(f"{name} is not a number", f"{name}={box.findtext(name)}")
    return list(values.values())


def _counted(image, classes, first_pixel, problems):
    """Returns an image with `AnnotatedObject`s, whose boxes count from 0."""
    objects = []
    for item in image.objects:
        with problems.leave_out("object", item.name):
            if item.label not in classes:
                raise Damage("no such class in the data set", "PATH/labels.txt may list others")
            box = _from_zero(item.box, first_pixel)
            objects.append(AnnotatedObject(item.name, _stated(item.box), box, classes[item.label], item.difficult))
    return dataclasses.replace(image, objects=objects)


def _from_zero(box, first_pixel):
    """Returns [x1, y1, x2, y2]. Where pixels count from 1, the last one is part of the box."""
    x1, y1, x2, y2 = box
    for low, high, names in ((x1, x2, ("xmin", "xmax")), (y1, y2, ("ymin", "ymax"))):
        if high < low or (high == low and not first_pixel):
            raise Damage(f"{names[1]} is not larger than {names[0]}", f"{names[0]}={low:g} {names[1]}={high:g}")
    return [x1 - first_pixel, y1 - first_pixel, x2, y2]


def _stated(box):
    return " ".join(f"{name}={value:g}" for name, value in zip(("xmin", "ymin", "xmax", "ymax"), box))
