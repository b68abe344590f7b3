"""`voc:PATH`: PASCAL VOC (doi 10.1007/s11263-009-0275-4), or other data in its format.

PATH is a folder with VOC2007, VOC2012, ... (VOCdevkit), or one of these folders. In each of them,
`ImageSets/Main/SPLIT.txt` lists the images `JPEGImages/ID.jpg`, and `Annotations/ID.xml` has their objects. The labels
are VOC's, or the lines of `PATH/labels.txt`.

The training split is `trainval` (or `train`) of all years. The test split is `test` of the years whose test images are
annotated. Without such a year, the splits are `train` and `val`.
"""

import collections
import pathlib
import sys
import xml.etree.ElementTree

from keras_resnets.errors import ArgumentError
from trainers.data.detection_dataset import DetectionDataset
from trainers.data.sources.annotated_files import IMAGE_LEFT_OUT, AnnotatedImage, AnnotatedObject, file_dataset, number
from trainers.data.sources.problems import Damage, Problems

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
LAYOUT = (
    "expected are PATH/VOC2007/ (or other years; or PATH is such a folder) with JPEGImages/ID.jpg, Annotations/ID.xml, "
    "ImageSets/Main/trainval.txt and test.txt (or train.txt and val.txt)"
)
# A year is annotated if at least this share of its test images have a file. In 2012, 47 % have one, but only for the
# persons of the action and layout challenges.
ANNOTATED_SHARE = 0.5


def open_voc(path: str, strict: bool) -> DetectionDataset:
    """Opens PASCAL VOC; difficult objects are ignored ones.

    Args:
        path: see above.
        strict: whether a damaged file or object is an error; if not, it is reported on stderr and skipped.

    Raises:
        ArgumentError: if files are missing, no image or object can be used, or, if strict, one is damaged.
    """
    root = pathlib.Path(path)
    labels = _labels(root)
    classes = {label: index for index, label in enumerate(labels)}
    with Problems(f"voc:{path}", strict) as problems:
        train, test = (
            [image for year, file in lists for image in _images(year, file, classes, problems)]
            for lists in _splits(root)
        )
        return file_dataset(labels, train, test, LAYOUT, problems)


def _labels(root):
    file = root / "labels.txt"
    if not file.is_file():
        return LABELS
    labels = [line.strip() for line in _lines(file)]
    if not labels or len(set(labels)) < len(labels):
        raise ArgumentError(f"{file} must have a class on each line, and none twice.")
    return labels


def _lines(file):
    return [line for line in file.read_text("utf-8-sig", errors="replace").splitlines() if line.strip()]


def _splits(root):
    """Returns the training and the test images: lists of (folder of a year, file that lists images)."""
    years = _years(root)
    annotated = [year for year in years if _is_annotated(year)]
    if annotated:
        train, test = _lists(years, "trainval", "train"), _lists(annotated, "test")
    else:
        train, test = _lists(years, "train"), _lists(years, "val")
    if not train or not test:
        missing = "images to train on" if not train else "annotated test images"
        raise ArgumentError(f"--dataset=voc:{root} lists no {missing} in ImageSets/Main; {LAYOUT}.")
    return train, test


def _years(root):
    folders = [root, *sorted(root.iterdir())] if root.is_dir() else []
    years = [folder for folder in folders if (folder / "ImageSets" / "Main").is_dir()]
    if not years:
        raise ArgumentError(f"--dataset=voc:{root}: there is no ImageSets/Main in it or its folders; {LAYOUT}.")
    return years[:1] if years[0] == root else years


def _lists(years, *splits):
    """Returns (year, file of its first split among `splits`) for the years that have one."""
    lists = []
    for year in years:
        files = [year / "ImageSets" / "Main" / f"{split}.txt" for split in splits]
        lists += [(year, file) for file in files if file.is_file()][:1]
    return lists


def _is_annotated(year):
    ids = [image_id for _, file in _lists([year], "test") for image_id in _image_ids(file)]
    found = sum(_annotation_file(year, image_id).is_file() for image_id in ids)
    annotated = bool(ids) and found >= ANNOTATED_SHARE * len(ids)
    if ids and not annotated:
        print(f"{year}: only {found} of {len(ids)} test images are annotated: not used", file=sys.stderr)
    return annotated


def _image_ids(file):
    return [line.split()[0] for line in _lines(file)]


def _annotation_file(year, image_id):
    return year / "Annotations" / f"{image_id}.xml"


def _images(year, file, classes, problems):
    images = []
    for image_id, times in collections.Counter(_image_ids(file)).items():
        if times > 1:
            problems.report(f"{file}: {image_id} is listed {times} times", "taken once")
        annotation = _annotation_file(year, image_id)
        with problems.leave_out(annotation, IMAGE_LEFT_OUT):
            root = _parse(annotation)
            images.append(
                AnnotatedImage(
                    name=str(annotation),
                    file=year / "JPEGImages" / f"{image_id}.jpg",
                    width=number(root.findtext("size/width")),
                    height=number(root.findtext("size/height")),
                    objects=_objects(annotation, root, classes, problems),
                )
            )
    return images


def _parse(file):
    try:
        return xml.etree.ElementTree.parse(file).getroot()
    except OSError as error:
        raise Damage(f"it cannot be read ({error.strerror})") from error
    except (xml.etree.ElementTree.ParseError, ValueError, LookupError) as error:  # the last two: a wrong encoding
        raise Damage(f"it is not XML ({error})") from error


def _objects(file, root, classes, problems):
    objects = []
    for position, element in enumerate(root.findall("object"), 1):
        label = element.findtext("name", "").strip()
        name = f"{file}: object {position} ({label})"
        with problems.leave_out(name):
            if label not in classes:
                raise Damage("there is no such class (PATH/labels.txt may list others than VOC's)")
            x1, y1, x2, y2 = box = _box(element)
            stated = f"xmin={x1:g} ymin={y1:g} xmax={x2:g} ymax={y2:g}"
            difficult = element.findtext("difficult", "").strip() == "1"
            objects.append(AnnotatedObject(name, stated, _from_zero(box), classes[label], difficult))
    return objects


def _box(element):
    """Returns xmin, ymin, xmax and ymax of an object, not of its parts."""
    box = element.find("bndbox")
    if box is None:
        raise Damage("it has no bndbox")
    values = {name: number(box.findtext(name)) for name in ("xmin", "ymin", "xmax", "ymax")}
    for name, value in values.items():
        if value is None:
            raise Damage(f"{name}={box.findtext(name)} is not a number")
    for low, high in (("xmin", "xmax"), ("ymin", "ymax")):
        if values[high] <= values[low]:
            raise Damage(f"{high}={values[high]:g} is not larger than {low}={values[low]:g}")
    return list(values.values())


def _from_zero(box):
    """Returns [x1, y1, x2, y2]: VOC counts pixels from 1, and the last one is part of the box."""
    x1, y1, x2, y2 = box
    return [x1 - 1, y1 - 1, x2, y2]
