"""Measures speed and memory on this machine, against a peer in the same run, one after the other in turns.

python -m trainers.benchmark --what=build_resnet101
"""

import contextlib
import functools
import importlib.util
import itertools
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import keras
import numpy as np
import tensorflow as tf
from absl import flags

import keras_resnets
from keras_resnets.layers import RoIAlign, RoIPooling
from trainers import cli
from trainers.classification import Classification, configure
from trainers.data.dataset import open_dataset
from trainers.state import State
from trainers.training_step import training_step


def import_time(repeats):
    """Seconds that `import keras_resnets` adds to `import keras`, in new processes."""
    program = (
        "import keras, time; start = time.perf_counter(); import keras_resnets; print(time.perf_counter() - start)"
    )
    seconds = [float(_python(program).split()[-1]) for _ in range(repeats)]
    return {"seconds": statistics.median(seconds), "target": "at most 0.3"}


def build_resnet101(repeats):
    """Seconds to build ResNet101, and keras.applications' twin."""
    seconds = _in_turns(
        {
            "keras_resnets": keras_resnets.ResNet101,
            "keras.applications": lambda: keras.applications.ResNet101(weights=None),
        },
        repeats,
    )
    return {**seconds, "ratio": seconds["keras_resnets"] / seconds["keras.applications"], "target": "ratio at most 1"}


def train_cifar_resnet20(repeats):
    """Images per second of the loop's training step at batch 128, and of a plain Keras step (no L2, no figures)."""
    task, step = _loop_step("cifar_resnet20", batch_size=128)
    batch = next(iter(task.training_batches(0, tf.distribute.InputContext())))
    plain = _plain_step(task.build_model())
    step(batch), plain(batch["image"], batch["label"])  # Traced before the clock starts.
    seconds = _in_turns(
        {"loop": lambda: step(batch), "plain Keras": lambda: plain(batch["image"], batch["label"])}, 5 * repeats
    )
    rates = {name: len(batch["label"]) / value for name, value in seconds.items()}
    return {**rates, "ratio": rates["loop"] / rates["plain Keras"], "unit": "images/s"}


def rematerialization(repeats):
    """Peak memory and images/s of training 110 and 302 layers at batch 64, with and without --remat."""
    figures = {}
    for depth in (110, 302):
        plain, remat = (_in_new_process(_training_cost, depth, remat, repeats) for remat in (False, True))
        for name in plain:
            figures[f"{name}_{depth}"] = plain[name]
            figures[f"{name}_{depth}_remat"] = remat[name]
            figures[f"{name}_{depth}_ratio"] = remat[name] / plain[name]
    return figures


def _training_cost(depth, remat, steps):
    task, step = _loop_step(f"cifar_resnet{depth}", batch_size=64, remat=remat)
    batch = next(iter(task.training_batches(0, tf.distribute.InputContext())))
    start = time.perf_counter()
    step(batch)
    first_step = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(steps):
        step(batch)
    return {
        "first_step_seconds": first_step,
        "images_per_second": steps * len(batch["label"]) / (time.perf_counter() - start),
        "peak_gib": _peak_gib(),
    }


def cifar_resnet1202(repeats):
    """CifarResNet(1202): seconds to build it, for the first step of batch 16 and to save and load; images/s; GiB."""
    with tempfile.TemporaryDirectory() as folder:
        figures = _in_new_process(_deep_training, f"{folder}/deep.keras", repeats)
        figures |= _in_new_process(_deep_loading, f"{folder}/deep.keras")
    return {**figures, "target": "build_seconds at most 60, peak_gib at most 24"}


def _deep_training(path, steps):
    start = time.perf_counter()
    model = keras_resnets.CifarResNet(1202, classifier_activation=None)
    figures = {"build_seconds": time.perf_counter() - start}
    step, images, labels = _plain_step(model), tf.random.normal((16, 32, 32, 3)), tf.zeros((16,), tf.int32)
    start = time.perf_counter()
    step(images, labels)
    figures["first_step_seconds"] = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(steps):
        step(images, labels)
    figures["images_per_second"] = 16 * steps / (time.perf_counter() - start)
    start = time.perf_counter()
    model.save(path)
    return {**figures, "save_seconds": time.perf_counter() - start, "peak_gib": _peak_gib()}


def _deep_loading(path):
    start = time.perf_counter()
    keras.saving.load_model(path)
    return {"load_seconds": time.perf_counter() - start}


def roi(repeats):
    """Seconds of RoIPooling and RoIAlign on two threads, with and without the gradient, and torchvision's."""
    return _in_new_process(_roi, repeats)


ROI_STRIDE = 16  # px
ROI_THREADS = 2  # as trainers.torchvision_roi


def _roi(repeats):
    tf.config.threading.set_intra_op_parallelism_threads(ROI_THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    figures = {"target": "RoIPooling_14: ratio at least 3 forward, at least 2 with the gradient, on two cores"}
    features, rois = _features_and_rois()
    with _torchvision(features, rois) as ask:
        if ask is None:
            figures["torchvision"] = "not installed: pip install '.[parity]' to compare with it"
        for layer, pool_size, backward in itertools.product((RoIPooling, RoIAlign), (14, 7), (False, True)):
            pool = _pooling(layer(pool_size, ROI_STRIDE), backward)
            ours = {"tf_function": tf.function(pool), "xla": tf.function(pool, jit_compile=True)}
            ours = {name: functools.partial(function, features, rois[np.newaxis]) for name, function in ours.items()}
            request = {"layer": layer.__name__, "pool_size": pool_size, "stride": ROI_STRIDE, "backward": backward}
            layouts = () if ask is None else ("contiguous", "channels_last")
            theirs = {layout: functools.partial(ask, layout=layout, **request) for layout in layouts}
            name = f"{layer.__name__}_{pool_size}_{'with_gradient' if backward else 'forward'}"
            figures[name] = _compared(ours, theirs, repeats)
    return figures


def _features_and_rois():
    """Returns ResNet's features (1, 38, 50, 1024) of 608 x 800 px, and regions (300, 4) as an RPN finds them."""
    random, image = np.random.default_rng(0), np.array([800, 608])
    areas = np.exp(random.uniform(np.log(32**2), np.log(512**2), (300, 1)))
    ratios = np.exp(random.uniform(np.log(0.5), np.log(2), (300, 1)))
    sides = np.minimum(np.sqrt(np.concatenate([areas / ratios, areas * ratios], axis=1)), image)
    corners = random.uniform(size=(300, 2)) * (image - sides)
    rois = np.concatenate([corners, corners + sides], axis=1).astype(np.float32)
    return random.normal(size=(1, 38, 50, 1024)).astype(np.float32), rois


def _pooling(layer, backward):
    """Returns a function of features and regions that pools, and computes the gradient if it is to."""

    def pool(features, rois):
        with tf.GradientTape() as tape:
            tape.watch(features)
            pooled = layer(features, rois)
        return tape.gradient(pooled, features, pooled) if backward else pooled

    return pool


def _compared(ours, theirs, repeats):
    """Returns the median seconds of our functions, of the best of them and, if there are any, of the best of theirs."""
    functions = ours | theirs
    for function in functions.values():
        function()  # Traced before the clock starts.
    seconds = _in_turns(functions, repeats)
    figures = {"keras_resnets": min(seconds[name] for name in ours), **{name: seconds[name] for name in ours}}
    if theirs:
        figures["torchvision"] = min(seconds[name] for name in theirs)
        figures["ratio"] = figures["torchvision"] / figures["keras_resnets"]
    return figures


@contextlib.contextmanager
def _torchvision(features, rois):
    """Gives a function of a request that waits until torchvision has done it, or None if it is not installed."""
    if importlib.util.find_spec("torchvision") is None:
        yield None
        return
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        np.savez(file, features=features, rois=rois)
        file.flush()
        command = [sys.executable, "-m", "trainers.torchvision_roi", file.name]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

            def ask(**request):
                print(json.dumps(request), file=process.stdin, flush=True)
                if process.stdout.readline() != "done\n":
                    raise RuntimeError("trainers.torchvision_roi failed: its error is above.")

            yield ask


BENCHMARKS = {
    benchmark.__name__: benchmark
    for benchmark in (import_time, build_resnet101, train_cifar_resnet20, rematerialization, cifar_resnet1202, roi)
}


def _in_turns(functions, repeats):
    """Returns the median seconds of each function, called in turns so that a busy moment hits all of them."""
    seconds = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def _loop_step(model, batch_size, remat=False):
    """Returns the task of training a net on digits, and the compiled function of a batch that makes the loop's step."""
    dataset = open_dataset("digits")
    config = configure(model, "digits", dataset, "cifar", steps=100, batch_size=batch_size)
    task = Classification(config, dataset)
    state = State(task, task.recipe, config["steps"], "float32")
    return task, tf.function(training_step(task, state, task.recipe, remat=remat))


def _plain_step(model):
    """Returns the compiled function of (images, labels) that trains a model of logits as Keras's examples do."""
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(images, labels):
        with tf.GradientTape() as tape:
            logits = model(tf.cast(images, tf.float32), training=True)
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return step


def _peak_gib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _in_new_process(function, *arguments):
    """Returns the figures of a function of this module, alone in a process, so that the peak of memory is its own."""
    call = f"benchmark.{function.__name__}(*{arguments!r})"
    return json.loads(
        _python(f"import json; from trainers import benchmark; print(json.dumps({call}))").splitlines()[-1]
    )


def _python(program):
    return subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True).stdout


def _define_flags():
    flags.DEFINE_multi_enum("what", list(BENCHMARKS), list(BENCHMARKS), "What to measure; may be repeated.")
    flags.DEFINE_integer("repeats", 5, "Times that each is measured; the median counts.", lower_bound=1)
    flags.DEFINE_string("output", None, "JSON file to write the figures to as well.")


def _show(name, figures):
    """Prints figures in a line, and each group of figures that is among them in a line of its own."""
    groups = {key: value for key, value in figures.items() if isinstance(value, dict)}
    shown = (
        f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in figures.items()
        if key not in groups
    )
    print(f"{name}: {', '.join(shown)}", flush=True)
    for key, group in groups.items():
        _show(f"{name} {key}", group)


def _main(arguments):
    cli.no_arguments(arguments)
    results = {}
    for name in flags.FLAGS.what:
        results[name] = BENCHMARKS[name](flags.FLAGS.repeats)
        _show(name, results[name])
    if flags.FLAGS.output:
        with open(flags.FLAGS.output, "w") as file:
            json.dump(results, file, indent=2)


def run():
    """Entry point of the command."""
    cli.run(_main, _define_flags)


if __name__ == "__main__":
    run()
