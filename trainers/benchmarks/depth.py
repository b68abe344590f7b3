"""The benchmark of depth: time and memory of training CIFAR nets with 20 to 1202 layers."""

import statistics
import time

import numpy as np

from trainers.benchmarks.peers.step_server import peak_gib
from trainers.benchmarks.settings import Settings
from trainers.benchmarks.steps import loop_step, noise
from trainers.benchmarks.trace import traced
from trainers.plots.figures import log_log
from trainers.runtime.measuring import in_new_process

BATCH_SIZE, SIDE, CLASSES = 16, 32, 10
WAYS = {"plain": False, "remat": True}
PANELS = {"seconds_per_image": "seconds an image", "bytes_per_image": "bytes an image"}


def depth(settings: Settings) -> dict:
    """Seconds and bytes an image of training CIFAR nets of six depths at batch 16, with and without --remat.

    Each net has a process of its own. An exponent is the slope of the logarithm over that of the depth: 1 where a net
    of twice the depth takes twice as much. `per_layer` is the time a layer takes as a multiple of the median over the
    depths.
    """
    depths = [int(row) for row in settings.rows]
    rows = {way: {layers: _cost(layers, remat, settings.repeats) for layers in depths} for way, remat in WAYS.items()}
    figures = {}
    for way, of_depth in rows.items():
        median = statistics.median(row["seconds_per_image"] / layers for layers, row in of_depth.items())
        for layers, row in of_depth.items():
            figures[f"{layers} {way}"] = {**row, "per_layer": row["seconds_per_image"] / layers / median}
        if len(depths) > 1:
            exponents = {f"{name}_exponent": exponent({n: row[name] for n, row in of_depth.items()}) for name in PANELS}
            figures[f"all {way}"] = exponents
    if settings.folder is not None:
        panels = {
            heading: {way: {n: row[name] for n, row in of_depth.items()} for way, of_depth in rows.items()}
            for name, heading in PANELS.items()
        }
        log_log(panels, "layers", f"Training CIFAR nets at batch {BATCH_SIZE}", settings.folder / "depth.png")
    return figures


def _cost(layers, remat, repeats):
    # The allocator of oneDNN records the memory that a step takes.
    return in_new_process(training_cost, layers, remat, repeats, TF_ENABLE_ONEDNN_OPTS="1")


def training_cost(layers: int, remat: bool, repeats: int) -> dict[str, float]:
    """Returns what training a CIFAR net of a depth costs.

    The figures are the seconds to build it and of the first step, which traces it; the seconds an image of the fastest
    of the later steps, which other processes disturb least; the bytes an image that a step takes and gives back, see
    `traced`; and the peak memory of the process, with the net and its graph.
    """
    start = time.perf_counter()
    dataset = noise(BATCH_SIZE, SIDE, CLASSES)
    _, _, step = loop_step(f"cifar_resnet{layers}", BATCH_SIZE, dataset, remat=remat)
    seconds = [time.perf_counter() - start]
    for _ in range(1 + repeats):
        start = time.perf_counter()
        step()["loss"].numpy()
        seconds.append(time.perf_counter() - start)
    return {
        "build_seconds": seconds[0],
        "first_step_seconds": seconds[1],
        "seconds_per_image": min(seconds[2:]) / BATCH_SIZE,
        "bytes_per_image": traced(step).peak_bytes / BATCH_SIZE,
        "peak_gib": peak_gib(),
    }


def exponent(values: dict[int, float]) -> float:
    """Returns the slope of the logarithm of values over the logarithm of their depth, by least squares."""
    slope, _ = np.polyfit(np.log(list(values)), np.log(list(values.values())), 1)
    return float(slope)
