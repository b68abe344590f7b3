"""--batch_size=auto: the largest batch whose training step fits into memory.

Each size is tried in a process of its own, with batches of zeros. On a GPU, a size fits if TensorFlow finds the memory.
On a CPU, the system might end a process that takes too much: there, the peak memory of two sizes tells that of the next
one, which is tried only if it leaves a fifth of the available memory.
"""

import dataclasses
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from keras_resnets.errors import ArgumentError
from trainers.engine.compiled_steps import compiled_steps
from trainers.engine.loop import new_state
from trainers.engine.settings import Settings
from trainers.engine.task import Task
from trainers.recipes.recipe import Recipe
from trainers.runtime.measuring import in_new_process
from trainers.runtime.memory import available_memory, peak_memory
from trainers.tasks.registry import TASKS

FIRST, LAST = 4, 1024  # images of a part of the batch, in the first trial and at most
SHARE = 0.8  # of the available memory, which a step may take on a CPU
KILLED = "status -9"  # of a process that the system has ended for its memory
GIB = 2**30


def with_largest_batch(task: Task, **settings: Any) -> Task:
    """Returns a task whose recipe has the largest batch that fits, and prints it.

    It is a power of two times the recipe's accumulation, with at most 1,024 images in a part.

    Args:
        task: a task with a data set.
        **settings: `jit_compile` and `remat` of `trainers.engine.settings.Settings`.

    Raises:
        ArgumentError: if no batch fits.
    """
    spec = task.training_batches(0, tf.distribute.InputContext()).element_spec
    shapes = {name: (one.shape[1:].as_list(), one.dtype.name) for name, one in spec.items()}
    config, images = json.loads(json.dumps(task.config)), task.dataset.train.size
    has_gpu = bool(tf.config.list_physical_devices("GPU"))

    def memory(batch_size):
        print(f"--batch_size=auto: trying {batch_size}", file=sys.stderr)
        try:
            # Otherwise, the first process takes all memory of a GPU.
            return in_new_process(step_memory, config, shapes, batch_size, settings, TF_FORCE_GPU_ALLOW_GROWTH="true")
        except ChildProcessError as error:
            if KILLED not in str(error):
                raise
            return None

    sizes = [task.recipe.accumulation * 2**i for i in range(LAST.bit_length())]
    limit = math.inf if has_gpu else SHARE * available_memory()
    batch_size, taken = largest_batch([size for size in sizes if size <= images] or sizes[:1], memory, limit)
    of = "" if has_gpu else f" of {limit / SHARE / GIB:.1f} that are available"
    print(f"--batch_size=auto: {batch_size} images, whose steps take {taken / GIB:.1f} GiB{of}", file=sys.stderr)
    recipe = dataclasses.asdict(dataclasses.replace(task.recipe, batch_size=batch_size))
    config = {**task.config, "recipe": recipe, "steps": Recipe(**recipe).total_steps(images)}
    return type(task)(config, task.dataset)


def largest_batch(sizes: Sequence[int], memory: Callable[[int], int | None], limit: float) -> tuple[int, int]:
    """Returns the largest size that fits, and its memory.

    Args:
        sizes: each is twice the one before.
        memory: function from a size to the bytes that it takes, or None if there are not enough.
        limit: bytes that may be taken. A size is not tried if the two before it tell that it takes more.

    Raises:
        ArgumentError: if no size fits.
    """

    def fitting(size):
        taken = memory(size)
        return None if taken is None or taken > limit else taken

    first = max(i for i, size in enumerate(sizes) if i == 0 or size <= FIRST * sizes[0])
    taken, half = None, None
    for i in range(first, -1, -1):
        taken = fitting(sizes[i])
        if taken is not None:
            break
    else:
        raise ArgumentError(
            f"--batch_size=auto: not even a step of {sizes[0]} fits into memory: use smaller images, a higher "
            "--accumulation or, to classify, --remat."
        )
    for size in sizes[i + 1 :] if i == first else ():
        if half is not None and taken + 2 * (taken - half) > limit:
            break
        following = fitting(size)
        if following is None:
            break
        taken, half, i = following, taken, i + 1
    return sizes[i], taken


def step_memory(
    config: Mapping[str, Any], shapes: Mapping[str, tuple], batch_size: int, settings: Mapping[str, Any]
) -> int | None:
    """Returns the most bytes that this process has taken after two training steps, or None if there are not enough.

    Args:
        config: a run's configuration.
        shapes: the shape of an example and the dtype of each tensor of a batch.
        batch_size: images of a step.
        settings: see `with_largest_batch`.
    """
    task = TASKS[config["task"]](config)
    recipe = dataclasses.replace(task.recipe, batch_size=batch_size)
    settings = Settings(recipe, 2, 1, 2, 2, precision=config["precision"], **config["training"], **settings)
    strategy = tf.distribute.get_strategy()
    batch = {name: tf.zeros([batch_size, *shape], dtype) for name, (shape, dtype) in shapes.items()}
    try:
        state, _ = new_state(task, settings, strategy, initialized=False)
        steps = compiled_steps(task, state, settings, strategy, settings.jit_compile is True)
        steps(iter(tf.data.Dataset.from_tensors(batch).repeat()), tf.constant(2))
        tf.test.experimental.sync_devices()
    except tf.errors.ResourceExhaustedError:
        return None
    return peak_memory()
