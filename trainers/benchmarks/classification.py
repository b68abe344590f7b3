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
from trainers.tasks.multi_view import MultiViewNet

PROTOCOL_IMAGES = {"ten_crop": 360, "twelve_crop": 360, "144_crop": 64}  # number of test images of each protocol
DEEP, DEEP_BATCH = 1202, 16


def import_time(repeats: int) -> dict:
    """Seconds that `import keras_resnets` adds to `import keras`, in new processes."""
    program = (
        "import keras, time; start = time.perf_counter(); import keras_resnets; print(time.perf_counter() - start)"
    )
    seconds = [float(python(program).split()[-1]) for _ in range(repeats)]
    return {"seconds": statistics.median(seconds), "target": "at most 0.3"}


def build_resnet101(repeats: int) -> dict:
    """Seconds to build ResNet101 here and in keras.applications."""
    seconds = in_turns(
        {
            "keras_resnets": keras_resnets.ResNet101,
            "keras.applications": lambda: keras.applications.ResNet101(weights=None),
        },
        repeats,
    )
    return {**seconds, "ratio": seconds["keras_resnets"] / seconds["keras.applications"], "target": "ratio at most 1"}


def train_cifar_resnet20(repeats: int) -> dict:
    """Images/s of the loop's training step at batch 128, and of a plain Keras step without L2 and figures."""
    task, step, batch = _loop_step("cifar_resnet20", batch_size=128)
    plain = _plain_step(task.build_model())
    steps = {
        "loop": functools.partial(step, batch),
        "plain Keras": functools.partial(plain, batch["image"], batch["label"]),
    }
    in_turns(steps, 1)  # traces the steps
    rates = {name: len(batch["label"]) / seconds for name, seconds in in_turns(steps, 5 * repeats).items()}
    return {**rates, "ratio": rates["loop"] / rates["plain Keras"], "unit": "images/s"}


def jit_compile(repeats: int) -> dict:
    """Images/s of training ResNet-20 and ResNet-50 and of Faster R-CNN's inference: see `by_computation`."""
    return {
        "cifar_resnet20": in_new_process(training_rates, "cifar_resnet20", 128, 32, 5 * repeats),
        "resnet50": in_new_process(training_rates, "resnet50", 16, 224, repeats),
        "faster_rcnn_resnet101": in_new_process(inference_rates, "resnet101", repeats),
    }


def training_rates(model: str, batch_size: int, image_size: int, repeats: int) -> dict[str, float]:
    """Returns images/s of a net's training step on digits: see `by_computation`.

    Args:
        model: name in the registry.
        batch_size: images of a step.
        image_size: side of the net's input in pixels.
        repeats: number of steps that are timed for each computation.
    """

    def make(precision, jit_compile):
        changes = {"precision": precision, "jit_compile": jit_compile, "image_size": image_size}
        _, step, batch = _loop_step(model, batch_size, **changes)
        return functools.partial(step, batch)

    return by_computation(make, batch_size, repeats)


def rematerialization(repeats: int) -> dict:
    """Peak memory in GiB and images/s of training 110 and 302 layers at batch 64, with and without --remat."""
    figures = {}
    for depth in (110, 302):
        plain, remat = (in_new_process(_training_cost, depth, remat, repeats) for remat in (False, True))
        for name in plain:
            figures[f"{name}_{depth}"] = plain[name]
            figures[f"{name}_{depth}_remat"] = remat[name]
            figures[f"{name}_{depth}_ratio"] = remat[name] / plain[name]
    return figures


def _training_cost(depth, remat, repeats):
    _, step, batch = _loop_step(f"cifar_resnet{depth}", batch_size=64, remat=remat)
    return {**_step_times(functools.partial(step, batch), 64, repeats), "peak_gib": peak_gib()}


def cifar_resnet1202(repeats: int) -> dict:
    """Seconds to build, first train, save and load CifarResNet(1202); images/s and GiB of its training at batch 16."""
    with tempfile.TemporaryDirectory() as folder:
        figures = in_new_process(_deep_training, f"{folder}/deep.keras", repeats)
        figures |= in_new_process(_deep_loading, f"{folder}/deep.keras")
    return {**figures, "target": "build_seconds at most 60, peak_gib at most 24"}


def _deep_training(path, repeats):
    start = time.perf_counter()
    model = keras_resnets.CifarResNet(DEEP, classifier_activation=None)
    figures = {"build_seconds": time.perf_counter() - start}
    images, labels = tf.random.normal((DEEP_BATCH, 32, 32, 3)), tf.zeros((DEEP_BATCH,), tf.int32)
    figures |= _step_times(functools.partial(_plain_step(model), images, labels), DEEP_BATCH, repeats)
    start = time.perf_counter()
    model.save(path)
    return {**figures, "save_seconds": time.perf_counter() - start, "peak_gib": peak_gib()}


def _deep_loading(path):
    start = time.perf_counter()
    keras.saving.load_model(path)
    return {"load_seconds": time.perf_counter() - start}


def protocols(repeats: int) -> dict:
    """Seconds to evaluate digits with each multi-crop protocol, and of plain passes over as many random images."""
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
    in_turns(functions, 1)  # traces the functions
    seconds = in_turns(functions, repeats)
    return {**seconds, "ratio": seconds["evaluation"] / seconds["plain"], "views": views}


def _loop_step(model, batch_size, remat=False, jit_compile=False, precision="float32", image_size=None):
    """Returns the task of training a net on digits, the loop's step as a function of a batch, and a batch."""
    dataset = open_dataset("digits")
    changes = {"steps": 100, "batch_size": batch_size}
    choices = Choices("digits", dataset, "cifar", changes, precision=precision)
    config = configure(choices, model, image_size=image_size)
    task = Classification(config, dataset)
    state = State(task, task.recipe, config["steps"], config["precision"])
    step = tf.function(training_step(task, state, task.recipe, remat=remat), jit_compile=jit_compile)
    return task, step, next(iter(task.training_batches(0, tf.distribute.InputContext())))


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


def _step_times(step, images, repeats):
    """Returns the seconds of a step's first call, which traces it, and the images/s of later calls."""
    start = time.perf_counter()
    step()
    first_step_seconds = time.perf_counter() - start
    seconds = in_turns({"step": step}, repeats)["step"]
    return {"first_step_seconds": first_step_seconds, "images_per_second": images / seconds}
