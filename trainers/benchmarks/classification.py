"""Benchmarks of building, training and evaluating classification nets."""

import dataclasses
import functools
import statistics
import tempfile
import time

import keras
import tensorflow as tf

import keras_resnets
from trainers.benchmarks.detection import inference_rates
from trainers.data.registry import open_dataset
from trainers.data.split import sample
from trainers.engine.state import State
from trainers.engine.training_step import training_step
from trainers.runtime.measuring import by_computation, in_new_process, in_turns, peak_gib, python
from trainers.runtime.progress import Progress
from trainers.tasks.classification import Classification, configure
from trainers.tasks.configuration import Choices
from trainers.tasks.ensembles import MultiViewNet

PROTOCOL_IMAGES = {"ten_crop": 360, "twelve_crop": 360, "144_crop": 64}  # that are evaluated


def import_time(repeats):
    """Seconds that `import keras_resnets` adds to `import keras`, in new processes."""
    program = (
        "import keras, time; start = time.perf_counter(); import keras_resnets; print(time.perf_counter() - start)"
    )
    seconds = [float(python(program).split()[-1]) for _ in range(repeats)]
    return {"seconds": statistics.median(seconds), "target": "at most 0.3"}


def build_resnet101(repeats):
    """Seconds to build ResNet101, and keras.applications' twin."""
    seconds = in_turns(
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
    seconds = in_turns(
        {"loop": lambda: step(batch), "plain Keras": lambda: plain(batch["image"], batch["label"])}, 5 * repeats
    )
    rates = {name: len(batch["label"]) / value for name, value in seconds.items()}
    return {**rates, "ratio": rates["loop"] / rates["plain Keras"], "unit": "images/s"}


def jit_compile(repeats):
    """Images/s of training ResNet-20 and ResNet-50, and of Faster R-CNN's inference: see `by_computation`."""
    return {
        "cifar_resnet20": in_new_process(_training_rates, "cifar_resnet20", 128, 32, 5 * repeats),
        "resnet50": in_new_process(_training_rates, "resnet50", 16, 224, repeats),
        "faster_rcnn_resnet101": in_new_process(inference_rates, "resnet101", repeats),
    }


def _training_rates(model, batch_size, image_size, repeats):
    def make(precision, jit_compile):
        changes = {"precision": precision, "jit_compile": jit_compile, "image_size": image_size}
        task, step = _loop_step(model, batch_size, **changes)
        return functools.partial(step, next(iter(task.training_batches(0, tf.distribute.InputContext()))))

    return by_computation(make, batch_size, repeats)


def rematerialization(repeats):
    """Peak memory and images/s of training 110 and 302 layers at batch 64, with and without --remat."""
    figures = {}
    for depth in (110, 302):
        plain, remat = (in_new_process(_training_cost, depth, remat, repeats) for remat in (False, True))
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
        "peak_gib": peak_gib(),
    }


def cifar_resnet1202(repeats):
    """CifarResNet(1202): seconds to build it, for the first step of batch 16 and to save and load; images/s; GiB."""
    with tempfile.TemporaryDirectory() as folder:
        figures = in_new_process(_deep_training, f"{folder}/deep.keras", repeats)
        figures |= in_new_process(_deep_loading, f"{folder}/deep.keras")
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
    return {**figures, "save_seconds": time.perf_counter() - start, "peak_gib": peak_gib()}


def _deep_loading(path):
    start = time.perf_counter()
    keras.saving.load_model(path)
    return {"load_seconds": time.perf_counter() - start}


def protocols(repeats):
    """Seconds of an evaluation of digits by each protocol of crops, and of plain passes of as many random images."""
    figures = {name: _protocol(name, images, repeats) for name, images in PROTOCOL_IMAGES.items()}
    return {**figures, "target": "ratio at most 1.2"}


def _protocol(name, images, repeats):
    dataset = open_dataset("digits")
    dataset = dataclasses.replace(dataset, test=sample(dataset.test, images))
    task = Classification(configure(Choices("digits", dataset, "digits"), "cifar_resnet20"), dataset)
    model = task.build_model()
    member = MultiViewNet("a run", task, model, 0, name)
    views = dataset.test.size * member.protocol.views_of_an_image
    plain = tf.function(lambda batch: tf.nn.softmax(model(batch, training=False)))
    batch = tf.random.uniform((task.evaluation_batch_size(), task.preprocessing.size, task.preprocessing.size, 3))
    functions = {
        "evaluation": lambda: member.predict(dataset, Progress(views, name, "views", shown=False)),
        "plain": lambda: [plain(batch).numpy() for _ in range(-(-views // len(batch)))],
    }
    for function in functions.values():
        function()  # Traced before the clock starts.
    seconds = in_turns(functions, repeats)
    return {**seconds, "ratio": seconds["evaluation"] / seconds["plain"], "views": views}


def _loop_step(model, batch_size, remat=False, jit_compile=False, precision="float32", image_size=None):
    """Returns the task of training a net on digits, and the function of a batch that makes the loop's step."""
    dataset = open_dataset("digits")
    changes = {"steps": 100, "batch_size": batch_size}
    choices = Choices("digits", dataset, "cifar", changes, precision=precision)
    config = configure(choices, model, image_size=image_size)
    task = Classification(config, dataset)
    state = State(task, task.recipe, config["steps"], config["precision"])
    return task, tf.function(training_step(task, state, task.recipe, remat=remat), jit_compile=jit_compile)


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
