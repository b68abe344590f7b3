"""Measures speed and memory on this machine, against a peer in the same run, one after the other in turns.

python -m trainers.benchmark --benchmark=build_resnet101
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time

import keras
import tensorflow as tf
from absl import flags

import keras_resnets
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
    dataset = open_dataset("digits")
    config = configure("cifar_resnet20", "digits", dataset, "cifar", steps=100)
    task = Classification(config, dataset)
    recipe = task.recipe
    batch = next(iter(task.training_batches(0, tf.distribute.InputContext())))
    state = State(task, recipe, config["steps"], "float32")
    ours = tf.function(training_step(task, state, recipe))
    plain_model, optimizer = task.build_model(), keras.optimizers.SGD(0.1, momentum=0.9)
    optimizer.build(plain_model.trainable_variables)

    @tf.function
    def plain(batch):
        with tf.GradientTape() as tape:
            logits = plain_model(tf.cast(batch["image"], tf.float32), training=True)
            loss = tf.reduce_mean(
                keras.losses.sparse_categorical_crossentropy(batch["label"], logits, from_logits=True)
            )
        optimizer.apply(tape.gradient(loss, plain_model.trainable_variables), plain_model.trainable_variables)
        return loss

    ours(batch), plain(batch)  # Traced before the clock starts.
    seconds = _in_turns({"loop": lambda: ours(batch), "plain Keras": lambda: plain(batch)}, 5 * repeats)
    rates = {name: recipe.batch_size / value for name, value in seconds.items()}
    return {**rates, "ratio": rates["loop"] / rates["plain Keras"], "unit": "images/s"}


def cifar_resnet1202(repeats):
    """CifarResNet(1202): seconds to build it, for the first step of batch 16 and to save and load; images/s; GiB."""
    with tempfile.TemporaryDirectory() as folder:
        figures = json.loads(_python(_DEEP_TRAINING.format(folder=folder, steps=repeats)).split("\n")[-2])
        figures |= json.loads(_python(_DEEP_LOADING.format(folder=folder)).split("\n")[-2])
    return {**figures, "target": "build_seconds at most 60, peak_gib at most 24"}


# Each in a process of its own, so that the peak of memory is theirs.
_DEEP_TRAINING = """
import json, resource, time
import keras, keras_resnets, tensorflow as tf
start = time.perf_counter()
model = keras_resnets.CifarResNet(1202)
figures = {{"build_seconds": time.perf_counter() - start}}
optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
optimizer.build(model.trainable_variables)
images, labels = tf.random.normal((16, 32, 32, 3)), tf.zeros((16,), tf.int32)
@tf.function
def step():
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, model(images, training=True)))
    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
start = time.perf_counter()
step()
figures["first_step_seconds"] = time.perf_counter() - start
start = time.perf_counter()
for _ in range({steps}):
    step()
figures["images_per_second"] = 16 * {steps} / (time.perf_counter() - start)
start = time.perf_counter()
model.save("{folder}/deep.keras")
figures["save_seconds"] = time.perf_counter() - start
figures["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps(figures))
"""
_DEEP_LOADING = """
import json, time
import keras, keras_resnets
start = time.perf_counter()
model = keras.saving.load_model("{folder}/deep.keras")
print(json.dumps({{"load_seconds": time.perf_counter() - start, "layers": len(model.layers)}}))
"""

BENCHMARKS = {
    benchmark.__name__: benchmark
    for benchmark in (import_time, build_resnet101, train_cifar_resnet20, cifar_resnet1202)
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


def _python(program):
    return subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True).stdout


def _define_flags():
    flags.DEFINE_multi_enum("benchmark", list(BENCHMARKS), list(BENCHMARKS), "What to measure; may be repeated.")
    flags.DEFINE_integer("repeats", 5, "Times that each is measured; the median counts.", lower_bound=1)
    flags.DEFINE_string("output", None, "JSON file to write the figures to as well.")


def _main(arguments):
    cli.no_arguments(arguments)
    results = {}
    for name in flags.FLAGS.benchmark:
        results[name] = BENCHMARKS[name](flags.FLAGS.repeats)
        shown = (
            f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in results[name].items()
        )
        print(f"{name}: {', '.join(shown)}", flush=True)
    if flags.FLAGS.output:
        with open(flags.FLAGS.output, "w") as file:
            json.dump(results, file, indent=2)


def run():
    """Entry point of the command."""
    cli.run(_main, _define_flags)


if __name__ == "__main__":
    run()
