"""The names of ImageNet's classes, which published weights do not have."""

import functools
import importlib.util
import json
import pathlib

from keras_resnets.weights.downloads import download

ADDRESS = "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json"
MD5 = "c2c37ea517e94d9795004a39431a14cb"  # as in keras.applications


@functools.lru_cache
def imagenet_names() -> list[tuple[str, str]]:
    """Returns WordNet's number and the name of each class, in their order: ("n01440764", "tench").

    They are read from timm's files if it is installed, else from Keras's, which is downloaded once.

    Raises:
        ArgumentError: (a ValueError) if there is neither.
    """
    timm = importlib.util.find_spec("timm")  # is not imported: it would load PyTorch
    if timm is not None and timm.origin is not None:
        folder = pathlib.Path(timm.origin).parent / "data" / "_info"
        try:
            return names_of_timm(folder)
        except OSError:
            pass  # a version that keeps them elsewhere
    file = download(ADDRESS, "the file of ImageNet's class names", "pip install timm", md5=MD5)
    classes = json.loads(pathlib.Path(file).read_text())
    return [tuple(classes[str(index)]) for index in range(len(classes))]


def names_of_timm(folder: pathlib.Path) -> list[tuple[str, str]]:
    """Returns the same of timm's folder of names. A name is WordNet's first, with underscores as in Keras."""
    lines = (folder / "imagenet_synset_to_lemma.txt").read_text().splitlines()
    names = dict(line.split("\t", 1) for line in lines)
    numbers = (folder / "imagenet_synsets.txt").read_text().split()
    return [(number, names[number].split(", ")[0].replace(" ", "_")) for number in numbers]
