"""A cache of region proposals on disk: computing them takes longer than everything else that is done with an image."""

import collections
import concurrent.futures
import functools
import hashlib
import inspect
import io
import json
import os
import pathlib
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_resnets.errors import ArgumentError, first_line
from trainers.data.proposals.methods import METHODS
from trainers.data.split import Split
from trainers.data.tf_data_options import CORES
from trainers.runtime.atomic_files import atomic_file
from trainers.runtime.progress import Progress

VERSION = 1  # of the methods; to be increased when they return other boxes
# What NumPy raises for a file that is not a .npz file, or a damaged one.
DAMAGED = (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, OSError, RuntimeError)


class ProposalCache:
    """Proposals of one method with fixed settings, computed once for each image.

    Each image has a file, named by a hash of its pixels, in a folder named by a hash of the settings. Files are written
    atomically. A damaged file is reported on stderr, and its proposals are computed again. Processes can share it.

    Args:
        folder: of the caches of all methods and settings; created if it is missing.
        method: one of `trainers.data.proposals.methods.METHODS`.
        limit: the largest number of boxes per image.
        **settings: other arguments of the method.

    Attributes:
        settings: all arguments of the method except the image, including defaults; a model file as its SHA-256.

    Raises:
        ArgumentError: if there is no such method.
        OSError: if a model file cannot be read.
    """

    def __init__(self, folder: str | os.PathLike, method: str, limit: int = 2000, **settings: Any):
        if method not in METHODS:
            raise ArgumentError(f"method={method!r} is unknown: use {', '.join(METHODS)}.")
        self._find = functools.partial(METHODS[method], limit=limit, **settings)
        self.settings = _settings(self._find)
        name = _digest(json.dumps({"version": VERSION, **self.settings}, sort_keys=True).encode())
        self._folder = pathlib.Path(folder) / f"{method}-{name}"

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, float]:
        """Returns the proposals of an image, from the cache if they are there.

        Args:
            image: (H, W, 3) uint8, RGB.

        Returns:
            (n, 4) float32 boxes [x1, y1, x2, y2] in pixels, best first; and the seconds that their computation took.

        Raises:
            ArgumentError: see the methods.
        """
        name = _digest(str(image.shape).encode(), np.ascontiguousarray(image))
        file = self._folder / name[:2] / f"{name}.npz"
        cached = _read(file)
        if cached is not None:
            return cached
        start = time.perf_counter()
        boxes = self._find(image)
        seconds = time.perf_counter() - start
        _write(file, boxes, seconds)
        return boxes, seconds


def split_proposals(
    cache: ProposalCache, split: Split, title: str, workers: int | None = None
) -> tuple[list[np.ndarray], np.ndarray]:
    """Returns the proposals of all images of a split, computed in parallel, with progress on stderr.

    Args:
        cache: of the proposals.
        split: of a `DetectionDataset`.
        title: of the progress.
        workers: images in parallel; None for one per core of this process.

    Returns:
        (n, 4) float32 boxes for each example, in the order of `index`; and (size,) float64, the seconds that their
        computation took.

    Raises:
        ArgumentError: see the methods.
    """
    workers = workers or CORES
    images = split.keys(None).map(
        lambda key: (key["index"], split.load(key)["image"].pixels()), num_parallel_calls=CORES
    )
    boxes, seconds, waiting = [None] * split.size, np.zeros(split.size), collections.deque()
    # Threads suffice: OpenCV releases Python's lock.
    with concurrent.futures.ThreadPoolExecutor(workers) as pool, Progress(split.size, title, "images") as progress:

        def finish_first():
            index, future = waiting.popleft()
            boxes[index], seconds[index] = future.result()
            progress.update(1)

        for index, image in images.prefetch(workers).as_numpy_iterator():
            waiting.append((index, pool.submit(cache, image)))
            if len(waiting) > 2 * workers:  # limits the images in memory
                finish_first()
        while waiting:
            finish_first()
    return boxes, seconds


def _settings(find: Callable) -> dict[str, Any]:
    """Returns the arguments of a `functools.partial` of a method except the image, as JSON values."""
    parameters = inspect.signature(find).parameters
    settings = {name: parameter.default for name, parameter in parameters.items() if name != "image"}
    if settings.get("model") is not None:
        settings["model"] = hashlib.sha256(pathlib.Path(settings["model"]).read_bytes()).hexdigest()
    return settings


def _digest(*parts):
    return hashlib.sha256(b"".join(parts)).hexdigest()[:32]


def _read(file):
    """Returns boxes and seconds, or None if there is no file or it is damaged."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None
    try:
        with np.load(io.BytesIO(content)) as arrays:
            if arrays.zip.testzip() is not None:
                raise ValueError("its checksum is wrong")
            return arrays["boxes"], float(arrays["seconds"])
    except DAMAGED as error:
        print(f"{file} is damaged ({first_line(error)}): computed again", file=sys.stderr)
        return None


def _write(file, boxes, seconds):
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(file, shared=True) as stream:
        np.savez_compressed(stream, boxes=boxes, seconds=seconds)
