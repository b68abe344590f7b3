"""Region proposals that are kept on disk: to find them takes longer than anything else that is done with an image."""

import collections
import concurrent.futures
import functools
import hashlib
import inspect
import io
import json
import pathlib
import sys
import time
import zipfile
import zlib

import numpy as np

from keras_resnets import ArgumentError
from keras_resnets.errors import first_line
from trainers.data.proposals.methods import METHODS
from trainers.data.sources.problems import Damage
from trainers.data.tf_data_options import CORES
from trainers.runtime.atomic_files import atomic_file
from trainers.runtime.progress import Progress

VERSION = 1  # of what the methods return: a larger one makes all proposals again
# What NumPy raises when it reads what is no .npz file, or no longer one.
BROKEN = (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, OSError, RuntimeError)


class ProposalCache:
    """Proposals of one method with certain settings, found once for an image.

    Every image has a file of its own, named by its pixels, in a folder named by the settings: other images or settings
    are never mixed up. A file is complete as soon as it has its name. One that was damaged later is named on stderr and
    made again. Several processes may share a folder.

    Args:
        folder: of the caches of all methods and settings; made where it is missing.
        method: one of `trainers.data.proposals.methods.METHODS`.
        limit: the largest number of boxes of an image.
        **settings: other arguments of the method.

    Attributes:
        settings: dict of all arguments of the method but the image, defaults included; of a model file, its SHA-256.

    Raises:
        ArgumentError: if there is no such method.
        OSError: if a model file cannot be read.
    """

    def __init__(self, folder, method, limit=2000, **settings):
        if method not in METHODS:
            raise ArgumentError(f"method={method!r} is unknown: use {', '.join(METHODS)}.")
        self._find = functools.partial(METHODS[method], limit=limit, **settings)
        self.settings = _settings(self._find)
        name = _digest(json.dumps({"version": VERSION, **self.settings}, sort_keys=True).encode())
        self._folder = pathlib.Path(folder) / f"{method}-{name}"

    def __call__(self, image):
        """Returns an image's proposals, those that are kept where there are any.

        Args:
            image: (H, W, 3) uint8, RGB.

        Returns:
            Two values: (n, 4) float32 boxes [x1, y1, x2, y2] in pixels, best first; and the seconds that it once took
            to find them.

        Raises:
            ArgumentError: see the methods.
        """
        name = _digest(str(image.shape).encode(), np.ascontiguousarray(image))
        file = self._folder / name[:2] / f"{name}.npz"
        try:
            return _read(file)
        except FileNotFoundError:
            pass
        except Damage as damage:
            print(f"{file} is damaged ({damage}): made again", file=sys.stderr)
        start = time.perf_counter()
        boxes = self._find(image)
        seconds = time.perf_counter() - start
        _write(file, boxes, seconds)
        return boxes, seconds


def split_proposals(cache, split, title, workers=None):
    """Returns the proposals of every image of a split; several are found at a time, and progress is shown on stderr.

    Args:
        cache: a `ProposalCache`.
        split: a `Split` of a `DetectionDataset`.
        title: what the progress is called.
        workers: how many images are worked on at a time, by default as many as this process may use cores.

    Returns:
        Two values: a list of (n, 4) float32 boxes, in the order of the examples' `index`; and (size,) float64 seconds
        that it once took to find them.

    Raises:
        ArgumentError: see the methods.
    """
    workers = workers or CORES
    images = split.keys(None).map(
        lambda key: (key["index"], split.load(key)["image"].pixels()), num_parallel_calls=CORES
    )
    boxes, seconds, waiting = [None] * split.size, np.zeros(split.size), collections.deque()
    # Threads will do: OpenCV lets other threads of Python work.
    with concurrent.futures.ThreadPoolExecutor(workers) as pool, Progress(split.size, title, "images") as progress:

        def finish_first():
            index, future = waiting.popleft()
            boxes[index], seconds[index] = future.result()
            progress.update(1)

        for index, image in images.prefetch(workers).as_numpy_iterator():
            waiting.append((index, pool.submit(cache, image)))
            if len(waiting) > 2 * workers:  # Not all images of the split have to be in memory.
                finish_first()
        while waiting:
            finish_first()
    return boxes, seconds


def _settings(find):
    """Returns the arguments of a `functools.partial` of a method that are not the image, as JSON has them."""
    parameters = inspect.signature(find).parameters
    settings = {name: parameter.default for name, parameter in parameters.items() if name != "image"}
    if settings.get("model") is not None:
        settings["model"] = hashlib.sha256(pathlib.Path(settings["model"]).read_bytes()).hexdigest()
    return settings


def _digest(*parts):
    return hashlib.sha256(b"".join(parts)).hexdigest()[:32]


def _read(file):
    content = file.read_bytes()
    try:
        with np.load(io.BytesIO(content)) as arrays:
            if arrays.zip.testzip() is not None:
                raise Damage("its checksum is wrong")
            return arrays["boxes"], float(arrays["seconds"])
    except BROKEN as error:
        raise Damage(first_line(error)) from error


def _write(file, boxes, seconds):
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(file, shared=True) as stream:
        np.savez_compressed(stream, boxes=boxes, seconds=seconds)
