"""The benchmarks by name, and the rows of each."""

import dataclasses
import importlib
from collections.abc import Callable, Iterable, Sequence

from keras_resnets.errors import ArgumentError
from trainers.benchmarks.settings import Settings


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """A benchmark.

    Attributes:
        module: the module of trainers.benchmarks with the function of the benchmark's name. `find` imports it.
        rows: what --only chooses from; empty if all is always measured. They are here, since the modules load
            TensorFlow, and a wrong name is answered before.
    """

    module: str
    rows: tuple[str, ...] = ()


BENCHMARKS = {
    "import_time": Benchmark("classification"),
    "build_resnet101": Benchmark("classification"),
    "jit_compile": Benchmark("classification"),
    "protocols": Benchmark("classification"),
    "training": Benchmark("training", ("resnet50_v1_5", "resnet50")),
    "training_cifar": Benchmark("training", ("cifar_resnet20", "cifar_resnet110", "cifar_resnet_v2_164")),
    "training_detection": Benchmark(
        "training_detection", ("inference_align", "inference_max", "training_align", "training_max")
    ),
    "detectors": Benchmark(
        "detectors",
        tuple(
            f"{what}_faster_rcnn_resnet50_fpn{version}" for version in ("", "_v2") for what in ("inference", "training")
        ),
    ),
    "input_pipeline": Benchmark("input_pipeline", ("imagenet", "random_resized_crop", "imagenet_modern")),
    "step_profile": Benchmark("step_profile", ("resnet50", "cifar_resnet20")),
    "depth": Benchmark("depth", ("20", "56", "110", "302", "602", "1202")),
    "roi": Benchmark("roi", ("max_14", "max_7", "align_14", "align_7")),
    "faster_rcnn_resnet101": Benchmark("detection"),
    "serving": Benchmark("serving"),
    "serving_latency": Benchmark("serving"),
}
# Which the next release does not have.
OLD_NAMES = {"rematerialization": "depth", "cifar_resnet1202": "depth", "train_cifar_resnet20": "training_cifar"}


def find(name: str) -> Callable[[Settings], dict]:
    """Returns the function of a benchmark: from its settings to its figures, by their names.

    Figures are numbers, texts, or dicts of more figures.
    """
    return getattr(importlib.import_module(f"trainers.benchmarks.{BENCHMARKS[name].module}"), name)


def chosen_rows(names: Iterable[str], only: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Returns the rows to measure of each benchmark, in its order.

    Args:
        names: of benchmarks; old names stand for the new ones.
        only: rows; empty for all.

    Raises:
        ArgumentError: if a row is of none of the benchmarks, or a benchmark has none of the rows.
    """
    names = dict.fromkeys(OLD_NAMES.get(name, name) for name in names)
    rows = {name: BENCHMARKS[name].rows for name in names}
    if not only:
        return rows
    for name in names:
        if not rows[name]:
            raise ArgumentError(f"--only={','.join(only)}: --what={name} has no rows: leave --only out.")
    for row in only:
        if not any(row in rows[name] for name in names):
            choices = ", ".join(dict.fromkeys(row for name in names for row in rows[name]))
            raise ArgumentError(f"--only={row} is no row of --what={','.join(names)}: use one of {choices}.")
    chosen = {name: tuple(row for row in rows[name] if row in only) for name in names}
    for name in names:
        if not chosen[name]:
            choices = ", ".join(rows[name])
            raise ArgumentError(f"--only={','.join(only)} has no row of --what={name}: add one of {choices}.")
    return chosen
